//! Colormaps: from a value in [0, 1] to a colour.

use std::fmt;
use std::str::FromStr;

use crate::{PictureError, tables};

/// A table of 256 colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Colormap {
    /// Even in perceived lightness and readable with any colour vision.
    #[default]
    Viridis,
    /// As viridis, from black to pale yellow.
    Inferno,
    /// As viridis, and looks nearly the same with and without red-green blindness.
    Cividis,
    /// OpenCV's, as most papers print it. Its bright bands suggest borders where the map has none.
    Jet,
}

impl Colormap {
    /// All colormaps.
    pub const ALL: [Colormap; 4] = [Colormap::Viridis, Colormap::Inferno, Colormap::Cividis, Colormap::Jet];

    /// As in settings.
    pub fn as_str(self) -> &'static str {
        match self {
            Colormap::Viridis => "viridis",
            Colormap::Inferno => "inferno",
            Colormap::Cividis => "cividis",
            Colormap::Jet => "jet",
        }
    }

    /// Red, green and blue of step `step` of 256.
    pub fn color(self, step: u8) -> [u8; 3] {
        let table = match self {
            Colormap::Viridis => &tables::VIRIDIS,
            Colormap::Inferno => &tables::INFERNO,
            Colormap::Cividis => &tables::CIVIDIS,
            Colormap::Jet => &tables::JET,
        };
        let [_, red, green, blue] = table[usize::from(step)].to_be_bytes();
        [red, green, blue]
    }

    /// The colour of a value in [0, 1]; values outside take the nearest end. None for NaN.
    pub fn at(self, value: f32) -> Option<[u8; 3]> {
        // Truncation is grad-cam's, and gives full red to the peak alone.
        (!value.is_nan()).then(|| self.color((255.0 * value.clamp(0.0, 1.0)) as u8))
    }
}

impl fmt::Display for Colormap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Colormap {
    type Err = PictureError;

    fn from_str(text: &str) -> Result<Colormap, PictureError> {
        Colormap::ALL.into_iter().find(|map| map.as_str() == text).ok_or_else(|| PictureError::Setting {
            setting: "colormap",
            value: text.into(),
            need: "viridis, inferno, cividis or jet",
        })
    }
}
