//! Counts per class, split and group.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::{Dataset, Split};

/// Counts of a dataset.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Summary {
    /// Per class, in the classes' order.
    pub classes: Vec<ClassCount>,
    /// All classes together.
    pub total: ClassCount,
    /// The groups, if the dataset has any.
    pub groups: Option<GroupCount>,
}

/// Counts of one class.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Default)]
pub struct ClassCount {
    /// The class.
    pub class: String,
    /// Images.
    pub images: usize,
    /// Groups that have an image of it; an image without a group counts as one.
    pub groups: usize,
    /// Images in the dataset's own training part.
    pub train: usize,
    /// Images in its validation part.
    pub validation: usize,
    /// Images in its test part.
    pub test: usize,
    /// Images with at least one box.
    pub with_boxes: usize,
    /// Images with a mask.
    pub with_masks: usize,
}

/// Counts of groups.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GroupCount {
    /// Named groups.
    pub named: usize,
    /// Of these, the ones with more than one image.
    pub with_several_images: usize,
    /// Of these, the ones with images of more than one class.
    pub with_several_classes: usize,
    /// Of these, the ones that stand on both sides of the dataset's own split.
    pub across_split: usize,
    /// Images in the largest group.
    pub largest: usize,
    /// Images without a group, each of which stands alone.
    pub images_without: usize,
}

#[derive(Default)]
struct Group {
    images: usize,
    classes: BTreeSet<usize>,
    splits: BTreeSet<Split>,
}

impl Summary {
    /// Counts a dataset.
    pub fn of(dataset: &Dataset) -> Self {
        let mut groups: BTreeMap<&str, Group> = BTreeMap::new();
        let mut rows: Vec<ClassCount> = dataset
            .classes()
            .iter()
            .map(|class| ClassCount { class: class.clone(), ..ClassCount::default() })
            .collect();
        let mut total = ClassCount { class: "all".to_owned(), ..ClassCount::default() };
        for image in dataset.images() {
            for row in [&mut rows[image.label], &mut total] {
                row.images += 1;
                row.groups += usize::from(image.group.is_none());
                row.train += usize::from(image.split == Some(Split::Train));
                row.validation += usize::from(image.split == Some(Split::Validation));
                row.test += usize::from(image.split == Some(Split::Test));
                row.with_boxes += usize::from(!image.boxes.is_empty());
                row.with_masks += usize::from(image.mask.is_some());
            }
            if let Some(name) = &image.group {
                let group = groups.entry(name).or_default();
                group.images += 1;
                group.classes.insert(image.label);
                group.splits.extend(image.split);
            }
        }
        for group in groups.values() {
            total.groups += 1;
            for class in &group.classes {
                rows[*class].groups += 1;
            }
        }
        let named = (!groups.is_empty()).then(|| GroupCount {
            named: groups.len(),
            with_several_images: groups.values().filter(|group| group.images > 1).count(),
            with_several_classes: groups.values().filter(|group| group.classes.len() > 1).count(),
            across_split: groups.values().filter(|group| group.splits.len() > 1).count(),
            largest: groups.values().map(|group| group.images).max().unwrap_or(0),
            images_without: dataset.images().iter().filter(|image| image.group.is_none()).count(),
        });
        Self { classes: rows, total, groups: named }
    }

    /// A sentence for each class that no split can both learn and test.
    pub fn warnings(&self) -> Vec<String> {
        let sentence = |class: &ClassCount| {
            let few = match class.images {
                1 => "has one image".to_owned(),
                images => format!("has {images} images, all of one patient or lesion"),
            };
            format!(
                "class {:?} {few}: no split can both learn and test it; find more images, or leave the class out (exclude, in \
                 the manifest)",
                class.class
            )
        };
        self.classes.iter().filter(|class| class.groups < 2).map(sentence).collect()
    }
}
