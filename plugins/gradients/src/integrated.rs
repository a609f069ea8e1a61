//! Integrated gradients: (x - b) times the mean gradient on the way from a baseline b to the input x.
//!
//! Sundararajan, Taly and Yan, Axiomatic Attribution for Deep Networks, ICML 2017, equation 1. The integral is taken by
//! Gauss-Legendre quadrature, as Captum does by default. A pixel's value is the sum over its channels, so that the values of an
//! image sum to the rise of the logit from the baseline to the image.

use lightbox_plugin::{
    At, Attribution, AttributionDescriptor, Error, Host, Layers, LogLevel, Maps, Needs, Output, Parameter, Parameters,
    Request, Resolution,
};

use crate::quadrature::gauss_legendre;

/// What fits into one call of the host, in elements: 16 MiB of f32.
const CHUNK_ELEMENTS: usize = 4 << 20;

/// Integrated gradients.
pub struct IntegratedGradients {
    rule: Vec<(f64, f64)>,
    baseline: f32,
}

impl IntegratedGradients {
    /// The mean gradient of `target` on the way to `image`, and progress through `report`.
    fn mean_gradient(
        &self,
        host: &Host<'_>,
        image: &[f32],
        shape: [usize; 3],
        one_hot: &[f32],
        mut report: impl FnMut(usize),
    ) -> Result<Vec<f64>, Error> {
        let mut mean = vec![0.0_f64; image.len()];
        let per_call = (CHUNK_ELEMENTS / image.len().max(1)).max(1);
        let mut done = 0;
        for nodes in self.rule.chunks(per_call) {
            host.check_cancelled()?;
            let mut points = Vec::with_capacity(nodes.len() * image.len());
            for (share, _) in nodes {
                let share = *share as f32;
                points.extend(image.iter().map(|x| self.baseline + share * (x - self.baseline)));
            }
            let cotangents = one_hot.repeat(nodes.len());
            let gradients = host.vjp(At::Input, &points, &[nodes.len(), shape[0], shape[1], shape[2]], &cotangents)?;
            for ((_, weight), gradient) in nodes.iter().zip(gradients.chunks_exact(image.len())) {
                mean.iter_mut().zip(gradient).for_each(|(mean, g)| *mean += weight * f64::from(*g));
            }
            done += nodes.len();
            report(done);
        }
        Ok(mean)
    }
}

impl Attribution for IntegratedGradients {
    fn descriptor() -> AttributionDescriptor {
        AttributionDescriptor {
            reference: "Sundararajan, Taly and Yan 2017, arXiv:1703.01365",
            description: "(x - b) times the mean gradient of the target's logit on the way from the baseline b to the input x, summed \
                          over channels. Signed; the values of an image sum to the rise of the logit.",
            needs: Needs { input: true, vjp: true, ..Needs::default() },
            layers: Layers::One,
            output: Output { signed: true, resolution: Resolution::Input },
            parameters: vec![
                Parameter::int("steps", 50, 1, 1000, "Points on the way at which the gradient is taken."),
                Parameter::float(
                    "baseline",
                    0.0,
                    -100.0,
                    100.0,
                    "Value of every pixel of the baseline in the normalised input's scale: 0 is the mean of the normalisation.",
                ),
            ],
            ..AttributionDescriptor::new("integrated-gradients", "Integrated gradients")
        }
    }

    fn create(parameters: &Parameters) -> Result<Self, Error> {
        Ok(IntegratedGradients {
            rule: gauss_legendre(usize::try_from(parameters.int("steps")?)?),
            baseline: parameters.float("baseline")? as f32,
        })
    }

    fn attribute(&mut self, request: &Request<'_>, host: &Host<'_>, maps: &mut Maps<'_>) -> Result<(), Error> {
        let input = request.input()?;
        let (height, width) = request.input_size();
        let pixels = height * width;
        let map = maps.map(0)?;
        for (image, out) in map.chunks_exact_mut(pixels.max(1)).enumerate() {
            let own = input.image(image);
            let mut one_hot = vec![0.0; request.classes()];
            one_hot[request.targets()[image]] = 1.0;
            let before = image * self.rule.len();
            let report = |done: usize| {
                host.progress((before + done) as u64, (request.images() * self.rule.len()) as u64);
            };
            let mean = self.mean_gradient(host, own, [request.input_channels(), height, width], &one_hot, report)?;
            let mut sums = vec![0.0_f64; pixels];
            for (channel, gradient) in own.chunks_exact(pixels).zip(mean.chunks_exact(pixels)) {
                for ((sum, x), g) in sums.iter_mut().zip(channel).zip(gradient) {
                    *sum += f64::from(x - self.baseline) * g;
                }
            }
            host.log(LogLevel::Debug, &format!("the values sum to {:.6}", sums.iter().sum::<f64>()));
            out.iter_mut().zip(sums).for_each(|(out, sum)| *out = sum as f32);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use lightbox_plugin::{Layer, Result, Services, TensorView, Value};

    use super::*;

    /// A logit that is the sum of cubes of the pixels.
    struct Cubes;

    impl Services for Cubes {
        fn vjp(&self, at: At, point: &[f32], _: &[usize], cotangent: &[f32], gradient: &mut [f32]) -> Result<()> {
            assert_eq!((at, cotangent[..2].to_vec()), (At::Input, vec![0.0, 1.0]));
            gradient.iter_mut().zip(point).for_each(|(g, x)| *g = 3.0 * x * x);
            Ok(())
        }
    }

    #[test]
    fn values_sum_to_the_rise_from_the_baseline() {
        // Two channels of two pixels. From b = 1: x^3 - 1 for each value, exactly, since the gradient is a parabola.
        let input = [2.0, 3.0, -1.0, 0.0];
        let parameters = Parameters::defaults(&IntegratedGradients::descriptor().parameters)
            .with("steps", Value::Int(2))
            .with("baseline", Value::Float(1.0));
        let request = Request::new(&[1], 2, [2, 1, 2], vec![Layer::new("layer", (1, 1), None, None)])
            .with_input(TensorView::new(&input, &[1, 2, 1, 2]).unwrap());
        let mut maps = Maps::own(1, &[(1, 2)]);
        let host = Host::new(&Cubes, 2);
        IntegratedGradients::create(&parameters).unwrap().attribute(&request, &host, &mut maps).unwrap();
        for (found, expected) in maps.map(0).unwrap().iter().zip([7.0 - 2.0, 26.0 - 1.0]) {
            assert!((found - expected).abs() < 1e-5, "{found} {expected}");
        }
    }
}
