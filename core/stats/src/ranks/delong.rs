//! DeLong's test of two AUROCs on the same images, by midranks.

use super::midranks;
use crate::{
    Degrees, Detectable, Effect, EffectKind, Interval, IntervalMethod, Outcome, Reason, Setting, Statistic, Symbol,
    Test, Tested,
    distribution::{normal_critical, normal_two_sided},
    paired::refuse_non_finite,
};

/// Area under the ROC curve: the chance that a positive scores above a negative, ties half. None without both kinds.
pub fn auroc(scores: &[f64], positive: &[bool]) -> Option<f64> {
    let placed = Placements::new(scores, positive)?;
    Some(placed.area)
}

/// For each positive the share of negatives below it, for each negative the share of positives above it.
struct Placements {
    area: f64,
    of_positives: Vec<f64>,
    of_negatives: Vec<f64>,
}

impl Placements {
    fn new(scores: &[f64], positive: &[bool]) -> Option<Self> {
        let pick = |which: bool| -> Vec<f64> {
            scores.iter().zip(positive).filter(|(_, p)| **p == which).map(|(s, _)| *s).collect()
        };
        let (positives, negatives) = (pick(true), pick(false));
        let (m, n) = (positives.len() as f64, negatives.len() as f64);
        if positives.is_empty() || negatives.is_empty() {
            return None;
        }
        let (within_positives, within_negatives) = (midranks(&positives), midranks(&negatives));
        let mut both = positives;
        both.extend_from_slice(&negatives);
        let ranks = midranks(&both);
        let (first, second) = ranks.split_at(within_positives.len());
        let of_positives: Vec<f64> = first.iter().zip(&within_positives).map(|(all, own)| (all - own) / n).collect();
        let of_negatives = second.iter().zip(&within_negatives).map(|(all, own)| 1.0 - (all - own) / m).collect();
        Some(Placements { area: of_positives.iter().sum::<f64>() / m, of_positives, of_negatives })
    }
}

/// DeLong's test: `z = (A_1 - A_2) / sqrt(var(V10_1 - V10_2) / m + var(V01_1 - V01_2) / n)` with the placements V of the
/// m positives and n negatives.
///
/// The interval is `estimate +- z se`. Images must be independent: by group, use the permutation test.
/// Sources: DeLong, DeLong and Clarke-Pearson 1988; midranks by Sun and Xu 2014.
pub fn delong(candidate: &[f64], baseline: &[f64], positive: &[bool], setting: &Setting) -> Outcome {
    test(candidate, baseline, positive, setting).into()
}

fn test(candidate: &[f64], baseline: &[f64], positive: &[bool], setting: &Setting) -> Result<Tested, Reason> {
    refuse_non_finite(candidate)?;
    refuse_non_finite(baseline)?;
    let (Some(a), Some(b)) = (Placements::new(candidate, positive), Placements::new(baseline, positive)) else {
        return Err(Reason::Undefined);
    };
    let fewest = a.of_positives.len().min(a.of_negatives.len());
    if fewest < 2 {
        return Err(Reason::TooFew { n: fewest, needed: 2 });
    }
    let variance = spread(&a.of_positives, &b.of_positives) + spread(&a.of_negatives, &b.of_negatives);
    // Placements are shares: below this, the spread is rounding.
    if variance.is_nan() || variance <= 1e-20 {
        return Err(Reason::ZeroVariance);
    }
    let error = variance.sqrt();
    let estimate = a.area - b.area;
    let z = estimate / error;
    let half = normal_critical(setting.alpha) * error;
    Ok(Tested {
        test: Test::Delong,
        estimate,
        interval: Some(Interval {
            low: estimate - half,
            high: estimate + half,
            level: setting.level(),
            method: IntervalMethod::Normal,
        }),
        p: normal_two_sided(z),
        statistic: Statistic { symbol: Symbol::Z, value: z },
        degrees: Degrees::None,
        effect: Some(Effect { kind: EffectKind::RawDifference, value: estimate }),
        detectable: Some(Detectable::of_critical(setting, |alpha| Some(normal_critical(alpha) * error))),
        n_images: positive.len(),
        n_groups: positive.len(),
        resampling: None,
    })
}

/// Variance of the mean of the paired differences.
fn spread(a: &[f64], b: &[f64]) -> f64 {
    let differences: Vec<f64> = a.iter().zip(b).map(|(a, b)| a - b).collect();
    let (_, deviation) = crate::effect::mean_and_deviation(&differences);
    deviation * deviation / differences.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn area_by_hand() {
        // Positives 0.9, 0.4; negatives 0.4, 0.1: wins 1 + 1 + 0.5 + 1 of 4.
        let area = auroc(&[0.9, 0.4, 0.4, 0.1], &[true, true, false, false]);
        assert_eq!(area, Some(0.875));
        assert_eq!(auroc(&[0.9], &[true]), None);
    }

    #[test]
    fn perfect_twice_has_no_spread() {
        let positive = [true, true, false, false];
        let outcome = delong(&[4.0, 3.0, 2.0, 1.0], &[9.0, 8.0, 1.0, 0.0], &positive, &Setting::default());
        assert_eq!(outcome.reason(), Some(&Reason::ZeroVariance));
    }
}
