//! The confusion matrix and every metric that is read from it.

use crate::MetricId;
use serde::{Deserialize, Serialize};

/// Counts of images by true and predicted class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Confusion {
    classes: usize,
    counts: Vec<u64>,
}

impl Confusion {
    /// An empty matrix.
    pub fn new(classes: usize) -> Self {
        Confusion { classes, counts: vec![0; classes * classes] }
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Images of class `truth` that were predicted as `predicted`.
    pub fn count(&self, truth: usize, predicted: usize) -> u64 {
        self.counts[truth * self.classes + predicted]
    }

    /// The matrix by rows of true class.
    pub fn rows(&self) -> Vec<Vec<u64>> {
        self.counts.chunks(self.classes.max(1)).map(<[u64]>::to_vec).collect()
    }

    pub(crate) fn add(&mut self, cell: usize, weight: u32) {
        self.counts[cell] += u64::from(weight);
    }

    /// All images.
    pub fn total(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// Images of a true class.
    pub fn support(&self, class: usize) -> u64 {
        (0..self.classes).map(|predicted| self.count(class, predicted)).sum()
    }

    /// Images predicted as a class.
    pub fn predicted(&self, class: usize) -> u64 {
        (0..self.classes).map(|truth| self.count(truth, class)).sum()
    }

    fn hits(&self) -> u64 {
        (0..self.classes).map(|class| self.count(class, class)).sum()
    }

    /// `TP / (TP + FN)`; none for a class without images.
    pub fn sensitivity(&self, class: usize) -> Option<f64> {
        ratio(self.count(class, class), self.support(class))
    }

    /// `TN / (TN + FP)`; none when every image is of the class.
    pub fn specificity(&self, class: usize) -> Option<f64> {
        let others = self.total() - self.support(class);
        ratio(others - (self.predicted(class) - self.count(class, class)), others)
    }

    /// `TP / (TP + FP)`, 0 when the class is never predicted; none for a class without images.
    pub fn ppv(&self, class: usize) -> Option<f64> {
        (self.support(class) > 0).then(|| ratio(self.count(class, class), self.predicted(class)).unwrap_or(0.0))
    }

    /// `2 TP / (2 TP + FP + FN)`; none for a class without images.
    pub fn f1(&self, class: usize) -> Option<f64> {
        let support = self.support(class);
        (support > 0).then(|| 2.0 * self.count(class, class) as f64 / (support + self.predicted(class)) as f64)
    }

    /// A metric of the registry that is read from a confusion matrix; none where it has no value.
    pub fn metric(&self, metric: MetricId) -> Option<f64> {
        let total = self.total();
        if total == 0 {
            return None;
        }
        match metric {
            MetricId::Accuracy | MetricId::RecallWeighted => ratio(self.hits(), total),
            MetricId::BalancedAccuracy | MetricId::RecallMacro => self.macro_mean(Self::sensitivity),
            MetricId::PrecisionMacro => self.macro_mean(Self::ppv),
            MetricId::F1Macro => self.macro_mean(Self::f1),
            MetricId::PrecisionWeighted => self.weighted_mean(Self::ppv),
            MetricId::F1Weighted => self.weighted_mean(Self::f1),
            MetricId::Mcc => Some(self.mcc()),
            MetricId::Kappa => self.kappa(),
            _ => None,
        }
    }

    fn macro_mean(&self, of: impl Fn(&Self, usize) -> Option<f64>) -> Option<f64> {
        let (mut sum, mut present) = (0.0, 0);
        for value in (0..self.classes).filter_map(|class| of(self, class)) {
            sum += value;
            present += 1;
        }
        (present > 0).then(|| sum / f64::from(present))
    }

    fn weighted_mean(&self, of: impl Fn(&Self, usize) -> Option<f64>) -> Option<f64> {
        let weighted = |class| of(self, class).map(|value| value * self.support(class) as f64);
        Some((0..self.classes).filter_map(weighted).sum::<f64>() / self.total() as f64)
    }

    fn mcc(&self) -> f64 {
        let total = self.total() as f64;
        let (mut cross, mut truth, mut predicted) = (0.0, 0.0, 0.0);
        for class in 0..self.classes {
            let (t, p) = (self.support(class) as f64, self.predicted(class) as f64);
            cross += t * p;
            truth += t * t;
            predicted += p * p;
        }
        let spread = (total * total - truth) * (total * total - predicted);
        if spread > 0.0 { (self.hits() as f64 * total - cross) / spread.sqrt() } else { 0.0 }
    }

    fn kappa(&self) -> Option<f64> {
        let total = self.total() as f64;
        let chance: f64 =
            (0..self.classes).map(|class| self.support(class) as f64 * self.predicted(class) as f64).sum::<f64>();
        let chance = chance / (total * total);
        (chance < 1.0).then(|| (self.hits() as f64 / total - chance) / (1.0 - chance))
    }
}

fn ratio(part: u64, whole: u64) -> Option<f64> {
    (whole > 0).then(|| part as f64 / whole as f64)
}
