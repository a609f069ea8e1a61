//! Sixel graphics: composed pictures of at most 64 colours, within a limit of bytes.

use std::sync::Arc;

use ratatui::layout::Rect;

use super::compose::{self, Pixels};
use super::encoder::{Job, Made};
use super::inline::{Format, Inline};
use super::painter::{Driver, Placed};
use super::{quantise, sixel_bytes};

/// Rows of pixels in a band.
const BAND: u32 = 6;
/// xterm draws nothing of larger pictures, by default.
pub const MOST_PIXELS: u32 = 1000;
/// The most bytes: some for any picture, as small ones have more detail for their size, and some for each 1000 pixels. 128
/// KB for 448x448.
const BYTES: u64 = 20_000;
const BYTES_PER_1000_PIXELS: u64 = 540;
/// From fine to coarse; the first whose bytes are within the limit is taken. Noise, which costs most and shows least, goes
/// first; then longer runs; colours last.
const ATTEMPTS: [Attempt; 9] = [
    Attempt { smooth: 0, colours: 64, tolerance: 0 },
    Attempt { smooth: 0, colours: 64, tolerance: 4 },
    Attempt { smooth: 12, colours: 64, tolerance: 4 },
    Attempt { smooth: 20, colours: 64, tolerance: 5 },
    Attempt { smooth: 28, colours: 48, tolerance: 7 },
    Attempt { smooth: 36, colours: 40, tolerance: 10 },
    Attempt { smooth: 48, colours: 32, tolerance: 12 },
    Attempt { smooth: 56, colours: 16, tolerance: 16 },
    Attempt { smooth: 96, colours: 8, tolerance: 48 },
];

/// How much of a picture is given up for its bytes.
struct Attempt {
    /// Neighbours that differ by no more than this are averaged; 0 for none.
    smooth: u8,
    colours: usize,
    /// How far a channel may be off where that makes runs longer.
    tolerance: u8,
}

/// The driver.
pub fn driver(wake: Arc<dyn Fn() + Send + Sync>) -> Box<dyn Driver> {
    Box::new(Inline::new(Sixel, wake))
}

struct Sixel;

impl Format for Sixel {
    fn size(&self, placed: &Placed, screen: Rect) -> (u32, u32) {
        let (width, mut height) = placed.pixels;
        // Terminals scroll when a picture ends with the last row of the screen.
        if placed.rect.bottom() >= screen.bottom() {
            height = height.saturating_sub(1);
        }
        (width, (height / BAND * BAND).max(BAND))
    }

    fn encode(&self) -> Box<dyn Fn(&Job) -> Made + Send> {
        Box::new(|job| {
            let (w, h) = job.key.size;
            let pixels = job.base.as_deref().map(|base| compose::composed(base, job.overlay.as_deref(), w, h));
            Made::Bytes(pixels.map_or_else(Vec::new, |pixels| encode(&pixels)))
        })
    }

    fn draw(&self, made: &[u8], _rect: Rect, out: &mut Vec<u8>) {
        out.extend_from_slice(made);
    }

    fn most_pixels(&self) -> Option<u32> {
        Some(MOST_PIXELS)
    }
}

/// A picture as sixel graphics, in as many colours as the limit of bytes allows.
pub fn encode(pixels: &Pixels) -> Vec<u8> {
    let count = u64::from(pixels.width) * u64::from(pixels.height);
    let limit = BYTES + count * BYTES_PER_1000_PIXELS / 1000;
    let mut bytes = Vec::new();
    let mut attempts = ATTEMPTS.iter();
    while let Some(Attempt { smooth, colours, tolerance }) = attempts.next() {
        let smoothed = (*smooth > 0).then(|| compose::smoothed(pixels, *smooth));
        let indexed = quantise::quantise(smoothed.as_ref().unwrap_or(pixels), *colours, *tolerance);
        bytes = sixel_bytes::write(&indexed);
        if bytes.len() as u64 <= limit {
            break;
        }
        // No attempt takes a third off the one before: one that cannot be enough is left out.
        if bytes.len() as u64 > limit * 3 / 2 && attempts.len() > 1 {
            attempts.next();
        }
    }
    bytes
}
