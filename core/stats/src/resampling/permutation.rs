//! Paired permutation: swap candidate and baseline in whole groups and see how often the difference is as large.

use crate::{
    Degrees, Detectable, Effect, EffectKind, Interval, IntervalMethod, Outcome, Reason, Resampling, Setting, Statistic,
    Symbol, Test, Tested,
    distribution::clamp_p,
    random::{Purpose, coins, generator},
};
use rayon::prelude::*;

/// Differences closer than this share of the largest one count as equal: sums in another order.
const TIE: f64 = 1e-12;

/// Paired permutation test of any statistic of two models.
///
/// `difference(swaps)` is candidate minus baseline after exchanging the two in the groups where `swaps` is true; it is
/// asked with no swap first. All `2^groups` are enumerated when they are no more than the resamples (their p is a
/// share); else `p = (1 + extreme) / (1 + resamples)`, which is never 0 and keeps its level. Groups are those in which
/// the two differ at all. A permuted statistic without a value counts as extreme.
///
/// The interval is `difference +- v`, v being the largest difference that the test would not reject: it excludes zero
/// exactly when `p < alpha`. Source: Ernst 2004, Statistical Science 19:676-685; Phipson and Smyth 2010 for the 1.
pub fn permutation_by_group(
    groups: usize,
    difference: impl Fn(&[bool]) -> Option<f64> + Sync,
    setting: &Setting,
) -> Outcome {
    permutation_with(groups, || (), |(), swaps| difference(swaps), setting).into()
}

/// As [`permutation_by_group`], with a scratch buffer for each thread.
pub(crate) fn permutation_with<S>(
    groups: usize,
    scratch: impl Fn() -> S + Sync + Send,
    difference: impl Fn(&mut S, &[bool]) -> Option<f64> + Sync + Send,
    setting: &Setting,
) -> Result<Tested, Reason> {
    if groups == 0 {
        return Err(Reason::ZeroVariance);
    }
    if 2.0_f64.powi(1 - groups.min(1000) as i32) > setting.alpha {
        return Err(Reason::PermutationCannotReach { n: groups });
    }
    let seen = difference(&mut scratch(), &vec![false; groups]).ok_or(Reason::Undefined)?;
    // Swapping everything only turns the sign, so that half of all swaps, the last group fixed, are enough.
    let exhaustive = groups < 40 && (1_usize << groups) <= setting.resamples;
    let draws = if exhaustive { 1_usize << (groups - 1) } else { setting.resamples };
    let mut null: Vec<f64> = (0..draws)
        .into_par_iter()
        .map_init(
            || (scratch(), vec![false; groups]),
            |(scratch, swaps), draw| {
                if exhaustive {
                    swaps.iter_mut().enumerate().for_each(|(group, swap)| *swap = draw >> group & 1 == 1);
                } else {
                    coins(&mut generator(setting.seed, Purpose::Permutation, draw), swaps);
                }
                difference(scratch, swaps).map_or(f64::INFINITY, f64::abs)
            },
        )
        .collect();
    null.sort_by(|a, b| b.total_cmp(a));
    let extra = usize::from(!exhaustive);
    let tie = TIE * null.iter().copied().filter(|v| v.is_finite()).fold(seen.abs(), f64::max);
    let extreme = null.partition_point(|value| *value >= seen.abs() - tie);
    let p = clamp_p((extreme + extra) as f64 / (draws + extra) as f64);
    // The largest difference that would not be rejected: the j-th largest of the null with (j + extra) / ... >= alpha.
    let margin = |alpha: f64| {
        let rank = (alpha * (draws + extra) as f64 - 1e-9).ceil() as usize;
        let value = null.get(rank.saturating_sub(extra).max(1) - 1).copied().filter(|v| v.is_finite())?;
        (rank > extra).then_some(value)
    };
    let critical = |alpha: f64| margin(alpha).filter(|v| *v < null[0] - tie);
    let interval = margin(setting.alpha).map(|value| {
        let value = if p >= setting.alpha { value.max(seen.abs()) } else { value };
        let (low, high) = (seen - value, seen + value);
        Interval { low, high, level: setting.level(), method: IntervalMethod::Permutation }
    });
    Ok(Tested {
        test: if exhaustive { Test::PermutationExact } else { Test::Permutation },
        estimate: seen,
        interval,
        p,
        statistic: Statistic { symbol: Symbol::Difference, value: seen },
        degrees: Degrees::None,
        effect: Some(Effect { kind: EffectKind::RawDifference, value: seen }),
        detectable: Some(Detectable::of_critical(setting, critical)),
        n_images: groups,
        n_groups: groups,
        resampling: Some(Resampling { resamples: draws, seed: setting.seed, exhaustive }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_mean(values: &[f64], setting: &Setting) -> Outcome {
        let mean = |swaps: &[bool]| Some(values.iter().zip(swaps).map(|(v, s)| if *s { -v } else { *v }).sum::<f64>());
        permutation_by_group(values.len(), mean, setting)
    }

    #[test]
    fn six_groups_by_hand() {
        // Of 64 signs of 1..6 only the two extremes reach 21; 20 is the next.
        let outcome = of_mean(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], &Setting::default());
        let tested = outcome.tested().unwrap();
        assert_eq!((tested.test, tested.p), (Test::PermutationExact, 2.0 / 64.0));
        let interval = tested.interval.unwrap();
        // Signs that reach 19 or more: 21 and 19 (leave out 1), 4 of 64 = .0625: not rejected.
        assert_eq!((interval.low, interval.high), (2.0, 40.0));
        // The critical difference 19, by (z(.025) + z(.8)) / z(.025).
        assert!((tested.detectable.unwrap().difference.unwrap() - 19.0 * 1.429_406).abs() < 1e-4);
    }

    #[test]
    fn five_groups_cannot_reach() {
        let outcome = of_mean(&[1.0; 5], &Setting::default());
        assert_eq!(outcome.reason(), Some(&Reason::PermutationCannotReach { n: 5 }));
    }

    #[test]
    fn sampled_p_is_never_zero_and_does_not_depend_on_threads() {
        let values: Vec<f64> = (0..40).map(|i| 1.0 + f64::from(i)).collect();
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| of_mean(&values, &Setting { seed: 3, ..Setting::default() }))
        };
        let one = run(1);
        assert_eq!(one, run(3));
        assert_eq!(one.p(), Some(1.0 / 10_001.0));
    }

    #[test]
    fn interval_and_p_agree() {
        for shift in 0..60 {
            let values: Vec<f64> = (0..20).map(|i| f64::from((i * 7) % 20) - 9.5 + 0.2 * f64::from(shift)).collect();
            let outcome = of_mean(&values, &Setting { resamples: 999, ..Setting::default() });
            let tested = outcome.tested().unwrap();
            assert_eq!(tested.p < 0.05, !tested.interval.unwrap().contains_zero(), "shift {shift}: {tested:?}");
        }
    }
}
