//! Where Lightbox keeps its state: the home folder, run directories and study files.
//!
//! The run directory is the truth. Everything in it is an open format (JSON, JSON lines, CSV, NumPy arrays, safetensors)
//! so that it can be copied to another machine and read there; see `docs/run-directory.md`.

pub mod atomic;
mod error;
pub mod home;
pub mod index;
pub mod names;
pub mod request;
pub mod run;
pub mod study;
pub mod toml_error;

pub use error::StoreError;
pub use home::Home;
pub use index::{Index, RunFilter, RunRow};
pub use run::{GroupId, JobConfig, JobKind, RunDir, RunId, RunStatus};
pub use study::StudyFile;
