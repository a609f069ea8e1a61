//! Pictures with an overlay, in a frame of text.
//!
//! A [`Painter`] takes the pictures of each frame. Its driver puts characters into ratatui's buffer (`draw`) and bytes
//! after the frame's text (`flush`); pictures are encoded on a thread of their own, which wakes the program when there is
//! something new to draw. What a terminal already has is not sent again.

mod cells;
mod compose;
mod encoder;
mod fit;
pub(crate) mod leftovers;
mod pace;
mod painter;
mod palette;
mod picture_file;
mod print;
mod quantise;
mod sixel_bytes;

mod half_blocks;
mod inline;
mod iterm2;
mod kitty;
mod kitty_layered;
mod kitty_placeholders;
mod none;
mod sixel;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use ratatui::layout::Rect;

pub use crate::probe::{Colours, Graphics, Protocol};
pub use painter::Painter;
pub use print::{print, printed_size};

/// A picture: 8 bits each of red, green and blue, row by row. Pictures of equal id have equal pixels.
#[derive(Debug, Clone)]
pub struct Picture {
    /// The content's identity.
    pub id: u64,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// `3 * width * height` bytes.
    pub rgb: Arc<[u8]>,
}

/// A small map in colour, stretched over a whole picture: red, green, blue and opacity. Equal id, equal pixels.
#[derive(Debug, Clone)]
pub struct Overlay {
    /// The content's identity.
    pub id: u64,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// `4 * width * height` bytes; colours are not multiplied by opacity.
    pub rgba: Arc<[u8]>,
}

/// A picture that is to be seen, fitted into an area of character cells in its own aspect ratio and centred there.
#[derive(Debug, Clone)]
pub struct Shown {
    /// The area, in cells.
    pub area: Rect,
    /// The picture.
    pub base: Arc<Picture>,
    /// What lies over it.
    pub overlay: Option<Arc<Overlay>>,
}

impl Picture {
    /// Whether there are as many bytes as the size says, and any.
    fn is_whole(&self) -> bool {
        is_whole(self.rgb.len(), self.width, self.height, 3)
    }
}

impl Overlay {
    fn is_whole(&self) -> bool {
        is_whole(self.rgba.len(), self.width, self.height, 4)
    }
}

fn is_whole(bytes: usize, width: u32, height: u32, channels: u64) -> bool {
    let wanted = u64::from(width).checked_mul(u64::from(height)).and_then(|pixels| pixels.checked_mul(channels));
    bytes > 0 && wanted == Some(bytes as u64)
}
