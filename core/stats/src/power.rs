//! Power of t-tests: what a design could have detected, and what it detects with a given chance.
//!
//! Two definitions are in use. The *critical* difference is the smallest that is called significant; a true difference
//! of that size is found about half the time: Nadeau and Bengio's test with 5 folds needs |d_z| of 1.9, and 2.7 at Holm's
//! first step of 3. The difference found with a *power* of 80 % is larger; it is the one in every [`crate::Detectable`].

use crate::{
    distribution::{bisect, normal_cdf, student_t_critical},
    paired::FoldSizes,
};
use statrs::function::gamma::ln_gamma;
use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

/// Steps of the integral over the chi distribution: the error stays below 1e-9.
const STEPS: usize = 4000;

/// Noncentralities kept at most.
const MOST_KNOWN: usize = 4096;

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

/// Noncentralities that were asked for: all comparisons of a table ask for the same few.
static KNOWN: Mutex<BTreeMap<[u64; 3], f64>> = Mutex::new(BTreeMap::new());

/// The noncentrality at which a two-sided t-test has this power.
pub(crate) fn noncentrality(df: f64, alpha: f64, power: f64) -> Option<f64> {
    if !(df >= 1.0 && alpha > 0.0 && power > alpha && power < 1.0) {
        return None;
    }
    let key = [df, alpha, power].map(f64::to_bits);
    let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    if known.len() > MOST_KNOWN {
        known.clear();
    }
    Some(*known.entry(key).or_insert_with(|| find_noncentrality(df, alpha, power)))
}

fn find_noncentrality(df: f64, alpha: f64, power: f64) -> f64 {
    let critical = student_t_critical(alpha, df);
    let spread = spread_of_deviation(df);
    // P(|T| > critical) for noncentral T: the normal tail averaged over the spread's distribution.
    let power_at = |delta: f64| -> f64 {
        let tails = |s: f64| normal_cdf(delta - critical * s) + normal_cdf(-delta - critical * s);
        spread.iter().map(|(s, weight)| weight * tails(*s)).sum()
    };
    bisect(0.0, 20.0 * (critical + 10.0), |delta| power_at(delta) < power)
}

/// Places and weights of Simpson's rule over the chi distribution of the estimated deviation, s = sqrt(chi^2 / df).
fn spread_of_deviation(df: f64) -> Vec<(f64, f64)> {
    // The log density is negligible 12 standard deviations from 1.
    let constant = std::f64::consts::LN_2 + 0.5 * df * (0.5 * df).ln() - ln_gamma(0.5 * df);
    let width = 12.0 / (2.0 * df).sqrt();
    let (from, to) = ((1.0 - width).max(0.0), 1.0 + width);
    let step = (to - from) / STEPS as f64;
    let density = |s: f64| {
        if s <= 0.0 {
            // Only df = 1 has density at 0.
            return if df == 1.0 { constant.exp() } else { 0.0 };
        }
        (constant + (df - 1.0) * s.ln() - 0.5 * df * s * s).exp()
    };
    let factor = |i: usize| match i {
        0 | STEPS => 1.0,
        i if i % 2 == 1 => 4.0,
        _ => 2.0,
    };
    let weighted = |i: usize| {
        let s = from + step * i as f64;
        (s, density(s) * factor(i) * step / 3.0)
    };
    (0..=STEPS).map(weighted).filter(|(_, weight)| *weight > 1e-18).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn power_at_the_critical_difference_is_about_one_half() {
        let critical = student_t_critical(0.05, 4.0);
        let (low, high) = (noncentrality(4.0, 0.05, 0.4).unwrap(), noncentrality(4.0, 0.05, 0.6).unwrap());
        assert!(low < critical && critical < high, "{low} {high}");
        // The weights are a distribution's.
        for df in [1.0, 2.0, 4.0, 500.0] {
            let mass: f64 = spread_of_deviation(df).iter().map(|(_, weight)| weight).sum();
            assert!((mass - 1.0).abs() < 1e-9, "df {df}: {mass}");
        }
    }

    #[test]
    fn no_answer_without_folds() {
        assert_eq!(critical_dz_of_folds(&[], 0.05), None);
        assert_eq!(dz_with_power(0, 0.05, 0.8), None);
        assert_eq!(dz_with_power(10, 0.05, 1.5), None);
    }
}
