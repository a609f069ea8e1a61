//! Two explanation methods on the same networks, a value or a yes or no per image.

use super::{
    predictions::{PredictionTest, mcnemar_by, with_grouping},
    same_length,
};
use crate::{
    Comparison, Error, Groups, MetricId, Note, Outcome, Reason, Setting,
    metric::Kind,
    paired::{WilcoxonForm, paired_t_within, wilcoxon},
    resampling::permutation_by_group,
    rounding::{SINGLE_PRECISION, differences, identical},
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// Which test between explanation methods.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ExplanationTest {
    /// Paired t on group means for values, McNemar for yes or no.
    #[default]
    Default,
    /// Paired t on group means, folds as strata.
    PairedT,
    /// Wilcoxon signed-rank on group means.
    Wilcoxon,
    /// Permutation over groups of the mean of group means.
    Permutation,
    /// McNemar, by group where a group has several images.
    Mcnemar,
}

/// Compares two explanation methods by one value per image.
///
/// An image without a value (empty mask, constant map) is NaN in its slice; pairs without two finite values are left
/// out and counted. `folds[i]` is the fold whose network explained image i: with several folds they are strata, and the
/// record says that it is conditional on the networks. Signs within a pair are exchangeable fold by fold, so that
/// signed ranks and permutation need no further strata; the t-test takes the spread within folds.
///
/// Values per candidate and baseline are means of group means (for McNemar: of images), as the test sees them.
///
/// # Errors
/// Slices of different lengths, a metric that is not of explanations, values other than 0 and 1 for McNemar.
pub fn compare_explanations(
    metric: MetricId,
    candidate: &[f64],
    baseline: &[f64],
    groups: &Groups,
    folds: Option<&[usize]>,
    test: ExplanationTest,
    setting: &Setting,
) -> Result<Comparison, Error> {
    setting.check()?;
    same_length("values of candidate and baseline", candidate.len(), baseline.len())?;
    groups.check(candidate.len())?;
    if let Some(folds) = folds {
        same_length("values and folds", candidate.len(), folds.len())?;
    }
    if !metric.is_of_explanations() {
        return Err(Error::Metric { metric, problem: "is not a metric of explanations" });
    }
    let kept: Vec<usize> =
        (0..candidate.len()).filter(|&i| candidate[i].is_finite() && baseline[i].is_finite()).collect();
    let excluded = candidate.len() - kept.len();
    let pick = |values: &[f64]| -> Vec<f64> { kept.iter().map(|&i| values[i]).collect() };
    let (a, b) = (pick(candidate), pick(baseline));
    let subset = groups.subset(&kept);
    let strata = strata_of_groups(&subset, folds.map(|folds| kept.iter().map(|&i| folds[i]).collect()));
    let comparison = if kept.is_empty() {
        Comparison::new(metric, None, None, Outcome::not(Reason::NotFinite { count: excluded }))
    } else {
        let test = match test {
            ExplanationTest::Default if metric.kind() == Kind::ExplanationYesNo => ExplanationTest::Mcnemar,
            ExplanationTest::Default => ExplanationTest::PairedT,
            asked => asked,
        };
        match test {
            ExplanationTest::Mcnemar => yes_or_no(metric, &a, &b, &kept, &subset, setting)?,
            test => by_value(metric, (&a, &b), &subset, &strata, test, setting),
        }
    };
    let networks = strata.iter().collect::<BTreeSet<_>>().len();
    let comparison = with_grouping(comparison.counted(subset.n_images(), subset.n_groups()), groups)
        .noted(Note::ConditionalOnNetworks { strata: networks });
    Ok(if excluded > 0 { comparison.noted(Note::Excluded { images: excluded }) } else { comparison })
}

fn by_value(
    metric: MetricId,
    (a, b): (&[f64], &[f64]),
    groups: &Groups,
    strata: &[usize],
    test: ExplanationTest,
    setting: &Setting,
) -> Comparison {
    let (means_a, means_b) = (groups.means(a), groups.means(b));
    let d = differences(&means_a, &means_b);
    let varies = |values: &[f64]| values.iter().any(|v| *v != values[0]);
    let outcome = if identical(a, b, SINGLE_PRECISION) && varies(a) {
        Outcome::Identical
    } else {
        match test {
            ExplanationTest::Wilcoxon => wilcoxon(&d, WilcoxonForm::Auto, setting),
            ExplanationTest::Permutation => permute_mean(&d, setting),
            _ => paired_t_within(&d, strata, setting),
        }
    };
    let mean = |means: &[f64]| Some(means.iter().sum::<f64>() / means.len() as f64);
    Comparison::new(metric, mean(&means_a), mean(&means_b), outcome)
}

fn permute_mean(d: &[f64], setting: &Setting) -> Outcome {
    let moving: Vec<f64> = d.iter().copied().filter(|d| *d != 0.0).collect();
    let signed = |swaps: &[bool]| moving.iter().zip(swaps).map(|(d, s)| if *s { -d } else { *d }).sum::<f64>();
    permutation_by_group(moving.len(), |swaps| Some(signed(swaps) / d.len() as f64), setting)
}

fn yes_or_no(
    metric: MetricId,
    a: &[f64],
    b: &[f64],
    kept: &[usize],
    groups: &Groups,
    setting: &Setting,
) -> Result<Comparison, Error> {
    for values in [a, b] {
        if let Some(at) = values.iter().position(|v| *v != 0.0 && *v != 1.0) {
            return Err(Error::NotYesNo { index: kept[at], value: values[at] });
        }
    }
    let hits = |values: &[f64]| -> Vec<bool> { values.iter().map(|v| *v == 1.0).collect() };
    let outcome = mcnemar_by(&hits(a), &hits(b), groups, PredictionTest::Default, setting);
    let mean = |values: &[f64]| Some(values.iter().sum::<f64>() / values.len() as f64);
    Ok(Comparison::new(metric, mean(a), mean(b), outcome))
}

/// The stratum of each group: its fold, when every group lies in one fold; else a single stratum, since the group's mean
/// is then over several networks.
fn strata_of_groups(groups: &Groups, folds: Option<Vec<usize>>) -> Vec<usize> {
    let mut of_group: Vec<Option<usize>> = vec![None; groups.n_groups()];
    for (&group, fold) in groups.of_image().iter().zip(folds.unwrap_or_default()) {
        if of_group[group].is_some_and(|known| known != fold) {
            return vec![0; groups.n_groups()];
        }
        of_group[group] = Some(fold);
    }
    of_group.into_iter().map(|fold| fold.unwrap_or(0)).collect()
}

/// Averages each image's value over seeds; an image without a value in some seed has none.
///
/// # Errors
/// No seeds, or seeds with different numbers of images.
pub fn mean_over_seeds(seeds: &[&[f64]]) -> Result<Vec<f64>, Error> {
    let first = seeds.first().ok_or(Error::Empty { what: "seeds" })?;
    for seed in seeds {
        same_length("images of the seeds", first.len(), seed.len())?;
    }
    Ok((0..first.len()).map(|i| seeds.iter().map(|seed| seed[i]).sum::<f64>() / seeds.len() as f64).collect())
}
