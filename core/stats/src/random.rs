//! Random numbers of the resamples: a stream per resample, so that thread count and order do not matter.

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{RngCore, SeedableRng},
};

/// What the numbers are for; keeps uses with one seed apart.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Purpose {
    Bootstrap = 1,
    Permutation = 2,
    Cochran = 3,
}

/// The generator of one resample.
pub(crate) fn generator(seed: u64, purpose: Purpose, resample: usize) -> ChaCha8Rng {
    let mut bytes = [0_u8; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    bytes[8] = purpose as u8;
    bytes[9..23].copy_from_slice(b"lightbox-stats");
    let mut generator = ChaCha8Rng::from_seed(bytes);
    generator.set_stream(resample as u64);
    generator
}

/// A uniform number below `bound`, without bias (Lemire 2019).
pub(crate) fn below(generator: &mut ChaCha8Rng, bound: u32) -> u32 {
    let mut product = u64::from(generator.next_u32()) * u64::from(bound);
    if (product as u32) < bound {
        let threshold = bound.wrapping_neg() % bound.max(1);
        while (product as u32) < threshold {
            product = u64::from(generator.next_u32()) * u64::from(bound);
        }
    }
    (product >> 32) as u32
}

/// Fills `flags` with fair coin tosses.
pub(crate) fn coins(generator: &mut ChaCha8Rng, flags: &mut [bool]) {
    for chunk in flags.chunks_mut(64) {
        let mut bits = generator.next_u64();
        for flag in chunk {
            *flag = bits & 1 == 1;
            bits >>= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn below_is_uniform() {
        let mut generator = generator(1, Purpose::Bootstrap, 0);
        let mut counts = [0_u32; 7];
        (0..70_000).for_each(|_| counts[below(&mut generator, 7) as usize] += 1);
        // Binomial(70000, 1/7) has sd 93; five of them.
        assert!(counts.iter().all(|&count| count.abs_diff(10_000) < 465), "{counts:?}");
    }

    #[test]
    fn streams_differ() {
        let draw = |seed, resample| generator(seed, Purpose::Bootstrap, resample).next_u64();
        assert_ne!(draw(1, 0), draw(1, 1));
        assert_ne!(draw(1, 0), draw(2, 0));
        assert_eq!(draw(1, 5), draw(1, 5));
    }
}
