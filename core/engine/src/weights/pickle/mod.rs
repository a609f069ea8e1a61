//! A machine for Python pickles that executes nothing: it builds plain containers, and tensors as places in a file.
//!
//! What a pickle may name is on a list ([`globals`]); anything else ends the reading with its name. Every length is checked
//! against what is left of the file before memory is taken, and all that a pickle builds is counted against a budget. Values
//! live in one arena and refer to each other by number, so that deep nesting costs no stack.

mod globals;
mod machine;
mod source;
mod tensors;
mod value;

pub(super) use machine::{Machine, StorageStyle};
pub(super) use source::Source;
pub(super) use value::{Id, Pickled, Value};

/// Why a pickle is not read.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum PickleError {
    /// Damaged, cut short, or of a kind that is not read.
    Broken(String),
    /// It names a callable that no weights need.
    Dangerous(String),
    /// It holds an object of a class of its own.
    PythonObject(String),
}

pub(super) type Result<T> = std::result::Result<T, PickleError>;

fn broken<T>(why: impl Into<String>) -> Result<T> {
    Err(PickleError::Broken(why.into()))
}
