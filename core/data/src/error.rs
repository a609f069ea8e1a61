//! The one error type of this crate: what went wrong, in which file, and what to do about it.

use std::path::{Path, PathBuf};

/// The result of everything in this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What can go wrong with a dataset.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The system refused a read or a write.
    #[error("cannot {action} {}: {source}", path.display())]
    Io {
        /// What was tried, as a verb: "read", "write", "rename".
        action: &'static str,
        /// The file or folder.
        path: PathBuf,
        /// The system's own words.
        source: std::io::Error,
    },
    /// What a file or folder holds cannot be used.
    #[error("{}: {problem}; {remedy}", path.display())]
    Content {
        /// The file or folder at fault.
        path: PathBuf,
        /// What is wrong, naming line, column or field where there is one.
        problem: String,
        /// What to do about it.
        remedy: String,
    },
    /// An argument that cannot be used, whatever the files hold.
    #[error("{problem}; {remedy}")]
    Argument {
        /// What is wrong, naming the argument.
        problem: String,
        /// What to do about it.
        remedy: String,
    },
    /// The caller asked to stop.
    #[error("cancelled")]
    Cancelled,
}

impl Error {
    /// An I/O failure while doing `action` ("read", "write", ...) with `path`.
    pub fn io(action: &'static str, path: impl Into<PathBuf>, source: std::io::Error) -> Self {
        Self::Io { action, path: path.into(), source }
    }

    /// Unusable content of `path`.
    pub fn content(path: impl AsRef<Path>, problem: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::Content { path: path.as_ref().to_path_buf(), problem: problem.into(), remedy: remedy.into() }
    }

    /// An unusable argument.
    pub fn argument(problem: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self::Argument { problem: problem.into(), remedy: remedy.into() }
    }

    /// True where the caller's input is at fault (exit code 2) and not the system (exit code 1).
    pub fn is_bad_input(&self) -> bool {
        match self {
            Self::Io { source, .. } => source.kind() == std::io::ErrorKind::NotFound,
            Self::Content { .. } | Self::Argument { .. } => true,
            Self::Cancelled => false,
        }
    }
}
