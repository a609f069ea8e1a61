//! What this worker runs on: libtorch, the processor, and whether CUDA can be used.

use lightbox_engine::device::{CudaState, LIBTORCH_VERSION, cuda_state};
use serde_json::json;

use crate::failure::{Failure, Result};

/// Prints it as one JSON object.
pub fn print() -> Result<()> {
    let cuda = match cuda_state() {
        CudaState::NoDriver { .. } => json!({"state": "no-driver"}),
        CudaState::Unusable { why } => json!({"state": "unusable", "why": why}),
        CudaState::Ready { devices } => json!({"state": "ready", "devices": devices}),
    };
    let cpu = lightbox_engine::torch::cpu_capability().map_err(Failure::failed)?;
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    println!("{}", json!({"libtorch": LIBTORCH_VERSION, "cpu_capability": cpu, "threads": threads, "cuda": cuda}));
    Ok(())
}
