//! The bias-corrected and accelerated bootstrap over groups, stratified.

use crate::{
    Interval, IntervalMethod, Reason, Setting,
    distribution::{normal_cdf, normal_critical, normal_quantile},
    random::{Purpose, below, generator},
};
use rayon::prelude::*;
use std::collections::BTreeMap;

/// Share of resamples that must have a value.
const FEWEST_DEFINED: f64 = 0.95;

/// What a BCa interval is made of.
#[derive(Debug, Clone, PartialEq)]
pub struct BcaParts {
    /// The statistic of the data.
    pub estimate: f64,
    /// The statistic of each resample.
    pub replicates: Vec<f64>,
    /// The statistic without each unit in turn, by stratum.
    pub jackknife: Vec<Vec<f64>>,
}

/// Ends of the BCa interval.
///
/// `z0` is the normal quantile of the share of replicates below the estimate, ties counted half;
/// `a = sum_h sum_i U^3/n_h^3 / (6 (sum_h sum_i U^2/n_h^2)^1.5)` with `U = (n_h - 1)(mean_h - jackknife_hi)`; the ends are
/// the replicates' quantiles at `Phi(z0 + (z0 + z) / (1 - a (z0 + z)))`. Sources: Efron 1987; Davison and Hinkley 1997,
/// section 5.3.2 for strata. Oracle: `scipy.stats.bootstrap(method="BCa")`.
///
/// # Errors
/// No spread in the replicates, or all of them on one side of the estimate.
pub fn bca_ends(parts: &BcaParts, alpha: f64) -> Result<(f64, f64), Reason> {
    let mut sorted = parts.replicates.clone();
    sorted.sort_by(f64::total_cmp);
    let (Some(first), Some(last)) = (sorted.first(), sorted.last()) else {
        return Err(Reason::Undefined);
    };
    // Replicates that differ by rounding only are one value.
    let tie = 1e-12 * first.abs().max(last.abs());
    if last - first <= tie {
        return Err(Reason::ZeroVariance);
    }
    let less = sorted.partition_point(|value| *value < parts.estimate - tie);
    let up_to = sorted.partition_point(|value| *value <= parts.estimate + tie);
    let bias = normal_quantile((less + up_to) as f64 / (2 * sorted.len()) as f64);
    if !bias.is_finite() {
        return Err(Reason::Undefined);
    }
    let (mut cubes, mut squares) = (0.0, 0.0);
    for stratum in &parts.jackknife {
        let n = stratum.len() as f64;
        let mean = stratum.iter().sum::<f64>() / n;
        for value in stratum {
            let influence = (n - 1.0) * (mean - value) / n;
            cubes += influence.powi(3);
            squares += influence * influence;
        }
    }
    let acceleration = if squares > 0.0 { cubes / (6.0 * squares.powf(1.5)) } else { 0.0 };
    let end = |z: f64| {
        let shifted = bias + z;
        quantile(&sorted, normal_cdf(bias + shifted / (1.0 - acceleration * shifted)))
    };
    let z = normal_critical(alpha);
    Ok((end(-z), end(z)))
}

/// Quantile by linear interpolation between order statistics, as numpy's default.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let position = share.clamp(0.0, 1.0) * (sorted.len() - 1) as f64;
    let below = position.floor() as usize;
    let above = (below + 1).min(sorted.len() - 1);
    sorted[below] + (position - below as f64) * (sorted[above] - sorted[below])
}

/// BCa interval of any statistic of groups.
///
/// `strata[g]` is the stratum of group g; each resample draws as many groups from every stratum as it has. The
/// statistic is read at a count for each group. Jackknife over groups.
///
/// # Errors
/// Fewer than two groups, a statistic without a value (on the data, or on more than 5 % of the resamples), no spread.
pub fn bootstrap_by_group<S>(
    strata: &[usize],
    scratch: impl Fn() -> S + Sync + Send,
    statistic: impl Fn(&mut S, &[u32]) -> Option<f64> + Sync + Send,
    setting: &Setting,
) -> Result<Interval, Reason> {
    let groups = strata.len();
    if groups < 2 {
        return Err(Reason::TooFew { n: groups, needed: 2 });
    }
    let mut members = BTreeMap::<usize, Vec<usize>>::new();
    strata.iter().enumerate().for_each(|(group, &stratum)| members.entry(stratum).or_default().push(group));
    let members: Vec<Vec<usize>> = members.into_values().collect();
    let estimate = statistic(&mut scratch(), &vec![1; groups]).ok_or(Reason::Undefined)?;
    let fresh = || (scratch(), vec![0_u32; groups]);
    let replicates: Vec<f64> = (0..setting.resamples)
        .into_par_iter()
        .map_init(fresh, |(scratch, counts), resample| {
            let mut random = generator(setting.seed, Purpose::Bootstrap, resample);
            counts.fill(0);
            for stratum in &members {
                for _ in stratum {
                    counts[stratum[below(&mut random, stratum.len() as u32) as usize]] += 1;
                }
            }
            statistic(scratch, counts)
        })
        .flatten_iter()
        .collect();
    if (replicates.len() as f64) < FEWEST_DEFINED * setting.resamples as f64 {
        return Err(Reason::Undefined);
    }
    let without: Vec<Option<f64>> = (0..groups)
        .into_par_iter()
        .map_init(
            || (scratch(), vec![1_u32; groups]),
            |(scratch, counts), group| {
                counts[group] = 0;
                let value = statistic(scratch, counts);
                counts[group] = 1;
                value
            },
        )
        .collect();
    // A group whose removal leaves no value (the last of its class) has no influence to measure.
    let jackknife = members.iter().map(|s| s.iter().filter_map(|&group| without[group]).collect()).collect();
    let (low, high) = bca_ends(&BcaParts { estimate, replicates, jackknife }, setting.alpha)?;
    Ok(Interval { low, high, level: setting.level(), method: IntervalMethod::Bca })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_mean(values: &[f64], setting: &Setting) -> Interval {
        let mean = |(): &mut (), counts: &[u32]| {
            let total: u32 = counts.iter().sum();
            Some(values.iter().zip(counts).map(|(v, &c)| v * f64::from(c)).sum::<f64>() / f64::from(total))
        };
        bootstrap_by_group(&vec![0; values.len()], || (), mean, setting).unwrap()
    }

    #[test]
    fn the_mean_of_a_large_sample_has_its_normal_interval() {
        let values: Vec<f64> = (0..400).map(|i| normal_quantile((f64::from(i) + 0.5) / 400.0)).collect();
        let interval = of_mean(&values, &Setting::default());
        // se = 1 / 20; 10,000 resamples put the ends within 3 % of it.
        assert!((interval.low + 0.098).abs() < 0.004 && (interval.high - 0.098).abs() < 0.004, "{interval:?}");
    }

    #[test]
    fn no_dependence_on_threads() {
        let values: Vec<f64> = (0..30).map(|i| f64::from(i * i % 17)).collect();
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| of_mean(&values, &Setting { seed: 9, ..Setting::default() }))
        };
        assert_eq!(run(1), run(4));
    }

    #[test]
    fn no_spread_has_its_reason() {
        let same = bootstrap_by_group(&[0, 0, 0], || (), |(), _| Some(0.3), &Setting::default());
        assert_eq!(same, Err(Reason::ZeroVariance));
    }
}
