//! Two models over k folds or repeated splits: one value of a metric per fold.

use super::same_length;
use crate::{
    Comparison, Error, MetricId, Outcome, Reason, Setting,
    metric::Kind,
    paired::{FoldSizes, WilcoxonForm, five_by_two, nadeau_bengio, paired_t, wilcoxon},
    rounding::{SINGLE_PRECISION, differences, identical},
};
use serde::{Deserialize, Serialize};

/// How far n_test / n_train of a 5x2 split may be from 1; a validation part of 10 % makes it 1.11.
const HALVES: std::ops::RangeInclusive<f64> = 0.75..=1.5;

/// Which test over folds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FoldTest {
    /// Corrected for overlapping training sets; holds its level.
    #[default]
    NadeauBengio,
    /// The study's; rejects too often on folds.
    PairedT,
    /// Signed ranks; cannot reach .05 below six folds.
    Wilcoxon,
    /// Dietterich's, on five repeats of two halves in this order: repeat 1 fold 1, repeat 1 fold 2, repeat 2 fold 1...
    FiveByTwo,
}

/// Compares two models by a metric's values per fold.
///
/// A value that is undefined in a fold is passed as NaN and makes the comparison not testable. Effect and difference are
/// in the metric's unit, means over folds. Images are counted over all test parts, groups are the folds.
///
/// # Errors
/// Slices of different lengths, a fold without images, a setting out of range.
pub fn compare_folds(
    metric: MetricId,
    candidate: &[f64],
    baseline: &[f64],
    folds: &[FoldSizes],
    test: FoldTest,
    setting: &Setting,
) -> Result<Comparison, Error> {
    setting.check()?;
    same_length("fold values of candidate and baseline", candidate.len(), baseline.len())?;
    same_length("fold values and fold sizes", candidate.len(), folds.len())?;
    for (index, &FoldSizes { n_train, n_test }) in folds.iter().enumerate() {
        if n_train == 0 || n_test == 0 {
            return Err(Error::Fold { index, n_train, n_test });
        }
    }
    let d = differences(candidate, baseline);
    // Equal accuracies may be chance; equal probabilities in every fold are not.
    let by_construction = metric.kind() == Kind::Calibration && candidate.iter().all(|v| v.is_finite());
    let outcome = if d.len() == 1 {
        Outcome::not(Reason::OneFold)
    } else if by_construction && identical(candidate, baseline, SINGLE_PRECISION) {
        Outcome::Identical
    } else {
        match test {
            FoldTest::NadeauBengio => nadeau_bengio(&d, folds, setting),
            FoldTest::PairedT => paired_t(&d, setting),
            FoldTest::Wilcoxon => wilcoxon(&d, WilcoxonForm::Auto, setting),
            FoldTest::FiveByTwo => by_halves(&d, folds, setting),
        }
    };
    let outcome = in_raw_units(outcome);
    let mean = |values: &[f64]| Some(values.iter().sum::<f64>() / values.len() as f64);
    let images = folds.iter().map(|fold| fold.n_test).sum();
    let n_folds = Some(d.len());
    let comparison = Comparison::new(metric, mean(candidate), mean(baseline), outcome);
    Ok(Comparison { n_folds, ..comparison.counted(images, folds.len()) })
}

fn by_halves(d: &[f64], folds: &[FoldSizes], setting: &Setting) -> Outcome {
    let halves = folds.iter().all(|fold| HALVES.contains(&(fold.n_test as f64 / fold.n_train as f64)));
    let mut pairs = [[0.0; 2]; 5];
    if d.len() != 10 || !halves {
        return Outcome::not(Reason::NotFiveByTwo);
    }
    pairs.iter_mut().zip(d.chunks_exact(2)).for_each(|(pair, two)| pair.copy_from_slice(two));
    five_by_two(&pairs, setting)
}

/// Folds are not a sample of patients: standardising by their spread would describe the design, not the models.
fn in_raw_units(outcome: Outcome) -> Outcome {
    match outcome {
        Outcome::Tested(mut tested) => {
            if tested.effect.is_none_or(|effect| effect.kind == crate::EffectKind::HedgesDz) {
                let value = tested.estimate;
                tested.effect = Some(crate::Effect { kind: crate::EffectKind::RawDifference, value });
            }
            Outcome::Tested(tested)
        }
        other => other,
    }
}
