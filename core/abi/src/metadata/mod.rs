//! What the host and its tools know of a plugin, as data: it can be stored, shown and checked without loading anything.
//!
//! `lightbox-worker probe FILE` prints a [`PluginMetadata`] as JSON, and the sidecar manifest next to a library holds the
//! same.

mod nearest;
mod parameter;

use serde::{Deserialize, Serialize};

pub use nearest::nearest;
pub use parameter::{
    ParameterError, ParameterKind, ParameterMetadata, ParameterValue, ParameterValues, check, from_text,
};

/// Version of the layout of [`PluginMetadata`]; a stored one of another version is read again from the library.
pub const METADATA_SCHEMA: u32 = 1;

/// What a plugin library offers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PluginMetadata {
    /// [`METADATA_SCHEMA`].
    pub schema: u32,
    /// Id of the plugin, a reverse URI.
    pub id: String,
    /// Version of the plugin.
    pub version: String,
    /// Major and minor version of the ABI it was built with.
    pub abi: [u32; 2],
    /// Version of the SDK it was built with, when it says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sdk: Option<String>,
    /// The libtorch it needs, such as `=2.11.0`, when it says so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub libtorch: Option<String>,
    /// Its attribution methods.
    #[serde(default)]
    pub attributions: Vec<AttributionMetadata>,
    /// Its networks.
    #[serde(default)]
    pub models: Vec<ModelMetadata>,
    /// What it offers and this version of Lightbox cannot use.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unsupported: Vec<Unsupported>,
    /// BLAKE3 of the library that this was read from, in hexadecimal, when known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub library_hash: Option<String>,
}

/// Something that a plugin offers and this version of Lightbox cannot use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unsupported {
    /// Id of the method or network.
    pub id: String,
    /// Why, in a sentence.
    pub reason: String,
}

/// An attribution method.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AttributionMetadata {
    /// Id that the user types.
    pub id: String,
    /// Name that the user reads.
    pub name: String,
    /// The publication, or empty.
    #[serde(default)]
    pub reference: String,
    /// The formula and what differs from the publication, or empty.
    #[serde(default)]
    pub description: String,
    /// What the method reads and calls.
    pub needs: NeedsMetadata,
    /// One layer or several.
    pub layers: LayersMetadata,
    /// How the maps of several layers become one.
    pub merge: MergeMetadata,
    /// The host calls the method with one image at a time.
    pub single_image: bool,
    /// Below zero is evidence against the target.
    pub signed: bool,
    /// Maps have the input's size, not the layer's.
    pub input_resolution: bool,
    /// The map depends on the seed.
    pub seeded: bool,
    /// Tensors must be in memory that the CPU reads.
    pub cpu_only: bool,
    /// The method reads tensors by their strides.
    #[serde(default)]
    pub accepts_strides: bool,
    /// The method reads bfloat16 as well as f32.
    #[serde(default)]
    pub accepts_bf16: bool,
    /// The parameters that the user can set.
    #[serde(default)]
    pub parameters: Vec<ParameterMetadata>,
}

/// What a method reads and calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NeedsMetadata {
    /// Reads the layers' activations.
    pub activations: bool,
    /// Reads the gradient of the target's logit with respect to the activations.
    pub gradients: bool,
    /// Reads the network's input.
    pub input: bool,
    /// Reads the network's raw logits.
    pub scores: bool,
    /// Runs the network.
    pub forward: bool,
    /// Runs the rest of the network from a layer on.
    pub forward_from: bool,
    /// Takes gradients at points of its own.
    pub vjp: bool,
}

/// How many layers a method works on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum LayersMetadata {
    /// Exactly one.
    One,
    /// One or several.
    Several,
}

/// How the maps of several layers become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MergeMetadata {
    /// Their mean, taken by the host.
    Mean,
    /// Their sum, taken by the host.
    Sum,
    /// The plugin gives one map.
    Plugin,
}

/// A network.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelMetadata {
    /// Id that the user types.
    pub id: String,
    /// Name that the user reads.
    pub name: String,
    /// The publication, or empty.
    #[serde(default)]
    pub reference: String,
    /// What differs from the publication, or empty.
    #[serde(default)]
    pub description: String,
    /// Native height and width of the input in pixels.
    pub input_size: [u32; 2],
    /// Least height and width of the input in pixels.
    pub min_size: [u32; 2],
    /// Mean of each of three channels, in \[0,1\].
    pub mean: [f64; 3],
    /// Standard deviation of each of three channels, in \[0,1\].
    pub std: [f64; 3],
    /// The numbers of input channels that the network can be made with.
    pub channels: Vec<u32>,
    /// Names of the cut points in the order the network computes them.
    pub cut_points: Vec<String>,
    /// The cut point that methods use when none is named.
    pub default_layer: String,
    /// Architecture options.
    #[serde(default)]
    pub options: Vec<ParameterMetadata>,
    /// URL of published weights, or empty.
    #[serde(default)]
    pub weights_url: String,
}
