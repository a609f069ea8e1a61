//! Why a plugin cannot be used: one sentence each, with the file, what was found, and what to do.

use std::path::{Path, PathBuf};

use lightbox_abi::metadata::ParameterError;

/// Result of working with a plugin.
pub type Result<T, E = PluginError> = std::result::Result<T, E>;

/// Why a plugin cannot be used.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum PluginError {
    /// The file is not loaded, or not used after it was.
    #[error("{}: {found}; {remedy}", file.display())]
    Refused {
        /// The library.
        file: PathBuf,
        /// What was found, and what was expected.
        found: String,
        /// What to do.
        remedy: String,
    },
    /// A function of the plugin returned an error.
    #[error("{}: {action} failed: {message}", file.display())]
    Failed {
        /// The library.
        file: PathBuf,
        /// What it was asked to do.
        action: String,
        /// What it says.
        message: String,
    },
    /// A function of the plugin, or a host service it called, ran out of memory.
    #[error("{}: {action} ran out of memory: {message}", file.display())]
    OutOfMemory {
        /// The library.
        file: PathBuf,
        /// What it was asked to do.
        action: String,
        /// What it says.
        message: String,
    },
    /// The user asked to stop.
    #[error("cancelled")]
    Cancelled,
    /// No plugin offers what was asked for.
    #[error("there is no {kind} `{id}`{hint}")]
    Unknown {
        /// `model`, `method` or `layer`.
        kind: &'static str,
        /// What was asked for.
        id: String,
        /// What may have been meant, or what there is.
        hint: String,
    },
    /// Two libraries have the same id for a plugin, a method or a network.
    #[error(
        "two plugins have the {kind} id `{id}`: {} and {}; remove one of them",
        first.display(), second.display()
    )]
    Duplicate {
        /// `plugin`, `method` or `model`.
        kind: &'static str,
        /// The id.
        id: String,
        /// The library found first.
        first: PathBuf,
        /// The library found later.
        second: PathBuf,
    },
    /// A value is not one that the parameter table allows.
    #[error("`{id}`: {error}")]
    Parameter {
        /// Id of the method or network.
        id: String,
        /// Why.
        #[source]
        error: ParameterError,
    },
    /// The request is not one that the method or network can serve.
    #[error("`{id}` {why}")]
    Unsuitable {
        /// Id of the method or network.
        id: String,
        /// Why, and what to do.
        why: String,
    },
    /// A throw-away process said so.
    #[error("{message}")]
    Probe {
        /// The library.
        file: PathBuf,
        /// The whole sentence.
        message: String,
    },
}

impl PluginError {
    pub(crate) fn refused(file: &Path, found: impl Into<String>, remedy: impl Into<String>) -> Self {
        PluginError::Refused { file: file.to_owned(), found: found.into(), remedy: remedy.into() }
    }

    /// A refusal that only the plugin's author can mend.
    pub(crate) fn faulty(file: &Path, found: impl Into<String>) -> Self {
        PluginError::refused(file, found, "report it to the plugin's author")
    }
}
