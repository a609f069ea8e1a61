//! From `auto`, `cpu` or `cuda:I` to a device, and never to the CPU in silence.

use tch::Device;

use super::cuda::{CudaState, cuda_state};

/// Why a device cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeviceError {
    /// Not a device's name.
    #[error("device {0:?} is not known; use auto, cpu or cuda:0")]
    Unknown(String),
    /// CUDA was asked for, or a driver is present, and it cannot be used.
    #[error("device {asked}: {why}")]
    Unusable {
        /// The device asked for.
        asked: String,
        /// Why, and what to do.
        why: String,
    },
}

/// The device for a request. `auto` is the first GPU where an NVIDIA driver is present, else the CPU; a driver that is
/// present and cannot be used is an error.
///
/// # Errors
/// Names what is missing and what to do.
pub fn choose(request: &str) -> Result<Device, DeviceError> {
    choose_with(request, cuda_state)
}

fn choose_with(request: &str, cuda: impl Fn() -> CudaState) -> Result<Device, DeviceError> {
    let unusable = |why: String| DeviceError::Unusable { asked: request.to_owned(), why };
    let index = match request {
        "cpu" => return Ok(Device::Cpu),
        "auto" => None,
        "cuda" => Some(0),
        other => {
            let index = other.strip_prefix("cuda:").and_then(|index| index.parse::<usize>().ok());
            Some(index.ok_or_else(|| DeviceError::Unknown(request.to_owned()))?)
        }
    };
    match (cuda(), index) {
        (CudaState::NoDriver { .. }, None) => Ok(Device::Cpu),
        (CudaState::NoDriver { why }, Some(_)) => {
            Err(unusable(format!("there is no NVIDIA driver here ({why}); use device cpu")))
        }
        (CudaState::Unusable { why }, _) => Err(unusable(format!("{why}; or use device cpu"))),
        (CudaState::Ready { devices }, index) => {
            let index = index.unwrap_or(0);
            if index < devices {
                return Ok(Device::Cuda(index));
            }
            let last = devices.saturating_sub(1);
            Err(unusable(format!("there are {devices} GPUs here, cuda:0 to cuda:{last}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_request_in_every_state() {
        let none = || CudaState::NoDriver { why: "libcuda.so.1 not found".into() };
        let broken = || CudaState::Unusable { why: "the driver is too old".into() };
        let two = || CudaState::Ready { devices: 2 };
        assert_eq!(choose_with("auto", none), Ok(Device::Cpu));
        assert_eq!(choose_with("auto", two), Ok(Device::Cuda(0)));
        assert_eq!(choose_with("cuda:1", two), Ok(Device::Cuda(1)));
        assert_eq!(choose_with("cpu", broken), Ok(Device::Cpu));
        let text = |r: Result<Device, DeviceError>| r.unwrap_err().to_string();
        assert!(text(choose_with("cuda:0", none)).contains("no NVIDIA driver"));
        assert!(text(choose_with("auto", broken)).contains("too old; or use device cpu"));
        assert!(text(choose_with("cuda:2", two)).contains("2 GPUs"));
        for nonsense in ["gpu", "cuda:", "cuda:-1", "cuda:x", ""] {
            assert_eq!(choose_with(nonsense, two), Err(DeviceError::Unknown(nonsense.into())));
        }
    }
}
