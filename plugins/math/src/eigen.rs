//! The first eigenvector of a symmetric positive semidefinite matrix, by Lanczos' method.
//!
//! Every new basis vector is made orthogonal to all earlier ones, so that rounding does no harm; the start vector is
//! fixed, so that the same matrix always gives the same bits. Sources: Golub and Van Loan, Matrix Computations, 4th
//! edition, sections 8.4 (bisection by Sturm sequences) and 10.1 to 10.3.

use crate::gram::{Gram, dot};

/// The residual at which a vector is taken, relative to the eigenvalue.
const TOLERANCE: f64 = 1e-13;

/// The largest eigenvalue and a unit eigenvector of it; none when the matrix is zero.
pub(crate) fn largest(matrix: &Gram) -> Option<(f64, Vec<f64>)> {
    let size = matrix.size;
    let scale = (0..size).map(|place| matrix.values[place * size + place]).fold(0.0, f64::max);
    if size == 0 || scale <= 0.0 || !scale.is_finite() {
        return None;
    }
    // Numbers without order (a Weyl sequence), so that no structure of the matrix is orthogonal to them.
    let start: Vec<f64> = (1..=size).map(|place| (place as f64 * 0.618_033_988_749_894_9).fract() - 0.5).collect();
    let mut next = vec![0.0; size];
    matrix.times(&start, &mut next);
    let mut basis: Vec<Vec<f64>> = Vec::new();
    let (mut diagonal, mut beside) = (Vec::new(), Vec::new());
    let mut length = dot(&next, &next).sqrt();
    if length == 0.0 {
        return None;
    }
    loop {
        let current: Vec<f64> = next.iter().map(|value| value / length).collect();
        matrix.times(&current, &mut next);
        diagonal.push(dot(&current, &next));
        basis.push(current);
        // Twice is enough: Kahan, in Parlett, The Symmetric Eigenvalue Problem, section 6.9.
        for _ in 0..2 {
            for earlier in &basis {
                let share = dot(earlier, &next);
                next.iter_mut().zip(earlier).for_each(|(value, earlier)| *value -= share * earlier);
            }
        }
        length = dot(&next, &next).sqrt();
        let steps = basis.len();
        let exhausted = steps == size || length <= f64::EPSILON * scale;
        if exhausted || steps >= 8 && steps.is_multiple_of(4) {
            let value = largest_of_tridiagonal(&diagonal, &beside);
            let shares = vector_of_tridiagonal(&diagonal, &beside, value);
            let residual = length * shares[steps - 1].abs();
            if exhausted || residual <= TOLERANCE * value {
                let mut vector = vec![0.0; size];
                for (share, earlier) in shares.iter().zip(&basis) {
                    vector.iter_mut().zip(earlier).for_each(|(value, earlier)| *value += share * earlier);
                }
                let norm = dot(&vector, &vector).sqrt();
                vector.iter_mut().for_each(|value| *value /= norm);
                return Some((value, vector));
            }
        }
        beside.push(length);
    }
}

/// The largest eigenvalue of a symmetric tridiagonal matrix: bisection on the number of eigenvalues below.
fn largest_of_tridiagonal(diagonal: &[f64], beside: &[f64]) -> f64 {
    let radius = |place: usize| {
        place.checked_sub(1).map_or(0.0, |before| beside[before].abs()) + beside.get(place).map_or(0.0, |b| b.abs())
    };
    let bound = |sign: f64| (0..diagonal.len()).map(move |place| diagonal[place] + sign * radius(place));
    let mut low = bound(-1.0).fold(f64::INFINITY, f64::min);
    let mut high = bound(1.0).fold(f64::NEG_INFINITY, f64::max);
    // All eigenvalues lie below `middle` when every pivot of T - middle is negative.
    let all_below = |middle: f64| {
        let mut pivot = diagonal[0] - middle;
        for place in 1..diagonal.len() {
            if pivot >= 0.0 {
                return false;
            }
            pivot = diagonal[place] - middle - beside[place - 1] * beside[place - 1] / pivot;
        }
        pivot < 0.0
    };
    loop {
        let middle = low + (high - low) / 2.0;
        if middle <= low || middle >= high {
            return high;
        }
        if all_below(middle) { high = middle } else { low = middle }
    }
}

