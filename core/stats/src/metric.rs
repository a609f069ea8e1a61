//! The registry of metrics: id, name, which way is up, range, formula and source of each, defined once.

use crate::Error;
use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// Which end of a metric's range is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Better {
    /// More is better.
    Higher,
    /// Less is better.
    Lower,
    /// A description, not a merit.
    Neither,
}

/// What a metric measures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Kind {
    /// Predicted classes against true ones.
    Classification,
    /// The order of the scores.
    Ranking,
    /// The probabilities themselves.
    Calibration,
    /// An explanation, one value per image.
    Explanation,
    /// An explanation, yes or no per image.
    ExplanationYesNo,
    /// What it costs.
    Cost,
}

/// All that is said about a metric.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct MetricInfo {
    /// The name in files and commands.
    pub id: &'static str,
    /// The name on screen.
    pub name: &'static str,
    /// Which way is up.
    pub better: Better,
    /// Smallest and largest possible value.
    pub range: (f64, f64),
    /// What it measures.
    pub kind: Kind,
    /// Its definition in a line.
    pub formula: &'static str,
    /// Where the definition comes from.
    pub source: &'static str,
}

macro_rules! metrics {
    ($($variant:ident $id:literal $name:literal $better:ident $kind:ident [$low:expr, $high:expr] $formula:literal $source:literal;)*) => {
        /// A metric by id.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum MetricId {
            $(#[doc = concat!("`", $id, "`: ", $formula, ". ", $source, ".")] $variant,)*
        }

        impl MetricId {
            /// Every metric, in the order of tables.
            pub const ALL: &'static [MetricId] = &[$(MetricId::$variant,)*];

            /// What is said about it.
            pub fn info(self) -> &'static MetricInfo {
                match self {
                    $(MetricId::$variant => &MetricInfo {
                        id: $id, name: $name, better: Better::$better, range: ($low, $high), kind: Kind::$kind,
                        formula: $formula, source: $source,
                    },)*
                }
            }
        }
    };
}

