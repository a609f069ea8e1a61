//! A registered dataset: its classes and its images, in a fixed order.

mod dedup;
mod record;

use std::path::PathBuf;

pub use dedup::{DedupRecord, Dropped};
pub use record::{ImageRecord, Split};

use crate::manifest::{Channels, Manifest};

/// A dataset that has been read: what its folder holds by its manifest, less the images that `--dedup` dropped.
#[derive(Debug, Clone)]
pub struct Dataset {
    name: String,
    folder: PathBuf,
    manifest: Manifest,
    classes: Vec<String>,
    images: Vec<ImageRecord>,
    positive: Option<usize>,
    dedup: DedupRecord,
}

impl Dataset {
    /// The name it is registered under.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The folder of its registration: `<home>/datasets/<name>`.
    pub fn folder(&self) -> &std::path::Path {
        &self.folder
    }

    /// Its manifest.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The classes, in the order of the network's outputs.
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    /// The images, sorted by id.
    pub fn images(&self) -> &[ImageRecord] {
        &self.images
    }

    /// The positive class, as an index into [`classes`](Self::classes).
    pub fn positive(&self) -> Option<usize> {
        self.positive
    }

    /// How many channels the network sees.
    pub fn channels(&self) -> Channels {
        self.manifest.channels
    }

    /// What `data check --dedup` dropped.
    pub fn dedup(&self) -> &DedupRecord {
        &self.dedup
    }
}
