//! Images that look almost the same: perceptual hashes find candidates, thumbnails decide.

use std::collections::HashMap;

use rayon::prelude::*;

use super::fingerprint::{Fingerprint, Look};
use super::report::LookAlike;
use crate::dataset::{Dataset, Split};

/// Perceptual hashes (63 bits) that differ in more bits are not compared further.
pub const NEAR_BITS: u32 = 6;
/// Thumbnails that correlate less are different images.
pub const NEAR_CORRELATION: f64 = 0.995;
/// Two hashes within [`NEAR_BITS`] bits agree in at least one of this many pieces (multi-index hashing: Norouzi, Punjani
/// and Fleet, CVPR 2012).
const PIECES: u32 = NEAR_BITS + 1;
/// Bits of a piece: 7 x 9 bits make the 63.
const PIECE_BITS: u32 = 63_u32.div_ceil(PIECES);

/// Two clusters of identical images that look almost the same.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Pair {
    /// Index into the clusters; below `second`.
    first: usize,
    second: usize,
    bits: u32,
    correlation: f64,
}

/// All such pairs.
#[derive(Debug)]
pub(super) struct LookAlikes(Vec<Pair>);

/// Compares the clusters by their first images.
pub(super) fn find(prints: &[Option<Fingerprint>], clusters: &[Vec<usize>]) -> LookAlikes {
    let look = |cluster: &Vec<usize>| prints[*cluster.first()?].as_ref()?.look.as_ref();
    let looks: Vec<(usize, &Look)> =
        clusters.iter().enumerate().filter_map(|(at, cluster)| Some((at, look(cluster)?))).collect();
    let mut pairs = Vec::new();
    for piece in 0..PIECES {
        let mut buckets: HashMap<u64, Vec<(usize, &Look)>> = HashMap::new();
        for (at, look) in &looks {
            buckets.entry(piece_of(look.hash, piece)).or_default().push((*at, look));
        }
        let buckets: Vec<_> = buckets.into_values().filter(|bucket| bucket.len() > 1).collect();
        let found = buckets.par_iter().flat_map_iter(|bucket| {
            bucket.iter().enumerate().flat_map(move |(at, first)| {
                bucket[at + 1..].iter().filter_map(move |second| compare(*first, *second, piece))
            })
        });
        pairs.par_extend(found);
    }
    pairs.sort_unstable_by_key(|pair| (pair.first, pair.second));
    LookAlikes(pairs)
}

fn piece_of(hash: u64, piece: u32) -> u64 {
    (hash >> (piece * PIECE_BITS)) & ((1 << PIECE_BITS) - 1)
}

/// The pair, if near, in the first piece in which the two agree (so that it is found once).
fn compare((first, a): (usize, &Look), (second, b): (usize, &Look), piece: u32) -> Option<Pair> {
    let bits = (a.hash ^ b.hash).count_ones();
    if bits > NEAR_BITS || (0..piece).any(|earlier| piece_of(a.hash, earlier) == piece_of(b.hash, earlier)) {
        return None;
    }
    let correlation = a.correlation(b);
    (correlation >= NEAR_CORRELATION).then_some(Pair { first, second, bits, correlation })
}

impl LookAlikes {
    /// The held-out images that look like one of the other part and are not identical to any, each with the likest.
    pub fn crossing(&self, dataset: &Dataset, clusters: &[Vec<usize>], held: Split, other: Split) -> Vec<LookAlike> {
        let images = dataset.images();
        let of = |cluster: usize, split: Split| {
            clusters[cluster].iter().copied().filter(move |index| images[*index].split == Some(split))
        };
        let mut likest: HashMap<usize, (usize, Pair)> = HashMap::new();
        for pair in &self.0 {
            for (mine, theirs) in [(pair.first, pair.second), (pair.second, pair.first)] {
                let Some(like) = of(theirs, other).next() else { continue };
                if of(mine, other).next().is_some() {
                    continue;
                }
                for image in of(mine, held) {
                    let best = likest.entry(image).or_insert((like, *pair));
                    if pair.correlation > best.1.correlation {
                        *best = (like, *pair);
                    }
                }
            }
        }
        let mut found: Vec<_> = likest.into_iter().collect();
        found.sort_unstable_by_key(|(image, _)| *image);
        let look_alike = |(image, (like, pair)): (usize, (usize, Pair))| LookAlike {
            image: images[image].id.clone(),
            like: images[like].id.clone(),
            bits: pair.bits,
            correlation: pair.correlation,
        };
        found.into_iter().map(look_alike).collect()
    }

    /// The images that hang together by looking alike, in sets of at least two different pictures.
    pub fn sets(&self, dataset: &Dataset, clusters: &[Vec<usize>]) -> Vec<Vec<String>> {
        let mut parent: Vec<usize> = (0..clusters.len()).collect();
        for pair in &self.0 {
            let (a, b) = (root(&mut parent, pair.first), root(&mut parent, pair.second));
            // The lower stays root, so that the result does not depend on the order.
            parent[a.max(b)] = a.min(b);
        }
        let mut members: HashMap<usize, Vec<usize>> = HashMap::new();
        for cluster in 0..clusters.len() {
            members.entry(root(&mut parent, cluster)).or_default().push(cluster);
        }
        let mut sets: Vec<Vec<usize>> = members.into_values().filter(|set| set.len() > 1).collect();
        sets.sort_unstable();
        let ids = |set: Vec<usize>| {
            let mut indices: Vec<usize> = set.into_iter().flat_map(|cluster| clusters[cluster].clone()).collect();
            indices.sort_unstable();
            indices.into_iter().map(|index| dataset.images()[index].id.clone()).collect()
        };
        sets.into_iter().map(ids).collect()
    }
}

/// The root of a union-find forest, halving the path on the way.
fn root(parent: &mut [usize], mut at: usize) -> usize {
    while parent[at] != at {
        parent[at] = parent[parent[at]];
        at = parent[at];
    }
    at
}
