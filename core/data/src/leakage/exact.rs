//! Identical images: by the hash of their pixels.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use super::fingerprint::Fingerprint;
use super::near::LookAlikes;
use super::report::{ClassLeft, Cluster, Copies, Crossing, LabelConflict, Labelled};
use crate::dataset::{Dataset, Split};

/// Sets of images with the same pixels, each by index in rising order and the sets by their first image. Sets of one
/// are among them; unreadable images are in none.
pub(super) fn clusters(prints: &[Option<Fingerprint>]) -> Vec<Vec<usize>> {
    let mut by_pixels: HashMap<blake3::Hash, Vec<usize>> = HashMap::new();
    for (index, print) in prints.iter().enumerate() {
        if let Some(print) = print {
            by_pixels.entry(print.pixels).or_default().push(index);
        }
    }
    let mut clusters: Vec<Vec<usize>> = by_pixels.into_values().collect();
    clusters.sort_unstable();
    clusters
}

/// What the part `held` shares with `other`; `None` where one of them has no images.
pub(super) fn crossing(
    dataset: &Dataset,
    prints: &[Option<Fingerprint>],
    clusters: &[Vec<usize>],
    look_alikes: &LookAlikes,
    held: Split,
    other: Split,
) -> Option<Crossing> {
    let images = dataset.images();
    let in_part = |split: Split| move |index: &usize| images[*index].split == Some(split);
    let count = |split: Split| images.iter().filter(|image| image.split == Some(split)).count();
    if count(held) == 0 || count(other) == 0 {
        return None;
    }
    let mut exact = Vec::new();
    let mut leaked = HashSet::new();
    let mut copied = 0;
    let mut byte_identical = 0;
    for cluster in clusters {
        let copies: Vec<usize> = cluster.iter().copied().filter(in_part(other)).collect();
        let held_ones: Vec<usize> = cluster.iter().copied().filter(in_part(held)).collect();
        if copies.is_empty() || held_ones.is_empty() {
            continue;
        }
        copied += copies.len();
        for index in held_ones {
            let bytes = |index: usize| prints[index].as_ref().map(|print| print.bytes);
            byte_identical += usize::from(copies.iter().any(|copy| bytes(*copy) == bytes(index)));
            leaked.insert(index);
            exact.push((index, copies.clone()));
        }
    }
    exact.sort_unstable();
    let id = |index: usize| images[index].id.clone();
    let class_left = |(label, class): (usize, &String)| {
        let of_class =
            || images.iter().enumerate().filter(|(_, image)| image.split == Some(held) && image.label == label);
        let after = of_class().filter(|(index, _)| !leaked.contains(index)).count();
        ClassLeft { class: class.clone(), before: of_class().count(), after }
    };
    Some(Crossing {
        held,
        other,
        held_images: count(held),
        byte_identical,
        copied,
        near: look_alikes.crossing(dataset, clusters, held, other),
        groups: shared_groups(dataset, held, other),
        without_copies: dataset.classes().iter().enumerate().map(class_left).collect(),
        exact: exact
            .into_iter()
            .map(|(image, copies)| Copies { image: id(image), copies: copies.into_iter().map(id).collect() })
            .collect(),
    })
}

fn shared_groups(dataset: &Dataset, held: Split, other: Split) -> Vec<String> {
    let groups = |split: Split| -> BTreeSet<&str> {
        let of_part = dataset.images().iter().filter(|image| image.split == Some(split));
        of_part.filter_map(|image| image.group.as_deref()).collect()
    };
    groups(held).intersection(&groups(other)).map(|group| (*group).to_owned()).collect()
}

/// Sets of identical images within one part.
pub(super) fn repeats(dataset: &Dataset, clusters: &[Vec<usize>]) -> Vec<Cluster> {
    let images = dataset.images();
    let mut repeats = Vec::new();
    for cluster in clusters {
        let mut parts: BTreeMap<Option<Split>, Vec<String>> = BTreeMap::new();
        for index in cluster {
            parts.entry(images[*index].split).or_default().push(images[*index].id.clone());
        }
        let several = parts.into_iter().filter(|(_, images)| images.len() > 1);
        repeats.extend(several.map(|(split, images)| Cluster { split, images }));
    }
    repeats
}

/// Sets of identical images in more than one group.
pub(super) fn across_groups(dataset: &Dataset, clusters: &[Vec<usize>]) -> Vec<Cluster> {
    let images = dataset.images();
    let groups = |cluster: &[usize]| -> HashSet<&str> {
        cluster.iter().filter_map(|index| images[*index].group.as_deref()).collect()
    };
    let split = |cluster: &[usize]| {
        let first = images[cluster[0]].split;
        if cluster.iter().all(|index| images[*index].split == first) { first } else { None }
    };
    let parted = clusters.iter().filter(|cluster| cluster.len() > 1 && groups(cluster).len() > 1);
    let ids = |cluster: &[usize]| cluster.iter().map(|index| images[*index].id.clone()).collect();
    parted.map(|cluster| Cluster { split: split(cluster), images: ids(cluster) }).collect()
}

/// Sets of identical images with more than one label.
pub(super) fn label_conflicts(dataset: &Dataset, clusters: &[Vec<usize>]) -> Vec<LabelConflict> {
    let images = dataset.images();
    let labelled = |index: &usize| {
        let image = &images[*index];
        Labelled { image: image.id.clone(), class: dataset.classes()[image.label].clone() }
    };
    let conflicting = clusters.iter().filter(|cluster| {
        let first = images[cluster[0]].label;
        cluster.iter().any(|index| images[*index].label != first)
    });
    conflicting.map(|cluster| LabelConflict { images: cluster.iter().map(labelled).collect() }).collect()
}
