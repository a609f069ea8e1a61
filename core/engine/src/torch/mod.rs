//! The shim: what training needs of libtorch and tch does not offer.
//!
//! Each function here is a safe face of one function of `shim/`. Tensors keep tch's type; a failure is a [`TorchError`]
//! with libtorch's own sentence, never a panic.

mod autocast;
mod cuda_library;
mod error;
mod ffi;
mod memory;
mod optimizer;
mod random;

pub use autocast::Autocast;
pub use cuda_library::{CudaLibrary, load_cuda_library};
pub use error::{TorchError, says_out_of_memory};
pub use memory::{CudaMemory, cuda_empty_cache, cuda_memory, cuda_refusals, keep_freed_memory};
pub use memory::{drop_gradients, is_channels_last, set_data, set_requires_grad, to_channels_last};
pub use optimizer::{AdamWStep, SgdStep, adamw_step, clip_gradients, sgd_step};
pub use random::seed_default_generators;

use std::ffi::c_char;

/// Asks libtorch and cuDNN for deterministic kernels, or for the fastest.
///
/// # Errors
/// What libtorch says.
pub fn set_deterministic(deterministic: bool) -> Result<(), TorchError> {
    // SAFETY: no pointers are passed.
    TorchError::check(unsafe { ffi::lightbox_torch_set_deterministic(i32::from(deterministic)) })
}

/// The set of vector instructions that libtorch uses on this CPU, for example `AVX2`; results depend on it.
///
/// # Errors
/// What libtorch says.
pub fn cpu_capability() -> Result<String, TorchError> {
    let mut buffer = [0_u8; 64];
    // SAFETY: the buffer is as long as said; the shim ends the text with a zero within it.
    let status = unsafe { ffi::lightbox_torch_cpu_capability(buffer.as_mut_ptr().cast::<c_char>(), buffer.len()) };
    TorchError::check(status)?;
    Ok(error::text(&buffer))
}
