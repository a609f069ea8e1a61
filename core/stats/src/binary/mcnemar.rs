//! McNemar's test of two proportions on the same images, each form with the interval that it inverts to.

use crate::{
    Degrees, Detectable, Effect, EffectKind, Interval, IntervalMethod, Outcome, POWER, Reason, Setting, Statistic,
    Symbol, Test, Tested,
    distribution::{
        binomial_cdf, binomial_mass, bisect, chi_square_upper, clamp_p, fair_binomial_cdf, fair_binomial_mass,
        normal_critical,
    },
};
use serde::{Deserialize, Serialize};

/// Discordant pairs from which the asymptotic form is the default.
pub const ASYMPTOTIC_FROM: u64 = 25;

/// Which form of the test.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum McnemarForm {
    /// Exact below 25 discordant pairs, else asymptotic.
    #[default]
    Auto,
    /// Exact binomial.
    Exact,
    /// Chi-square without continuity correction.
    Asymptotic,
    /// Mid-p: nearly exact and less conservative (Fagerland, Lydersen and Laake 2013).
    MidP,
}

/// The four-fold table's discordant cells and its total.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Discordant {
    /// Images that only the candidate has right.
    pub candidate_only: u64,
    /// Images that only the baseline has right.
    pub baseline_only: u64,
    /// All images.
    pub n: u64,
}

impl Discordant {
    /// Counts two slices of right or wrong.
    pub fn count(candidate: &[bool], baseline: &[bool]) -> Self {
        let both = || candidate.iter().zip(baseline);
        let count = |which: fn(bool, bool) -> bool| both().filter(|&(&a, &b)| which(a, b)).count() as u64;
        Discordant {
            candidate_only: count(|a, b| a && !b),
            baseline_only: count(|a, b| !a && b),
            n: both().count() as u64,
        }
    }
}

/// McNemar's test: of the `b + c` images on which exactly one is right, is it each in half of them?
///
/// Exact: `2 P(X <= min(b,c))`, X binomial(b + c, 1/2). Asymptotic: `(b - c)^2 / (b + c)` on chi-square, 1 df, without
/// continuity correction. Mid-p: exact minus `P(X = min(b,c))`. The estimate is the difference of the proportions.
/// Intervals: Clopper-Pearson (or its mid-p form) on `b / (b + c)` scaled by the share of discordant images, which is
/// taken as given; Tango's score interval for the asymptotic form.
/// Sources: McNemar 1947; Tango 1998; Fagerland et al. 2013. Oracle: `statsmodels` `mcnemar`.
pub fn mcnemar(table: Discordant, form: McnemarForm, setting: &Setting) -> Outcome {
    test(table, form, setting).into()
}

fn test(table: Discordant, form: McnemarForm, setting: &Setting) -> Result<Tested, Reason> {
    let Discordant { candidate_only: b, baseline_only: c, n } = table;
    let m = b + c;
    if n == 0 || m > n {
        return Err(Reason::TooFew { n: n as usize, needed: (m as usize).max(1) });
    }
    if m == 0 {
        return Err(Reason::NoDisagreement);
    }
    let form = match form {
        McnemarForm::Auto if m < ASYMPTOTIC_FROM => McnemarForm::Exact,
        McnemarForm::Auto => McnemarForm::Asymptotic,
        given => given,
    };
    let estimate = (b as f64 - c as f64) / n as f64;
    let p_of = |b: u64| p_of(form, b, m);
    let (low, high, method) = interval(form, table, setting.alpha);
    let (test, statistic, degrees) = match form {
        McnemarForm::Asymptotic => {
            let value = (b as f64 - c as f64).powi(2) / m as f64;
            (Test::McnemarAsymptotic, Statistic { symbol: Symbol::ChiSquare, value }, Degrees::One(1.0))
        }
        form => {
            let test = if form == McnemarForm::MidP { Test::McnemarMidP } else { Test::McnemarExact };
            (test, Statistic { symbol: Symbol::B, value: b as f64 }, Degrees::None)
        }
    };
    // The least lopsided split of these m images that is significant, and the share of them that reaches it with the power.
    let found = |alpha: f64| {
        let least = (m.div_ceil(2)..=m).find(|&k| p_of(k) < alpha)?;
        Some((2.0 * share_with_power(least, m) - 1.0) * m as f64 / n as f64)
    };
    Ok(Tested {
        test,
        estimate,
        interval: Some(Interval { low, high, level: setting.level(), method }),
        p: p_of(b),
        statistic,
        degrees,
        effect: Some(Effect { kind: EffectKind::RawDifference, value: estimate }),
        detectable: Some(Detectable::new(setting, |alpha| (found(alpha), None))),
        n_images: n as usize,
        n_groups: n as usize,
        resampling: None,
    })
}

/// The share of the `m` discordant images with which `least` of them or more, or `m - least` or fewer, are won by one side
/// with the power.
fn share_with_power(least: u64, m: u64) -> f64 {
    let power = |share: f64| 1.0 - binomial_cdf(least.saturating_sub(1), m, share) + binomial_cdf(m - least, m, share);
    bisect(0.5, 1.0, |share| power(share) < POWER)
}

