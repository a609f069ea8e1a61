//! Checkpoints: one directory each, written aside, synced and renamed as a unit.
//!
//! `NAME/manifest.json` holds the progress, the configuration and the hash of every other file; `weights.safetensors` has
//! the network's variables under their own names, `optimizer.safetensors` the optimizer's tensors. The checkpoint before
//! it stays as `NAME.previous` where the writer asks for it, and is read when the newer one is missing or damaged.

mod error;
mod manifest;
mod read;
mod write;

pub use error::CheckpointError;
pub use manifest::{Environment, Manifest};
pub use read::{Checkpoint, load};
pub use write::{Contents, Keep, save};

/// The checkpoint of the lowest validation loss: weights only.
pub const BEST: &str = "best";
/// The newest checkpoint: what a resumed run goes on from.
pub const LAST: &str = "last";

const MANIFEST: &str = "manifest.json";
const WEIGHTS: &str = "weights.safetensors";
const OPTIMIZER: &str = "optimizer.safetensors";

fn previous(name: &str) -> String {
    format!("{name}.previous")
}
