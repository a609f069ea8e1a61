//! The shim's C interface, line for line as `shim/shim.h` has it.

use std::ffi::c_char;

use torch_sys::C_tensor;

/// What autocast was set to before [`lightbox_torch_autocast_enter`].
#[repr(C)]
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct AutocastBefore {
    device_type: i32,
    enabled: i32,
    dtype: i32,
    cache: i32,
}

pub(super) type Handle = *mut C_tensor;

unsafe extern "C" {
    pub(super) fn lightbox_torch_last_error(buffer: *mut c_char, capacity: usize);
    pub(super) fn lightbox_torch_to_channels_last(tensor: Handle, out: *mut Handle) -> i32;
    pub(super) fn lightbox_torch_is_channels_last(tensor: Handle, out: *mut i32) -> i32;
    pub(super) fn lightbox_torch_set_data(tensor: Handle, data: Handle) -> i32;
    pub(super) fn lightbox_torch_set_requires_grad(tensor: Handle, requires_grad: i32) -> i32;
    pub(super) fn lightbox_torch_drop_gradients(tensors: *const Handle, count: usize) -> i32;
    pub(super) fn lightbox_torch_adamw_step(
        parameters: *const Handle,
        first_moments: *const Handle,
        second_moments: *const Handle,
        weight_decay: *const f64,
        steps: *mut i64,
        count: usize,
        lr: f64,
        beta1: f64,
        beta2: f64,
        eps: f64,
    ) -> i32;
    pub(super) fn lightbox_torch_sgd_step(
        parameters: *const Handle,
        momentum_buffers: *const Handle,
        weight_decay: *const f64,
        steps: *mut i64,
        count: usize,
        lr: f64,
        momentum: f64,
        dampening: f64,
        nesterov: i32,
    ) -> i32;
    pub(super) fn lightbox_torch_clip_gradients(parameters: *const Handle, count: usize, max_norm: f64) -> i32;
    pub(super) fn lightbox_torch_autocast_enter(cuda: i32, before: *mut AutocastBefore) -> i32;
    pub(super) fn lightbox_torch_autocast_leave(before: *const AutocastBefore) -> i32;
    pub(super) fn lightbox_torch_set_deterministic(deterministic: i32) -> i32;
    pub(super) fn lightbox_torch_cpu_capability(buffer: *mut c_char, capacity: usize) -> i32;
    pub(super) fn lightbox_torch_cuda_memory(device: i32, out: *mut i64) -> i32;
    pub(super) fn lightbox_torch_cuda_refusals(device: i32, out: *mut i64) -> i32;
    pub(super) fn lightbox_torch_cuda_empty_cache() -> i32;
    pub(super) fn lightbox_torch_keep_freed_memory() -> i32;
}

/// The handles of some tensors, for a call that borrows them.
pub(super) fn handles(tensors: &[tch::Tensor]) -> Vec<Handle> {
    tensors.iter().map(handle).collect()
}

/// The handle of a tensor, for a call that borrows it.
pub(super) fn handle(tensor: &tch::Tensor) -> Handle {
    tensor.as_ptr().cast_mut()
}
