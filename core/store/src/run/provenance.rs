//! `provenance.json`: with what a run was made.

use serde::{Deserialize, Serialize};

/// A plugin that a run used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PluginUsed {
    /// Model or method id.
    pub id: String,
    /// Id of the library that holds it.
    pub library: String,
    /// Version of the library.
    pub version: String,
    /// blake3 of the library file.
    pub hash: String,
}

/// With what a run was made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Provenance {
    /// Version of Lightbox.
    pub lightbox: String,
    /// Version of libtorch.
    pub libtorch: String,
    /// Plugins used.
    pub plugins: Vec<PluginUsed>,
    /// Fingerprint of the dataset.
    pub dataset: String,
    /// blake3 of the weights it started from.
    pub weights: Option<String>,
    /// Seed.
    pub seed: u64,
    /// Device used, by its own name.
    pub device: String,
    /// Threads used.
    pub threads: usize,
    /// CPU kernel set of libtorch, for example `AVX2`.
    pub cpu_capability: String,
    /// The machine.
    pub host: String,
    /// Reasons why the guarantee of equal bits ended, if it did.
    pub guarantee_ended: Vec<String>,
}
