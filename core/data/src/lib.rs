//! Datasets: manifests, decoding, caches, splits and leakage.
//!
//! A dataset stays where it is on disk. Registering one ([`Dataset::add`]) writes a manifest that says how its folder is
//! read; [`Dataset::open`] reads the folder by that manifest and gives a list of [`ImageRecord`]s in a fixed order. All
//! else (decode cache, splits, leakage report) works on that list, by index or by image id.

pub mod annotation;
pub mod cache;
pub mod dataset;
pub mod decode;
pub mod error;
pub mod geometry;
pub mod layout;
pub mod leakage;
pub mod manifest;
pub mod split;

mod nearest;

pub use annotation::BoxFraction;
pub use dataset::{Dataset, ImageRecord, Split};
pub use error::{Error, Result};
pub use manifest::{Channels, Clahe, Intensity, Manifest};
