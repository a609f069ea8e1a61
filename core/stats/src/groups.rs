//! Which images belong together: a patient, a lesion. A group is the unit that is independent of others.

use crate::Error;
use std::{collections::HashMap, hash::Hash};

/// Assignment of images to groups, numbered in order of first appearance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Groups {
    of_image: Vec<usize>,
    count: usize,
    known: bool,
}

impl Groups {
    /// Every image is a group of its own: no grouping is known ("split by image").
    pub fn by_image(images: usize) -> Self {
        Groups { of_image: (0..images).collect(), count: images, known: false }
    }

    /// Images with equal keys belong together.
    pub fn from_keys<K: Hash + Eq>(keys: &[K]) -> Self {
        let mut seen: HashMap<&K, usize> = HashMap::new();
        let of_image: Vec<usize> = keys
            .iter()
            .map(|key| {
                let next = seen.len();
                *seen.entry(key).or_insert(next)
            })
            .collect();
        Groups { of_image, count: seen.len(), known: true }
    }

    /// Number of images.
    pub fn n_images(&self) -> usize {
        self.of_image.len()
    }

    /// Number of groups.
    pub fn n_groups(&self) -> usize {
        self.count
    }

    /// The group of each image.
    pub fn of_image(&self) -> &[usize] {
        &self.of_image
    }

    /// False when no grouping is known and each image stands for itself.
    pub fn is_known(&self) -> bool {
        self.known
    }

    /// True when every group has a single image.
    pub fn is_trivial(&self) -> bool {
        self.count == self.of_image.len()
    }

    /// The same groups on some of the images, renumbered.
    pub fn subset(&self, images: &[usize]) -> Self {
        let keys: Vec<usize> = images.iter().map(|&image| self.of_image[image]).collect();
        Groups { known: self.known, ..Groups::from_keys(&keys) }
    }

    /// Mean of a value per image in each group.
    pub fn means(&self, values: &[f64]) -> Vec<f64> {
        let mut sums = vec![0.0; self.count];
        let mut counts = vec![0_usize; self.count];
        for (&group, value) in self.of_image.iter().zip(values) {
            sums[group] += value;
            counts[group] += 1;
        }
        sums.iter().zip(counts).map(|(sum, count)| sum / count.max(1) as f64).collect()
    }

    /// Images of each group.
    pub fn sizes(&self) -> Vec<usize> {
        let mut sizes = vec![0; self.count];
        self.of_image.iter().for_each(|&group| sizes[group] += 1);
        sizes
    }

    pub(crate) fn check(&self, images: usize) -> Result<(), Error> {
        if self.of_image.len() == images {
            Ok(())
        } else {
            Err(Error::Length { what: "groups and images", left: self.of_image.len(), right: images })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn means_are_by_group() {
        let groups = Groups::from_keys(&["b", "a", "b"]);
        assert_eq!(groups.of_image(), [0, 1, 0]);
        assert_eq!(groups.means(&[1.0, 5.0, 3.0]), [2.0, 5.0]);
        assert_eq!(groups.subset(&[1]).n_groups(), 1);
    }
}
