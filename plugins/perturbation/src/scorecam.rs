//! Score-CAM: w = softmax over channels of the target's score of the input behind each channel's map; T_k = w_k A_k.
//!
//! Wang et al., Score-CAM: Score-Weighted Visual Explanations for Convolutional Neural Networks, CVPRW 2020, equations 6 to 8:
//! the map of a channel, enlarged to the input (corners aligned, as grad-cam) and scaled to \[0,1\], is the mask. The baseline
//! score of the publication is the same for all channels and leaves the softmax unchanged.

use lightbox_cam_math::{Projection, Reduction, Sign, Sum};
use lightbox_plugin::{
    Attribution, AttributionDescriptor, Error, Host, Maps, Needs, Parameter, Parameters, Request, Resize,
};

use crate::masked::{Masked, probability};

/// Added to a map's range, as grad-cam does: a constant map hides all.
const EPS: f32 = 1e-8;

/// Score-CAM.
pub struct ScoreCam {
    by_probability: bool,
    most_channels: usize,
    reduction: Box<dyn Reduction + Send>,
}

impl ScoreCam {
    /// The channels that are tried: all, or those with the largest mean activation.
    fn channels(&self, activations: &[f32], pixels: usize) -> Vec<usize> {
        let count = activations.len() / pixels;
        let mut channels: Vec<usize> = (0..count).collect();
        if self.most_channels > 0 && self.most_channels < count {
            let sum = |channel: &usize| -> f64 {
                activations[channel * pixels..][..pixels].iter().map(|&value| f64::from(value)).sum()
            };
            channels.sort_by(|a, b| sum(b).total_cmp(&sum(a)));
            channels.truncate(self.most_channels);
        }
        channels
    }
}

/// Scales each map \[H,W\] to \[0,1\].
fn scale(masks: &mut [f32], pixels: usize) {
    for mask in masks.chunks_exact_mut(pixels) {
        let least = mask.iter().copied().fold(f32::INFINITY, f32::min);
        let range = mask.iter().copied().fold(f32::NEG_INFINITY, f32::max) - least;
        mask.iter_mut().for_each(|value| *value = (*value - least) / (range + EPS));
    }
}

/// Softmax, in double precision.
fn softmax(scores: &[f64]) -> Vec<f64> {
    let largest = scores.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    let powers: Vec<f64> = scores.iter().map(|score| (score - largest).exp()).collect();
    let sum: f64 = powers.iter().sum();
    powers.into_iter().map(|power| power / sum).collect()
}

impl Attribution for ScoreCam {
    fn descriptor() -> AttributionDescriptor {
        AttributionDescriptor {
            reference: "Wang et al. 2020, doi:10.1109/CVPRW50498.2020.00020",
            description: "w = softmax over channels of the target's score of the input times the channel's map, enlarged and scaled \
                          to [0,1]; the map is sum_k w_k A_k. One pass of the network for each channel.",
            needs: Needs { activations: true, input: true, forward: true, ..Needs::default() },
            parameters: vec![
                Parameter::choice(
                    "score",
                    "logit",
                    &["logit", "probability"],
                    "What the softmax is taken of: the logit, as grad-cam, or the probability.",
                ),
                Parameter::int(
                    "most-channels",
                    0,
                    0,
                    1_000_000,
                    "Try only so many channels, those with the largest mean activation; 0 is all.",
                ),
                Parameter::bool(
                    "eigen-smooth",
                    false,
                    "Take the first principal component of the channels' terms in place of their sum.",
                ),
            ],
            ..AttributionDescriptor::new("scorecam", "Score-CAM")
        }
    }

    fn create(parameters: &Parameters) -> Result<Self, Error> {
        let reduction: Box<dyn Reduction + Send> = if parameters.bool("eigen-smooth")? {
            Box::new(Projection::new(Sign::Evidence))
        } else {
            Box::<Sum>::default()
        };
        Ok(ScoreCam {
            by_probability: parameters.choice("score")? == "probability",
            most_channels: usize::try_from(parameters.int("most-channels")?)?,
            reduction,
        })
    }

