//! LayerCAM: T_k = max(G_k, 0) A_k, pixel by pixel.
//!
//! Jiang et al., LayerCAM: Exploring Hierarchical Class Activation Maps for Localization, IEEE Transactions on Image
//! Processing 2021.

use lightbox_plugin::{Error, Parameters};

use crate::method::{About, MethodTerm};
use crate::term::Term;

/// LayerCAM.
pub struct LayerCam;

impl Term for LayerCam {
    fn fill(&self, activations: &[f32], gradients: &[f32], out: &mut [f32]) {
        for ((out, &activation), &gradient) in out.iter_mut().zip(activations).zip(gradients) {
            // Not `max`, which would turn a NaN into 0.
            *out = if gradient < 0.0 { 0.0 } else { gradient * activation };
        }
    }
}

impl MethodTerm for LayerCam {
    fn about() -> About {
        About {
            id: "layercam",
            name: "LayerCAM",
            reference: "Jiang et al. 2021, doi:10.1109/TIP.2021.3089943",
            description: "The map is sum_k max(G_k,0) A_k, pixel by pixel.",
            gradients: true,
            projected: false,
            parameters: Vec::new(),
        }
    }

    fn create(_parameters: &Parameters) -> Result<Self, Error> {
        Ok(LayerCam)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::term::{assert_near, term_of};

    #[test]
    fn only_positive_gradients_count() {
        assert_near(&term_of(&LayerCam, &[1.0, 2.0, -3.0, 4.0], &[2.0, -5.0, 0.5, 0.0]), &[2.0, 0.0, -1.5, 0.0]);
        assert!(term_of(&LayerCam, &[1.0], &[f32::NAN])[0].is_nan());
    }
}
