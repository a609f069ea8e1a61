//! Random numbers derived from (seed, epoch, step, stream) when they are needed.
//!
//! No generator lives from one step to the next, so a checkpoint needs to store none. The generators and the ways of
//! drawing from them are written out here: a newer version of a crate must not change a run.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// What random numbers are for; each purpose has its own, so that adding one changes no other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stream {
    /// The order of the training images in an epoch.
    Order,
    /// Augmentation of a batch.
    Augment,
    /// libtorch's default generators during a forward pass: dropout and stochastic depth.
    Forward,
}

/// The seed of one purpose at one place of a run.
pub fn derive(seed: u64, epoch: usize, step: u64, stream: Stream) -> u64 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(b"lightbox train 1");
    for part in [seed, epoch as u64, step, stream as u64] {
        hasher.update(&part.to_le_bytes());
    }
    let mut first = [0; 8];
    first.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
    u64::from_le_bytes(first)
}

/// A short-lived generator.
#[derive(Debug)]
pub struct Random(ChaCha8Rng);

impl Random {
    /// A generator with a derived seed.
    pub fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    /// Uniform in \[0,1), 53 bits.
    pub fn unit(&mut self) -> f64 {
        (self.0.next_u64() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Uniform in \[low,high).
    pub fn between(&mut self, low: f64, high: f64) -> f64 {
        low + (high - low) * self.unit()
    }

    /// True in half of the cases.
    pub fn coin(&mut self) -> bool {
        self.0.next_u64() >> 63 == 1
    }

    /// Uniform below `n`, without bias. `n` is at least 1.
    pub fn below(&mut self, n: usize) -> usize {
        let n = n.max(1) as u64;
        // The largest multiple of n: draws above it would favour small results.
        let limit = u64::MAX - u64::MAX % n;
        loop {
            let draw = self.0.next_u64();
            if draw < limit {
                return (draw % n) as usize;
            }
        }
    }

    /// Fisher and Yates' shuffle.
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let other = self.below(last + 1);
            items.swap(last, other);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_of_the_place_matters() {
        let all = [
            derive(1, 2, 3, Stream::Order),
            derive(0, 2, 3, Stream::Order),
            derive(1, 0, 3, Stream::Order),
            derive(1, 2, 0, Stream::Order),
            derive(1, 2, 3, Stream::Augment),
        ];
        for (i, a) in all.iter().enumerate() {
            assert!(all[i + 1..].iter().all(|b| a != b));
        }
    }

    #[test]
    fn shuffles_reach_every_order_about_equally_often() {
        let mut counts = std::collections::BTreeMap::new();
        let mut random = Random::new(7);
        for _ in 0..6000 {
            let mut items = [0, 1, 2];
            random.shuffle(&mut items);
            *counts.entry(items).or_insert(0) += 1;
        }
        assert_eq!(counts.len(), 6);
        // 1000 expected, standard deviation 29.
        assert!(counts.values().all(|n| (870..1130).contains(n)), "{counts:?}");
    }
}