fn p_of(form: McnemarForm, b: u64, m: u64) -> f64 {
    let fewer = b.min(m - b);
    match form {
        McnemarForm::Asymptotic => chi_square_upper((2.0 * b as f64 - m as f64).powi(2) / m as f64, 1.0),
        McnemarForm::MidP => clamp_p(2.0 * fair_binomial_cdf(fewer, m) - fair_binomial_mass(fewer, m)),
        McnemarForm::Exact | McnemarForm::Auto => clamp_p(2.0 * fair_binomial_cdf(fewer, m)),
    }
}

fn interval(form: McnemarForm, table: Discordant, alpha: f64) -> (f64, f64, IntervalMethod) {
    let Discordant { candidate_only: b, baseline_only: c, n } = table;
    let m = b + c;
    if form == McnemarForm::Asymptotic {
        let (low, high) = tango(table, alpha);
        return (low, high, IntervalMethod::Tango);
    }
    let middle = if form == McnemarForm::MidP { 0.5 } else { 0.0 };
    // P(X >= b) rises with the share, P(X <= b) falls.
    let at_least = |share: f64| 1.0 - binomial_cdf(b, m, share) + (1.0 - middle) * binomial_mass(b, m, share);
    let at_most = |share: f64| binomial_cdf(b, m, share) - middle * binomial_mass(b, m, share);
    let low = if b == 0 { 0.0 } else { bisect(0.0, 1.0, |share| at_least(share) < alpha / 2.0) };
    let high = if c == 0 { 1.0 } else { bisect(0.0, 1.0, |share| at_most(share) >= alpha / 2.0) };
    let scale = |share: f64| (2.0 * share - 1.0) * m as f64 / n as f64;
    let method = if form == McnemarForm::MidP { IntervalMethod::MidP } else { IntervalMethod::ClopperPearson };
    (scale(low), scale(high), method)
}

/// Tango's score interval for a paired difference of proportions; at a difference of 0 its score is McNemar's.
/// Source: Tango 1998, Statistics in Medicine 17:891-908.
fn tango(table: Discordant, alpha: f64) -> (f64, f64) {
    let [b, c, n] = [table.candidate_only, table.baseline_only, table.n].map(|count| count as f64);
    let critical = normal_critical(alpha);
    let score = |delta: f64| {
        let linear = -b - c + (2.0 * n - b + c) * delta;
        let constant = -c * delta * (1.0 - delta);
        let root = (linear * linear - 8.0 * n * constant).max(0.0).sqrt();
        let share = ((root - linear) / (4.0 * n)).max(0.0);
        let variance = n * (2.0 * share + delta * (1.0 - delta));
        if variance <= 0.0 { f64::INFINITY.copysign(b - c - n * delta) } else { (b - c - n * delta) / variance.sqrt() }
    };
    let estimate = (b - c) / n;
    (bisect(-1.0, estimate, |delta| score(delta) > critical), bisect(estimate, 1.0, |delta| score(delta) > -critical))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(b: u64, c: u64, n: u64, form: McnemarForm) -> Tested {
        mcnemar(Discordant { candidate_only: b, baseline_only: c, n }, form, &Setting::default())
            .tested()
            .unwrap()
            .clone()
    }

    #[test]
    fn bronchoscopy_of_fagerland() {
        // Fagerland et al. 2013, table 1 (airway hyper-responsiveness): 1 against 7 of 21 discordant.
        assert!((run(1, 7, 21, McnemarForm::Asymptotic).p - 0.0339).abs() < 5e-5);
        assert!((run(1, 7, 21, McnemarForm::Exact).p - 0.0703).abs() < 5e-5);
        assert!((run(1, 7, 21, McnemarForm::MidP).p - 0.0391).abs() < 5e-5);
    }

    #[test]
    fn tango_excludes_zero_just_when_mcnemar_rejects() {
        let tested = run(30, 12, 200, McnemarForm::Asymptotic);
        let interval = tested.interval.unwrap();
        assert!(interval.low > 0.0 && tested.p < 0.05);
        assert!(run(20, 12, 200, McnemarForm::Asymptotic).interval.unwrap().contains_zero());
    }

    #[test]
    fn no_disagreement_has_its_reason() {
        let table = Discordant { candidate_only: 0, baseline_only: 0, n: 50 };
        assert_eq!(mcnemar(table, McnemarForm::Auto, &Setting::default()).reason(), Some(&Reason::NoDisagreement));
    }

    #[test]
    fn interval_and_p_agree() {
        for form in [McnemarForm::Exact, McnemarForm::Asymptotic, McnemarForm::MidP] {
            for b in 0..=30 {
                let tested = run(b, 30 - b, 100, form);
                assert_eq!(tested.p < 0.05, !tested.interval.unwrap().contains_zero(), "{form:?} {b}");
            }
        }
    }
}
