//! Why training failed.

use super::checkpoint::CheckpointError;
use super::network::NetworkError;
use crate::torch::{TorchError, says_out_of_memory};

/// Why training failed.
#[derive(Debug, thiserror::Error)]
pub enum TrainError {
    /// A setting is impossible.
    #[error("training setting `{field}`: {why}")]
    Setting {
        /// The field of [`super::TrainSettings`] or [`super::TrainData`].
        field: &'static str,
        /// What is wrong, and what to do.
        why: String,
    },
    /// The network failed.
    #[error(transparent)]
    Network(#[from] NetworkError),
    /// libtorch failed.
    #[error(transparent)]
    Torch(#[from] TorchError),
    /// The network's answer has another shape than logits.
    #[error("the network gave a tensor of shape {found:?} for {images} images and {classes} classes")]
    Logits {
        /// Shape found.
        found: Vec<i64>,
        /// Images in the batch.
        images: usize,
        /// Classes of the task.
        classes: usize,
    },
    /// The loss is no longer a number.
    #[error(
        "the training loss is {loss} in epoch {epoch}, step {step} (learning rate {lr:e}); the best checkpoint is kept; \
         lower the learning rate, clip the gradient or look for broken images"
    )]
    NotFinite {
        /// The loss, NaN or infinite.
        loss: f64,
        /// Epoch, from 0.
        epoch: usize,
        /// Optimizer step, from 0.
        step: u64,
        /// Learning rate of the step.
        lr: f64,
    },
    /// A single image does not fit into memory.
    #[error("out of memory with a single image in the batch: {message}; use a smaller image size or network")]
    OutOfMemory {
        /// libtorch's sentence.
        message: String,
    },
    /// A checkpoint could not be written or read.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
}

impl TrainError {
    /// Whether a smaller batch could help.
    pub fn is_out_of_memory(&self) -> bool {
        match self {
            Self::Network(error) => says_out_of_memory(&error.message),
            Self::Torch(error) => says_out_of_memory(&error.message),
            _ => false,
        }
    }

    pub(super) fn setting(field: &'static str, why: impl Into<String>) -> Self {
        Self::Setting { field, why: why.into() }
    }
}

impl From<tch::TchError> for TrainError {
    fn from(error: tch::TchError) -> Self {
        Self::Torch(error.into())
    }
}
