//! Train, validation and test: stratified by class, never across a group.
//!
//! Every fold is train / validation / test. Test parts come first; validation is then cut from what is left, by group and
//! stratified too. The same dataset, seed and numbers give the same split on every machine.

mod design;
mod file;
mod groups;
mod make;
mod random;
mod stratify;

use serde::Serialize;

pub use design::Design;
pub use file::{Crossing, read_file, write_file};
pub use groups::Groups;
pub use make::{OwnSplitPlan, Plan, five_by_two, from_own_split, k_fold, own_split_with, split_with};

use crate::dataset::{Dataset, Notice, Split};

/// One fold: three lists of indices into [`Dataset::images`], each rising.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fold {
    /// Its name in split files and tables: `3`, or `1-3` for fold 3 of repeat 1, counted from 0.
    pub name: String,
    /// The repeat, from 0.
    pub repeat: usize,
    /// The fold within the repeat, from 0.
    pub number: usize,
    /// The seed that made it; `None` where it was read from a file.
    pub seed: Option<u64>,
    /// For fitting.
    pub train: Vec<usize>,
    /// For early stopping, best checkpoint, threshold and temperature.
    pub validation: Vec<usize>,
    /// Read once.
    pub test: Vec<usize>,
}

impl Fold {
    /// The indices of a part.
    pub fn part(&self, part: Split) -> &[usize] {
        match part {
            Split::Train => &self.train,
            Split::Validation => &self.validation,
            Split::Test => &self.test,
        }
    }
}

/// A split of a dataset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Folds {
    /// The folds, by repeat and number.
    pub folds: Vec<Fold>,
    /// Which tests the split allows.
    pub design: Design,
    /// blake3 of which image is in which part of which fold, in hex: equal hashes mean equal splits.
    pub hash: String,
    /// What to know about it: classes that a part lacks, groups that a file splits.
    pub notices: Vec<Notice>,
}

/// Images of each class in one part of one fold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PartCount {
    /// The fold's name.
    pub fold: String,
    /// The part.
    pub part: Split,
    /// Images per class, in the classes' order.
    pub classes: Vec<usize>,
    /// Groups.
    pub groups: usize,
}

impl Folds {
    /// Counts per fold and part.
    pub fn counts(&self, dataset: &Dataset, groups: &Groups) -> Vec<PartCount> {
        let mut counts = Vec::with_capacity(self.folds.len() * 3);
        for fold in &self.folds {
            for part in [Split::Train, Split::Validation, Split::Test] {
                let mut classes = vec![0; dataset.classes().len()];
                for index in fold.part(part) {
                    classes[dataset.images()[*index].label] += 1;
                }
                let groups = groups.among(fold.part(part)).len();
                counts.push(PartCount { fold: fold.name.clone(), part, classes, groups });
            }
        }
        counts
    }
}

/// The hash of folds: names do not count, order and content do.
fn hash(dataset: &Dataset, folds: &[Fold]) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(b"lightbox-split-1");
    for fold in folds {
        hasher.update(b"fold");
        for part in [Split::Train, Split::Validation, Split::Test] {
            hasher.update(part.name().as_bytes());
            hasher.update(&(fold.part(part).len() as u64).to_le_bytes());
            for index in fold.part(part) {
                let id = dataset.images()[*index].id.as_bytes();
                hasher.update(&(id.len() as u64).to_le_bytes());
                hasher.update(id);
            }
        }
    }
    hasher.finalize().to_hex().to_string()
}
