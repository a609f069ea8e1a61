//! A colour bar on the right of a picture: 1 at the top, 0 at the bottom.

use crate::colormap::Colormap;
use crate::font;
use crate::overlay::Picture;

const LABELS: [(&str, f64); 3] = [("1", 1.0), ("0.5", 0.5), ("0", 0.0)];
const PAPER: [u8; 3] = [255, 255, 255];
const INK: [u8; 3] = [0, 0, 0];
/// Rows of the picture for each pixel of the digits.
const ROWS_PER_DOT: usize = 100;
/// Widths in dots: margin, bar, gap, then the widest label and a margin.
const MARGIN: usize = 2;
const BAR: usize = 6;
const LABEL: usize = 3 * (font::WIDTH + 1);

/// The picture with a colour bar of its height beside it.
pub(super) fn beside(picture: Picture, colormap: Colormap) -> Picture {
    let Picture { pixels, width, height } = picture;
    let dot = (height / ROWS_PER_DOT).max(1);
    let strip = (MARGIN + BAR + MARGIN + LABEL + MARGIN) * dot;
    let (bar_left, label_left) = (width + MARGIN * dot, width + (MARGIN + BAR + MARGIN) * dot);
    let mut out = Picture { pixels: Vec::with_capacity(3 * (width + strip) * height), width: width + strip, height };
    for (y, row) in pixels.chunks_exact(3 * width).enumerate() {
        let value = 1.0 - (y as f32 + 0.5) / height as f32;
        let color = colormap.at(value).unwrap_or(PAPER);
        out.pixels.extend_from_slice(row);
        for x in width..width + strip {
            let in_bar = (bar_left..bar_left + BAR * dot).contains(&x);
            out.pixels.extend_from_slice(if in_bar { &color } else { &PAPER });
        }
    }
    let room = height.saturating_sub(font::HEIGHT * dot);
    for (text, value) in LABELS {
        let top = ((1.0 - value) * room as f64) as usize;
        for (i, character) in text.chars().enumerate() {
            write(&mut out, character, [label_left + i * (font::WIDTH + 1) * dot, top], dot);
        }
    }
    out
}

fn write(picture: &mut Picture, character: char, [left, top]: [usize; 2], dot: usize) {
    let Some(rows) = font::rows(character) else { return };
    for y in 0..font::HEIGHT * dot {
        for x in 0..font::WIDTH * dot {
            let set = rows[y / dot] >> (font::WIDTH - 1 - x / dot) & 1 == 1;
            if set && top + y < picture.height && left + x < picture.width {
                let at = 3 * ((top + y) * picture.width + left + x);
                picture.pixels[at..at + 3].copy_from_slice(&INK);
            }
        }
    }
}
