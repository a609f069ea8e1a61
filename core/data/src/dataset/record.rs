//! One image of a dataset.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::annotation::BoxFraction;

/// Which part of the dataset's own split an image is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Split {
    /// For fitting.
    Train,
    /// For early stopping, best checkpoint, threshold and temperature.
    Validation,
    /// Read once.
    Test,
}

impl Split {
    /// `train`, `validation` or `test`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Validation => "validation",
            Self::Test => "test",
        }
    }

    /// The part that a folder's or a column's word means, in any case: `Training`, `val`, `TEST_SET`.
    pub fn from_words(text: &str) -> Option<Self> {
        let lower = text.to_lowercase().replace(['_', '-', ' '], "");
        let word = lower.strip_suffix("set").or_else(|| lower.strip_suffix("data")).unwrap_or(&lower);
        match word {
            "train" | "training" | "trn" => Some(Self::Train),
            "validation" | "validate" | "valid" | "val" | "dev" => Some(Self::Validation),
            "test" | "testing" | "tst" => Some(Self::Test),
            _ => None,
        }
    }
}

impl std::fmt::Display for Split {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(self.name())
    }
}

/// One image of a dataset.
#[derive(Debug, Clone, PartialEq)]
pub struct ImageRecord {
    /// Path below the dataset's root, `/`-separated: unique, and the same on every machine.
    pub id: String,
    /// Where the file is on this machine.
    pub path: PathBuf,
    /// Index into [`Dataset::classes`](crate::Dataset::classes).
    pub label: usize,
    /// Patient, lesion or whatever must not be split; `None` where the image stands alone.
    pub group: Option<String>,
    /// The dataset's own split, if it has one.
    pub split: Option<Split>,
    /// Lesion boxes.
    pub boxes: Vec<BoxFraction>,
    /// The lesion mask's file.
    pub mask: Option<PathBuf>,
}
