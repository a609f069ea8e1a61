//! Grad-CAM: w_k = mean(G_k), T_k = w_k A_k.
//!
//! Selvaraju et al., Grad-CAM: Visual Explanations from Deep Networks via Gradient-based Localization, ICCV 2017,
//! equations 1 and 2.

use lightbox_plugin::{Error, Parameters};

use crate::method::{About, MethodTerm};
use crate::term::{Term, total, weighted};

/// Grad-CAM.
pub struct GradCam;

impl Term for GradCam {
    fn fill(&self, activations: &[f32], gradients: &[f32], out: &mut [f32]) {
        weighted(total(gradients) / gradients.len() as f64, activations, out);
    }
}

impl MethodTerm for GradCam {
    fn about() -> About {
        About {
            id: "gradcam",
            name: "Grad-CAM",
            reference: "Selvaraju et al. 2017, doi:10.1109/ICCV.2017.74",
            description: "w = mean(G); the map is sum_k w_k A_k.",
            gradients: true,
            projected: false,
            parameters: Vec::new(),
        }
    }

    fn create(_parameters: &Parameters) -> Result<Self, Error> {
        Ok(GradCam)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::term::{assert_near, term_of};

    #[test]
    fn weight_is_the_mean_gradient() {
        // mean(2, -1, 0, 3) = 1; mean(-4, 0, 0, 0) = -1.
        assert_near(&term_of(&GradCam, &[1.0, 2.0, 0.0, 5.0], &[2.0, -1.0, 0.0, 3.0]), &[1.0, 2.0, 0.0, 5.0]);
        assert_near(&term_of(&GradCam, &[1.0, 2.0, 0.0, 5.0], &[-4.0, 0.0, 0.0, 0.0]), &[-1.0, -2.0, 0.0, -5.0]);
    }
}
