//! Initialisations of `torch.nn.init`, drawn from libtorch's default generator as torch draws them.

use tch::{TchError, Tensor};

/// Which side of a weight sets its scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fan {
    /// Inputs of one output: keeps the variance of the forward pass.
    In,
    /// Outputs of one input: keeps the variance of the backward pass. Groups are not divided by, as in torch.
    Out,
}

fn fan(weight: &Tensor, which: Fan) -> f64 {
    let size = weight.size();
    let receptive: i64 = size.iter().skip(2).product();
    let side = match which {
        Fan::In => size[1],
        Fan::Out => size[0],
    };
    (side * receptive) as f64
}

/// `kaiming_normal_` with the gain of ReLU, sqrt(2).
///
/// # Errors
/// What libtorch says.
pub fn kaiming_normal(weight: &mut Tensor, which: Fan) -> Result<(), TchError> {
    normal(weight, 0.0, 2.0_f64.sqrt() / fan(weight, which).sqrt())
}

/// `normal_`.
///
/// # Errors
/// What libtorch says.
pub fn normal(tensor: &mut Tensor, mean: f64, std: f64) -> Result<(), TchError> {
    let _no_grad = tch::no_grad_guard();
    tensor.f_normal_(mean, std).map(drop)
}

/// `uniform_`.
///
/// # Errors
/// What libtorch says.
pub fn uniform(tensor: &mut Tensor, low: f64, high: f64) -> Result<(), TchError> {
    let _no_grad = tch::no_grad_guard();
    tensor.f_uniform_(low, high).map(drop)
}

/// What torch's Conv2d and Linear draw when they are made: `kaiming_uniform_` with a = sqrt(5) for the weight.
pub(super) fn default_weight(weight: &mut Tensor) -> Result<(), TchError> {
    // In torch's own order of operations, so that the bound has the same bits.
    let gain = (2.0 / (1.0 + 5.0_f64.sqrt().powi(2))).sqrt();
    let std = gain / fan(weight, Fan::In).sqrt();
    let bound = 3.0_f64.sqrt() * std;
    uniform(weight, -bound, bound)
}

/// What they draw for the bias.
pub(super) fn default_bias(bias: &mut Tensor, weight: &Tensor) -> Result<(), TchError> {
    let bound = 1.0 / fan(weight, Fan::In).sqrt();
    uniform(bias, -bound, bound)
}
