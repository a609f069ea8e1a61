//! AblationCAM: w_k = (s - s_k) / |s|, s_k the score with channel k set to zero; T_k = w_k A_k.
//!
//! Desai and Ramaswamy, Ablation-CAM: Visual Explanations for Deep Convolutional Network via Gradient-free Localization, WACV
//! 2020. The publication divides by s: where s is negative, that turns the map upside down.

use lightbox_cam_math::{Projection, Reduction, Sign, Sum};
use lightbox_plugin::{Attribution, AttributionDescriptor, Error, Host, Maps, Needs, Parameter, Parameters, Request};

use crate::drops::{Drops, drops};
use crate::head::Head;

/// AblationCAM.
pub struct AblationCam {
    by_magnitude: bool,
    shortcut: bool,
    reduction: Box<dyn Reduction + Send>,
}

/// The weight of each channel; `by_magnitude` divides by |s|, else by s.
fn weights(drops: &Drops, by_magnitude: bool) -> Vec<f32> {
    let score = f64::from(drops.score);
    let divisor = if by_magnitude { score.abs() } else { score };
    drops.drops.iter().map(|drop| (drop / divisor) as f32).collect()
}

impl Attribution for AblationCam {
    fn descriptor() -> AttributionDescriptor {
        AttributionDescriptor {
            reference: "Desai and Ramaswamy 2020, doi:10.1109/WACV45572.2020.9093360",
            description: "w = (s - s_k) / |s|, s_k the score with channel k set to zero; the map is sum_k w_k A_k. The publication \
                          divides by s, which inverts the map where s is negative. Where the head is affine, s - s_k is \
                          <G_k,A_k>, which is found out by comparison.",
            needs: Needs { activations: true, gradients: true, forward_from: true, ..Needs::default() },
            parameters: vec![
                Parameter::choice(
                    "divide-by",
                    "magnitude",
                    &["magnitude", "score"],
                    "What the drop of the score is divided by: |s|, or s as in the publication, which inverts the map where s is \
                     negative.",
                ),
                Parameter::choice(
                    "shortcut",
                    "auto",
                    &["auto", "never"],
                    "Take the drops from the gradient where the head is found to be affine, or always run the head.",
                ),
                Parameter::bool(
                    "eigen-smooth",
                    false,
                    "Take the first principal component of the channels' terms in place of their sum.",
                ),
            ],
            ..AttributionDescriptor::new("ablationcam", "AblationCAM")
        }
    }

    fn create(parameters: &Parameters) -> Result<Self, Error> {
        let reduction: Box<dyn Reduction + Send> = if parameters.bool("eigen-smooth")? {
            Box::new(Projection::new(Sign::Evidence))
        } else {
            Box::<Sum>::default()
        };
        Ok(AblationCam {
            by_magnitude: parameters.choice("divide-by")? == "magnitude",
            shortcut: parameters.choice("shortcut")? == "auto",
            reduction,
        })
    }

    fn attribute(&mut self, request: &Request<'_>, host: &Host<'_>, maps: &mut Maps<'_>) -> Result<(), Error> {
        let total = (request.layers().len() * request.images()) as u64;
        for (index, layer) in request.layers().iter().enumerate() {
            let (activations, gradients) = (layer.activations()?, layer.gradients()?);
            let map = maps.map(index)?;
            let pixels = layer.height() * layer.width();
            if pixels == 0 {
                continue;
            }
            for (image, out) in map.chunks_exact_mut(pixels).enumerate() {
                let head = Head::new(host, index, activations, image, request.targets()[image])?;
                let weights = weights(&drops(&head, gradients.image(image), self.shortcut)?, self.by_magnitude);
                let mut fill = |channel: usize, row: &mut [f32]| {
                    for (out, activation) in row.iter_mut().zip(head.channel(channel)) {
                        *out = weights[channel] * activation;
                    }
                };
                self.reduction.reduce(head.channels(), &mut fill, out);
                host.progress((index * request.images() + image + 1) as u64, total);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use lightbox_plugin::{Layer, TensorView, Value};

    use super::*;
    use crate::toy::{Bend, Toy};

    fn map(toy: &Toy, change: impl Fn(Parameters) -> Parameters) -> Vec<f32> {
        let parameters = change(Parameters::defaults(&AblationCam::descriptor().parameters));
        let gradients = toy.gradients(1);
        let layer = Layer::new(
            "layer",
            (1, 2),
            TensorView::new(&toy.activations, &toy.shape),
            TensorView::new(&gradients, &toy.shape),
        );
        let request = Request::new(&[1], 2, [3, 8, 8], vec![layer]);
        let mut maps = Maps::own(1, &[(1, 2)]);
        AblationCam::create(&parameters).unwrap().attribute(&request, &Host::new(toy, 2), &mut maps).unwrap();
        maps.map(0).unwrap().to_vec()
    }

    fn assert_near(found: &[f32], expected: &[f32]) {
        assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-6), "{found:?} is not {expected:?}");
    }

    #[test]
    fn map_by_hand() {
        // s = 3.5, drops 3, -1, 0; channels 0 2 and 3 1: (0 - 3) / 3.5 and (6 - 1) / 3.5.
        for shortcut in ["auto", "never"] {
            let with = |p: Parameters| p.with("shortcut", Value::Choice(shortcut.to_owned()));
            assert_near(&map(&Toy::new(Bend::None), with), &[-3.0 / 3.5, 5.0 / 3.5]);
        }
    }

    #[test]
    fn a_negative_score_inverts_the_map_only_on_demand() {
        let drops = Drops { score: -2.0, drops: vec![1.0, -4.0], by_gradient: true };
        assert_eq!(weights(&drops, true), [0.5, -2.0]);
        assert_eq!(weights(&drops, false), [-0.5, 2.0]);
    }

    #[test]
    fn smoothing_takes_the_principal_component() {
        // Terms 0 6/3.5 and -3/3.5 -1/3.5, centred (-3 3) / 3.5 and (-1 1) / 3.5: length sqrt 10 / 3.5.
        let found = map(&Toy::new(Bend::None), |p| p.with("eigen-smooth", Value::Bool(true)));
        let length = 10.0_f32.sqrt() / 3.5;
        assert_near(&found, &[-length, length]);
    }
}