    fn attribute(&mut self, request: &Request<'_>, host: &Host<'_>, maps: &mut Maps<'_>) -> Result<(), Error> {
        let input = request.input()?;
        let size = request.input_size();
        for (index, layer) in request.layers().iter().enumerate() {
            let pixels = layer.height() * layer.width();
            let activations = layer.activations()?;
            let map = maps.map(index)?;
            if pixels == 0 {
                continue;
            }
            for (image, out) in map.chunks_exact_mut(pixels).enumerate() {
                let target = request.targets()[image];
                let own = activations.image(image);
                let channels = self.channels(own, pixels);
                let done = (index * request.images() + image) * channels.len();
                let masked = Masked {
                    host,
                    image: input.image(image),
                    shape: [request.input_channels(), size.0, size.1],
                    baseline: 0.0,
                    steps: (done, request.layers().len() * request.images() * channels.len()),
                };
                let enlarge = |first: usize, masks: &mut [f32]| {
                    let count = masks.len() / (size.0 * size.1);
                    let tried = channels[first..first + count].iter();
                    let maps: Vec<f32> =
                        tried.flat_map(|channel| &own[channel * pixels..][..pixels]).copied().collect();
                    let how = Resize { scale: false, align_corners: true };
                    let from = [count, layer.height(), layer.width()];
                    masks.copy_from_slice(&host.scale_and_resize(&maps, from, size, how)?);
                    scale(masks, size.0 * size.1);
                    Ok(())
                };
                let mut scores = Vec::with_capacity(channels.len());
                masked.run(channels.len(), enlarge, |_, logits| {
                    let logit = f64::from(logits[target]);
                    scores.push(if self.by_probability { probability(logits, target) } else { logit });
                })?;
                let weights = softmax(&scores);
                let mut fill = |place: usize, row: &mut [f32]| {
                    let channel = &own[channels[place] * pixels..][..pixels];
                    row.iter_mut().zip(channel).for_each(|(out, a)| *out = weights[place] as f32 * a);
                };
                self.reduction.reduce(channels.len(), &mut fill, out);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use lightbox_plugin::{Layer, TensorView, Value};

    use super::*;
    use crate::masked::tests::Linear;

    fn map(most: i64) -> Vec<f32> {
        // The layer has the input's size. Channel 0 lets the left pixel through, channel 1 the right one.
        let network = Linear(vec![3.0_f32.ln(), 0.0]);
        let (pixels, activations) = ([1.0, 1.0], [2.0, 0.0, 0.0, 4.0]);
        let parameters =
            Parameters::defaults(&ScoreCam::descriptor().parameters).with("most-channels", Value::Int(most));
        let layer = Layer::new("layer", (1, 2), TensorView::new(&activations, &[1, 2, 1, 2]), None);
        let request =
            Request::new(&[1], 2, [1, 1, 2], vec![layer]).with_input(TensorView::new(&pixels, &[1, 1, 1, 2]).unwrap());
        let mut maps = Maps::own(1, &[(1, 2)]);
        let host = Host::new(&network, 2);
        ScoreCam::create(&parameters).unwrap().attribute(&request, &host, &mut maps).unwrap();
        maps.map(0).unwrap().to_vec()
    }

    #[test]
    fn weights_are_the_softmax_of_the_scores() {
        // Scores ln 3 and 0: weights 3/4 and 1/4.
        let found = map(0);
        assert!((found[0] - 1.5).abs() < 1e-6 && (found[1] - 1.0).abs() < 1e-6, "{found:?}");
    }

    #[test]
    fn fewer_channels_are_the_strongest() {
        assert_eq!(map(1), [0.0, 4.0]);
    }

    #[test]
    fn a_constant_map_hides_all() {
        let mut masks = [5.0, 5.0, -1.0, 1.0];
        scale(&mut masks, 2);
        assert_eq!(masks, [0.0, 0.0, 0.0, 1.0]);
    }
}
