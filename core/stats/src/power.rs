//! Power of t-tests: what a design could have detected, and what it detects with a given chance.
//!
//! Two definitions are in use. The *critical* difference is the smallest that is called significant; a true difference
//! of that size is found about half the time. It is the one in every [`crate::Detectable`]: Nadeau and Bengio's test with
//! 5 folds needs |d_z| of 1.9, and 2.7 at Holm's first step of 3. The difference found with a *power* of, say, 80 % is
//! larger and stands here.

use crate::{
    distribution::{bisect, normal_cdf, student_t_critical},
    paired::FoldSizes,
};
use statrs::function::gamma::ln_gamma;

/// Steps of the integral over the chi distribution: the error stays below 1e-9.
const STEPS: usize = 4000;

/// The smallest |mean / standard deviation| that Nadeau and Bengio's test calls significant at `alpha`.
pub fn critical_dz_of_folds(sizes: &[FoldSizes], alpha: f64) -> Option<f64> {
    let factor = error_factor(sizes)?;
    Some(student_t_critical(alpha, sizes.len() as f64 - 1.0) * factor)
}

/// The |mean / standard deviation| of folds that Nadeau and Bengio's test finds with this power.
pub fn dz_of_folds_with_power(sizes: &[FoldSizes], alpha: f64, power: f64) -> Option<f64> {
    let factor = error_factor(sizes)?;
    Some(noncentrality(sizes.len() as f64 - 1.0, alpha, power)? * factor)
}

/// The d_z that a paired t-test on `n` pairs finds with this power. Oracle: `statsmodels` `TTestPower`.
pub fn dz_with_power(n: usize, alpha: f64, power: f64) -> Option<f64> {
    Some(noncentrality(n.checked_sub(1)? as f64, alpha, power)? / (n as f64).sqrt())
}

fn error_factor(sizes: &[FoldSizes]) -> Option<f64> {
    let train: usize = sizes.iter().map(|fold| fold.n_train).sum();
    let test: usize = sizes.iter().map(|fold| fold.n_test).sum();
    (sizes.len() > 1 && train > 0).then(|| (1.0 / sizes.len() as f64 + test as f64 / train as f64).sqrt())
}

/// The noncentrality at which a two-sided t-test has this power.
fn noncentrality(df: f64, alpha: f64, power: f64) -> Option<f64> {
    let sound = df >= 1.0 && alpha > 0.0 && power > alpha && power < 1.0;
    sound.then(|| {
        let critical = student_t_critical(alpha, df);
        bisect(0.0, 20.0 * (critical + 10.0), |delta| two_sided_power(critical, df, delta) < power)
    })
}

/// `P(|T| > critical)` for noncentral T: the normal tail averaged over the chi distribution of the spread.
fn two_sided_power(critical: f64, df: f64, delta: f64) -> f64 {
    // s = sqrt(chi^2 / df) has log density below; it is negligible 12 standard deviations from 1.
    let constant = std::f64::consts::LN_2 + 0.5 * df * (0.5 * df).ln() - ln_gamma(0.5 * df);
    let width = 12.0 / (2.0 * df).sqrt();
    let (from, to) = ((1.0 - width).max(0.0), 1.0 + width);
    let step = (to - from) / STEPS as f64;
    let mass = |s: f64| {
        if s <= 0.0 {
            // Only df = 1 has density at 0.
            return if df == 1.0 { constant.exp() } else { 0.0 };
        }
        (constant + (df - 1.0) * s.ln() - 0.5 * df * s * s).exp()
    };
    let value = |s: f64| mass(s) * (normal_cdf(delta - critical * s) + normal_cdf(-delta - critical * s));
    // Simpson's rule.
    let inner = |i: usize| if i % 2 == 1 { 4.0 } else { 2.0 };
    let sum: f64 = (1..STEPS).map(|i| inner(i) * value(from + step * i as f64)).sum();
    (value(from) + sum + value(to)) * step / 3.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn power_at_the_critical_difference_is_about_one_half() {
        let critical = student_t_critical(0.05, 4.0);
        let power = two_sided_power(critical, 4.0, critical);
        assert!((0.4..0.6).contains(&power), "{power}");
        assert!((two_sided_power(critical, 4.0, 0.0) - 0.05).abs() < 1e-9);
    }

    #[test]
    fn no_answer_without_folds() {
        assert_eq!(critical_dz_of_folds(&[], 0.05), None);
        assert_eq!(dz_with_power(0, 0.05, 0.8), None);
        assert_eq!(dz_with_power(10, 0.05, 1.5), None);
    }
}
