//! Noise that is a function of what it belongs to: the same image, percentile and direction meet the same noise, whatever
//! the method, the mask, the order of work or the number of threads.

use std::f32::consts::TAU;

/// A number for `parts` and a purpose; unrelated for different ones.
pub fn seed_for(purpose: &str, parts: &[u64]) -> u64 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&(purpose.len() as u64).to_le_bytes());
    hasher.update(purpose.as_bytes());
    for part in parts {
        hasher.update(&part.to_le_bytes());
    }
    let mut first = [0; 8];
    first.copy_from_slice(&hasher.finalize().as_bytes()[..8]);
    u64::from_le_bytes(first)
}

/// The random 64 bits at `position` of the stream `seed` (SplitMix64: Steele et al., OOPSLA 2014).
pub fn bits_at(seed: u64, position: u64) -> u64 {
    const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
    let mut z = seed.wrapping_add(position.wrapping_add(1).wrapping_mul(GOLDEN));
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// A standard normal number at `position` of the stream `seed` (Box and Muller, 1958).
pub fn normal_at(seed: u64, position: u64) -> f32 {
    /// 2^-24: f32 holds every multiple of it up to 1.
    const STEP: f32 = 1.0 / (1 << 24) as f32;
    let bits = bits_at(seed, position);
    // In (0, 1], so that the logarithm is finite, and [0, 1).
    let radius = ((bits >> 40) as f32 + 1.0) * STEP;
    let angle = ((bits >> 8) as u32 & 0xff_ffff) as f32 * STEP;
    (-2.0 * radius.ln()).sqrt() * (TAU * angle).cos()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_numbers_are_standard_normal_and_independent() {
        const N: u64 = 200_000;
        for seed in [0, 1, seed_for("test", &[7, 8])] {
            let draws: Vec<f64> = (0..N).map(|i| f64::from(normal_at(seed, i))).collect();
            let moment = |k: i32| draws.iter().map(|v| v.powi(k)).sum::<f64>() / N as f64;
            let lag = draws.windows(2).map(|w| w[0] * w[1]).sum::<f64>() / N as f64;
            // Five standard errors of each.
            let n = (N as f64).sqrt();
            assert!(moment(1).abs() < 5.0 / n, "mean {}", moment(1));
            assert!((moment(2) - 1.0).abs() < 5.0 * 2f64.sqrt() / n, "variance {}", moment(2));
            assert!(moment(3).abs() < 5.0 * 15f64.sqrt() / n, "skewness {}", moment(3));
            assert!((moment(4) - 3.0).abs() < 5.0 * 96f64.sqrt() / n, "kurtosis {}", moment(4));
            assert!(lag.abs() < 5.0 / n, "correlation {lag}");
        }
    }

    #[test]
    fn seeds_depend_on_each_part_and_on_the_purpose() {
        let seeds = [seed_for("a", &[1, 2]), seed_for("a", &[2, 1]), seed_for("b", &[1, 2]), seed_for("a", &[1])];
        for (i, a) in seeds.iter().enumerate() {
            assert!(seeds[i + 1..].iter().all(|b| a != b));
        }
    }
}
