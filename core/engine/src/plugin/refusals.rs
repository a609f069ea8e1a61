//! Whether a call of a network failed because a GPU's memory ran out.
//!
//! libtorch's stable C functions do not say why they failed, so that a plugin built on them cannot tell. The allocator can: it
//! counts what it had to refuse.

use tch::{Device, Tensor};

use super::PluginError;
use crate::torch::cuda_refusals;

/// What was refused before a call.
pub(super) struct Refusals {
    device: Option<usize>,
    before: Option<i64>,
}

impl Refusals {
    /// Before a call with `input`.
    pub fn so_far(input: &Tensor) -> Self {
        let device = match input.device() {
            Device::Cuda(index) => Some(index),
            _ => None,
        };
        Refusals { device, before: device.and_then(|index| cuda_refusals(index).ok()) }
    }

    /// The error of the call: out of memory when more was refused meanwhile.
    pub fn explain(&self, error: PluginError) -> PluginError {
        explain(error, self.before, self.device.and_then(|index| cuda_refusals(index).ok()))
    }
}

fn explain(error: PluginError, before: Option<i64>, after: Option<i64>) -> PluginError {
    let refused = before.zip(after).is_some_and(|(before, after)| after > before);
    match error {
        PluginError::Failed { file, action, message } if refused => PluginError::OutOfMemory { file, action, message },
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use tch::Kind;

    use super::*;
    use crate::torch::says_out_of_memory;

    fn failed() -> PluginError {
        PluginError::Failed {
            file: "net.so".into(),
            action: "running".to_owned(),
            message: "aten::conv2d failed".to_owned(),
        }
    }

    #[test]
    fn a_failure_after_a_refusal_is_out_of_memory_and_no_other_is() {
        let refused = explain(failed(), Some(4), Some(5));
        assert!(matches!(refused, PluginError::OutOfMemory { .. }) && says_out_of_memory(&refused.to_string()));
        for (before, after) in [(Some(4), Some(4)), (None, Some(5)), (Some(4), None), (None, None)] {
            assert_eq!(explain(failed(), before, after), failed());
        }
        assert_eq!(explain(PluginError::Cancelled, Some(4), Some(5)), PluginError::Cancelled);
        let here = Tensor::zeros([1], (Kind::Float, Device::Cpu));
        assert_eq!(Refusals::so_far(&here).explain(failed()), failed());
    }
}