/// The unit eigenvector of a symmetric tridiagonal matrix for its largest eigenvalue, by inverse iteration.
fn vector_of_tridiagonal(diagonal: &[f64], beside: &[f64], value: f64) -> Vec<f64> {
    let size = diagonal.len();
    // A shift just above the eigenvalue keeps T - shift negative definite: elimination needs no pivoting.
    let shift = value + value.abs().max(f64::MIN_POSITIVE) * 4.0 * f64::EPSILON;
    let mut pivots = Vec::with_capacity(size);
    for place in 0..size {
        let mut pivot = diagonal[place] - shift;
        if place > 0 {
            pivot -= beside[place - 1] * beside[place - 1] / pivots[place - 1];
        }
        pivots.push(if pivot < 0.0 { pivot } else { -f64::EPSILON * value.abs().max(f64::MIN_POSITIVE) });
    }
    let mut vector = vec![1.0 / (size as f64).sqrt(); size];
    for _ in 0..4 {
        for place in 1..size {
            vector[place] -= beside[place - 1] / pivots[place - 1] * vector[place - 1];
        }
        vector[size - 1] /= pivots[size - 1];
        for place in (0..size - 1).rev() {
            vector[place] = (vector[place] - beside[place] * vector[place + 1]) / pivots[place];
        }
        let largest = vector.iter().fold(0.0_f64, |largest, value| largest.max(value.abs()));
        vector.iter_mut().for_each(|value| *value /= largest);
        let norm = dot(&vector, &vector).sqrt();
        vector.iter_mut().for_each(|value| *value /= norm);
    }
    vector
}

#[cfg(test)]
mod tests {
    use super::*;

    fn residual(matrix: &Gram, value: f64, vector: &[f64]) -> f64 {
        let mut image = vec![0.0; matrix.size];
        matrix.times(vector, &mut image);
        image.iter().zip(vector).map(|(image, v)| (image - value * v).powi(2)).sum::<f64>().sqrt()
    }

    #[test]
    fn known_matrices() {
        // Eigenvalues 3 and 1.
        let (value, vector) = largest(&Gram { values: vec![2.0, 1.0, 1.0, 2.0], size: 2 }).unwrap();
        assert!((value - 3.0).abs() < 1e-14 && (vector[0] - vector[1]).abs() < 1e-14);
        // A single number.
        let (value, vector) = largest(&Gram { values: vec![5.0], size: 1 }).unwrap();
        assert_eq!((value, vector[0].abs()), (5.0, 1.0));
        // A multiple of the identity: every vector is one.
        let mut values = vec![0.0; 25];
        (0..5).for_each(|place| values[place * 6] = 7.0);
        let identity = Gram { values, size: 5 };
        let (value, vector) = largest(&identity).unwrap();
        assert!((value - 7.0).abs() < 1e-13 && residual(&identity, value, &vector) < 1e-13);
        // The second difference on 40 points: the largest eigenvalue is 2 - 2 cos(40 pi / 41), the next 0.4 % below.
        let size = 40;
        let mut values = vec![0.0; size * size];
        for place in 0..size {
            values[place * size + place] = 2.0;
            if place > 0 {
                values[place * size + place - 1] = -1.0;
                values[(place - 1) * size + place] = -1.0;
            }
        }
        let matrix = Gram { values, size };
        let (value, vector) = largest(&matrix).unwrap();
        assert!((value - (2.0 - 2.0 * (40.0 * std::f64::consts::PI / 41.0).cos())).abs() < 1e-12);
        assert!(residual(&matrix, value, &vector) < 1e-12);
    }

    #[test]
    fn nothing_is_no_direction() {
        assert!(largest(&Gram { values: vec![0.0; 9], size: 3 }).is_none());
        assert!(largest(&Gram { values: Vec::new(), size: 0 }).is_none());
        assert!(largest(&Gram { values: vec![f64::INFINITY], size: 1 }).is_none());
    }

    proptest::proptest! {
        #[test]
        fn residuals_are_small_whatever_the_matrix(
            size in 1_usize..24, rank in 1_usize..24, seed in proptest::collection::vec(-1.0_f64..1.0, 24 * 24),
        ) {
            let mut values = vec![0.0; size * size];
            for row in 0..size {
                for column in 0..size {
                    values[row * size + column] =
                        (0..rank).map(|k| seed[row * 24 + k] * seed[column * 24 + k]).sum::<f64>();
                }
            }
            let trace: f64 = (0..size).map(|place| values[place * size + place]).sum();
            let matrix = Gram { values, size };
            if let Some((value, vector)) = largest(&matrix) {
                proptest::prop_assert!(residual(&matrix, value, &vector) <= 1e-10 * trace);
                // The largest eigenvalue is at least the mean of those that are not zero.
                proptest::prop_assert!(value >= trace / size.min(rank) as f64 * (1.0 - 1e-10));
            } else {
                proptest::prop_assert!(trace <= 1e-12);
            }
        }
    }
}
