//! Training, evaluation and explanation on libtorch, with plugins.
//!
//! The engine knows no network and no method by name: networks and attribution methods are plugins ([`plugin`]). It
//! knows no run directory either: callers give plain structs, a folder for checkpoints, a callback for events and a flag
//! to stop, and get plain structs back.

pub mod cancel;
pub mod conformance;
pub mod device;
pub mod evaluate;
pub mod explain;
pub mod explain_metrics;
pub mod plugin;
pub mod torch;
pub mod train;
pub mod weights;

pub use cancel::Cancel;
pub use lightbox_picture as picture;
