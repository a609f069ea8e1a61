//! How pixel values become 8-bit images: channels, the intensity rule for deep images, CLAHE.

use serde::{Deserialize, Serialize};

/// How many channels the network sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, Default)]
#[serde(rename_all = "lowercase")]
pub enum Channels {
    /// One channel.
    Grey,
    /// Three channels; a grey image is repeated.
    #[default]
    Colour,
}

impl Channels {
    /// 1 or 3.
    pub fn count(self) -> usize {
        match self {
            Self::Grey => 1,
            Self::Colour => 3,
        }
    }
}

/// How an image of more than 8 bits is brought to 8; images of 8 bits stay as they are.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Intensity {
    /// Linear from `center - width / 2` (0) to `center + width / 2` (255), in the file's own values.
    Window {
        /// Middle of the window.
        center: f64,
        /// Width of the window, above 0.
        width: f64,
    },
    /// Linear from the image's `low` percentile (0) to its `high` percentile (255).
    Percentile {
        /// Lower percentile, 0 to 100.
        low: f64,
        /// Upper percentile, above `low`, up to 100.
        high: f64,
    },
    /// Linear from 0 to the largest value that the file's type can hold.
    Full,
}

impl Default for Intensity {
    /// Percentiles 0.5 and 99.5: 12 bits in a 16-bit file divided by 256 would be black.
    fn default() -> Self {
        Self::Percentile { low: 0.5, high: 99.5 }
    }
}

/// Contrast-limited adaptive histogram equalisation, applied to the 8-bit image.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Clahe {
    /// Clip limit, as a multiple of the uniform bin height (OpenCV's `clipLimit`).
    pub clip_limit: f64,
    /// Tiles along each side (OpenCV's `tileGridSize`).
    pub tiles: u32,
}

impl Default for Clahe {
    /// OpenCV's customary 2.0 on 8 x 8 tiles.
    fn default() -> Self {
        Self { clip_limit: 2.0, tiles: 8 }
    }
}
