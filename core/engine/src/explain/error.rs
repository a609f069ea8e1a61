//! Why an explanation cannot be made.

use crate::plugin::{PluginError, ServiceError};
use crate::torch::says_out_of_memory;

/// Result of explaining.
pub type Result<T, E = ExplainError> = std::result::Result<T, E>;

/// Why an explanation cannot be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ExplainError {
    /// The network or a method says so.
    #[error(transparent)]
    Plugin(PluginError),
    /// libtorch says so.
    #[error("libtorch: {0}")]
    Torch(#[from] tch::TchError),
    /// The user asked to stop.
    #[error("cancelled")]
    Cancelled,
    /// Not even one image fits.
    #[error("explaining one image ran out of memory ({message}); use smaller images, fewer layers or another device")]
    OutOfMemory {
        /// What was said.
        message: String,
    },
    /// The network has no such layer.
    #[error("there is no layer `{name}` in `{network}`{}; there is {}", hint(nearest.as_deref()), known.join(", "))]
    NoLayer {
        /// What was asked for.
        name: String,
        /// Id of the network.
        network: String,
        /// What may have been meant.
        nearest: Option<String>,
        /// All layers.
        known: Vec<String>,
    },
    /// The same layer was named twice, which would count it twice.
    #[error("the layer `{name}` is named twice; name it once")]
    LayerTwice {
        /// The layer.
        name: String,
    },
    /// A layer's activations are no images.
    #[error(
        "the layer `{layer}` of `{network}` gives values of shape {shape:?}, not one image for each channel; name a layer before \
         the network flattens, such as its default `{default}`"
    )]
    NotSpatial {
        /// The layer.
        layer: String,
        /// Id of the network.
        network: String,
        /// Shape of its values.
        shape: Vec<i64>,
        /// The default layer.
        default: String,
    },
    /// A method needs gradients, and the network's output has none.
    #[error(
        "`{method}` needs gradients, and `{network}` gives none at `{layer}`: its scores do not depend on it differentiably"
    )]
    NoGradient {
        /// The method.
        method: String,
        /// Id of the network.
        network: String,
        /// The layer.
        layer: String,
    },
    /// A class index is out of range.
    #[error("the target class {class} does not exist: the network has {classes} classes, 0 to {}", classes.saturating_sub(1))]
    NoClass {
        /// What was asked for.
        class: usize,
        /// Number of classes.
        classes: usize,
    },
    /// The true class was asked for and is not known.
    #[error(
        "the target is the true class, but the images come without their true classes; explain the predicted class"
    )]
    NoTruth,
    /// The images are not what is expected.
    #[error("the images {0}")]
    Images(String),
    /// Nothing was asked for.
    #[error("no method was named; name at least one, see `lightbox plugins list`")]
    NoMethod,
    /// The network gave scores of another shape than it says.
    #[error("`{network}` gave scores of shape {found:?} for {images} images and {classes} classes")]
    Scores {
        /// Id of the network.
        network: String,
        /// Shape of the scores.
        found: Vec<i64>,
        /// Number of images.
        images: usize,
        /// Number of classes.
        classes: usize,
    },
}

impl From<PluginError> for ExplainError {
    fn from(error: PluginError) -> Self {
        match error {
            PluginError::Cancelled => ExplainError::Cancelled,
            error => ExplainError::Plugin(error),
        }
    }
}

fn hint(nearest: Option<&str>) -> String {
    nearest.map(|nearest| format!(" (did you mean `{nearest}`?)")).unwrap_or_default()
}

impl ExplainError {
    /// Whether fewer images at once may help.
    pub fn is_out_of_memory(&self) -> bool {
        match self {
            ExplainError::OutOfMemory { .. } | ExplainError::Plugin(PluginError::OutOfMemory { .. }) => true,
            ExplainError::Plugin(PluginError::Failed { message, .. }) => says_out_of_memory(message),
            ExplainError::Torch(error) => says_out_of_memory(&error.to_string()),
            _ => false,
        }
    }

    /// The same, as a method that called a service is told it.
    pub(super) fn into_service_error(self) -> ServiceError {
        match self {
            ExplainError::Cancelled => ServiceError::Cancelled,
            error if error.is_out_of_memory() => ServiceError::OutOfMemory(error.to_string()),
            error => ServiceError::Failed(error.to_string()),
        }
    }
}
