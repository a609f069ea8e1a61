//! Two models on one test set, image by image.

use super::same_length;
use crate::{
    Comparison, Error, Groups, MetricId, Note, Outcome, Predictions, Setting,
    binary::{Discordant, GroupForm, GroupTable, McnemarForm, mcnemar, mcnemar_groups},
    classification::{Prepared, evaluate_metric, probe},
    ranks::delong,
    resampling::permutation_with,
    rounding::{SINGLE_PRECISION, identical},
};
use serde::{Deserialize, Serialize};

/// Which test on one test set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum PredictionTest {
    /// By the metric: McNemar for right or wrong (by group where known), DeLong for a binary AUROC of independent images,
    /// else paired permutation over groups.
    #[default]
    Default,
    /// Paired permutation over groups, for any metric.
    Permutation,
    /// A form of McNemar's test; with groups of several images [`PredictionTest::McnemarGroups`] is taken instead.
    Mcnemar(McnemarForm),
    /// A form of McNemar's test by group.
    McnemarGroups(GroupForm),
}

/// Compares two models' predictions of the same images.
///
/// Pass [`Groups::by_image`] where no groups are known; the record then says "split by image".
///
/// # Errors
/// Different images or classes, a metric that is not of predictions or lacks its positive class or threshold.
pub fn compare_predictions(
    metric: MetricId,
    candidate: &Predictions,
    baseline: &Predictions,
    groups: &Groups,
    test: PredictionTest,
    setting: &Setting,
) -> Result<Comparison, Error> {
    setting.check()?;
    same_images(candidate, baseline)?;
    groups.check(candidate.len())?;
    probe(metric, &[candidate, baseline])?;
    let values = (evaluate_metric(metric, candidate)?, evaluate_metric(metric, baseline)?);
    let (outcome, n_images, n_groups) =
        if identical(candidate.probabilities(), baseline.probabilities(), SINGLE_PRECISION)
            && candidate.threshold() == baseline.threshold()
        {
            (Outcome::Identical, groups.n_images(), groups.n_groups())
        } else {
            run(metric, candidate, baseline, groups, test, setting)?
        };
    let comparison = Comparison::new(metric, values.0, values.1, outcome).counted(n_images, n_groups);
    Ok(with_grouping(comparison, groups))
}

pub(super) fn with_grouping(comparison: Comparison, groups: &Groups) -> Comparison {
    if groups.is_known() { comparison } else { comparison.noted(Note::SplitByImage) }
}

pub(super) fn same_images(candidate: &Predictions, baseline: &Predictions) -> Result<(), Error> {
    same_length("predictions of candidate and baseline", candidate.len(), baseline.len())?;
    let mut both = candidate.truth().iter().zip(baseline.truth());
    match both.position(|(a, b)| a != b) {
        Some(index) => Err(Error::Truth { index }),
        None => Ok(()),
    }
}

fn run(
    metric: MetricId,
    candidate: &Predictions,
    baseline: &Predictions,
    groups: &Groups,
    test: PredictionTest,
    setting: &Setting,
) -> Result<(Outcome, usize, usize), Error> {
    let all = (groups.n_images(), groups.n_groups());
    let binary = candidate.classes() == 2;
    if matches!(test, PredictionTest::Default) && metric == MetricId::Auroc && binary && groups.is_trivial() {
        let class = candidate.positive_class().unwrap_or(1);
        let positive: Vec<bool> = candidate.truth().iter().map(|&truth| truth == class).collect();
        let outcome = delong(&candidate.scores(class), &baseline.scores(class), &positive, setting);
        return Ok((outcome, all.0, all.1));
    }
    if !matches!(test, PredictionTest::Permutation) {
        if let Some((images, right)) = right_or_wrong(metric, candidate, baseline) {
            let groups = groups.subset(&images);
            let outcome = mcnemar_by(&right.0, &right.1, &groups, test, setting);
            return Ok((outcome, groups.n_images(), groups.n_groups()));
        }
        if !matches!(test, PredictionTest::Default) {
            return Err(Error::Metric {
                metric,
                problem: "is not right or wrong per image, so McNemar does not apply",
            });
        }
    }
    let pool = Prepared::new(metric, &[candidate, baseline])?;
    Ok((permute(&[pool], differing(&[(candidate, baseline)], groups), groups, setting), all.0, all.1))
}

/// McNemar's test in the form asked for, by group where a group has several images.
pub(super) fn mcnemar_by(
    candidate: &[bool],
    baseline: &[bool],
    groups: &Groups,
    test: PredictionTest,
    setting: &Setting,
) -> Outcome {
    let form = match test {
        PredictionTest::McnemarGroups(form) => Some(form),
        _ if !groups.is_trivial() => Some(GroupForm::Auto),
        _ => None,
    };
    match (form, test) {
        (Some(form), _) => mcnemar_groups(&GroupTable::count(candidate, baseline, groups), form, setting),
        (None, PredictionTest::Mcnemar(form)) => mcnemar(Discordant::count(candidate, baseline), form, setting),
        (None, _) => mcnemar(Discordant::count(candidate, baseline), McnemarForm::Auto, setting),
    }
}

