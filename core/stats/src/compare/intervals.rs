//! BCa bootstrap intervals by group: of a metric, of a difference, of a mean of group means.

use super::{predictions::same_images, same_length};
use crate::{
    Error, Groups, Interval, MetricId, Predictions, Reason, Setting, classification::Prepared,
    resampling::bootstrap_by_group,
};
use std::collections::{BTreeMap, BTreeSet};

/// BCa interval of one model's metric; groups are resampled, stratified by class.
///
/// The inner error says why there is none (no spread, undefined, one group).
///
/// # Errors
/// ECE, for which the bootstrap fails (its bias grows when images repeat); predictions and groups that do not fit.
pub fn interval_of_metric(
    metric: MetricId,
    predictions: &Predictions,
    groups: &Groups,
    setting: &Setting,
) -> Result<Result<Interval, Reason>, Error> {
    let prepared = Prepared::new(metric, &[predictions])?;
    by_group(metric, predictions, groups, setting, |weights| prepared.value(weights))
}

/// BCa interval of the difference of two models' metric, candidate minus baseline, on the same resamples.
///
/// # Errors
/// As [`interval_of_metric`], and predictions of different images.
pub fn interval_of_difference(
    metric: MetricId,
    candidate: &Predictions,
    baseline: &Predictions,
    groups: &Groups,
    setting: &Setting,
) -> Result<Result<Interval, Reason>, Error> {
    same_images(candidate, baseline)?;
    let (a, b) = (Prepared::new(metric, &[candidate])?, Prepared::new(metric, &[baseline])?);
    by_group(metric, candidate, groups, setting, |weights| Some(a.value(weights)? - b.value(weights)?))
}

fn by_group(
    metric: MetricId,
    predictions: &Predictions,
    groups: &Groups,
    setting: &Setting,
    value: impl Fn(&[u32]) -> Option<f64> + Sync + Send,
) -> Result<Result<Interval, Reason>, Error> {
    setting.check()?;
    groups.check(predictions.len())?;
    if metric == MetricId::Ece {
        return Err(Error::Metric { metric, problem: "has no valid bootstrap interval; use its permutation test" });
    }
    let scratch = || vec![0_u32; predictions.len()];
    let statistic = |weights: &mut Vec<u32>, counts: &[u32]| {
        weights.iter_mut().zip(groups.of_image()).for_each(|(weight, &group)| *weight = counts[group]);
        value(weights)
    };
    Ok(bootstrap_by_group(&strata_by_class(predictions.truth(), groups), scratch, statistic, setting))
}

/// The stratum of each group: which classes its images have.
fn strata_by_class(truth: &[usize], groups: &Groups) -> Vec<usize> {
    let mut classes = vec![BTreeSet::new(); groups.n_groups()];
    truth.iter().zip(groups.of_image()).for_each(|(&class, &group)| {
        classes[group].insert(class);
    });
    let mut known = BTreeMap::new();
    let number = |set: BTreeSet<usize>| {
        let next = known.len();
        *known.entry(set).or_insert(next)
    };
    classes.into_iter().map(number).collect()
}

/// BCa interval of a mean of group means, as for an explanation's score or the difference of two; `strata[i]` is the
/// stratum (class or fold) of image i, a group taking that of its first image.
///
/// # Errors
/// Slices of different lengths.
pub fn interval_of_group_means(
    values: &[f64],
    groups: &Groups,
    strata: Option<&[usize]>,
    setting: &Setting,
) -> Result<Result<Interval, Reason>, Error> {
    setting.check()?;
    groups.check(values.len())?;
    let kept: Vec<usize> = (0..values.len()).filter(|&i| values[i].is_finite()).collect();
    let subset = groups.subset(&kept);
    let mut of_group = vec![0; subset.n_groups()];
    if let Some(strata) = strata {
        same_length("values and strata", values.len(), strata.len())?;
        // Backwards, so that a group's first image has the last word.
        kept.iter().zip(subset.of_image()).rev().for_each(|(&image, &group)| of_group[group] = strata[image]);
    }
    let means = subset.means(&kept.iter().map(|&i| values[i]).collect::<Vec<f64>>());
    let mean = |(): &mut (), counts: &[u32]| {
        let total: u32 = counts.iter().sum();
        let sum: f64 = means.iter().zip(counts).map(|(mean, &count)| mean * f64::from(count)).sum();
        (total > 0).then(|| sum / f64::from(total))
    };
    Ok(bootstrap_by_group(&of_group, || (), mean, setting))
}
