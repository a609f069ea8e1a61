//! Tables with significance markers, built from run directories.

mod cell;
pub mod collect;
pub mod latest;
pub mod methods;
pub mod models;
mod notes;
mod number;
pub mod render;
pub mod settings;
pub mod table;

pub use number::readable;
pub use table::{Cell, Column, Comparison, Row, Table};

/// Why a table cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// A run directory could not be read.
    #[error(transparent)]
    Store(#[from] lightbox_store::StoreError),
    /// The statistics refused their input.
    #[error(transparent)]
    Statistics(#[from] lightbox_stats::Error),
    /// What was asked for is not there or cannot be compared.
    #[error("{0}")]
    Input(String),
}
