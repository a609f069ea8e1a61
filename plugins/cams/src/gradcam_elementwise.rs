//! Grad-CAM element-wise: T_k = max(G_k A_k, 0), pixel by pixel.
//!
//! Not from a publication: grad-cam 1.5.7, `GradCAMElementWise`, where the sum over channels is taken after the negative
//! products are left out.

use lightbox_plugin::{Error, Parameters};

use crate::method::{About, MethodTerm};
use crate::term::Term;

/// Grad-CAM element-wise.
pub struct GradCamElementWise;

impl Term for GradCamElementWise {
    fn fill(&self, activations: &[f32], gradients: &[f32], out: &mut [f32]) {
        for ((out, activation), gradient) in out.iter_mut().zip(activations).zip(gradients) {
            let product = gradient * activation;
            // Not `max`, which would turn a NaN into 0.
            *out = if product < 0.0 { 0.0 } else { product };
        }
    }
}

impl MethodTerm for GradCamElementWise {
    fn about() -> About {
        About {
            id: "gradcam-elementwise",
            name: "Grad-CAM element-wise",
            reference: "grad-cam 1.5.7, GradCAMElementWise",
            description: "The map is sum_k max(G_k A_k,0), pixel by pixel.",
            gradients: true,
            projected: false,
            parameters: Vec::new(),
        }
    }

    fn create(_parameters: &Parameters) -> Result<Self, Error> {
        Ok(GradCamElementWise)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::term::{assert_near, term_of};

    #[test]
    fn negative_products_are_left_out() {
        let found = term_of(&GradCamElementWise, &[1.0, 2.0, -3.0, -4.0], &[2.0, -5.0, 0.5, -0.5]);
        assert_near(&found, &[2.0, 0.0, 0.0, 2.0]);
    }
}
