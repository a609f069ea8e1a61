//! What `data check --dedup` decided, kept beside the manifest as `dedup.json`.

use serde::{Deserialize, Serialize};

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
