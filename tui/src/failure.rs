//! How a command fails: one or two lines on standard error and an exit code.

use std::fmt::Display;

use lightbox_scheduler::SchedulerError;
use lightbox_store::StoreError;

use crate::output::say;

/// Why a command ended without doing what it was asked.
#[derive(Debug)]
pub enum Failure {
    /// Something went wrong; exit code 1.
    Failed(String),
    /// Wrong usage or bad input; exit code 2.
    BadInput(String),
    /// The user interrupted; exit code 130.
    Interrupted,
    /// A signal ended the interface; exit code 128 and its number, as a shell has it.
    Ended(i32),
}

/// Result of a command.
pub type Result<T> = std::result::Result<T, Failure>;

impl Failure {
    /// Bad input, in a sentence.
    pub fn bad(message: impl Display) -> Self {
        Self::BadInput(message.to_string())
    }

    /// A failure, in a sentence.
    pub fn failed(message: impl Display) -> Self {
        Self::Failed(message.to_string())
    }

    /// The sentence.
    pub fn sentence(&self) -> &str {
        match self {
            Self::Failed(message) | Self::BadInput(message) => message,
            Self::Interrupted => "interrupted",
            Self::Ended(_) => "ended by a signal",
        }
    }

    /// Prints the sentence.
    pub fn report(&self) {
        match self {
            Self::Failed(message) | Self::BadInput(message) => say(format_args!("error: {message}")),
            Self::Interrupted => say("interrupted"),
            // Who sent it knows.
            Self::Ended(_) => {}
        }
    }

    /// The exit code.
    pub fn code(&self) -> u8 {
        match self {
            Self::Failed(_) => 1,
            Self::BadInput(_) => 2,
            Self::Interrupted => 130,
            Self::Ended(signal) => u8::try_from(128 + signal).unwrap_or(1),
        }
    }
}

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Io { ref source, .. } if source.kind() == std::io::ErrorKind::NotFound => Self::bad(error),
            StoreError::Io { .. } => Self::failed(error),
            StoreError::Content { .. } | StoreError::NotFound(_) | StoreError::Invalid(_) => Self::bad(error),
        }
    }
}

impl From<SchedulerError> for Failure {
    fn from(error: SchedulerError) -> Self {
        match error {
            SchedulerError::Interrupted => Self::Interrupted,
            SchedulerError::Worker { code: 2, message } | SchedulerError::Refused(message) => Self::BadInput(message),
            SchedulerError::Store(inner) => inner.into(),
            other => Self::failed(other),
        }
    }
}
