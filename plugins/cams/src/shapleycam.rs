//! ShapleyCAM: w_k = mean(G_k - (H A)_k / 2), T_k = w_k A_k, with H the second derivative of the target's logit by A.
//!
//! Cai, CAMs as Shapley Value-based Explainers, The Visual Computer 2025 (arXiv:2501.06261), equation 12: the second-order
//! expansion of a channel's Shapley value. Where the rest of the network is affine H is zero, and the map is Grad-CAM's.

use lightbox_cam_math::{Projection, Reduction, Sign, Sum};
use lightbox_plugin::{
    At, Attribution, AttributionDescriptor, Error, Host, Maps, Needs, Parameter, Parameters, Request,
};

use crate::term::{total, weighted};

/// ShapleyCAM.
pub struct ShapleyCam {
    reduction: Box<dyn Reduction + Send>,
}

impl Attribution for ShapleyCam {
    fn descriptor() -> AttributionDescriptor {
        AttributionDescriptor {
            reference: "Cai 2025, arXiv:2501.06261",
            description: "w = mean(G - H A / 2), H the second derivative of the target's logit by the activations; the map is \
                          sum_k w_k A_k. Where the rest of the network is affine it is Grad-CAM.",
            needs: Needs { activations: true, gradients: true, ..Needs::default() },
            parameters: vec![Parameter::bool(
                "eigen-smooth",
                false,
                "Take the first principal component of the channels' terms in place of their sum.",
            )],
            ..AttributionDescriptor::new("shapleycam", "ShapleyCAM")
        }
    }

    fn create(parameters: &Parameters) -> Result<Self, Error> {
        let reduction: Box<dyn Reduction + Send> = if parameters.bool("eigen-smooth")? {
            Box::new(Projection::new(Sign::Evidence))
        } else {
            Box::<Sum>::default()
        };
        Ok(ShapleyCam { reduction })
    }

    fn attribute(&mut self, request: &Request<'_>, host: &Host<'_>, maps: &mut Maps<'_>) -> Result<(), Error> {
        let mut cotangents = vec![0.0; request.images() * request.classes()];
        for (row, target) in cotangents.chunks_exact_mut(request.classes()).zip(request.targets()) {
            row[*target] = 1.0;
        }
        for (index, layer) in request.layers().iter().enumerate() {
            let (activations, gradients) = (layer.activations()?, layer.gradients()?);
            let (point, shape) = (activations.as_slice(), activations.shape());
            let products = host.hvp(At::Layer(index), point, shape, &cotangents, point)?;
            let pixels = layer.height() * layer.width();
            let map = maps.map(index)?;
            if pixels == 0 {
                continue;
            }
            for (image, out) in map.chunks_exact_mut(pixels).enumerate() {
                let (a, g) = (activations.image(image), gradients.image(image));
                let h = &products[image * a.len()..][..a.len()];
                let mut fill = |channel: usize, row: &mut [f32]| {
                    let place = channel * pixels..(channel + 1) * pixels;
                    let weight = total(&g[place.clone()]) - 0.5 * total(&h[place.clone()]);
                    weighted(weight / pixels as f64, &a[place], row);
                };
                self.reduction.reduce(a.len() / pixels, &mut fill, out);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use lightbox_plugin::{Layer, Result, Services, TensorView};

    use super::*;

    /// A logit whose second derivative along any direction is that direction times 2: the sum of squares.
    struct Squares;

    impl Services for Squares {
        fn hvp(&self, _: At, _: &[f32], _: &[usize], cotangent: &[f32], v: &[f32], out: &mut [f32]) -> Result<()> {
            assert_eq!(cotangent, [0.0, 1.0]);
            out.iter_mut().zip(v).for_each(|(out, v)| *out = 2.0 * v);
            Ok(())
        }
    }

    #[test]
    fn half_the_curvature_is_taken_off_the_gradient() {
        // Channels 1 2 and 3 0, G = 2 A: w = mean(2 A - A) = mean(A), 1.5 and 1.5.
        let (a, g) = ([1.0, 2.0, 3.0, 0.0], [2.0, 4.0, 6.0, 0.0]);
        let view = |values| TensorView::new(values, &[1, 2, 1, 2]);
        let request = Request::new(&[1], 2, [3, 8, 8], vec![Layer::new("layer", (1, 2), view(&a), view(&g))]);
        let mut maps = Maps::own(1, &[(1, 2)]);
        let parameters = Parameters::defaults(&ShapleyCam::descriptor().parameters);
        ShapleyCam::create(&parameters).unwrap().attribute(&request, &Host::new(&Squares, 2), &mut maps).unwrap();
        assert_eq!(maps.map(0).unwrap(), [6.0, 3.0]);
    }
}
