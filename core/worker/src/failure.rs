//! How the worker fails: a sentence on standard error and an exit code.

use std::fmt;

use lightbox_engine::torch::says_out_of_memory;
use lightbox_store::run::FailureCause;

/// Why the worker ended without doing what it was asked.
#[derive(Debug)]
pub enum Failure {
    /// Something went wrong; exit code 1.
    Failed(String),
    /// Bad input; exit code 2.
    BadInput(String),
    /// The user interrupted; exit code 130.
    Interrupted,
}

/// Result of the worker.
pub type Result<T> = std::result::Result<T, Failure>;

impl Failure {
    /// A failure, in a sentence.
    pub fn failed(message: impl fmt::Display) -> Self {
        Self::Failed(message.to_string())
    }

    /// Bad input, in a sentence.
    pub fn bad(message: impl fmt::Display) -> Self {
        Self::BadInput(message.to_string())
    }

    /// What kind of failure it is.
    pub fn cause(&self) -> FailureCause {
        match self {
            Self::BadInput(_) => FailureCause::BadInput,
            Self::Failed(message) if says_out_of_memory(message) => FailureCause::OutOfMemory,
            Self::Failed(_) | Self::Interrupted => FailureCause::Other,
        }
    }

    /// The exit code.
    pub fn code(&self) -> u8 {
        match self {
            Self::Failed(_) => 1,
            Self::BadInput(_) => 2,
            Self::Interrupted => 130,
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(message) | Self::BadInput(message) => f.write_str(message),
            Self::Interrupted => f.write_str("interrupted"),
        }
    }
}

impl From<lightbox_store::StoreError> for Failure {
    fn from(error: lightbox_store::StoreError) -> Self {
        match error {
            lightbox_store::StoreError::Io { .. } => Self::failed(error),
            _ => Self::bad(error),
        }
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Self::failed(format!("JSON: {error}"))
    }
}
