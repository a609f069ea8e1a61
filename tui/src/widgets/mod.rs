//! Pieces that screens are drawn with.

pub mod canvas;
pub mod charts;
pub mod line_edit;
pub mod order;
pub mod table;
pub mod text;

pub use canvas::{Canvas, Hit};
pub use line_edit::LineEdit;
pub use table::DataTable;
