//! Paired t-tests: plain, within folds, corrected for overlapping training sets, and 5x2cv.

use super::refuse_non_finite;
use crate::{
    Degrees, Detectable, Effect, EffectKind, Interval, IntervalMethod, Outcome, POWER, Reason, Setting, Statistic,
    Symbol, Test, Tested,
    distribution::{student_t_critical, student_t_two_sided},
    effect::{hedges_factor, mean_and_deviation},
    power::noncentrality,
};
use serde::{Deserialize, Serialize};

/// A spread below this share of the largest difference is rounding, not spread.
const SPREAD_OF_ROUNDING: f64 = 1e-10;

/// Images of one fold or repetition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoldSizes {
    /// Images that the network learnt from, without the validation part.
    pub n_train: usize,
    /// Images that it was tested on.
    pub n_test: usize,
}

/// What a t-test is made of.
struct Parts {
    test: Test,
    mean: f64,
    /// Standard deviation of the differences.
    deviation: f64,
    /// Standard error over standard deviation.
    error_factor: f64,
    df: f64,
    effect: Option<Effect>,
    n: usize,
}

fn finish(parts: Parts, setting: &Setting) -> Tested {
    let error = parts.deviation * parts.error_factor;
    let statistic = parts.mean / error;
    let half = student_t_critical(setting.alpha, parts.df) * error;
    let found = |alpha: f64| noncentrality(parts.df, alpha, POWER).map(|delta| delta * parts.error_factor);
    Tested {
        test: parts.test,
        estimate: parts.mean,
        interval: Some(Interval {
            low: parts.mean - half,
            high: parts.mean + half,
            level: setting.level(),
            method: IntervalMethod::StudentT,
        }),
        p: student_t_two_sided(statistic, parts.df),
        statistic: Statistic { symbol: Symbol::T, value: statistic },
        degrees: Degrees::One(parts.df),
        effect: parts.effect,
        detectable: Some(Detectable::new(setting, |alpha| {
            let standardised = found(alpha);
            (standardised.map(|dz| dz * parts.deviation), standardised)
        })),
        n_images: parts.n,
        n_groups: parts.n,
        resampling: None,
    }
}

fn refuse_no_spread(differences: &[f64], deviation: f64) -> Result<(), Reason> {
    let largest = differences.iter().fold(0.0_f64, |m, d| m.max(d.abs()));
    if deviation > SPREAD_OF_ROUNDING * largest { Ok(()) } else { Err(Reason::ZeroVariance) }
}

fn raw(value: f64) -> Option<Effect> {
    Some(Effect { kind: EffectKind::RawDifference, value })
}

/// Paired t-test of differences (candidate minus baseline): `t = mean / (s / sqrt(n))`, `df = n - 1`.
///
/// The study's test. On folds it ignores that training sets overlap and rejects too often; on images it needs one
/// value per group. Effect: `d_z` with the exact Hedges factor. Oracle: `scipy.stats.ttest_rel`.
pub fn paired_t(differences: &[f64], setting: &Setting) -> Outcome {
    one_sample(Test::PairedT, differences, 1.0 / (differences.len() as f64).sqrt(), setting, true).into()
}

/// Paired t over the seeds of one split, for the label "between seeds only".
///
/// The test images are the same for every seed, so this says nothing about other patients: it rejects true nulls far
/// too often when read that way. Effect: raw difference.
pub fn between_seeds_t(differences: &[f64], setting: &Setting) -> Outcome {
    one_sample(Test::BetweenSeedsT, differences, 1.0 / (differences.len() as f64).sqrt(), setting, false).into()
}

/// Corrected paired t-test over folds or repeated splits:
/// `t = mean(d) / sqrt((1/J + n_test/n_train) s^2)`, `df = J - 1`.
///
/// `n_train` is without the validation part; sizes are summed over the folds. Effect: raw difference. The correction
/// takes the correlation between folds to be `n_test / (n_train + n_test)`: an approximation, which simulations with
/// stable learners find conservative (2 to 4 % at 5 %) and with a very unstable one slightly liberal (6 % at 5 folds,
/// 7 % at 10, where the plain test has 15 % and more).
/// Source: Nadeau and Bengio 2003, Machine Learning 52:239-281.
pub fn nadeau_bengio(differences: &[f64], sizes: &[FoldSizes], setting: &Setting) -> Outcome {
    let train: usize = sizes.iter().map(|fold| fold.n_train).sum();
    let test: usize = sizes.iter().map(|fold| fold.n_test).sum();
    if train == 0 || test == 0 || sizes.len() != differences.len() {
        return Outcome::not(Reason::TooFew { n: train.min(test), needed: 1 });
    }
    let factor = (1.0 / differences.len() as f64 + test as f64 / train as f64).sqrt();
    match differences.len() {
        1 => Outcome::not(Reason::OneFold),
        _ => one_sample(Test::NadeauBengio, differences, factor, setting, false).into(),
    }
}

