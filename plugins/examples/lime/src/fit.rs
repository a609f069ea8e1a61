//! Weighted ridge regression with an intercept, by Cholesky's decomposition.

/// The sums that a fit needs, gathered sample by sample: of w, w z, w y, w z z^T and w z y.
pub struct Fit {
    features: usize,
    weight: f64,
    mean: Vec<f64>,
    target: f64,
    /// Lower triangle, row by row.
    square: Vec<f64>,
    cross: Vec<f64>,
}

impl Fit {
    /// No sample yet.
    pub fn new(features: usize) -> Self {
        Fit {
            features,
            weight: 0.0,
            mean: vec![0.0; features],
            target: 0.0,
            square: vec![0.0; features * features],
            cross: vec![0.0; features],
        }
    }

    /// Adds a sample: which features are there, what the network said, and how much it counts.
    pub fn add(&mut self, present: &[bool], said: f64, weight: f64) {
        self.weight += weight;
        self.target += weight * said;
        for (row, _) in present.iter().enumerate().filter(|(_, on)| **on) {
            self.mean[row] += weight;
            self.cross[row] += weight * said;
            for (column, _) in present[..=row].iter().enumerate().filter(|(_, on)| **on) {
                self.square[row * self.features + column] += weight;
            }
        }
    }

    /// The coefficients b of the least sum of w (y - a - b z)^2 + ridge |b|^2; none when they are not determined.
    pub fn solve(mut self, ridge: f64) -> Option<Vec<f64>> {
        let n = self.features;
        // Taking the means away is what fitting the intercept a comes to.
        for row in 0..n {
            self.cross[row] -= self.mean[row] * self.target / self.weight;
            for column in 0..=row {
                self.square[row * n + column] -= self.mean[row] * self.mean[column] / self.weight;
            }
            self.square[row * n + row] += ridge;
        }
        self.decompose()?;
        let (factor, mut b) = (&self.square, self.cross);
        for row in 0..n {
            let known: f64 = (0..row).map(|column| factor[row * n + column] * b[column]).sum();
            b[row] = (b[row] - known) / factor[row * n + row];
        }
        for row in (0..n).rev() {
            let known: f64 = (row + 1..n).map(|below| factor[below * n + row] * b[below]).sum();
            b[row] = (b[row] - known) / factor[row * n + row];
        }
        Some(b)
    }

    /// Puts the lower factor of `square` in its place.
    fn decompose(&mut self) -> Option<()> {
        let n = self.features;
        let largest = (0..n).map(|row| self.square[row * n + row]).fold(0.0, f64::max);
        for row in 0..n {
            for column in 0..=row {
                let known: f64 = (0..column).map(|k| self.square[row * n + k] * self.square[column * n + k]).sum();
                let rest = self.square[row * n + column] - known;
                self.square[row * n + column] = if row > column {
                    rest / self.square[column * n + column]
                } else if rest > 1e-12 * largest {
                    rest.sqrt()
                } else {
                    return None;
                };
            }
        }
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fit(samples: &[([bool; 2], f64, f64)], ridge: f64) -> Option<Vec<f64>> {
        let mut fit = Fit::new(2);
        samples.iter().for_each(|(present, said, weight)| fit.add(present, *said, *weight));
        fit.solve(ridge)
    }

    /// y = 7 + 2 z0 - 3 z1, whatever the weights.
    #[test]
    fn without_ridge_a_line_is_found_again() {
        let samples = [
            ([true, true], 6.0, 1.0),
            ([true, false], 9.0, 0.25),
            ([false, true], 4.0, 0.5),
            ([false, false], 7.0, 2.0),
        ];
        let found = fit(&samples, 0.0).unwrap();
        assert!((found[0] - 2.0).abs() < 1e-12 && (found[1] + 3.0).abs() < 1e-12, "{found:?}");
    }

    /// By hand: with all four corners and equal weights the centred squares are 1 and their product 0, so that b = 2 / (1 + ridge).
    #[test]
    fn ridge_draws_the_coefficients_to_zero() {
        let samples = [
            ([true, true], 6.0, 1.0),
            ([true, false], 9.0, 1.0),
            ([false, true], 4.0, 1.0),
            ([false, false], 7.0, 1.0),
        ];
        let found = fit(&samples, 3.0).unwrap();
        assert!((found[0] - 0.5).abs() < 1e-12 && (found[1] + 0.75).abs() < 1e-12, "{found:?}");
    }

    #[test]
    fn what_is_not_determined_is_none() {
        assert_eq!(fit(&[([true, true], 1.0, 1.0), ([false, false], 0.0, 1.0)], 0.0), None);
        assert!(fit(&[([true, true], 1.0, 1.0), ([false, false], 0.0, 1.0)], 1e-3).is_some());
    }
}
