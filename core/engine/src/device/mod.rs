//! Devices, threads and memory: what a process decides once, before its first tensor.

mod choose;
mod cuda;

pub use choose::{DeviceError, choose};
pub use cuda::{CudaState, cuda_state};

pub use crate::torch::keep_freed_memory;
use crate::torch::{self, TorchError};
use crate::train::checkpoint::Environment;

/// libtorch's version, to which tch and every model plugin is bound.
pub const LIBTORCH_VERSION: &str = "2.11.0";

/// Sets libtorch's threads and determinism for the process. Results depend on both, so both come from the resolved
/// configuration, also on resume. `threads` is at least 1.
///
/// # Errors
/// What libtorch says.
pub fn configure(threads: usize, deterministic: bool) -> Result<(), TorchError> {
    let threads = i32::try_from(threads.max(1)).map_err(|_| TorchError::new("too many threads"))?;
    tch::set_num_threads(threads);
    torch::set_deterministic(deterministic)
}

/// What the bits of a run on `device` depend on besides its configuration.
///
/// # Errors
/// What libtorch says.
pub fn environment(device: tch::Device) -> Result<Environment, TorchError> {
    Ok(Environment {
        libtorch: LIBTORCH_VERSION.to_owned(),
        cpu_capability: torch::cpu_capability()?,
        threads: tch::get_num_threads().max(1) as usize,
        device: name(device),
    })
}

/// A device as the configuration writes it: `cpu` or `cuda:I`.
pub fn name(device: tch::Device) -> String {
    match device {
        tch::Device::Cuda(index) => format!("cuda:{index}"),
        _ => "cpu".to_owned(),
    }
}
