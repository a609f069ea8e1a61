//! What training needs of a network, and how a network is made ready for a device.

use tch::{Device, Tensor};

use crate::plugin::{ModelHandle, PluginError, Variable};
use crate::torch::{self, TorchError};

/// A network as the trainer sees it. [`ModelHandle`] is one; tests bring their own.
pub trait Network {
    /// Runs a batch \[N,C,H,W\] to logits \[N,K\].
    ///
    /// # Errors
    /// What the network says.
    fn forward(&self, input: &Tensor, train: bool) -> Result<Tensor, NetworkError>;

    /// Every parameter and buffer, always in the same order.
    ///
    /// # Errors
    /// What the network says.
    fn variables(&self) -> Result<Vec<Variable>, NetworkError>;

    /// Tells the network that its variables are on another device now.
    ///
    /// # Errors
    /// What the network says.
    fn device_or_dtype_changed(&self) -> Result<(), NetworkError> {
        Ok(())
    }
}

/// A network's own sentence.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct NetworkError {
    /// What failed.
    pub message: String,
}

impl From<PluginError> for NetworkError {
    fn from(error: PluginError) -> Self {
        Self { message: error.to_string() }
    }
}

impl From<tch::TchError> for NetworkError {
    fn from(error: tch::TchError) -> Self {
        Self { message: TorchError::from(error).to_string() }
    }
}

impl From<TorchError> for NetworkError {
    fn from(error: TorchError) -> Self {
        Self { message: error.to_string() }
    }
}

impl Network for ModelHandle {
    fn forward(&self, input: &Tensor, train: bool) -> Result<Tensor, NetworkError> {
        Ok(ModelHandle::forward(self, input, train)?)
    }

    fn variables(&self) -> Result<Vec<Variable>, NetworkError> {
        Ok(ModelHandle::variables(self)?)
    }

    fn device_or_dtype_changed(&self) -> Result<(), NetworkError> {
        Ok(ModelHandle::device_or_dtype_changed(self)?)
    }
}

/// Moves a network to a device and, when asked, its four-dimensional weights to channels_last; gives its variables.
/// Values do not change.
///
/// # Errors
/// What libtorch or the network says.
pub fn prepare(network: &dyn Network, device: Device, channels_last: bool) -> Result<Vec<Variable>, NetworkError> {
    let variables = network.variables()?;
    let mut moved = false;
    for variable in &variables {
        let _no_grad = tch::no_grad_guard();
        let before = variable.tensor.detach();
        let mut data = before.f_to_device(device)?;
        moved |= data.device() != before.device();
        if channels_last && data.dim() == 4 {
            data = torch::to_channels_last(&data)?;
        }
        if data.device() != before.device() || data.stride() != before.stride() {
            torch::set_data(&variable.tensor, &data)?;
        }
    }
    if moved {
        network.device_or_dtype_changed()?;
    }
    Ok(variables)
}
