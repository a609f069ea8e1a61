//! Eigen-Grad-CAM on torch tensors: everything is computed where the network is, on the GPU when there is one.
//!
//! For each image, with A the activations of a layer and G the gradients there, \[C,h,w\]: X is A . G as a matrix of h w places by C channels,
//! less the mean of each channel, v the first right singular vector of X, and
//!
//! ```text
//! map = +- X v
//! ```
//!
//! Muhammad and Yeasin, Eigen-CAM, arXiv:2008.00299, take A for X; the product with the gradients makes it a map of one class, as in
//! pytorch-grad-cam, whose sign is left to chance. Here it is that of the likeness of the map with the sum of A . G over channels.
//! With `of=probability` the gradient is that of the target's probability instead of its logit.

use lightbox_plugin_torch::plugin::{Accepts, At, Attribution, AttributionDescriptor, Host, Maps, Needs, Request};
use lightbox_plugin_torch::tch::{Kind, TchError, Tensor};
use lightbox_plugin_torch::tensors::{TensorServices, Tensors, write};
use lightbox_plugin_torch::{Error, Parameter, Parameters, export_plugin};

/// An instance of the method.
struct EigenGradCam {
    of_probability: bool,
}

impl Attribution for EigenGradCam {
    fn descriptor() -> AttributionDescriptor {
        AttributionDescriptor {
            reference: "after Muhammad and Yeasin 2020, arXiv:2008.00299",
            description: "The first principal component of activations times gradients, with the sign that is most like their sum.",
            needs: Needs { activations: true, scores: true, vjp: true, ..Needs::default() },
            // libtorch reads them all.
            accepts: Accepts { any_device: true, strides: true, bf16: true },
            parameters: vec![Parameter::choice(
                "of",
                "logit",
                &["logit", "probability"],
                "what the gradient is of: the target's logit, or its probability",
            )],
            ..AttributionDescriptor::new("eigengradcam-torch", "Eigen-Grad-CAM on torch")
        }
    }

    fn create(parameters: &Parameters) -> Result<Self, Error> {
        Ok(EigenGradCam { of_probability: parameters.choice("of")? == "probability" })
    }

    fn attribute(&mut self, request: &Request<'_>, host: &Host<'_>, maps: &mut Maps<'_>) -> Result<(), Error> {
        // Views of the host's tensors: nothing is copied, and nothing may be written to them.
        let tensors = Tensors::of(request)?;
        let cotangent = self.cotangent(&tensors.scores()?, request.targets())?;
        for layer in 0..request.layers().len() {
            host.check_cancelled()?;
            let activations = tensors.activations(layer)?.f_to_kind(Kind::Float)?;
            let gradients = host.vjp_tensor(At::Layer(layer), &activations, &cotangent)?;
            write(maps.map(layer)?, &component(&activations.f_mul(&gradients)?)?)?;
        }
        Ok(())
    }
}

impl EigenGradCam {
    /// The derivative of what is explained with respect to the logits, [N,K].
    fn cotangent(&self, scores: &Tensor, targets: &[usize]) -> Result<Tensor, TchError> {
        let targets: Vec<i64> = targets.iter().map(|&target| target as i64).collect();
        let classes = scores.size()[1];
        let target = Tensor::f_from_slice(&targets)?.f_one_hot(classes)?.f_to_kind(Kind::Float)?;
        let target = target.f_to_device(scores.device())?;
        if !self.of_probability {
            return Ok(target);
        }
        // dp_t / ds_j = p_t ([t = j] - p_j)
        let p = scores.f_softmax(1, Kind::Float)?;
        let own = p.f_mul(&target)?.f_sum_dim_intlist([1_i64].as_slice(), true, Kind::Float)?;
        target.f_sub(&p)?.f_mul(&own)
    }
}

/// The map [N,h w] of the products [N,C,h,w].
fn component(products: &Tensor) -> Result<Tensor, TchError> {
    let spots = products.f_flatten(2, 3)?.f_transpose(1, 2)?;
    let centred = spots.f_sub(&spots.f_mean_dim([1_i64].as_slice(), true, Kind::Float)?)?;
    let (_, _, right) = centred.f_svd(true, true)?;
    let first = right.f_select(2, 0)?.f_unsqueeze(-1)?;
    let map = centred.f_matmul(&first)?.f_squeeze_dim(-1)?;
    let sum = spots.f_sum_dim_intlist([2_i64].as_slice(), false, Kind::Float)?;
    let likeness = map.f_mul(&sum)?.f_sum_dim_intlist([1_i64].as_slice(), true, Kind::Float)?;
    let sign = likeness.f_lt(0.0)?.f_to_kind(Kind::Float)?.f_mul_scalar(-2.0)?.f_add_scalar(1.0)?;
    map.f_mul(&sign)
}

export_plugin! {
    id: "org.lightbox.examples.cam-torch",
    version: env!("CARGO_PKG_VERSION"),
    models: [],
    attributions: [EigenGradCam],
}

#[cfg(test)]
mod tests {
    use super::*;

    /// By hand: two channels over three places, (1,0) (3,0) (5,3), so that X = (-2,-1) (0,-1) (2,2); X^T X = [8 6; 6 6] has the first
    /// eigenvector (6, e - 8) with e = 7 + sqrt 37.
    #[test]
    fn a_component_worked_by_hand() {
        let products = Tensor::from_slice(&[1.0_f32, 3.0, 5.0, 0.0, 0.0, 3.0]).view([1, 2, 1, 3]);
        let e = 7.0 + 37.0_f64.sqrt();
        let length = (36.0 + (e - 8.0).powi(2)).sqrt();
        let v = [6.0 / length, (e - 8.0) / length];
        let expected = [[-2.0, -1.0], [0.0, -1.0], [2.0, 2.0]].map(|x: [f64; 2]| x[0] * v[0] + x[1] * v[1]);
        // The sums over channels, 1, 3 and 8, are like it: the sign stays.
        let check = |products: &Tensor, sign: f64| {
            let found = Vec::<f32>::try_from(component(products).unwrap().flatten(0, -1)).unwrap();
            for (found, expected) in found.iter().zip(expected) {
                assert!((f64::from(*found) - sign * expected).abs() < 1e-5, "{found} {expected}");
            }
        };
        check(&products, 1.0);
        check(&-products, -1.0);
    }

    #[test]
    fn the_derivative_of_a_probability() {
        let scores = Tensor::from_slice2(&[[0.0_f32, 3.0_f32.ln()]]);
        let method = EigenGradCam { of_probability: true };
        // p = 1/4, 3/4.
        let found = Vec::<f32>::try_from(method.cotangent(&scores, &[1]).unwrap().flatten(0, -1)).unwrap();
        assert!((found[0] + 0.1875).abs() < 1e-6 && (found[1] - 0.1875).abs() < 1e-6, "{found:?}");
    }
}
