//! Two models on one test set with several seeds each.

use super::{
    predictions::{differing, permute, same_images, with_grouping},
    same_length,
};
use crate::{
    Comparison, Error, Groups, MetricId, Note, Outcome, Predictions, Reason, SeedSpread, Setting,
    classification::{Prepared, evaluate_metric, probe},
    effect::mean_and_deviation,
    paired::between_seeds_t,
    rounding::{SINGLE_PRECISION, differences, identical},
};

/// Compares two models by a metric averaged over seeds, by permutation over groups.
///
/// A group is exchanged in all seeds at once. For metrics that are a mean over images this is the permutation of the
/// images' scores averaged over seeds; for the others it is the same idea, and the statistic is the difference of the
/// mean metrics that the table shows. The spread between seeds stands beside it.
///
/// # Errors
/// As [`crate::compare_predictions`]; different numbers of seeds.
pub fn compare_seeds(
    metric: MetricId,
    candidate: &[Predictions],
    baseline: &[Predictions],
    groups: &Groups,
    setting: &Setting,
) -> Result<Comparison, Error> {
    setting.check()?;
    same_length("seeds of candidate and baseline", candidate.len(), baseline.len())?;
    let pairs: Vec<(&Predictions, &Predictions)> = candidate.iter().zip(baseline).collect();
    for (a, b) in &pairs {
        same_images(a, b)?;
        same_images(&candidate[0], a)?;
        groups.check(a.len())?;
        probe(metric, &[a, b])?;
    }
    let values = |side: &[Predictions]| -> Result<Vec<f64>, Error> {
        side.iter().map(|one| Ok(evaluate_metric(metric, one)?.unwrap_or(f64::NAN))).collect()
    };
    let (a, b) = (values(candidate)?, values(baseline)?);
    let equal = |(a, b): &(&Predictions, &Predictions)| {
        identical(a.probabilities(), b.probabilities(), SINGLE_PRECISION) && a.threshold() == b.threshold()
    };
    let outcome = if pairs.iter().all(equal) {
        Outcome::Identical
    } else {
        let pools: Result<Vec<Prepared>, Error> = pairs.iter().map(|(a, b)| Prepared::new(metric, &[a, b])).collect();
        permute(&pools?, differing(&pairs, groups), groups, setting)
    };
    let ((mean_a, spread_a), (mean_b, spread_b)) = (mean_and_deviation(&a), mean_and_deviation(&b));
    let comparison =
        Comparison::new(metric, Some(mean_a), Some(mean_b), outcome).counted(groups.n_images(), groups.n_groups());
    let spread = SeedSpread { candidate: spread_a, baseline: spread_b };
    let seed_spread = (a.len() > 1 && spread_a.is_finite() && spread_b.is_finite()).then_some(spread);
    Ok(with_grouping(Comparison { n_seeds: Some(a.len()), seed_spread, ..comparison }, groups))
}

/// Paired t over seeds of one split, labelled "between seeds only": it repeats the training, not the patients.
///
/// # Errors
/// Slices of different lengths.
pub fn compare_between_seeds(
    metric: MetricId,
    candidate: &[f64],
    baseline: &[f64],
    setting: &Setting,
) -> Result<Comparison, Error> {
    setting.check()?;
    same_length("seed values of candidate and baseline", candidate.len(), baseline.len())?;
    let d = differences(candidate, baseline);
    let outcome = match d.len() {
        1 => Outcome::not(Reason::TooFew { n: 1, needed: 2 }),
        _ => between_seeds_t(&d, setting),
    };
    let ((mean_a, spread_a), (mean_b, spread_b)) = (mean_and_deviation(candidate), mean_and_deviation(baseline));
    let seeds = d.len();
    let comparison = Comparison::new(metric, Some(mean_a), Some(mean_b), outcome).noted(Note::BetweenSeedsOnly);
    let spread = SeedSpread { candidate: spread_a, baseline: spread_b };
    let seed_spread = (seeds > 1 && spread_a.is_finite() && spread_b.is_finite()).then_some(spread);
    Ok(Comparison { n_seeds: Some(seeds), seed_spread, ..comparison })
}
