//! Finer-CAM: another method's map for the difference between the target and the classes most like it.
//!
//! Zhang et al., Finer-CAM: Spotting the Difference Reveals Finer Details for Visual Explanation, CVPR 2025. The gradient is that
//! of a weighted difference of logits, sum_i w_i (s_t - alpha s_i) / sum_i w_i over the classes whose logits are nearest to the
//! target's. As grad-cam, w_i is the probability of class i, through which the gradient flows too; with `weights=equal` all are 1.

use lightbox_cam_math::{Reduction, Sum};
use lightbox_plugin::{
    At, Attribution, AttributionDescriptor, Error, Host, Maps, Needs, Parameter, Parameters, Request,
};

use crate::{GradCam, GradCamElementWise, HiResCam, LayerCam, Term, XGradCam};

/// What grad-cam adds to the sum of the weights.
const EPS: f64 = 1e-9;

/// Finer-CAM.
pub struct FinerCam {
    term: Box<dyn Term + Send>,
    alpha: f64,
    references: usize,
    by_probability: bool,
}

/// The classes other than `target` whose logits are nearest to its own, nearest first.
fn references(logits: &[f32], target: usize, count: usize) -> Vec<usize> {
    let distance = |class: &usize| f64::from((logits[*class] - logits[target]).abs());
    let mut classes: Vec<usize> = (0..logits.len()).filter(|class| *class != target).collect();
    classes.sort_by(|a, b| distance(a).total_cmp(&distance(b)));
    classes.truncate(count);
    classes
}

/// The derivative of the weighted difference with respect to the logits.
///
/// With p the probabilities, R the references, W = sum_R p + eps and N = sum_R p_i (s_t - alpha s_i), f = N / W has
/// df/ds_j = (dN_j - f dW_j) / W, where dp_i/ds_j = p_i (\[i = j\] - p_j).
fn cotangent(logits: &[f32], target: usize, references: &[usize], alpha: f64, by_probability: bool) -> Vec<f32> {
    let logit = |class: usize| f64::from(logits[class]);
    let mut out = vec![0.0; logits.len()];
    if references.is_empty() {
        out[target] = 1.0;
        return out;
    }
    if !by_probability {
        out[target] = 1.0;
        references.iter().for_each(|class| out[*class] -= (alpha / references.len() as f64) as f32);
        return out;
    }
    let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let powers: Vec<f64> = logits.iter().map(|s| f64::from(s - largest).exp()).collect();
    let sum: f64 = powers.iter().sum();
    let p = |class: usize| powers[class] / sum;
    let weight: f64 = references.iter().map(|class| p(*class)).sum();
    let whole = weight + EPS;
    let difference = |class: usize| logit(target) - alpha * logit(class);
    let numerator: f64 = references.iter().map(|class| p(*class) * difference(*class)).sum();
    for (class, out) in out.iter_mut().enumerate() {
        let is_reference = references.contains(&class);
        let own = |value: f64| if is_reference { value } else { 0.0 };
        let mut rise = own(p(class) * difference(class) - alpha * p(class)) - p(class) * numerator;
        if class == target {
            rise += weight;
        }
        let of_weight = own(p(class)) - p(class) * weight;
        *out = ((rise - numerator / whole * of_weight) / whole) as f32;
    }
    out
}

impl Attribution for FinerCam {
    fn descriptor() -> AttributionDescriptor {
        AttributionDescriptor {
            reference: "Zhang et al. 2025, arXiv:2501.11309",
            description: "The map of another method, with the gradient of sum_i w_i (s_t - alpha s_i) / sum_i w_i in place of that of \
                          s_t, over the classes whose logits are nearest to the target's; w_i is the probability of class i.",
            needs: Needs { activations: true, scores: true, vjp: true, ..Needs::default() },
            parameters: vec![
                Parameter::choice(
                    "base",
                    "gradcam",
                    &["gradcam", "xgradcam", "layercam", "hirescam", "gradcam-elementwise"],
                    "The method that turns activations and the difference's gradient into a map.",
                ),
                Parameter::float("alpha", 1.0, 0.0, 10.0, "How much of the other classes' logits is taken away."),
                Parameter::int("references", 3, 1, 1000, "How many of the nearest classes are compared with."),
                Parameter::choice(
                    "weights",
                    "probability",
                    &["probability", "equal"],
                    "What the differences are weighted by: the other class's probability, as grad-cam, or nothing.",
                ),
            ],
            ..AttributionDescriptor::new("finercam", "Finer-CAM")
        }
    }

