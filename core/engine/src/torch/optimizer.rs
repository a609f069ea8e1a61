//! One step of AdamW or SGD over all parameters, and gradient clipping.

use tch::Tensor;

use super::error::TorchError;
use super::ffi;

/// Figures of one AdamW step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamWStep {
    /// Learning rate.
    pub lr: f64,
    /// Decay of the mean of gradients.
    pub beta1: f64,
    /// Decay of the mean of squared gradients.
    pub beta2: f64,
    /// Added to the root of the second.
    pub eps: f64,
}

/// Figures of one SGD step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SgdStep {
    /// Learning rate.
    pub lr: f64,
    /// Share of the velocity kept; 0 is plain SGD.
    pub momentum: f64,
    /// Share of the gradient left out of the velocity.
    pub dampening: f64,
    /// Look ahead along the velocity.
    pub nesterov: bool,
}

fn same_length(parameters: usize, others: &[usize]) -> Result<(), TorchError> {
    if others.iter().all(|n| *n == parameters) {
        return Ok(());
    }
    Err(TorchError::new(&format!("an optimizer state of {others:?} entries does not fit {parameters} parameters")))
}

/// torch.optim.AdamW's step (Loshchilov and Hutter 2019) with the same bits on the CPU: one weight decay and one count of
/// steps for each parameter. A parameter without gradient is left as it is, and its count too.
///
/// # Errors
/// When the lists differ in length or shapes do not fit.
pub fn adamw_step(
    parameters: &[Tensor],
    first_moments: &[Tensor],
    second_moments: &[Tensor],
    weight_decay: &[f64],
    steps: &mut [i64],
    step: AdamWStep,
) -> Result<(), TorchError> {
    same_length(parameters.len(), &[first_moments.len(), second_moments.len(), weight_decay.len(), steps.len()])?;
    let (p, m, v) = (ffi::handles(parameters), ffi::handles(first_moments), ffi::handles(second_moments));
    // SAFETY: five lists of the same length, borrowed for the call; only `steps` and the tensors' data are written.
    TorchError::check(unsafe {
        ffi::lightbox_torch_adamw_step(
            p.as_ptr(),
            m.as_ptr(),
            v.as_ptr(),
            weight_decay.as_ptr(),
            steps.as_mut_ptr(),
            p.len(),
            step.lr,
            step.beta1,
            step.beta2,
            step.eps,
        )
    })
}

/// torch.optim.SGD's step with the same bits on the CPU. `velocities` may be empty when there is no momentum.
///
/// # Errors
/// When the lists differ in length or shapes do not fit.
pub fn sgd_step(
    parameters: &[Tensor],
    velocities: &[Tensor],
    weight_decay: &[f64],
    steps: &mut [i64],
    step: SgdStep,
) -> Result<(), TorchError> {
    same_length(parameters.len(), &[weight_decay.len(), steps.len()])?;
    if step.momentum != 0.0 {
        same_length(parameters.len(), &[velocities.len()])?;
    }
    let (p, b) = (ffi::handles(parameters), ffi::handles(velocities));
    // SAFETY: lists of the same length, borrowed for the call; velocities are not read without momentum.
    TorchError::check(unsafe {
        ffi::lightbox_torch_sgd_step(
            p.as_ptr(),
            b.as_ptr(),
            weight_decay.as_ptr(),
            steps.as_mut_ptr(),
            p.len(),
            step.lr,
            step.momentum,
            step.dampening,
            i32::from(step.nesterov),
        )
    })
}

/// torch.nn.utils.clip_grad_norm_: scales all gradients so that their joint 2-norm is at most `max_norm`.
///
/// # Errors
/// What libtorch says.
pub fn clip_gradients(parameters: &[Tensor], max_norm: f64) -> Result<(), TorchError> {
    let handles = ffi::handles(parameters);
    // SAFETY: as many handles as said, borrowed for the call.
    TorchError::check(unsafe { ffi::lightbox_torch_clip_gradients(handles.as_ptr(), handles.len(), max_norm) })
}
