//! Random numbers that are the same on every machine and in every version: ChaCha8 and our own shuffle.

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{RngCore, SeedableRng};

/// A stream of random numbers for one purpose.
pub(super) struct Stream(ChaCha8Rng);

impl Stream {
    /// The stream of a seed for a purpose and up to two counters (repeat, fold).
    pub fn new(seed: u64, purpose: &str, first: usize, second: usize) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(b"lightbox-split-1");
        for number in [seed, first as u64, second as u64] {
            hasher.update(&number.to_le_bytes());
        }
        hasher.update(purpose.as_bytes());
        Self(ChaCha8Rng::from_seed(*hasher.finalize().as_bytes()))
    }

    /// A number below `bound` (which is above 0), each equally likely.
    fn below(&mut self, bound: u64) -> u64 {
        // Numbers above the last full multiple of `bound` would favour small results.
        let limit = u64::MAX - u64::MAX % bound;
        loop {
            let number = self.0.next_u64();
            if number < limit {
                return number % bound;
            }
        }
    }

    /// Puts a slice in random order (Fisher-Yates).
    pub fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            let other = self.below(last as u64 + 1) as usize;
            items.swap(last, other);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// These values must never change: published split files would no longer be found again from their seed.
    #[test]
    fn streams_are_fixed_for_all_time() {
        let mut items: Vec<u8> = (0..10).collect();
        Stream::new(7, "test", 0, 0).shuffle(&mut items);
        let mut again: Vec<u8> = (0..10).collect();
        Stream::new(7, "test", 0, 0).shuffle(&mut again);
        assert_eq!(items, again);
        let mut other: Vec<u8> = (0..10).collect();
        Stream::new(7, "test", 1, 0).shuffle(&mut other);
        assert_ne!(items, other);
        assert_eq!(items, FIXED);
    }

    const FIXED: [u8; 10] = [5, 3, 7, 6, 1, 0, 9, 8, 4, 2];

    #[test]
    fn every_place_is_equally_likely() {
        let mut stream = Stream::new(1, "uniform", 0, 0);
        let mut counts = [[0_u32; 4]; 4];
        for _ in 0..8000 {
            let mut items = [0, 1, 2, 3];
            stream.shuffle(&mut items);
            for (place, item) in items.into_iter().enumerate() {
                counts[place][item] += 1;
            }
        }
        // Expected 2000 each, standard deviation 39: five of them on either side.
        assert!(counts.iter().flatten().all(|count| (1800..2200).contains(count)), "{counts:?}");
    }
}
