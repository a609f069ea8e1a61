//! XGrad-CAM: w_k = sum(G_k A_k) / (sum A_k + 1e-7), T_k = w_k A_k.
//!
//! Fu et al., Axiom-based Grad-CAM: Towards Accurate Visualization and Explanation of CNNs, BMVC 2020. The 1e-7 is
//! grad-cam's, and keeps channels that are silent everywhere from dividing by zero.

use lightbox_plugin::{Error, Parameters};

use crate::method::{About, MethodTerm};
use crate::term::{Term, total, weighted};

const EPS: f64 = 1e-7;

/// XGrad-CAM.
pub struct XGradCam;

impl Term for XGradCam {
    fn fill(&self, activations: &[f32], gradients: &[f32], out: &mut [f32]) {
        let share: f64 = activations.iter().zip(gradients).map(|(&a, &g)| f64::from(a) * f64::from(g)).sum();
        weighted(share / (total(activations) + EPS), activations, out);
    }
}

impl MethodTerm for XGradCam {
    fn about() -> About {
        About {
            id: "xgradcam",
            name: "XGrad-CAM",
            reference: "Fu et al. 2020, arXiv:2008.02312",
            description: "w = sum(G A) / (sum A + 1e-7); the map is sum_k w_k A_k. Equal to Grad-CAM where the head is a global \
                          average followed by a linear layer.",
            gradients: true,
            projected: false,
            parameters: Vec::new(),
        }
    }

    fn create(_parameters: &Parameters) -> Result<Self, Error> {
        Ok(XGradCam)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::term::{assert_near, term_of};

    #[test]
    fn weight_is_the_gradient_averaged_by_activation() {
        // (1 * 2 + 3 * -4) / 4 = -2.5.
        assert_near(&term_of(&XGradCam, &[1.0, 0.0, 3.0], &[2.0, 9.0, -4.0]), &[-2.5, 0.0, -7.5]);
    }

    #[test]
    fn a_silent_channel_adds_nothing() {
        assert_near(&term_of(&XGradCam, &[0.0, 0.0], &[2.0, 9.0]), &[0.0, 0.0]);
    }
}
