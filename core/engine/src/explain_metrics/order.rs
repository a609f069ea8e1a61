//! Which pixels count as the more relevant ones: an order of all pixels, or numpy's percentile.

use super::noise::{bits_at, seed_for};

/// What is done with pixels of equal relevance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ties {
    /// A seeded random order among equals: always as many pixels are removed as the percentile says.
    #[default]
    Rank,
    /// Everything that is not below the percentile is removed, as grad-cam does: a map with more zeros than the
    /// percentile loses all pixels.
    Strict,
}

impl Ties {
    /// As on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Ties::Rank => "rank",
            Ties::Strict => "strict",
        }
    }
}

impl std::str::FromStr for Ties {
    type Err = super::MetricError;

    fn from_str(text: &str) -> Result<Ties, Self::Err> {
        match text {
            "rank" => Ok(Ties::Rank),
            "strict" => Ok(Ties::Strict),
            _ => Err(super::MetricError::Setting { setting: "ties", value: text.into(), need: "rank or strict" }),
        }
    }
}

/// Pixel indices from the least relevant to the most, equals in a random order that belongs to the image of `seed`.
///
/// `values` must be finite.
pub fn ascending(values: &[f32], seed: u64) -> Vec<u32> {
    const SIGN: u32 = 1 << 31;
    let seed = seed_for("order of equal pixels", &[seed]);
    let mut keyed: Vec<(u64, u32)> = (0u32..)
        .zip(values)
        .map(|(index, value)| {
            // Adding zero turns -0 into 0; then bits in this form sort as the numbers do.
            let bits = (value + 0.0).to_bits();
            let sortable = if bits & SIGN == 0 { bits | SIGN } else { !bits };
            (u64::from(sortable) << 32 | bits_at(seed, u64::from(index)) >> 32, index)
        })
        .collect();
    keyed.sort_unstable();
    keyed.into_iter().map(|(_, index)| index).collect()
}

/// How many of `count` pixels lie below the percentile `p` when all differ.
pub fn below_percentile(count: usize, p: f64) -> usize {
    let position = virtual_index(count, p);
    // 275 * 0.56 is 154.00000000000003: rounding must not add a pixel to a position that is a whole number.
    let whole = position.round();
    let position = if (position - whole).abs() < 1e-9 * whole.max(1.0) { whole } else { position.ceil() };
    (position as usize).min(count)
}

/// Position of the percentile in the sorted values, as numpy computes it for a Python number.
fn virtual_index(count: usize, p: f64) -> f64 {
    (count.saturating_sub(1)) as f64 * (p / 100.0)
}

/// `numpy.percentile(sorted, p)`, linear interpolation, in f32 to the last bit (numpy 2). None for no values.
pub fn percentile(sorted: &[f32], p: f64) -> Option<f32> {
    let position = virtual_index(sorted.len(), p);
    let lower = (position.floor() as usize).min(sorted.len().checked_sub(1)?);
    let a = sorted[lower];
    let b = sorted[(lower + 1).min(sorted.len() - 1)];
    let t = position - position.floor();
    let difference = b - a;
    Some(if t >= 0.5 { b - difference * (1.0 - t) as f32 } else { a + difference * t as f32 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn the_order_is_a_permutation_that_ascends(values in prop::collection::vec(-2i8..3, 1..200), seed: u64) {
            let values: Vec<f32> = values.iter().map(|v| f32::from(*v) / 2.0).collect();
            let order = ascending(&values, seed);
            prop_assert!(order.windows(2).all(|w| values[w[0] as usize] <= values[w[1] as usize]));
            let mut seen = order.clone();
            seen.sort_unstable();
            prop_assert!(seen.into_iter().eq(0..values.len() as u32));
        }

        #[test]
        fn without_ties_the_rank_and_the_percentile_agree(
            values in prop::collection::hash_set(0u32..1 << 20, 1..300),
            p in 1u32..100,
        ) {
            let mut values: Vec<f32> = values.into_iter().map(|v| v as f32).collect();
            values.sort_by(f32::total_cmp);
            let threshold = percentile(&values, f64::from(p)).unwrap();
            let below = values.iter().filter(|v| **v < threshold).count();
            prop_assert_eq!(below, below_percentile(values.len(), f64::from(p)));
        }
    }

    #[test]
    fn a_percentile_on_a_pixel_leaves_that_pixel() {
        assert_eq!(below_percentile(276, 56.0), 154);
        assert_eq!(below_percentile(277, 56.0), 155);
        assert_eq!(below_percentile(224 * 224, 20.0), 10_035);
    }

    #[test]
    fn equal_pixels_come_in_a_random_order_of_their_image() {
        let flat = vec![0.0; 1000];
        assert_eq!(ascending(&flat, 1), ascending(&flat, 1));
        assert_ne!(ascending(&flat, 1), ascending(&flat, 2));
        let first: f64 = ascending(&flat, 1)[..500].iter().map(|i| f64::from(*i)).sum::<f64>() / 500.0;
        assert!((first - 499.5).abs() < 60.0, "{first}");
        assert_eq!(ascending(&[0.0, -0.0, -1.0, 1.0], 5)[0], 2);
    }
}
