//! What can go wrong with files under the home.

use std::path::{Path, PathBuf};

/// An error of the store: what happened, in which file, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A file or folder could not be read or written.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried: "read", "write", "create", …
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// A file was read but its content is not what it should be.
    #[error("{}: {message}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and what to do.
        message: String,
    },
    /// Something named by the user does not exist.
    #[error("{0}")]
    NotFound(String),
    /// A value from the user cannot be used.
    #[error("{0}")]
    Invalid(String),
}

impl StoreError {
    /// Wraps an I/O error with what was tried on which path.
    pub fn io(action: &'static str, path: &Path, source: std::io::Error) -> Self {
        Self::Io { action, path: path.to_path_buf(), source }
    }

    /// A complaint about a file's content.
    pub fn content(path: &Path, message: impl Into<String>) -> Self {
        Self::Content { path: path.to_path_buf(), message: message.into() }
    }
}

/// Result with [`StoreError`].
pub type Result<T> = std::result::Result<T, StoreError>;
