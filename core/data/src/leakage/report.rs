//! What the check found, as a record that `--json` prints.

use serde::{Deserialize, Serialize};

use crate::dataset::{Dataset, ImageRecord, Split};

/// Everything that `data check` found. Images are named by id.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LeakageReport {
    /// The dataset's name.
    pub dataset: String,
    /// How many images were read.
    pub images: usize,
    /// Images per class and part, in the order of the classes.
    pub counts: Vec<ClassCounts>,
    /// Images that cannot be read or decoded.
    pub unreadable: Vec<Unreadable>,
    /// Images whose mask cannot be read or does not lie over them.
    pub bad_masks: Vec<Unreadable>,
    /// What leaks between the parts of the dataset's own split; empty where it has none.
    pub crossings: Vec<Crossing>,
    /// Sets of identical images within one part (or within the whole, where there is no split).
    pub repeats: Vec<Cluster>,
    /// Sets of identical images that the dataset counts to different groups: a split by group can part them.
    pub across_groups: Vec<Cluster>,
    /// Sets of identical images with different labels.
    pub label_conflicts: Vec<LabelConflict>,
    /// Sets of images that look almost the same without being identical.
    pub look_alikes: Vec<Vec<String>>,
}

impl LeakageReport {
    /// What leaks between two parts.
    pub fn crossing(&self, held: Split, other: Split) -> Option<&Crossing> {
        self.crossings.iter().find(|crossing| crossing.held == held && crossing.other == other)
    }

    /// The sets of identical images within one part.
    pub fn repeats_within(&self, split: Option<Split>) -> impl Iterator<Item = &Cluster> {
        self.repeats.iter().filter(move |cluster| cluster.split == split)
    }

    /// True where held-out images, or their groups, are trained on.
    pub fn leaks(&self) -> bool {
        self.crossings.iter().any(|crossing| !crossing.exact.is_empty() || !crossing.groups.is_empty())
    }
}

/// Images of a class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClassCounts {
    /// The class.
    pub class: String,
    /// In the training part.
    pub train: usize,
    /// In the validation part.
    pub validation: usize,
    /// In the test part.
    pub test: usize,
    /// In no part.
    pub unsplit: usize,
}

/// An image that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unreadable {
    /// Its id.
    pub image: String,
    /// The error, naming the file.
    pub reason: String,
}

/// What a held-out part shares with another.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Crossing {
    /// The part that is held out.
    pub held: Split,
    /// The part that it must not share images with.
    pub other: Split,
    /// Images of the held-out part.
    pub held_images: usize,
    /// Held-out images that decode to the same pixels as images of the other part.
    pub exact: Vec<Copies>,
    /// How many of those are byte-identical files.
    pub byte_identical: usize,
    /// How many images of the other part are such copies.
    pub copied: usize,
    /// Held-out images, beyond those, that look almost like one of the other part.
    pub near: Vec<LookAlike>,
    /// Groups with images in both parts.
    pub groups: Vec<String>,
    /// What the held-out part would keep of each class without the exact copies.
    pub without_copies: Vec<ClassLeft>,
}

/// An image and its identical ones.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Copies {
    /// The held-out image.
    pub image: String,
    /// The images of the other part.
    pub copies: Vec<String>,
}

/// An image and the one that it resembles most.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LookAlike {
    /// The held-out image.
    pub image: String,
    /// The image of the other part.
    pub like: String,
    /// Bits in which their perceptual hashes differ.
    pub bits: u32,
    /// Correlation of their thumbnails.
    pub correlation: f64,
}

/// A class with and without copies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClassLeft {
    /// The class.
    pub class: String,
    /// Images with copies.
    pub before: usize,
    /// Images without.
    pub after: usize,
}

/// Identical images.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cluster {
    /// The part that they are in.
    pub split: Option<Split>,
    /// Their ids, at least two.
    pub images: Vec<String>,
}

/// Identical images with different labels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LabelConflict {
    /// The images with their labels.
    pub images: Vec<Labelled>,
}

/// An image and its label.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Labelled {
    /// Its id.
    pub image: String,
    /// Its class.
    pub class: String,
}

/// Counts the images that `keep` accepts, per class and part.
pub(super) fn count_classes(dataset: &Dataset, keep: impl Fn(&ImageRecord) -> bool) -> Vec<ClassCounts> {
    let empty = |class: &String| ClassCounts { class: class.clone(), train: 0, validation: 0, test: 0, unsplit: 0 };
    let mut counts: Vec<ClassCounts> = dataset.classes().iter().map(empty).collect();
    for image in dataset.images().iter().filter(|image| keep(image)) {
        let class = &mut counts[image.label];
        *match image.split {
            Some(Split::Train) => &mut class.train,
            Some(Split::Validation) => &mut class.validation,
            Some(Split::Test) => &mut class.test,
            None => &mut class.unsplit,
        } += 1;
    }
    counts
}
