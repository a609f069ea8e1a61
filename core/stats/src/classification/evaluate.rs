//! Every metric of one network's predictions, in one record.

use super::{Confusion, Predictions, Prepared, ReliabilityBin, prepared::confusion, probe, reliability};
use crate::{Error, MetricId, ranks::auroc};
use serde::{Deserialize, Serialize};

/// One metric's value.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct MetricValue {
    /// Which metric.
    pub metric: MetricId,
    /// Its value; none where it is undefined, as AUROC with one class only.
    pub value: Option<f64>,
}

/// One class against the rest.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ClassReport {
    /// Which class.
    pub class: usize,
    /// Images of the class.
    pub support: u64,
    /// `TP / (TP + FN)`.
    pub sensitivity: Option<f64>,
    /// `TN / (TN + FP)`.
    pub specificity: Option<f64>,
    /// `TP / (TP + FP)`.
    pub ppv: Option<f64>,
    /// `2 TP / (2 TP + FP + FN)`.
    pub f1: Option<f64>,
    /// One against the rest.
    pub auroc: Option<f64>,
    /// One against the rest.
    pub average_precision: Option<f64>,
}

/// All metrics of some predictions.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Images.
    pub n_images: usize,
    /// Every metric that these predictions can have, in the registry's order.
    pub metrics: Vec<MetricValue>,
    /// Classes without an image here; left out of macro means.
    pub absent_classes: Vec<usize>,
    /// Each class against the rest.
    pub per_class: Vec<ClassReport>,
    /// Images by true and predicted class.
    pub confusion: Confusion,
    /// The reliability diagram of the top label.
    pub reliability: Vec<ReliabilityBin>,
}

impl Evaluation {
    /// One metric's value; none where it is undefined or not of these predictions.
    pub fn value(&self, metric: MetricId) -> Option<f64> {
        self.metrics.iter().find(|entry| entry.metric == metric).and_then(|entry| entry.value)
    }
}

/// One metric of some predictions; `Ok(None)` where it is undefined on these images.
///
/// # Errors
/// A metric that is not of predictions, or that needs a positive class or threshold that is not set.
pub fn evaluate_metric(metric: MetricId, predictions: &Predictions) -> Result<Option<f64>, Error> {
    Ok(Prepared::new(metric, &[predictions])?.value(&vec![1; predictions.len()]))
}

/// All metrics of some predictions.
///
/// A metric that they cannot have (sensitivity without a positive class) is left out; one without a value is none.
pub fn evaluate(predictions: &Predictions) -> Evaluation {
    let possible = MetricId::ALL.iter().copied().filter(|&metric| probe(metric, &[predictions]).is_ok());
    let metrics = possible
        .map(|metric| MetricValue { metric, value: evaluate_metric(metric, predictions).ok().flatten() })
        .collect();
    let classes = predictions.classes();
    let cells: Vec<u32> = (0..predictions.len())
        .map(|image| (predictions.truth()[image] * classes + predictions.predicted(image)) as u32)
        .collect();
    let confusion = confusion(classes, &cells, &vec![1; cells.len()]);
    let per_class = (0..classes).map(|class| class_report(predictions, &confusion, class)).collect();
    Evaluation {
        n_images: predictions.len(),
        metrics,
        absent_classes: predictions.absent_classes(),
        per_class,
        confusion,
        reliability: reliability(predictions),
    }
}

fn class_report(predictions: &Predictions, confusion: &Confusion, class: usize) -> ClassReport {
    let scores = predictions.scores(class);
    let positive: Vec<bool> = predictions.truth().iter().map(|&truth| truth == class).collect();
    let area = auroc(&scores, &positive);
    let sorted = super::sorted_scores::SortedScores::new(&scores, &positive);
    ClassReport {
        class,
        support: confusion.support(class),
        sensitivity: confusion.sensitivity(class),
        specificity: confusion.specificity(class),
        ppv: confusion.ppv(class),
        f1: confusion.f1(class),
        auroc: area,
        average_precision: area.and_then(|_| sorted.average_precision(&vec![1; scores.len()])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_absent_class_is_left_out_and_counted() {
        let p = [0.8, 0.1, 0.1, 0.2, 0.7, 0.1, 0.1, 0.2, 0.7];
        let evaluation = evaluate(&Predictions::from_probabilities(3, &[0, 1, 0], &p).unwrap());
        assert_eq!(evaluation.absent_classes, [2]);
        // Recall 1/2 and 1; the third class has no image, though one was predicted as it.
        assert_eq!(evaluation.value(MetricId::BalancedAccuracy), Some(0.75));
        assert_eq!(evaluation.per_class[2].sensitivity, None);
        assert_eq!(evaluation.value(MetricId::Sensitivity), None);
    }

    #[test]
    fn one_class_only_leaves_auroc_undefined() {
        let evaluation = evaluate(&Predictions::from_probabilities(2, &[0, 0], &[0.8, 0.2, 0.4, 0.6]).unwrap());
        assert_eq!(evaluation.value(MetricId::Auroc), None);
        assert_eq!(evaluation.value(MetricId::Accuracy), Some(0.5));
        assert_eq!(evaluation.value(MetricId::Mcc), Some(0.0));
    }
}
