//! Heatmaps as pictures and arrays: colours, overlays on the original image, PNG and `.npy` files.
//!
//! Nothing here judges or rescales a map: values in [0, 1] go in as the pipeline left them.

mod colormap;
mod font;
mod legend;
pub mod npy;
mod outline;
mod overlay;
mod resize;
mod tables;
mod write;

pub use colormap::Colormap;
pub use outline::Region;
pub use overlay::{Options, Original, Picture, overlay};
pub use resize::resize_map;
pub use write::write_png;

use std::path::PathBuf;

/// Why a picture or an array could not be made, written or read.
#[derive(Debug, thiserror::Error)]
pub enum PictureError {
    /// An input does not have the size it is said to have.
    #[error("the {what} has {found} values and its size says {expected}")]
    Size {
        /// Which input.
        what: &'static str,
        /// By its size.
        expected: usize,
        /// In fact.
        found: usize,
    },
    /// A setting is outside its range.
    #[error("{setting} is {value}: {need}")]
    Setting {
        /// Which setting.
        setting: &'static str,
        /// What it is.
        value: String,
        /// What it must be.
        need: &'static str,
    },
    /// A file is not the array that is expected.
    #[error("{}: {problem}", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// A file cannot be read or written.
    #[error("{}: cannot {action}: {source}", path.display())]
    Io {
        /// `read` or `write`.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// The PNG encoder refused the picture.
    #[error("{}: cannot encode the picture: {source}", path.display())]
    Encode {
        /// The file.
        path: PathBuf,
        /// What the encoder says.
        source: image::ImageError,
    },
}
