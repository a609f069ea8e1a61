//! What `data check --dedup` decided, kept beside the manifest as `dedup.json`.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::files::write_atomic;
use crate::error::{Error, Result};

const FILE: &str = "dedup.json";

/// The images that are left out of a dataset because a test image shows the same pixels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub struct DedupRecord {
    /// The images left out, by id.
    pub dropped: Vec<Dropped>,
}

/// One image left out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dropped {
    /// Id of the image left out.
    pub image: String,
    /// Id of the (test) image that it copies.
    pub copy_of: String,
}

impl DedupRecord {
    /// The record's file in a dataset's registration folder; deleting it brings the images back.
    pub fn path(folder: &Path) -> PathBuf {
        folder.join(FILE)
    }

    /// Reads the record of a dataset's registration folder; empty where there is none.
    pub fn read(folder: &Path) -> Result<Self> {
        let path = Self::path(folder);
        let bytes = match std::fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(source) => return Err(Error::io("read", path, source)),
        };
        serde_json::from_slice(&bytes).map_err(|error| {
            Error::content(&path, format!("not a record of dropped copies: {error}"), "run `data check --dedup` again")
        })
    }

    /// Keeps the record in a dataset's registration folder.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let path = Self::path(folder);
        let bytes =
            serde_json::to_vec_pretty(self).map_err(|error| Error::io("write", &path, std::io::Error::other(error)))?;
        write_atomic(&path, &bytes)
    }
}
