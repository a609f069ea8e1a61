//! LIME on a grid: a line through what the network says of an image of which random cells were taken away.
//!
//! Ribeiro, Singh and Guestrin, "Why Should I Trust You?", KDD 2016, arXiv:1602.04938, equation 1 and section 3.4. Sample i has the
//! cells z_i, the rest of them filled with their own mean colour; y_i is what the network then says of the target. The map is b of
//!
//! ```text
//! min over a, b of  sum_i w_i (y_i - a - b z_i)^2 + ridge |b|^2,    w_i = exp(-(d_i / width)^2 / 2),    d_i = 1 - sqrt(|z_i| / cells)
//! ```
//!
//! w and d are those of the authors' code (the root of its kernel, the cosine distance to the whole image), as are the filling, the
//! half of the cells that a sample has, and a ridge of 1. It cuts images into segments of like colour, where this one takes a
//! regular grid.

mod fit;

use fit::Fit;
use lightbox_plugin::{
    Attribution, AttributionDescriptor, Error, Host, Layers, Maps, Needs, Output, Parameter, Parameters, Request,
    Resolution, export_plugin,
};

/// Elements of the images that are made at a time: 16 MiB of f32.
const CHUNK_ELEMENTS: usize = 4 << 20;
/// At most so many at a time, so that the user sees the work go on and can stop it.
const CHUNK_SAMPLES: usize = 64;

/// An instance of the method.
struct Lime {
    side: usize,
    samples: usize,
    width: f64,
    ridge: f64,
    of_logit: bool,
}

impl Attribution for Lime {
    fn descriptor() -> AttributionDescriptor {
        AttributionDescriptor {
            reference: "Ribeiro, Singh and Guestrin 2016, arXiv:1602.04938",
            description: "Coefficients of a weighted ridge regression of the target's probability on which cells of a regular grid are \
                          seen; the others have their mean colour. Signed.",
            needs: Needs { input: true, forward: true, ..Needs::default() },
            layers: Layers::One,
            output: Output { signed: true, resolution: Resolution::Input },
            seeded: true,
            parameters: vec![
                Parameter::int("grid", 7, 1, 32, "Cells along each side of the image."),
                Parameter::int("samples", 1000, 2, 100_000, "Number of images with cells taken away, a pass each."),
                Parameter::float("width", 0.25, 0.01, 100.0, "How far from the whole image samples still count."),
                Parameter::float("ridge", 1.0, 0.0, 1e6, "How strongly coefficients are drawn to zero."),
                Parameter::choice(
                    "score",
                    "probability",
                    &["probability", "logit"],
                    "What is explained of the target.",
                ),
            ],
            ..AttributionDescriptor::new("lime-grid", "LIME on a grid")
        }
    }

    fn create(parameters: &Parameters) -> Result<Self, Error> {
        Ok(Lime {
            side: usize::try_from(parameters.int("grid")?)?,
            samples: usize::try_from(parameters.int("samples")?)?,
            width: parameters.float("width")?,
            ridge: parameters.float("ridge")?,
            of_logit: parameters.choice("score")? == "logit",
        })
    }

    fn attribute(&mut self, request: &Request<'_>, host: &Host<'_>, maps: &mut Maps<'_>) -> Result<(), Error> {
        let input = request.input()?;
        let (height, width) = request.input_size();
        let cells = self.cells((height, width));
        let shape = [request.input_channels(), height, width];
        let map = maps.map(0)?;
        for (image, out) in map.chunks_exact_mut((height * width).max(1)).enumerate() {
            let scene = Scene { own: input.image(image), shape, cells: &cells };
            let target = request.targets()[image];
            // Of the image alone, so that its map does not depend on the images beside it.
            let present = self.draw(host, request.image_seed(image))?;
            let fit = self.fit(host, &scene, &present, target, (image, request.images()))?;
            let coefficients = fit.solve(self.ridge).ok_or_else(|| {
                Error::new("the samples do not determine the coefficients; raise `samples` or `ridge`, or lower `grid`")
            })?;
            for (out, &cell) in out.iter_mut().zip(&cells) {
                *out = coefficients[cell] as f32;
            }
        }
        Ok(())
    }
}

