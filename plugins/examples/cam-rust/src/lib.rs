//! Recipro-CAM: how much of the target's probability each place of the activations gives by itself.
//!
//! Byun and Lee, Recipro-CAM: Fast gradient-free visual explanations for convolutional neural networks, arXiv:2209.14074. For each
//! place (i,j) the head runs on activations that are zero elsewhere:
//!
//! ```text
//! map[i,j] = softmax(head(A . M_ij))[target]
//! ```
//!
//! M_ij is 1 at (i,j) alone or, with `mask=gaussian`, the 3 x 3 kernel \[1 2 1\]^T \[1 2 1\] / 16 around it, cut off at the border.

use lightbox_plugin::{
    Attribution, AttributionDescriptor, Error, Host, Maps, Needs, Parameter, Parameters, Request, Scores, export_plugin,
};

/// Elements of the masked activations that are made at a time: 16 MiB of f32.
const CHUNK_ELEMENTS: usize = 4 << 20;

/// The kernel of a point, and that of its neighbourhood.
const POINT: &[&[f32]] = &[&[1.0]];
const GAUSSIAN: &[&[f32]] = &[&[0.0625, 0.125, 0.0625], &[0.125, 0.25, 0.125], &[0.0625, 0.125, 0.0625]];

/// An instance of the method.
struct ReciproCam {
    kernel: &'static [&'static [f32]],
}

impl Attribution for ReciproCam {
    fn descriptor() -> AttributionDescriptor {
        AttributionDescriptor {
            reference: "Byun and Lee 2022, arXiv:2209.14074",
            description: "The target's probability when the head sees the activations at one place alone, place by place.",
            needs: Needs { activations: true, forward_from: true, ..Needs::default() },
            parameters: vec![Parameter::choice(
                "mask",
                "point",
                &["point", "gaussian"],
                "what the head sees: one place, or it and its neighbours by a 3 x 3 Gaussian kernel",
            )],
            ..AttributionDescriptor::new("recipro-cam", "Recipro-CAM")
        }
    }

    fn create(parameters: &Parameters) -> Result<Self, Error> {
        let kernel = if parameters.choice("mask")? == "gaussian" { GAUSSIAN } else { POINT };
        Ok(ReciproCam { kernel })
    }

    fn attribute(&mut self, request: &Request<'_>, host: &Host<'_>, maps: &mut Maps<'_>) -> Result<(), Error> {
        let total =
            request.layers().iter().map(|layer| layer.height() * layer.width()).sum::<usize>() * request.images();
        let mut done = 0;
        for (index, layer) in request.layers().iter().enumerate() {
            let activations = layer.activations()?;
            let size = (layer.height(), layer.width());
            let pixels = size.0 * size.1;
            let map = maps.map(index)?;
            for (image, out) in map.chunks_exact_mut(pixels.max(1)).enumerate() {
                let own = activations.image(image);
                let per_call = (CHUNK_ELEMENTS / own.len().max(1)).max(1);
                let mut masked = vec![0.0; own.len() * per_call.min(pixels)];
                for (chunk, out) in out.chunks_mut(per_call).enumerate() {
                    host.check_cancelled()?;
                    let rows = &mut masked[..own.len() * out.len()];
                    for (row, place) in rows.chunks_exact_mut(own.len()).zip(chunk * per_call..) {
                        self.mask(own, size, place, row);
                    }
                    let shape = [out.len(), own.len() / pixels, size.0, size.1];
                    let scores = host.forward_from(index, rows, &shape)?;
                    for (row, out) in out.iter_mut().enumerate() {
                        *out = probability(&scores, row, request.targets()[image]);
                    }
                    done += out.len();
                    host.progress(done as u64, total as u64);
                }
            }
        }
        Ok(())
    }
}

impl ReciproCam {
    /// Fills `out` with the activations of one image, [C,h,w], as they are seen through the mask of `place`.
    fn mask(&self, activations: &[f32], (height, width): (usize, usize), place: usize, out: &mut [f32]) {
        out.fill(0.0);
        let (row, column, reach) = (place / width, place % width, self.kernel.len() / 2);
        for (channel, out) in activations.chunks_exact(height * width).zip(out.chunks_exact_mut(height * width)) {
            for y in row.saturating_sub(reach)..=(row + reach).min(height - 1) {
                for x in column.saturating_sub(reach)..=(column + reach).min(width - 1) {
                    let weight = self.kernel[y + reach - row][x + reach - column];
                    out[y * width + x] = weight * channel[y * width + x];
                }
            }
        }
    }
}

/// Softmax of the logits of `row`, at `class`.
fn probability(scores: &Scores, row: usize, class: usize) -> f32 {
    let own = f64::from(scores.get(row, class));
    let sum: f64 = scores.row(row).iter().map(|&logit| (f64::from(logit) - own).exp()).sum();
    (1.0 / sum) as f32
}

export_plugin! {
    id: "org.lightbox.examples.cam-rust",
    version: env!("CARGO_PKG_VERSION"),
    attributions: [ReciproCam],
}

#[cfg(test)]
mod tests {
    use lightbox_plugin::{Layer, Result, Services, TensorView, Value};

    use super::*;

    /// A head of two classes over one channel: the logit of class 1 is the sum of the activations, that of class 0 is 0.
    struct Sum;

    impl Services for Sum {
        fn forward_from(&self, _: usize, activations: &[f32], shape: &[usize], scores: &mut [f32]) -> Result<()> {
            assert_eq!(shape[1..], [1, 2, 3]);
            for (row, scores) in activations.chunks_exact(6).zip(scores.chunks_exact_mut(2)) {
                scores.copy_from_slice(&[0.0, row.iter().sum()]);
            }
            Ok(())
        }
    }

    /// The logit of class 1 that the map's probabilities stand for.
    fn seen_logits(mask: &str) -> Vec<f32> {
        let activations = [1.0, 2.0, 3.0, -4.0, 5.0, 6.0];
        let view = TensorView::new(&activations, &[1, 1, 2, 3]);
        let request = Request::new(&[1], 2, [3, 8, 12], vec![Layer::new("layer", (2, 3), view, None)]);
        let parameters =
            Parameters::defaults(&ReciproCam::descriptor().parameters).with("mask", Value::Choice(mask.to_owned()));
        let mut maps = Maps::own(1, &[(2, 3)]);
        ReciproCam::create(&parameters).unwrap().attribute(&request, &Host::new(&Sum, 2), &mut maps).unwrap();
        maps.map(0).unwrap().iter().map(|p| (p / (1.0 - p)).ln()).collect()
    }

    fn close(found: &[f32], expected: &[f32]) {
        assert!(found.iter().zip(expected).all(|(f, e)| (f - e).abs() < 1e-3), "{found:?}, not {expected:?}");
    }

    #[test]
    fn a_point_shows_the_activation_there() {
        close(&seen_logits("point"), &[1.0, 2.0, 3.0, -4.0, 5.0, 6.0]);
    }

    /// By hand: at the first place 1/4 * 1 + 1/8 * (2 - 4) + 1/16 * 5.
    #[test]
    fn the_gaussian_adds_the_neighbours_that_there_are() {
        close(&seen_logits("gaussian"), &[0.3125, 1.75, 2.0625, -0.125, 2.0, 2.625]);
    }
}
