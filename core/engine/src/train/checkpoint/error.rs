//! Why a checkpoint could not be written or read.

use std::io;
use std::path::{Path, PathBuf};

/// Why a checkpoint could not be written or read.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// The disk is full, or another failure of writing. Earlier checkpoints are as they were.
    #[error("cannot write the checkpoint file {}: {source}; earlier checkpoints are intact{}", path.display(), advice(source))]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The file cannot be read.
    #[error("cannot read the checkpoint file {}: {source}", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// The system's reason.
        source: io::Error,
    },
    /// The file is not what was written.
    #[error("the checkpoint {} is damaged: {why}; remove the folder to start again", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        why: String,
    },
    /// The checkpoint is whole but of another configuration, network or program.
    #[error("the checkpoint {} does not fit: {why}", path.display())]
    Unfit {
        /// The folder.
        path: PathBuf,
        /// What differs, and what to do.
        why: String,
    },
}

fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "; free some space and resume the run, it goes on from the last one"
        }
        _ => "",
    }
}

impl CheckpointError {
    pub(super) fn write(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Write { path, source }
    }

    pub(super) fn read(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Read { path, source }
    }

    pub(super) fn damaged(path: &Path, why: impl Into<String>) -> Self {
        Self::Damaged { path: path.to_path_buf(), why: why.into() }
    }

    pub(super) fn unfit(path: &Path, why: impl Into<String>) -> Self {
        Self::Unfit { path: path.to_path_buf(), why: why.into() }
    }
}
