//! What a plugin returns when it cannot go on: a sentence, and a kind that the host acts on.

use std::fmt;

use lightbox_abi as abi;

/// Result of a plugin's function.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What kind of failure an [`Error`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// Any failure that the kinds below do not name.
    Failed,
    /// An argument is not one that the function takes.
    InvalidArgument,
    /// The request is well formed, but this plugin (or host) cannot serve it.
    Unsupported,
    /// The user asked to stop.
    Cancelled,
    /// There was not enough memory.
    OutOfMemory,
}

/// Why a plugin cannot go on. Any `std::error::Error` becomes one with `?`.
pub struct Error {
    kind: ErrorKind,
    message: String,
}

impl Error {
    /// A failure with a sentence for the user.
    pub fn new(message: impl Into<String>) -> Self {
        Error { kind: ErrorKind::Failed, message: message.into() }
    }

    /// A failure of the given kind.
    pub fn of_kind(kind: ErrorKind, message: impl Into<String>) -> Self {
        Error { kind, message: message.into() }
    }

    /// This plugin cannot serve the request.
    pub fn unsupported(message: impl Into<String>) -> Self {
        Error::of_kind(ErrorKind::Unsupported, message)
    }

    /// The user asked to stop.
    pub fn cancelled() -> Self {
        Error::of_kind(ErrorKind::Cancelled, "cancelled")
    }

    /// What kind of failure it is.
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The sentence for the user.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The status code that crosses the ABI.
    pub fn status(&self) -> abi::Status {
        match self.kind {
            ErrorKind::Failed => abi::STATUS_FAILED,
            ErrorKind::InvalidArgument => abi::STATUS_INVALID_ARGUMENT,
            ErrorKind::Unsupported => abi::STATUS_UNSUPPORTED,
            ErrorKind::Cancelled => abi::STATUS_CANCELLED,
            ErrorKind::OutOfMemory => abi::STATUS_OUT_OF_MEMORY,
        }
    }

    pub(crate) fn from_status(status: abi::Status, message: String) -> Self {
        let kind = match status {
            abi::STATUS_INVALID_ARGUMENT => ErrorKind::InvalidArgument,
            abi::STATUS_UNSUPPORTED => ErrorKind::Unsupported,
            abi::STATUS_CANCELLED => ErrorKind::Cancelled,
            abi::STATUS_OUT_OF_MEMORY => ErrorKind::OutOfMemory,
            _ => ErrorKind::Failed,
        };
        Error { kind, message }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}: {}", self.kind, self.message)
    }
}

// `Error` itself is no `std::error::Error`, which leaves room for this.
impl<E: std::error::Error> From<E> for Error {
    fn from(error: E) -> Self {
        Error::new(error.to_string())
    }
}
