//! `manifest.json` of a checkpoint.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::train::progress::Progress;

/// Version of the format.
pub(super) const FORMAT: u32 = 1;

/// What the bits of a run depend on besides its configuration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Environment {
    /// libtorch's version.
    pub libtorch: String,
    /// The set of vector instructions that libtorch uses.
    pub cpu_capability: String,
    /// Threads within an operation.
    pub threads: usize,
    /// The device, for example `cpu` or `cuda:0`.
    pub device: String,
}

/// A file of the checkpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileRecord {
    /// Name within the folder.
    pub name: String,
    /// Length.
    pub bytes: u64,
    /// Hash of the bytes, in hexadecimal.
    pub blake3: String,
}

/// What a checkpoint says of itself.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// Version of the format.
    pub format: u32,
    /// The settings, and what identifies the images; a run resumes only from its own.
    pub configuration: Value,
    /// Where it was written.
    pub environment: Environment,
    /// Where the run was.
    pub progress: Progress,
    /// The other files.
    pub files: Vec<FileRecord>,
}

/// The manifest as a file: the hash is of the compact JSON of the content, so that damage here is noticed too.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Sealed {
    pub blake3: String,
    pub content: Value,
}

impl Manifest {
    pub(super) fn seal(&self) -> Result<Vec<u8>, serde_json::Error> {
        let content = serde_json::to_value(self)?;
        let blake3 = blake3::hash(&serde_json::to_vec(&content)?).to_hex().to_string();
        serde_json::to_vec_pretty(&Sealed { blake3, content })
    }

    /// # Errors
    /// A sentence on what is wrong.
    pub(super) fn unseal(bytes: &[u8]) -> Result<Self, String> {
        let sealed: Sealed = serde_json::from_slice(bytes).map_err(|e| format!("it is not a manifest ({e})"))?;
        let content = serde_json::to_vec(&sealed.content).map_err(|e| e.to_string())?;
        if blake3::hash(&content).to_hex().as_str() != sealed.blake3 {
            return Err("its hash does not agree with its content".into());
        }
        if let Some(format) = sealed.content.get("format").and_then(Value::as_u64)
            && format != u64::from(FORMAT)
        {
            return Err(format!("it has format {format}, this program reads {FORMAT}"));
        }
        serde_json::from_value(sealed.content).map_err(|e| format!("a field is missing or wrong ({e})"))
    }
}
