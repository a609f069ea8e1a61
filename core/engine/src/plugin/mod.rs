//! Plugin libraries: finding, checking, loading and calling them. Nothing else in the engine touches the C ABI.
//!
//! The way of a plugin: [`SearchPath`] lists the files, [`elf`] reads each without loading it, [`Registry`] knows what is
//! offered and by which file, [`Library`] loads one (and never unloads it), and [`ModelHandle`] and [`AttributionHandle`]
//! are the instances that the rest of the engine works with. What a method calls back is a [`HostServices`].

mod attribution;
mod c_values;
mod describe;
pub mod elf;
mod error;
mod host_facts;
mod installed;
mod keep;
mod lend;
mod library;
mod maps;
mod model;
pub mod probe;
mod refusals;
mod registry;
mod search;
mod services;
mod services_extensions;
mod services_table;
mod taps;
mod trust;

pub use attribution::{AttributionHandle, AttributionLayer, AttributionRequest};
pub use error::{PluginError, Result};
pub use host_facts::HostFacts;
pub use installed::{Installed, InstalledPlugin};
pub use library::Library;
pub use lightbox_abi::metadata::{
    AttributionMetadata, LayersMetadata, MergeMetadata, ModelMetadata, NeedsMetadata, ParameterError, ParameterKind,
    ParameterMetadata, ParameterValue, ParameterValues, PluginMetadata, Unsupported, check, from_text, nearest,
};
pub use maps::AttributionMap;
pub use model::{ModelHandle, ModelOptions, Variable};
pub use registry::{RegisteredLibrary, Registry, hash as file_hash, sidecar_path, write_sidecar};
pub use search::SearchPath;
pub use services::{At, HostServices, LogLevel, Resize, ServiceError, Tap};
pub use taps::{ModelTap, Tapped};
