//! The smallest difference that a design finds: the true difference that its test calls significant with 80 % power.

use crate::{
    Setting,
    distribution::{normal_critical, normal_quantile},
};
use serde::{Deserialize, Serialize};

/// The chance with which a true difference of the size of [`Detectable::difference`] is called significant.
pub const POWER: f64 = 0.8;

/// The minimal detectable difference of a test, given the spread that was seen.
///
/// It is not the half-width of the interval: a true difference of that size is found only about half the time.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Detectable {
    /// The power that all values here are for.
    pub power: f64,
    /// The unadjusted level.
    pub alpha: f64,
    /// Found with this power at `alpha`; none when no difference reaches it.
    pub difference: Option<f64>,
    /// The same in standard deviations of the paired differences, for tests of the t kind.
    pub standardised: Option<f64>,
    /// The level of Holm's first step: `alpha` divided by the size of the family.
    pub first_step_alpha: f64,
    /// Found with this power at Holm's first step, the strictest.
    pub first_step_difference: Option<f64>,
    /// The same in standard deviations.
    pub first_step_standardised: Option<f64>,
}

impl Detectable {
    /// `at` gives what is found at a level: the difference and, for tests of the t kind, its standardised form.
    pub(crate) fn new(setting: &Setting, at: impl Fn(f64) -> (Option<f64>, Option<f64>)) -> Self {
        let finite = |(difference, standardised): (Option<f64>, Option<f64>)| {
            (difference.filter(|v| v.is_finite()), standardised.filter(|v| v.is_finite()))
        };
        let first_step_alpha = setting.first_step_alpha();
        let (difference, standardised) = finite(at(setting.alpha));
        let (first_step_difference, first_step_standardised) = finite(at(first_step_alpha));
        // Where few levels can be attained, both may share one critical difference: the stricter never finds a smaller one.
        let first_step_difference = first_step_difference.map(|first| difference.map_or(first, |d| d.max(first)));
        let alpha = setting.alpha;
        let power = POWER;
        Detectable {
            power,
            alpha,
            difference,
            standardised,
            first_step_alpha,
            first_step_difference,
            first_step_standardised,
        }
    }

    /// For a test whose statistic is normal, or nearly: from the critical difference at each level, which is
    /// `z(alpha / 2)` standard errors, to the one found with the power, which is `z(alpha / 2) + z(power)` of them.
    pub(crate) fn of_critical(setting: &Setting, critical: impl Fn(f64) -> Option<f64>) -> Self {
        let errors = |alpha: f64| 1.0 + normal_quantile(POWER) / normal_critical(alpha);
        Self::new(setting, |alpha| (critical(alpha).map(|difference| difference * errors(alpha)), None))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_point_eight_standard_errors_for_a_normal_statistic() {
        // z(.025) + z(.8) = 1.95996 + 0.84162, and 2.39398 + 0.84162 at a third of the level, as printed tables have it.
        let setting = Setting { family_size: 3, ..Setting::default() };
        let detectable = Detectable::of_critical(&setting, |alpha| Some(normal_critical(alpha)));
        assert!((detectable.difference.unwrap() - 2.801_585).abs() < 1e-5);
        assert!((detectable.first_step_difference.unwrap() - 3.235_601).abs() < 1e-5);
    }
}
