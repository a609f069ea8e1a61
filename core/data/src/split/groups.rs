//! What must not be split: the groups of the manifest, joined where they share an image's pixels.

use std::collections::HashMap;

use crate::dataset::Dataset;

/// A partition of a dataset's images, by index.
#[derive(Debug, Clone)]
pub struct Groups {
    parent: Vec<usize>,
    named: bool,
    merged: bool,
}

impl Groups {
    /// The groups that the manifest names; every other image stands alone.
    pub fn of(dataset: &Dataset) -> Self {
        let mut first: HashMap<&str, usize> = HashMap::new();
        let parent = (dataset.images().iter().enumerate())
            .map(|(index, image)| match &image.group {
                Some(name) => *first.entry(name).or_insert(index),
                None => index,
            })
            .collect();
        Self { parent, named: !first.is_empty(), merged: false }
    }

    /// Makes one group of each cluster of images (by index into [`Dataset::images`]) and of all that they are grouped
    /// with: images that show the same pixels must not stand on two sides. Indices out of range are ignored.
    pub fn merge_groups(&mut self, clusters: &[Vec<usize>]) {
        for cluster in clusters {
            let images = self.parent.len();
            let mut members = cluster.iter().copied().filter(|index| *index < images);
            let Some(first) = members.next() else { continue };
            for other in members {
                let (a, b) = (self.of_image(first), self.of_image(other));
                self.parent[a.max(b)] = a.min(b);
                self.merged |= a != b;
            }
        }
    }

    /// The group of an image, named by the smallest index in it.
    pub fn of_image(&self, index: usize) -> usize {
        let mut index = index;
        // A parent is never larger than its child, so this ends; chains are as short as clusters are few.
        while self.parent[index] != index {
            index = self.parent[index];
        }
        index
    }

    /// True where the manifest names groups; else results say "split by image".
    pub fn are_named(&self) -> bool {
        self.named
    }

    /// True where identical images joined groups.
    pub fn are_merged(&self) -> bool {
        self.merged
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.parent.len()
    }

    /// True where there are no images.
    pub fn is_empty(&self) -> bool {
        self.parent.is_empty()
    }

    /// The groups among some images, in order of their first image.
    pub(super) fn among(&self, images: &[usize]) -> Vec<Vec<usize>> {
        let mut place: HashMap<usize, usize> = HashMap::new();
        let mut groups: Vec<Vec<usize>> = Vec::new();
        for image in images {
            let next = groups.len();
            let index = *place.entry(self.of_image(*image)).or_insert(next);
            if index == next {
                groups.push(Vec::new());
            }
            groups[index].push(*image);
        }
        groups
    }
}
