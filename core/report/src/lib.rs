//! Tables with significance markers, built from run directories.

pub mod render;
pub mod table;

pub use table::{Cell, Column, Comparison, Row, Table};
