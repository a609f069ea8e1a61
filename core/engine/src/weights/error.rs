//! Why a weights file cannot be read, loaded or written: one sentence each, with the file and what to do.

use std::io;
use std::path::{Path, PathBuf};

use super::compare::Comparison;

/// Result of working with weights.
pub type Result<T, E = WeightsError> = std::result::Result<T, E>;

/// Why a weights file cannot be read, loaded or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WeightsError {
    /// The system could not read or write it.
    #[error("cannot {action} {}: {source}", file.display())]
    Io {
        /// The file.
        file: PathBuf,
        /// `read` or `write`.
        action: &'static str,
        /// The system's reason.
        source: io::Error,
    },
    /// It is damaged, or of a kind that is not read.
    #[error("{}: {why}", file.display())]
    Format {
        /// The file.
        file: PathBuf,
        /// What was found, and what to do.
        why: String,
    },
    /// It asks Python to call something that no weights need.
    #[error(
        "{} asks Python to call `{callable}`, which no weights need; nothing was run; do not open it in Python, and get the \
         weights from a source you trust", file.display()
    )]
    Dangerous {
        /// The file.
        file: PathBuf,
        /// Module and name.
        callable: String,
    },
    /// It holds a Python object instead of weights.
    #[error(
        "{} holds the Python object `{class}`, which is code and not weights; in Python, save `model.state_dict()` alone",
        file.display()
    )]
    PythonObject {
        /// The file.
        file: PathBuf,
        /// Module and name.
        class: String,
    },
    /// The names or shapes are those of another network.
    #[error("{} does not fit {network}: {}{}", file.display(), comparison.sentence(), other_classes(*classes))]
    OtherNetwork {
        /// The file.
        file: PathBuf,
        /// Id of the network.
        network: String,
        /// What differs.
        comparison: Box<Comparison>,
        /// The file is of this network, for another number of classes.
        classes: Option<usize>,
    },
    /// A tensor has NaN or infinite values.
    #[error(
        "{}: `{name}` has {count} value(s) that are NaN or infinite{}; the training that made the file diverged, or the file is \
         damaged", file.display(), if *converted { " as 32-bit numbers" } else { "" }
    )]
    NotFinite {
        /// The file.
        file: PathBuf,
        /// Name of the tensor in the file.
        name: String,
        /// How many values.
        count: i64,
        /// They may be finite in the file, of a wider type than the network's.
        converted: bool,
    },
    /// One tensor cannot be used.
    #[error("{}: `{name}` {why}", file.display())]
    Tensor {
        /// The file.
        file: PathBuf,
        /// Name of the tensor in the file.
        name: String,
        /// Why, and what to do.
        why: String,
    },
    /// The key map is wrong.
    #[error("{}: {why}", file.display())]
    KeyMap {
        /// The key map's file.
        file: PathBuf,
        /// The line and what is wrong with it.
        why: String,
    },
    /// The network or libtorch said so.
    #[error("{}: {message}", file.display())]
    Torch {
        /// The weights file.
        file: PathBuf,
        /// Its sentence.
        message: String,
    },
}

fn other_classes(classes: Option<usize>) -> String {
    classes.map_or_else(String::new, |classes| format!("; the file is for {classes} classes"))
}

impl WeightsError {
    pub(super) fn read(file: &Path) -> impl FnOnce(io::Error) -> Self {
        let file = file.to_owned();
        move |source| WeightsError::Io { file, action: "read", source }
    }

    pub(super) fn write(file: &Path) -> impl FnOnce(io::Error) -> Self {
        let file = file.to_owned();
        move |source| WeightsError::Io { file, action: "write", source }
    }

    pub(super) fn format(file: &Path, why: impl Into<String>) -> Self {
        WeightsError::Format { file: file.to_owned(), why: why.into() }
    }

    pub(super) fn tensor(file: &Path, name: &str, why: impl Into<String>) -> Self {
        WeightsError::Tensor { file: file.to_owned(), name: name.to_owned(), why: why.into() }
    }

    pub(super) fn torch(file: &Path) -> impl Fn(tch::TchError) -> Self {
        let file = file.to_owned();
        move |error| WeightsError::Torch {
            file: file.clone(),
            message: crate::torch::TorchError::from(error).to_string(),
        }
    }
}
