//! Whether CUDA can be used in this process.

use std::sync::OnceLock;

use crate::torch::{CudaLibrary, load_cuda_library};

/// Whether CUDA can be used in this process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CudaState {
    /// No NVIDIA driver is installed: this is a CPU machine.
    NoDriver {
        /// The dynamic loader's sentence.
        why: String,
    },
    /// A driver is installed, and CUDA cannot be used.
    Unusable {
        /// Why, and what to do.
        why: String,
    },
    /// CUDA can be used.
    Ready {
        /// Number of GPUs.
        devices: usize,
    },
}

/// Loads libtorch_cuda once for the process, when a driver is present, and says what came of it.
///
/// Must come before anything asks libtorch for CUDA: libtorch looks for its CUDA half once and remembers the answer.
pub fn cuda_state() -> CudaState {
    static STATE: OnceLock<CudaState> = OnceLock::new();
    STATE.get_or_init(find).clone()
}

fn find() -> CudaState {
    match load_cuda_library() {
        CudaLibrary::NoDriver { why } => CudaState::NoDriver { why },
        CudaLibrary::Failed { path, why } => CudaState::Unusable {
            why: format!(
                "an NVIDIA driver is present, but {} cannot be loaded ({why}); install the full set of CUDA packages \
                 for libtorch 2.11, or set LIBTORCH to one that has them",
                path.display()
            ),
        },
        CudaLibrary::Loaded if !tch::Cuda::is_available() => CudaState::Unusable {
            why: "an NVIDIA driver is present, but libtorch finds no GPU it can use; PyTorch's 2.11 packages need driver \
                  580 or newer and a GPU of the Turing generation or newer: update the driver, or set LIBTORCH to a \
                  torch 2.11 built for CUDA 12.6"
                .into(),
        },
        CudaLibrary::Loaded => CudaState::Ready { devices: tch::Cuda::device_count().max(0) as usize },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_is_found_and_stays() {
        let state = cuda_state();
        assert_eq!(cuda_state(), state);
        if let CudaState::NoDriver { why } = &state {
            assert!(why.contains("libcuda"), "{why}");
            assert!(!tch::Cuda::is_available());
        }
    }
}