fn one_sample(
    test: Test,
    differences: &[f64],
    error_factor: f64,
    setting: &Setting,
    standardise: bool,
) -> Result<Tested, Reason> {
    refuse_non_finite(differences)?;
    let n = differences.len();
    if n < 2 {
        return Err(Reason::TooFew { n, needed: 2 });
    }
    let (mean, deviation) = mean_and_deviation(differences);
    refuse_no_spread(differences, deviation)?;
    let df = n as f64 - 1.0;
    let effect = if standardise { standardised(mean, deviation, df) } else { raw(mean) };
    Ok(finish(Parts { test, mean, deviation, error_factor, df, effect, n }, setting))
}

fn standardised(mean: f64, deviation: f64, df: f64) -> Option<Effect> {
    hedges_factor(df).map(|factor| Effect { kind: EffectKind::HedgesDz, value: factor * mean / deviation })
}

/// Paired t-test with strata (folds): the mean of all differences over the pooled spread *within* strata,
/// `s_w^2 = sum_h sum_i (d_hi - mean_h)^2 / (n - H)`, `t = mean / (s_w / sqrt(n))`, `df = n - H`.
///
/// Conditional on the networks: each fold has its own network, whose mean difference is fixed, so that only the
/// images within a fold vary. With one stratum this is [`paired_t`]. Source: post-stratified mean with proportional
/// weights, Cochran 1977, Sampling Techniques, section 5.
pub fn paired_t_within(differences: &[f64], strata: &[usize], setting: &Setting) -> Outcome {
    within(differences, strata, setting).into()
}

fn within(differences: &[f64], strata: &[usize], setting: &Setting) -> Result<Tested, Reason> {
    refuse_non_finite(differences)?;
    let mut sums = std::collections::BTreeMap::<usize, (f64, f64)>::new();
    for (&stratum, d) in strata.iter().zip(differences) {
        let entry = sums.entry(stratum).or_default();
        entry.0 += d;
        entry.1 += 1.0;
    }
    let (n, levels) = (differences.len(), sums.len());
    if levels <= 1 {
        return one_sample(Test::PairedT, differences, 1.0 / (n as f64).sqrt(), setting, true);
    }
    if n < levels + 1 {
        return Err(Reason::TooFew { n, needed: levels + 1 });
    }
    let squares: f64 = strata
        .iter()
        .zip(differences)
        .map(|(stratum, d)| sums.get(stratum).map_or(0.0, |(sum, count)| (d - sum / count).powi(2)))
        .sum();
    let df = (n - levels) as f64;
    let mean = differences.iter().sum::<f64>() / n as f64;
    let deviation = (squares / df).sqrt();
    refuse_no_spread(differences, deviation)?;
    let effect = standardised(mean, deviation, df);
    let error_factor = 1.0 / (n as f64).sqrt();
    Ok(finish(Parts { test: Test::PairedTWithinFolds, mean, deviation, error_factor, df, effect, n }, setting))
}

/// 5x2cv paired t-test: `t = d_1^(1) / sqrt(mean over the five repeats of s_i^2)` with
/// `s_i^2 = sum_j (d_i^(j) - mean_i)^2`, 5 degrees of freedom.
///
/// `differences[i]` holds the two folds of repeat `i`. Estimate and interval are of the first difference, which is the
/// statistic's numerator. Source: Dietterich 1998, Neural Computation 10:1895-1923.
pub fn five_by_two(differences: &[[f64; 2]; 5], setting: &Setting) -> Outcome {
    five_by_two_parts(differences).map(|parts| finish(parts, setting)).into()
}

