//! HiResCAM: T_k = G_k A_k, pixel by pixel.
//!
//! Draelos and Carin, Use HiResCAM instead of Grad-CAM for faithful explanations of convolutional neural networks, 2020.

use lightbox_plugin::{Error, Parameters};

use crate::method::{About, MethodTerm};
use crate::term::Term;

/// HiResCAM.
pub struct HiResCam;

/// G_k A_k, pixel by pixel.
pub(crate) fn product(activations: &[f32], gradients: &[f32], out: &mut [f32]) {
    for ((out, activation), gradient) in out.iter_mut().zip(activations).zip(gradients) {
        *out = gradient * activation;
    }
}

impl Term for HiResCam {
    fn fill(&self, activations: &[f32], gradients: &[f32], out: &mut [f32]) {
        product(activations, gradients, out);
    }
}

impl MethodTerm for HiResCam {
    fn about() -> About {
        About {
            id: "hirescam",
            name: "HiResCAM",
            reference: "Draelos and Carin 2020, arXiv:2011.08891",
            description: "The map is sum_k G_k A_k, pixel by pixel. Equal to Grad-CAM where the head is a global average followed by \
                          a linear layer.",
            gradients: true,
            projected: false,
            parameters: Vec::new(),
        }
    }

    fn create(_parameters: &Parameters) -> Result<Self, Error> {
        Ok(HiResCam)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::term::{assert_near, term_of};

    #[test]
    fn every_pixel_has_its_own_gradient() {
        assert_near(&term_of(&HiResCam, &[1.0, 2.0, -3.0], &[2.0, -5.0, 0.5]), &[2.0, -10.0, -1.5]);
    }
}
