//! EigenCAM and EigenGradCAM: the first principal component of T_k = A_k, or of T_k = G_k A_k.
//!
//! Muhammad and Yeasin, Eigen-CAM: Class Activation Map using Principal Components, IJCNN 2020. The form with
//! gradients and the centring of the columns of X are grad-cam's.

use lightbox_plugin::{Error, Parameters};

use crate::hirescam::product;
use crate::method::{About, MethodTerm};
use crate::term::Term;

/// EigenCAM.
pub struct EigenCam;

/// EigenGradCAM.
pub struct EigenGradCam;

impl Term for EigenCam {
    fn fill(&self, activations: &[f32], _gradients: &[f32], out: &mut [f32]) {
        out.copy_from_slice(activations);
    }
}

impl Term for EigenGradCam {
    fn fill(&self, activations: &[f32], gradients: &[f32], out: &mut [f32]) {
        product(activations, gradients, out);
    }
}

impl MethodTerm for EigenCam {
    fn about() -> About {
        About {
            id: "eigencam",
            name: "EigenCAM",
            reference: "Muhammad and Yeasin 2020, doi:10.1109/IJCNN48605.2020.9206626",
            description: "X = A as (h w) x C, columns centred; the map is X times its first right singular vector. It does not depend \
                          on the target. The sign of the vector is arbitrary; see the parameter sign.",
            gradients: false,
            projected: true,
            parameters: Vec::new(),
        }
    }

    fn create(_parameters: &Parameters) -> Result<Self, Error> {
        Ok(EigenCam)
    }
}

impl MethodTerm for EigenGradCam {
    fn about() -> About {
        About {
            id: "eigengradcam",
            name: "EigenGradCAM",
            reference: "Muhammad and Yeasin 2020, doi:10.1109/IJCNN48605.2020.9206626; with gradients as in grad-cam 1.5.7",
            description: "X = G A as (h w) x C, columns centred; the map is X times its first right singular vector. The sign of the \
                          vector is arbitrary; see the parameter sign.",
            gradients: true,
            projected: true,
            parameters: Vec::new(),
        }
    }

    fn create(_parameters: &Parameters) -> Result<Self, Error> {
        Ok(EigenGradCam)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::term::{assert_near, term_of};

    #[test]
    fn terms() {
        assert_near(&term_of(&EigenCam, &[1.0, -2.0], &[]), &[1.0, -2.0]);
        assert_near(&term_of(&EigenGradCam, &[1.0, -2.0], &[3.0, 0.5]), &[3.0, -1.0]);
    }
}
