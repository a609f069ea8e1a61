//! Explanations: which part of an image a network's answer rests on.
//!
//! An [`Explainer`] has a network, layers and methods, and explains batches of images. All methods share one pass
//! (`pass`): the trunk without a graph up to the first layer, the head with one, and the gradient towards the layers'
//! activations only. What methods call back is in `services`; their raw maps become heatmaps in [`pipeline`].
//!
//! Formulas, parameters and what differs from other packages: `docs/explanations.md`.

mod augment;
mod derivatives;
mod error;
mod explainer;
mod identical;
mod layers;
mod network;
mod outcome;
mod pass;
pub mod pipeline;
mod resize;
mod result;
mod services;
mod smoothing;
mod target;

pub use error::{ExplainError, Result};
pub use explainer::{Event, ExplainOptions, Explainer, ImageBatch};
pub use identical::{IDENTICAL_WITHIN, IdenticalMaps};
pub use layers::{LayerChoice, choose as choose_layers};
pub use network::Network;
pub use outcome::Outcome;
pub use resize::resize_bilinear;
pub use result::{Explanations, MethodMaps};
pub use smoothing::with_eigen_smoothing;
pub use target::{Target, image_seed};
