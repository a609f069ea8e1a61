//! Grad-CAM++: a = G^2 / (2 G^2 + (sum A) G^3 + eps), 0 where G = 0; w_k = sum max(G_k, 0) a_k, T_k = w_k A_k.
//!
//! Chattopadhay et al., Grad-CAM++: Generalized Gradient-based Visual Explanations for Deep Convolutional Networks, WACV
//! 2018, equations 7 and 19. The publication has no `eps`; grad-cam adds 1e-6, which is as large as G^2 often is.

use lightbox_plugin::{Error, Parameter, Parameters};

use crate::method::{About, MethodTerm};
use crate::term::{Term, total, weighted};

/// Grad-CAM++.
pub struct GradCamPlusPlus {
    eps: f64,
}

impl Term for GradCamPlusPlus {
    fn fill(&self, activations: &[f32], gradients: &[f32], out: &mut [f32]) {
        let sum = total(activations);
        let mut weight = 0.0;
        for &gradient in gradients {
            // Where the gradient is not positive, the pixel adds nothing. A NaN stays one.
            if gradient <= 0.0 {
                continue;
            }
            let gradient = f64::from(gradient);
            let square = gradient * gradient;
            weight += gradient * square / (2.0 * square + sum * square * gradient + self.eps);
        }
        weighted(weight, activations, out);
    }
}

impl MethodTerm for GradCamPlusPlus {
    fn about() -> About {
        About {
            id: "gradcam++",
            name: "Grad-CAM++",
            reference: "Chattopadhay et al. 2018, doi:10.1109/WACV.2018.00097",
            description: "a = G^2 / (2 G^2 + (sum A) G^3 + eps), 0 where G = 0; w = sum max(G,0) a; the map is sum_k w_k A_k. The \
                          publication has no eps; the default is that of grad-cam, for parity, and is comparable to G^2.",
            gradients: true,
            projected: false,
            parameters: vec![Parameter::float(
                "eps",
                1e-6,
                0.0,
                1.0,
                "Added to the denominator of a; large values turn a towards G^2 / eps.",
            )],
        }
    }

    fn create(parameters: &Parameters) -> Result<Self, Error> {
        Ok(GradCamPlusPlus { eps: parameters.float("eps")? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::term::{assert_near, term_of};

    #[test]
    fn weight_by_hand() {
        // sum A = 4. G = 1: 1 / (2 + 4) = 1/6. G = -2 adds nothing. G = 0: nothing. G = 2: 2 * 4 / (8 + 32) = 1/5.
        let activations = [1.0, 0.0, 3.0, 0.0];
        let weight = 1.0 / 6.0 + 1.0 / 5.0;
        let plain = GradCamPlusPlus { eps: 0.0 };
        assert_near(&term_of(&plain, &activations, &[1.0, -2.0, 0.0, 2.0]), &[weight, 0.0, 3.0 * weight, 0.0]);
        // With eps = 6: 1 / 12 + 2 * 4 / 46.
        let weight = 1.0 / 12.0 + 8.0 / 46.0;
        let damped = GradCamPlusPlus { eps: 6.0 };
        assert_near(&term_of(&damped, &activations, &[1.0, -2.0, 0.0, 2.0]), &[weight, 0.0, 3.0 * weight, 0.0]);
    }

    #[test]
    fn no_gradient_is_no_weight_even_without_eps() {
        let plain = GradCamPlusPlus { eps: 0.0 };
        assert_near(&term_of(&plain, &[0.0, 5.0], &[0.0, 0.0]), &[0.0, 0.0]);
        assert!(term_of(&plain, &[1.0, 5.0], &[f32::NAN, 0.0]).iter().all(|value| value.is_nan()));
    }
}