/// An image \[C,H,W\] and the cell of each of its pixels.
struct Scene<'a> {
    own: &'a [f32],
    shape: [usize; 3],
    cells: &'a [usize],
}

impl Lime {
    /// The cell of each pixel of an image.
    fn cells(&self, (height, width): (usize, usize)) -> Vec<usize> {
        let place = |pixel: usize, size: usize| pixel * self.side / size;
        (0..height * width).map(|p| place(p / width, height) * self.side + place(p % width, width)).collect()
    }

    /// Which cells each sample has: all of them in the first, half of them in the others.
    fn draw(&self, host: &Host<'_>, seed: u64) -> Result<Vec<bool>, Error> {
        let per_sample = self.side * self.side;
        let mut numbers = vec![0.0; self.samples * per_sample];
        host.random_uniform(seed, &mut numbers)?;
        numbers[..per_sample].fill(0.0);
        Ok(numbers.into_iter().map(|number| number < 0.5).collect())
    }

    /// Shows the samples to the network. `place` is the image's, of so many.
    fn fit(
        &self,
        host: &Host<'_>,
        scene: &Scene<'_>,
        present: &[bool],
        target: usize,
        place: (usize, usize),
    ) -> Result<Fit, Error> {
        let per_sample = self.side * self.side;
        let filling = scene.mean_colours(per_sample);
        let per_call = (CHUNK_ELEMENTS / scene.own.len().max(1)).clamp(1, CHUNK_SAMPLES);
        let (mut fit, mut batch, mut done) = (Fit::new(per_sample), Vec::new(), 0);
        for samples in present.chunks(per_call * per_sample) {
            host.check_cancelled()?;
            batch.clear();
            for sample in samples.chunks_exact(per_sample) {
                scene.without(sample, &filling, &mut batch);
            }
            let count = samples.len() / per_sample;
            let scores = host.forward(&batch, &[count, scene.shape[0], scene.shape[1], scene.shape[2]])?;
            for (row, sample) in samples.chunks_exact(per_sample).enumerate() {
                fit.add(sample, self.score(scores.row(row), target), self.weight(sample));
            }
            done += count;
            host.progress((place.0 * self.samples + done) as u64, (place.1 * self.samples) as u64);
        }
        Ok(fit)
    }

    fn score(&self, logits: &[f32], target: usize) -> f64 {
        let own = f64::from(logits[target]);
        if self.of_logit {
            return own;
        }
        1.0 / logits.iter().map(|&logit| (f64::from(logit) - own).exp()).sum::<f64>()
    }

    fn weight(&self, sample: &[bool]) -> f64 {
        let seen = sample.iter().filter(|on| **on).count() as f64 / sample.len() as f64;
        let distance = 1.0 - seen.sqrt();
        (-(distance / self.width).powi(2) / 2.0).exp()
    }
}

impl Scene<'_> {
    /// The mean of each channel over each cell, [C,cells]; 0 for a cell without a pixel.
    fn mean_colours(&self, cells: usize) -> Vec<f32> {
        let mut counts = vec![0.0_f64; cells];
        self.cells.iter().for_each(|&cell| counts[cell] += 1.0);
        let mut means = Vec::with_capacity(self.shape[0] * cells);
        for channel in self.own.chunks_exact(self.cells.len()) {
            let mut sums = vec![0.0_f64; cells];
            channel.iter().zip(self.cells).for_each(|(&value, &cell)| sums[cell] += f64::from(value));
            means.extend(sums.iter().zip(&counts).map(|(sum, count)| (sum / count.max(1.0)) as f32));
        }
        means
    }

    /// Adds the image with the cells of a sample, and filling in place of the others, to a batch.
    fn without(&self, sample: &[bool], filling: &[f32], batch: &mut Vec<f32>) {
        for (channel, filling) in self.own.chunks_exact(self.cells.len()).zip(filling.chunks_exact(sample.len())) {
            batch.extend(
                channel.iter().zip(self.cells).map(|(&value, &cell)| if sample[cell] { value } else { filling[cell] }),
            );
        }
    }
}

export_plugin! {
    id: "org.lightbox.examples.lime",
    version: env!("CARGO_PKG_VERSION"),
    attributions: [Lime],
}

#[cfg(test)]
mod tests;