fn five_by_two_parts(differences: &[[f64; 2]; 5]) -> Result<Parts, Reason> {
    let flat = differences.as_flattened();
    refuse_non_finite(flat)?;
    let variance: f64 = differences.iter().map(|[a, b]| (a - b).powi(2) / 2.0).sum::<f64>() / 5.0;
    let deviation = variance.sqrt();
    refuse_no_spread(flat, deviation)?;
    let mean = differences[0][0];
    Ok(Parts { test: Test::FiveByTwo, mean, deviation, error_factor: 1.0, df: 5.0, effect: raw(mean), n: 10 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::power::{critical_dz_of_folds, dz_of_folds_with_power};

    #[test]
    fn nadeau_bengio_by_hand() {
        // mean 0.02, s^2 = 0.00025, (1/5 + 1/4) s^2 = 0.0001125, se = 0.0106066, t = 1.885618
        let d = [0.0, 0.02, 0.04, 0.03, 0.01];
        let sizes = [FoldSizes { n_train: 80, n_test: 20 }; 5];
        let outcome = nadeau_bengio(&d, &sizes, &Setting::default());
        let tested = outcome.tested().unwrap();
        assert!((tested.statistic.value - 1.885_618_083).abs() < 1e-8);
        assert_eq!(tested.degrees, Degrees::One(4.0));
        assert!(tested.interval.unwrap().contains_zero() && tested.p > 0.05);
    }

    #[test]
    fn what_five_folds_detect_is_found_four_times_in_five() {
        // Fivefold sizes of a set of 1000: 800 outside the test part, 10 % of it for validation. The critical difference is
        // 1.9 standard deviations, and 2.7 at Holm's first step of 3; to be found with 80 % power it takes more.
        let sizes = [FoldSizes { n_train: 720, n_test: 200 }; 5];
        let setting = Setting { family_size: 3, ..Setting::default() };
        let critical = |alpha: f64| critical_dz_of_folds(&sizes, alpha).unwrap();
        assert_eq!(format!("{:.1} {:.1}", critical(0.05), critical(0.05 / 3.0)), "1.9 2.7");
        let tested = nadeau_bengio(&[0.0, 0.02, 0.04, 0.03, 0.01], &sizes, &setting).tested().unwrap().clone();
        let detectable = tested.detectable.unwrap();
        let expected = |alpha: f64| dz_of_folds_with_power(&sizes, alpha, 0.8).unwrap();
        assert_eq!(detectable.standardised, Some(expected(0.05)));
        assert_eq!(detectable.first_step_standardised, Some(expected(0.05 / 3.0)));
        // By quadrature (df 4): noncentrality 3.76106 and 5.12428, times sqrt(1/5 + 200/720) = 0.69121.
        assert!((detectable.standardised.unwrap() - 2.599_700).abs() < 1e-5, "{detectable:?}");
        assert!((detectable.first_step_standardised.unwrap() - 3.541_980).abs() < 1e-5, "{detectable:?}");
        assert!((detectable.difference.unwrap() - 2.599_700 * 0.00025_f64.sqrt()).abs() < 1e-7);
    }

    #[test]
    fn no_spread_one_fold_and_nan_have_their_reasons() {
        let setting = Setting::default();
        let sizes = [FoldSizes { n_train: 80, n_test: 20 }; 1];
        assert_eq!(nadeau_bengio(&[0.1], &sizes, &setting).reason(), Some(&Reason::OneFold));
        assert_eq!(paired_t(&[0.3 - 0.2, 0.4 - 0.3, 0.1], &setting).reason(), Some(&Reason::ZeroVariance));
        assert_eq!(paired_t(&[0.1, f64::NAN], &setting).reason(), Some(&Reason::NotFinite { count: 1 }));
        assert_eq!(paired_t(&[], &setting).reason(), Some(&Reason::TooFew { n: 0, needed: 2 }));
    }

    #[test]
    fn strata_remove_what_differs_between_networks() {
        let setting = Setting::default();
        let d = [1.0, 1.2, 0.8, -0.5, -0.7, -0.3];
        let plain = paired_t(&d, &setting).tested().unwrap().clone();
        let strata = paired_t_within(&d, &[0, 0, 0, 1, 1, 1], &setting).tested().unwrap().clone();
        assert_eq!(plain.estimate, strata.estimate);
        assert_eq!(strata.degrees, Degrees::One(4.0));
        // Within folds: sum of squares 0.08 + 0.08, df 4, s = 0.2, se = 0.2 / sqrt(6), t = 0.25 / 0.0816497.
        assert!((strata.statistic.value - 3.061_862_178).abs() < 1e-8);
        let one = paired_t_within(&d, &[7; 6], &setting);
        assert_eq!(one, paired_t(&d, &setting));
    }
}
