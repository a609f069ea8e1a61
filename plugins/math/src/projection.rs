//! The first principal component of an image's terms, and the choice of its sign.

use crate::Reduction;
use crate::eigen::largest;
use crate::gram::{Centred, dot};

/// An eigenvector and its opposite are both right: which of them the map is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Sign {
    /// The one that correlates positively with the sum of the terms, sum_k T_k.
    #[default]
    Evidence,
    /// The one whose largest absolute value is positive.
    Max,
    /// The one that is negative at the first pixel: what LAPACK's `gesdd` mostly leaves where pixels are fewer than channels
    /// and one component dominates. Says nothing of evidence, and LAPACK's builds disagree among themselves; it is here to
    /// see how much a program that takes what comes depends on it.
    Lapack,
}

/// The projection of each pixel on the first right singular vector of X = T as \[pixels, C\], columns centred.
///
/// The vector comes from the Gram matrix of the smaller side, in double precision. Terms that are all constant give a map of
/// zeros, and a term that is not finite a map of NaN.
#[derive(Debug, Default)]
pub struct Projection {
    sign: Sign,
    row: Vec<f32>,
}

impl Projection {
    /// A projection with the given choice of sign.
    pub fn new(sign: Sign) -> Self {
        Projection { sign, row: Vec::new() }
    }
}

impl Reduction for Projection {
    fn reduce(&mut self, channels: usize, term: &mut dyn FnMut(usize, &mut [f32]), map: &mut [f32]) {
        let pixels = map.len();
        self.row.clear();
        self.row.resize(pixels, 0.0);
        let mut values = Vec::with_capacity(channels * pixels);
        for channel in 0..channels {
            term(channel, &mut self.row);
            values.extend(self.row.iter().map(|&value| f64::from(value)));
        }
        if values.iter().any(|value| !value.is_finite()) {
            map.fill(f32::NAN);
            return;
        }
        let terms = Centred::new(values, channels, pixels);
        let Some(mut component) = component(&terms) else {
            map.fill(0.0);
            return;
        };
        if is_upside_down(&component, &terms, self.sign) {
            component.iter_mut().for_each(|value| *value = -*value);
        }
        for (out, value) in map.iter_mut().zip(component) {
            *out = value as f32;
        }
    }
}

/// X v for the first right singular vector v; none when X is zero.
fn component(terms: &Centred) -> Option<Vec<f64>> {
    let (value, vector) = largest(&terms.gram())?;
    if terms.few_pixels() {
        // An eigenvector of X X^T is the left singular vector u, and X v = sigma u.
        let sigma = value.max(0.0).sqrt();
        return Some(vector.into_iter().map(|value| value * sigma).collect());
    }
    let mut component = vec![0.0; terms.pixels];
    for (row, weight) in terms.rows().zip(&vector) {
        component.iter_mut().zip(row).for_each(|(out, value)| *out += weight * value);
    }
    Some(component)
}

fn is_upside_down(component: &[f64], terms: &Centred, sign: Sign) -> bool {
    match sign {
        Sign::Lapack => component.first().is_some_and(|&value| value > 0.0),
        Sign::Max => largest_is_negative(component),
        Sign::Evidence => {
            let mut evidence = vec![0.0; component.len()];
            for row in terms.rows() {
                evidence.iter_mut().zip(row).for_each(|(sum, value)| *sum += value);
            }
            let agreement = dot(component, &evidence);
            // No agreement beyond rounding says nothing; the largest value then decides.
            let noise = 1e-12 * (dot(component, component) * dot(&evidence, &evidence)).sqrt();
            if agreement.abs() > noise { agreement < 0.0 } else { largest_is_negative(component) }
        }
    }
}

fn largest_is_negative(component: &[f64]) -> bool {
    let least = component.iter().copied().fold(f64::INFINITY, f64::min);
    let greatest = component.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    least.abs() > greatest.abs()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn project(sign: Sign, terms: &[&[f32]]) -> Vec<f32> {
        let mut map = vec![9.0; terms[0].len()];
        Projection::new(sign).reduce(terms.len(), &mut |k, row| row.copy_from_slice(terms[k]), &mut map);
        map
    }

    fn near(found: &[f32], expected: &[f32]) {
        assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{found:?} is not {expected:?}");
    }

    #[test]
    fn one_direction_gives_its_length() {
        // Channel 2 is twice channel 1, centred -1 0 1 and -2 0 2: along (1,2)/sqrt 5 the pixels lie at -sqrt 5, 0, sqrt 5.
        let root = 5.0_f32.sqrt();
        near(&project(Sign::Evidence, &[&[1.0, 2.0, 3.0], &[2.0, 4.0, 6.0]]), &[-root, 0.0, root]);
        // The same pixels with a third channel that is constant: now the matrix of pixels is the smaller one.
        let three: [&[f32]; 4] = [&[1.0, 2.0, 3.0], &[2.0, 4.0, 6.0], &[7.0; 3], &[0.0; 3]];
        near(&project(Sign::Evidence, &three), &[-root, 0.0, root]);
    }

    #[test]
    fn evidence_follows_the_sum_and_max_the_largest_value() {
        // Centred: 2 -3 1, whose largest absolute value is negative. The sum of terms correlates with itself.
        let terms: [&[f32]; 1] = [&[2.0, -3.0, 1.0]];
        near(&project(Sign::Evidence, &terms), &[2.0, -3.0, 1.0]);
        near(&project(Sign::Max, &terms), &[-2.0, 3.0, -1.0]);
        near(&project(Sign::Lapack, &terms), &[-2.0, 3.0, -1.0]);
        near(&project(Sign::Lapack, &[&[-2.0, 3.0, -1.0]]), &[-2.0, 3.0, -1.0]);
    }

    #[test]
    fn without_evidence_the_largest_value_decides() {
        // Two channels that cancel: their sum is zero everywhere.
        let found = project(Sign::Evidence, &[&[3.0, -1.0, -2.0], &[-3.0, 1.0, 2.0]]);
        let root = 2.0_f32.sqrt();
        near(&found, &[3.0 * root, -root, -2.0 * root]);
    }

    #[test]
    fn constant_terms_give_zeros_and_broken_ones_nan() {
        assert_eq!(project(Sign::Evidence, &[&[4.0; 4], &[-1.0; 4]]), [0.0; 4]);
        assert!(project(Sign::Evidence, &[&[4.0, f32::NAN], &[1.0; 2]]).iter().all(|value| value.is_nan()));
        assert!(project(Sign::Evidence, &[&[4.0, f32::INFINITY], &[1.0; 2]]).iter().all(|value| value.is_nan()));
    }
}
