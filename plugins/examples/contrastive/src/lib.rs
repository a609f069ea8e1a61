//! Why this class and not the next: input times the gradient of the difference of two logits.
//!
//! For an input x whose target is t and whose strongest other class is r,
//!
//! ```text
//! map[i,j] = sum over channels c of  x_c[i,j] * d(s_t - s_r) / dx_c[i,j]
//! ```
//!
//! Gradient times input is Shrikumar et al. 2016, arXiv:1605.01713; asking for a difference of classes instead of one follows
//! Prabhushankar et al. 2020, arXiv:2008.00178. Above zero speaks for t against r. Where the network has no biases and bends only at
//! zero, the values of an image sum to s_t - s_r. With `against=mean`, s_r is the mean of all other logits.

use lightbox_plugin::{
    At, Attribution, AttributionDescriptor, Error, Host, Layers, Maps, Needs, Output, Parameter, Parameters, Request,
    Resolution, export_plugin,
};

/// What the target is held against.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Against {
    RunnerUp,
    Mean,
}

/// An instance of the method.
struct Contrastive {
    against: Against,
}

impl Attribution for Contrastive {
    fn descriptor() -> AttributionDescriptor {
        AttributionDescriptor {
            reference: "after Shrikumar et al. 2016, arXiv:1605.01713, and Prabhushankar et al. 2020, arXiv:2008.00178",
            description: "Input times the gradient of the target's logit minus that of the strongest other class, summed over \
                          channels. Signed: above zero speaks for the target, below zero for the other.",
            needs: Needs { input: true, scores: true, vjp: true, ..Needs::default() },
            layers: Layers::One,
            output: Output { signed: true, resolution: Resolution::Input },
            parameters: vec![Parameter::choice(
                "against",
                "runner-up",
                &["runner-up", "mean"],
                "what the target is held against: the strongest other class, or the mean of all others",
            )],
            ..AttributionDescriptor::new("contrastive", "Contrastive gradient x input")
        }
    }

    fn create(parameters: &Parameters) -> Result<Self, Error> {
        let against = if parameters.choice("against")? == "mean" { Against::Mean } else { Against::RunnerUp };
        Ok(Contrastive { against })
    }

    fn attribute(&mut self, request: &Request<'_>, host: &Host<'_>, maps: &mut Maps<'_>) -> Result<(), Error> {
        let (input, scores) = (request.input()?, request.scores()?);
        // One row for each image: the host takes the gradients of all of them at once.
        let cotangents: Vec<f32> = (0..request.images())
            .flat_map(|image| cotangent(scores.image(image), request.targets()[image], self.against))
            .collect();
        let gradients = host.vjp(At::Input, input.as_slice(), input.shape(), &cotangents)?;
        let pixels = request.input_size().0 * request.input_size().1;
        let per_image = request.input_channels() * pixels;
        let map = maps.map(0)?;
        for (image, out) in map.chunks_exact_mut(pixels.max(1)).enumerate() {
            let gradient = &gradients[image * per_image..][..per_image];
            for (x, g) in input.image(image).chunks_exact(pixels).zip(gradient.chunks_exact(pixels)) {
                for ((out, x), g) in out.iter_mut().zip(x).zip(g) {
                    *out += x * g;
                }
            }
        }
        Ok(())
    }
}

/// What each logit counts for in the difference. A network of one class has nothing to be held against.
fn cotangent(logits: &[f32], target: usize, against: Against) -> Vec<f32> {
    let others = || (0..logits.len()).filter(|&class| class != target);
    let mut weights = vec![0.0; logits.len()];
    weights[target] = 1.0;
    match against {
        Against::RunnerUp => {
            // Of equal logits the first.
            if let Some(next) = others().rev().max_by(|&a, &b| logits[a].total_cmp(&logits[b])) {
                weights[next] = -1.0;
            }
        }
        Against::Mean => {
            let share = 1.0 / others().count().max(1) as f32;
            others().for_each(|class| weights[class] = -share);
        }
    }
    weights
}

export_plugin! {
    id: "org.lightbox.examples.contrastive",
    version: env!("CARGO_PKG_VERSION"),
    attributions: [Contrastive],
}

#[cfg(test)]
mod tests {
    use lightbox_plugin::{Layer, Result, Services, TensorView, Value};

    use super::*;

    /// Three logits, each the sum of the pixels times its weights, of images of 1 x 1 x 2.
    const WEIGHTS: [[f32; 2]; 3] = [[1.0, -2.0], [0.5, 4.0], [3.0, 0.25]];

    struct Linear;

    impl Services for Linear {
        fn vjp(&self, at: At, _: &[f32], shape: &[usize], cotangent: &[f32], gradient: &mut [f32]) -> Result<()> {
            assert_eq!((at, &shape[1..]), (At::Input, &[1, 1, 2][..]));
            for (cotangent, gradient) in cotangent.chunks_exact(3).zip(gradient.chunks_exact_mut(2)) {
                for (pixel, gradient) in gradient.iter_mut().enumerate() {
                    *gradient = WEIGHTS.iter().zip(cotangent).map(|(row, c)| row[pixel] * c).sum();
                }
            }
            Ok(())
        }
    }

    fn map(against: &str) -> Vec<f32> {
        let input = [2.0, 1.0, -1.0, 3.0];
        let logits: Vec<f32> =
            input.chunks_exact(2).flat_map(|image| WEIGHTS.map(|row| row[0] * image[0] + row[1] * image[1])).collect();
        assert_eq!(logits, [0.0, 5.0, 6.25, -7.0, 11.5, -2.25]);
        let request = Request::new(&[2, 0], 3, [1, 1, 2], vec![Layer::new("layer", (1, 1), None, None)])
            .with_input(TensorView::new(&input, &[2, 1, 1, 2]).unwrap())
            .with_scores(TensorView::new(&logits, &[2, 3]).unwrap());
        let parameters = Parameters::defaults(&Contrastive::descriptor().parameters)
            .with("against", Value::Choice(against.to_owned()));
        let mut maps = Maps::own(2, &[(1, 2)]);
        let mut method = Contrastive::create(&parameters).unwrap();
        method.attribute(&request, &Host::new(&Linear, 3), &mut maps).unwrap();
        maps.map(0).unwrap().to_vec()
    }

    /// By hand. First image: class 2 against 1, weights [2.5, -3.75]; second: class 0 against 1, weights [0.5, -6].
    #[test]
    fn a_map_is_input_times_the_difference_of_weights() {
        let found = map("runner-up");
        assert_eq!(found, [2.0 * 2.5, -3.75, -0.5, 3.0 * -6.0]);
        // A linear network: the values sum to the difference of the logits.
        assert_eq!([found[0] + found[1], found[2] + found[3]], [6.25 - 5.0, -7.0 - 11.5]);
    }

    #[test]
    fn the_mean_of_the_others_counts_each_of_them() {
        assert_eq!(map("mean")[..2], [2.0 * (3.0 - 0.75), 0.25 - 1.0]);
    }

    #[test]
    fn ties_and_single_classes() {
        assert_eq!(cotangent(&[1.0, 1.0, 3.0], 2, Against::RunnerUp), [-1.0, 0.0, 1.0]);
        assert_eq!(cotangent(&[1.0], 0, Against::RunnerUp), [1.0]);
        assert_eq!(cotangent(&[1.0], 0, Against::Mean), [1.0]);
    }
}
