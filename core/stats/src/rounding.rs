//! Finds values that are equal up to rounding, so that float noise is never tested.
//!
//! With global pooling and a linear head, GradCAM, XGradCAM and HiResCAM at the last layer are one map; their scores
//! differ in the last digits of `f32`. A paired test of such differences can be highly significant and means nothing.

/// Differences below this share of the largest magnitude are rounding: about 80 units in the last place of `f32`.
pub const SINGLE_PRECISION: f64 = 1e-5;

/// Differences below this share of the largest magnitude are rounding of `f64` sums.
pub const DOUBLE_PRECISION: f64 = 1e-12;

/// True when the two agree everywhere up to `tolerance` times the largest magnitude of either. Both NaN counts as equal.
pub fn identical(candidate: &[f64], baseline: &[f64], tolerance: f64) -> bool {
    let scale = candidate.iter().chain(baseline).filter(|v| v.is_finite()).fold(0.0_f64, |m, v| m.max(v.abs()));
    candidate.len() == baseline.len()
        && candidate
            .iter()
            .zip(baseline)
            .all(|(a, b)| a == b || (a.is_nan() && b.is_nan()) || (a - b).abs() <= tolerance * scale)
}

/// Paired differences, candidate minus baseline, with what is only rounding of `f64` set to zero.
pub(crate) fn differences(candidate: &[f64], baseline: &[f64]) -> Vec<f64> {
    let difference = |(a, b): (&f64, &f64)| {
        let d = a - b;
        if d.abs() <= DOUBLE_PRECISION * a.abs().max(b.abs()) { 0.0 } else { d }
    };
    candidate.iter().zip(baseline).map(difference).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn float_noise_is_identical_and_a_difference_is_not() {
        let a = [0.31, -0.2, 0.0];
        assert!(identical(&a, &[0.310_000_02, -0.2, 1e-9], SINGLE_PRECISION));
        assert!(!identical(&a, &[0.311, -0.2, 0.0], SINGLE_PRECISION));
        assert!(!identical(&a, &a[..2], SINGLE_PRECISION));
    }

    #[test]
    fn rounding_of_a_difference_is_zero() {
        assert_eq!(differences(&[0.1 + 0.2], &[0.3]), [0.0]);
    }
}