/// The images that count and who has them right, for metrics that are a share of right answers.
#[allow(clippy::type_complexity, reason = "two parallel lists, used once")]
fn right_or_wrong(
    metric: MetricId,
    candidate: &Predictions,
    baseline: &Predictions,
) -> Option<(Vec<usize>, (Vec<bool>, Vec<bool>))> {
    use MetricId::*;
    if matches!(metric, Accuracy | RecallWeighted) {
        return Some(((0..candidate.len()).collect(), (candidate.right(), baseline.right())));
    }
    let of_positives = match metric {
        Sensitivity | SensitivityTuned => true,
        Specificity | SpecificityTuned => false,
        _ => return None,
    };
    let class = candidate.positive_class()?;
    let images: Vec<usize> =
        (0..candidate.len()).filter(|&image| (candidate.truth()[image] == class) == of_positives).collect();
    let tuned = matches!(metric, SensitivityTuned | SpecificityTuned);
    let right = |pool: &Predictions| -> Vec<bool> {
        let cut = if tuned { pool.threshold().unwrap_or(0.5) } else { 0.5 };
        images.iter().map(|&image| (pool.row(image)[class] >= cut) == of_positives).collect()
    };
    Some((images.clone(), (right(candidate), right(baseline))))
}

/// For each group its place among those in which any pair of predictions differs.
pub(super) fn differing(pairs: &[(&Predictions, &Predictions)], groups: &Groups) -> Vec<Option<usize>> {
    let mut differs = vec![false; groups.n_groups()];
    for (a, b) in pairs {
        for (image, &group) in groups.of_image().iter().enumerate() {
            differs[group] |= a.row(image) != b.row(image) || a.threshold() != b.threshold();
        }
    }
    let mut next = 0;
    let place = |differs: bool| {
        next += usize::from(differs);
        differs.then(|| next - 1)
    };
    differs.into_iter().map(place).collect()
}

/// Permutation of whole groups over pools that hold the candidate's rows and then the baseline's; the statistic is the
/// mean over pools (seeds) of the metric's difference.
pub(super) fn permute(pools: &[Prepared], places: Vec<Option<usize>>, groups: &Groups, setting: &Setting) -> Outcome {
    let n = groups.n_images();
    let place: Vec<Option<usize>> = groups.of_image().iter().map(|&group| places[group]).collect();
    let movable = places.iter().flatten().count();
    let difference = |(first, second): &mut (Vec<u32>, Vec<u32>), swaps: &[bool]| {
        for (image, place) in place.iter().enumerate() {
            let swapped = u32::from(place.is_some_and(|place| swaps[place]));
            (first[image], first[n + image]) = (1 - swapped, swapped);
            (second[image], second[n + image]) = (swapped, 1 - swapped);
        }
        let mut sum = 0.0;
        for pool in pools {
            sum += pool.value(first)? - pool.value(second)?;
        }
        Some(sum / pools.len() as f64)
    };
    let scratch = || (vec![0_u32; 2 * n], vec![0_u32; 2 * n]);
    permutation_with(movable, scratch, difference, setting).into()
}

/// Compares two models by right or wrong on the pooled test parts of all folds, "for these trained networks".
///
/// Only right or wrong is pooled; scores of different networks never are.
///
/// # Errors
/// As [`compare_predictions`]; folds of different numbers.
pub fn compare_out_of_fold(
    candidate: &[Predictions],
    baseline: &[Predictions],
    groups: &Groups,
    test: PredictionTest,
    setting: &Setting,
) -> Result<Comparison, Error> {
    setting.check()?;
    same_length("folds of candidate and baseline", candidate.len(), baseline.len())?;
    let (mut a, mut b) = (Vec::new(), Vec::new());
    let mut equal = true;
    for (candidate, baseline) in candidate.iter().zip(baseline) {
        same_images(candidate, baseline)?;
        equal &= identical(candidate.probabilities(), baseline.probabilities(), SINGLE_PRECISION);
        a.extend(candidate.right());
        b.extend(baseline.right());
    }
    groups.check(a.len())?;
    let outcome = match test {
        _ if equal => Outcome::Identical,
        PredictionTest::Permutation => {
            mcnemar_by(&a, &b, groups, PredictionTest::McnemarGroups(GroupForm::Exact), setting)
        }
        test => mcnemar_by(&a, &b, groups, test, setting),
    };
    let share = |right: &[bool]| Some(right.iter().filter(|r| **r).count() as f64 / right.len() as f64);
    let comparison = Comparison::new(MetricId::Accuracy, share(&a), share(&b), outcome);
    let n_folds = Some(candidate.len());
    let comparison = Comparison { n_folds, ..comparison.counted(groups.n_images(), groups.n_groups()) };
    Ok(with_grouping(comparison, groups).noted(Note::ForTheseNetworks))
}