    fn create(parameters: &Parameters) -> Result<Self, Error> {
        let term: Box<dyn Term + Send> = match parameters.choice("base")? {
            "gradcam" => Box::new(GradCam),
            "xgradcam" => Box::new(XGradCam),
            "layercam" => Box::new(LayerCam),
            "hirescam" => Box::new(HiResCam),
            "gradcam-elementwise" => Box::new(GradCamElementWise),
            other => return Err(Error::new(format!("there is no base method `{other}`"))),
        };
        Ok(FinerCam {
            term,
            alpha: parameters.float("alpha")?,
            references: usize::try_from(parameters.int("references")?)?,
            by_probability: parameters.choice("weights")? == "probability",
        })
    }

    fn attribute(&mut self, request: &Request<'_>, host: &Host<'_>, maps: &mut Maps<'_>) -> Result<(), Error> {
        let scores = request.scores()?;
        let cotangents: Vec<f32> = (0..request.images())
            .flat_map(|image| {
                let (logits, target) = (scores.image(image), request.targets()[image]);
                let references = references(logits, target, self.references);
                cotangent(logits, target, &references, self.alpha, self.by_probability)
            })
            .collect();
        for (index, layer) in request.layers().iter().enumerate() {
            let activations = layer.activations()?;
            let gradients = host.vjp(At::Layer(index), activations.as_slice(), activations.shape(), &cotangents)?;
            let pixels = layer.height() * layer.width();
            let map = maps.map(index)?;
            if pixels == 0 {
                continue;
            }
            for (image, out) in map.chunks_exact_mut(pixels).enumerate() {
                let a = activations.image(image);
                let g = &gradients[image * a.len()..][..a.len()];
                let mut fill = |channel: usize, row: &mut [f32]| {
                    let place = channel * pixels..(channel + 1) * pixels;
                    self.term.fill(&a[place.clone()], &g[place], row);
                };
                Sum::default().reduce(a.len() / pixels, &mut fill, out);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_logits_are_the_references() {
        assert_eq!(references(&[1.0, 5.0, 4.5, 5.75, -9.0], 1, 3), [2, 3, 0]);
        assert_eq!(references(&[1.0, 5.0], 0, 3), [1]);
        assert!(references(&[1.0], 0, 3).is_empty());
    }

    #[test]
    fn equal_weights_take_the_mean_away() {
        assert_eq!(cotangent(&[1.0, 2.0, 3.0], 2, &[1, 0], 0.5, false), [-0.25, -0.25, 1.0]);
        assert_eq!(cotangent(&[1.0], 0, &[], 0.5, true), [1.0]);
    }

    /// Against differences of f itself.
    #[test]
    fn the_cotangent_is_the_derivative() {
        let logits = [0.3_f32, 1.4, -0.2, 0.9];
        let (target, references, alpha) = (1, [3, 0], 0.7);
        let f = |logits: &[f64]| {
            let p = |class: usize| logits[class].exp() / logits.iter().map(|s| s.exp()).sum::<f64>();
            let weight: f64 = references.iter().map(|class| p(*class)).sum();
            let sum: f64 = references.iter().map(|class| p(*class) * (logits[target] - alpha * logits[*class])).sum();
            sum / (weight + EPS)
        };
        let found = cotangent(&logits, target, &references, alpha, true);
        for class in 0..logits.len() {
            let moved = |step: f64| {
                let mut logits: Vec<f64> = logits.iter().map(|s| f64::from(*s)).collect();
                logits[class] += step;
                f(&logits)
            };
            let difference = (moved(1e-5) - moved(-1e-5)) / 2e-5;
            assert!((f64::from(found[class]) - difference).abs() < 1e-6, "{class}: {} {difference}", found[class]);
        }
    }
}
