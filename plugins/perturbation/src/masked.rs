//! Scores of an image seen through masks: m x + (1 - m) b, b the value of what is hidden.

use lightbox_plugin::{Error, Host};

/// What fits into one call of the host, in elements: 64 MiB of f32. The host may run it in smaller parts.
const CHUNK_ELEMENTS: usize = 16 << 20;

/// One image of the network's input, to be seen through masks.
pub(crate) struct Masked<'a> {
    pub host: &'a Host<'a>,
    /// \[C,H,W\].
    pub image: &'a [f32],
    pub shape: [usize; 3],
    /// What is seen where the mask is 0, in the input's own scale.
    pub baseline: f32,
    /// Masks that were done before this image and that will be done in all, for the progress.
    pub steps: (usize, usize),
}

impl Masked<'_> {
    /// Runs the network once for each of `count` masks: `mask(first, masks)` fills masks \[M,H,W\] from mask `first` on, and
    /// `take(mask, logits)` is given each mask with its logits, in order.
    pub fn run(
        &self,
        count: usize,
        mut mask: impl FnMut(usize, &mut [f32]) -> Result<(), Error>,
        mut take: impl FnMut(&[f32], &[f32]),
    ) -> Result<(), Error> {
        let [channels, height, width] = self.shape;
        let pixels = height * width;
        if pixels == 0 || channels == 0 {
            return Ok(());
        }
        let per_call = (CHUNK_ELEMENTS / self.image.len()).max(1);
        let mut first = 0;
        while first < count {
            self.host.check_cancelled()?;
            let rows = per_call.min(count - first);
            let mut masks = vec![0.0; rows * pixels];
            mask(first, &mut masks)?;
            let mut batch = Vec::with_capacity(rows * self.image.len());
            for mask in masks.chunks_exact(pixels) {
                for channel in self.image.chunks_exact(pixels) {
                    batch.extend(channel.iter().zip(mask).map(|(x, m)| m * x + (1.0 - m) * self.baseline));
                }
            }
            let scores = self.host.forward(&batch, &[rows, channels, height, width])?;
            for (row, mask) in masks.chunks_exact(pixels).enumerate() {
                take(mask, scores.row(row));
            }
            first += rows;
            self.host.progress((self.steps.0 + first) as u64, self.steps.1 as u64);
        }
        Ok(())
    }
}

/// The probability of class `target`.
pub(crate) fn probability(logits: &[f32], target: usize) -> f64 {
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let power = |logit: f32| f64::from(logit - largest).exp();
    power(logits[target]) / logits.iter().copied().map(power).sum::<f64>()
}

#[cfg(test)]
pub(crate) mod tests {
    use lightbox_plugin::{Result, Services};

    use super::*;

    /// A network of two classes whose second logit is the sum of weighted pixels, the first 0; with a generator that counts.
    pub(crate) struct Linear(pub Vec<f32>);

    impl Services for Linear {
        fn forward(&self, batch: &[f32], _: &[usize], scores: &mut [f32]) -> Result<()> {
            for (row, image) in scores.chunks_exact_mut(2).zip(batch.chunks_exact(self.0.len())) {
                row.copy_from_slice(&[0.0, image.iter().zip(&self.0).map(|(x, w)| x * w).sum()]);
            }
            Ok(())
        }

        fn scale_and_resize(
            &self,
            maps: &[f32],
            [count, height, width]: [usize; 3],
            (to_height, to_width): (usize, usize),
            _: lightbox_plugin::Resize,
            out: &mut [f32],
        ) -> Result<()> {
            // The nearest pixel is enough here.
            for map in 0..count {
                for y in 0..to_height {
                    for x in 0..to_width {
                        let from = (map * height + y * height / to_height) * width + x * width / to_width;
                        out[(map * to_height + y) * to_width + x] = maps[from];
                    }
                }
            }
            Ok(())
        }

        fn random_uniform(&self, seed: u64, out: &mut [f32]) -> Result<()> {
            for (place, value) in out.iter_mut().enumerate() {
                // A linear congruence: uniform enough, and different for each seed.
                let state = (seed + place as u64 + 1).wrapping_mul(6_364_136_223_846_793_005).rotate_left(31);
                *value = (state.wrapping_mul(2_862_933_555_777_941_757) >> 40) as f32 / (1_u32 << 24) as f32;
            }
            Ok(())
        }
    }

    #[test]
    fn what_is_hidden_is_the_baseline() {
        let network = Linear(vec![1.0, 10.0]);
        let host = Host::new(&network, 2);
        let masked = Masked { host: &host, image: &[3.0, 4.0], shape: [1, 1, 2], baseline: 0.5, steps: (0, 2) };
        let mut found = Vec::new();
        let masks = [1.0, 0.0, 0.5, 1.0];
        masked
            .run(
                2,
                |first, out| {
                    out.copy_from_slice(&masks[first * 2..]);
                    Ok(())
                },
                |_, logits| found.push(logits[1]),
            )
            .unwrap();
        // 3 + 10 * 0.5; 0.5 * 3 + 0.5 * 0.5 + 10 * 4.
        assert_eq!(found, [8.0, 41.75]);
    }

    #[test]
    fn probabilities_do_not_overflow() {
        assert!((probability(&[1000.0, 1000.0], 1) - 0.5).abs() < 1e-12);
        assert!((probability(&[0.0, 2.0_f32.ln()], 1) - 2.0 / 3.0).abs() < 1e-7);
    }
}