metrics! {
    Accuracy "accuracy" "accuracy" Higher Classification [0.0, 1.0]
        "right predictions / images" "scikit-learn accuracy_score";
    BalancedAccuracy "balanced-accuracy" "balanced accuracy" Higher Classification [0.0, 1.0]
        "mean sensitivity over the classes present" "scikit-learn balanced_accuracy_score";
    PrecisionMacro "precision-macro" "precision (macro)" Higher Classification [0.0, 1.0]
        "mean over the classes present of TP / (TP + FP), 0 when never predicted" "scikit-learn precision_score";
    PrecisionWeighted "precision-weighted" "precision (weighted)" Higher Classification [0.0, 1.0]
        "mean of TP / (TP + FP) weighted by class size" "scikit-learn precision_score";
    RecallMacro "recall-macro" "recall (macro)" Higher Classification [0.0, 1.0]
        "mean over the classes present of TP / (TP + FN)" "scikit-learn recall_score";
    RecallWeighted "recall-weighted" "recall (weighted)" Higher Classification [0.0, 1.0]
        "mean of TP / (TP + FN) weighted by class size" "scikit-learn recall_score";
    F1Macro "f1-macro" "F1 (macro)" Higher Classification [0.0, 1.0]
        "mean over the classes present of 2 TP / (2 TP + FP + FN)" "scikit-learn f1_score";
    F1Weighted "f1-weighted" "F1 (weighted)" Higher Classification [0.0, 1.0]
        "mean of 2 TP / (2 TP + FP + FN) weighted by class size" "scikit-learn f1_score";
    Mcc "mcc" "MCC" Higher Classification [-1.0, 1.0]
        "correlation of true and predicted class, 0 when either is constant"
        "Matthews 1975, Gorodkin 2004; scikit-learn matthews_corrcoef";
    Kappa "kappa" "Cohen's kappa" Higher Classification [-1.0, 1.0]
        "(observed - chance agreement) / (1 - chance agreement)" "Cohen 1960; scikit-learn cohen_kappa_score";
    Sensitivity "sensitivity" "sensitivity at 0.5" Higher Classification [0.0, 1.0]
        "TP / (TP + FN) of the positive class, binary, at probability 0.5" "Altman and Bland 1994";
    Specificity "specificity" "specificity at 0.5" Higher Classification [0.0, 1.0]
        "TN / (TN + FP) of the positive class, binary, at probability 0.5" "Altman and Bland 1994";
    Ppv "ppv" "PPV at 0.5" Higher Classification [0.0, 1.0]
        "TP / (TP + FP) of the positive class, binary, at probability 0.5; 0 when never predicted" "Altman and Bland 1994";
    SensitivityTuned "sensitivity-tuned" "sensitivity at validation threshold" Higher Classification [0.0, 1.0]
        "TP / (TP + FN) of the positive class at the threshold chosen on validation" "Youden 1950";
    SpecificityTuned "specificity-tuned" "specificity at validation threshold" Higher Classification [0.0, 1.0]
        "TN / (TN + FP) of the positive class at the threshold chosen on validation" "Youden 1950";
    Auroc "auroc" "AUROC" Higher Ranking [0.0, 1.0]
        "P(score of a positive > score of a negative), ties half; one class against the rest, mean over the classes present"
        "Hanley and McNeil 1982; scikit-learn roc_auc_score";
    AveragePrecision "average-precision" "average precision" Higher Ranking [0.0, 1.0]
        "sum of precision x step in recall; positive class of a binary task, else mean over the classes present"
        "scikit-learn average_precision_score";
    Brier "brier" "Brier score" Lower Calibration [0.0, 2.0]
        "mean over images of the sum over classes of (probability - truth)^2" "Brier 1950";
    Ece "ece" "ECE" Lower Calibration [0.0, 1.0]
        "sum over 15 equal-width bins of share x |accuracy - confidence| of the top label" "Guo et al. 2017";
    Road "road" "ROAD" Higher Explanation [-1.0, 1.0]
        "(LeRF - MoRF) / 2 of the target's softmax, mean over percentiles" "Rong et al. 2022; grad-cam ROADCombined";
    ConfidenceChange "confidence-change" "confidence change" Higher Explanation [-1.0, 1.0]
        "softmax of the target on image x map, minus on the image" "grad-cam CamMultImageConfidenceChange";
    Drop "drop" "drop in confidence" Lower Explanation [0.0, 1.0]
        "max(0, confidence on the image - confidence on image x map)" "grad-cam DropInConfidence";
    AverageDrop "average-drop" "average drop" Lower Explanation [0.0, 1.0]
        "max(0, Y - O) / Y, Y on the image and O on image x map" "Chattopadhay et al. 2018";
    Increase "increase" "increase in confidence" Higher ExplanationYesNo [0.0, 1.0]
        "1 if confidence on image x map exceeds that on the image" "Chattopadhay et al. 2018; grad-cam IncreaseInConfidence";
    Deletion "deletion" "deletion" Lower Explanation [0.0, 1.0]
        "area under the target's softmax while the hottest pixels are removed" "Petsiuk et al. 2018";
    Insertion "insertion" "insertion" Higher Explanation [0.0, 1.0]
        "area under the target's softmax while the hottest pixels are added" "Petsiuk et al. 2018";
    Pointing "pointing" "pointing game" Higher ExplanationYesNo [0.0, 1.0]
        "1 if any maximum of the map lies in the mask" "Zhang et al. 2018";
    Energy "energy" "energy in mask" Higher Explanation [0.0, 1.0]
        "sum(map x mask) / sum(map)" "Wang et al. 2020";
    Iou "iou" "IoU" Higher Explanation [0.0, 1.0]
        "intersection over union of the mask and as many hottest pixels" "Jaccard 1901";
    Auprc "auprc" "AUPRC in mask" Higher Explanation [0.0, 1.0]
        "average precision of the map as a score for the mask's pixels" "Saito and Rehmsmeier 2015";
    AreaFraction "area-fraction" "mask area" Neither Explanation [0.0, 1.0]
        "mask pixels / pixels" "a map at random reaches this energy";
    SecondsPerImage "seconds-per-image" "seconds per image" Lower Cost [0.0, f64::INFINITY]
        "wall time / images" "measured";
    ImagesPerSecond "images-per-second" "images/s" Higher Cost [0.0, f64::INFINITY]
        "images / wall time" "measured";
    Parameters "parameters" "parameters" Lower Cost [0.0, f64::INFINITY]
        "trainable and frozen weights" "counted";
}

impl MetricId {
    /// The name in files and commands.
    pub fn id(self) -> &'static str {
        self.info().id
    }

    /// The name on screen.
    pub fn name(self) -> &'static str {
        self.info().name
    }

    /// Which way is up.
    pub fn better(self) -> Better {
        self.info().better
    }

    /// What it measures.
    pub fn kind(self) -> Kind {
        self.info().kind
    }

    /// True for metrics that [`crate::evaluate`] computes from predictions.
    pub fn is_of_predictions(self) -> bool {
        matches!(self.kind(), Kind::Classification | Kind::Ranking | Kind::Calibration)
    }

    /// True for metrics that score explanations, one value per image.
    pub fn is_of_explanations(self) -> bool {
        matches!(self.kind(), Kind::Explanation | Kind::ExplanationYesNo)
    }

    /// True for metrics that need a positive class.
    pub fn needs_positive_class(self) -> bool {
        use MetricId::*;
        matches!(self, Sensitivity | Specificity | Ppv | SensitivityTuned | SpecificityTuned)
    }
}

impl fmt::Display for MetricId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.id())
    }
}

impl FromStr for MetricId {
    type Err = Error;

    fn from_str(id: &str) -> Result<Self, Error> {
        let found = MetricId::ALL.iter().copied().find(|metric| metric.id() == id);
        found.ok_or_else(|| Error::UnknownMetric { id: id.to_owned() })
    }
}

impl Serialize for MetricId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.id())
    }
}

impl<'de> Deserialize<'de> for MetricId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_unique_and_read_back() {
        for (position, metric) in MetricId::ALL.iter().enumerate() {
            assert_eq!(metric.id().parse::<MetricId>().unwrap(), *metric);
            assert!(MetricId::ALL[..position].iter().all(|other| other.id() != metric.id()));
            assert!(metric.info().range.0 < metric.info().range.1);
        }
        assert!("acuracy".parse::<MetricId>().is_err());
    }
}
