//! Outlines of an annotation: a white line with a dark rim, visible on any colours.

use crate::PictureError;
use crate::overlay::Picture;

/// What an annotation marks.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Region<'a> {
    /// A box, its sides as fractions of the image's width and height.
    Box {
        /// Left side.
        left: f64,
        /// Upper side.
        top: f64,
        /// Right side.
        right: f64,
        /// Lower side.
        bottom: f64,
    },
    /// A mask of any size, stretched over the image.
    Mask {
        /// True inside, row-major.
        inside: &'a [bool],
        /// Width of the mask.
        width: usize,
        /// Height of the mask.
        height: usize,
    },
}

/// Pixels of the shorter side for each pixel of line width.
const SIDE_PER_LINE: usize = 200;
const LINE: [u8; 3] = [255, 255, 255];
const RIM: [u8; 3] = [0, 0, 0];

/// Draws the outline of `region` in the picture.
pub(super) fn draw(picture: &mut Picture, region: &Region<'_>) -> Result<(), PictureError> {
    let (width, height) = (picture.width, picture.height);
    let counts = counts(&rasterise(region, width, height)?, width);
    let line = (width.min(height) / SIDE_PER_LINE).max(1);
    let rim = line + line.div_ceil(2);
    for y in 0..height {
        for x in 0..width {
            let color = if crosses(&counts, [width, height], [x, y], line) {
                LINE
            } else if crosses(&counts, [width, height], [x, y], rim) {
                RIM
            } else {
                continue;
            };
            let at = 3 * (y * width + x);
            picture.pixels[at..at + 3].copy_from_slice(&color);
        }
    }
    Ok(())
}

/// Whether the pixels within `radius` are neither all inside nor all outside.
fn crosses(counts: &[u32], [width, height]: [usize; 2], [x, y]: [usize; 2], radius: usize) -> bool {
    let (left, right) = (x.saturating_sub(radius), (x + radius).min(width));
    let (top, bottom) = (y.saturating_sub(radius), (y + radius).min(height));
    let at = |x: usize, y: usize| i64::from(counts[y * (width + 1) + x]);
    let inside = at(right, bottom) - at(left, bottom) - at(right, top) + at(left, top);
    inside > 0 && inside < ((right - left) * (bottom - top)) as i64
}

/// How many pixels above and to the left are inside, (width + 1) x (height + 1).
fn counts(inside: &[bool], width: usize) -> Vec<u32> {
    let mut counts = vec![0; width + 1];
    for (y, row) in inside.chunks_exact(width).enumerate() {
        let mut sum = 0;
        counts.push(0);
        for (x, inside) in row.iter().enumerate() {
            sum += u32::from(*inside);
            counts.push(sum + counts[y * (width + 1) + x + 1]);
        }
    }
    counts
}

/// The pixels whose centre lies in the region.
fn rasterise(region: &Region<'_>, width: usize, height: usize) -> Result<Vec<bool>, PictureError> {
    let center = |i: usize, n: usize| (i as f64 + 0.5) / n as f64;
    let mut out = Vec::with_capacity(width * height);
    match *region {
        Region::Box { left, top, right, bottom } => {
            for y in 0..height {
                let row = (top..bottom).contains(&center(y, height));
                out.extend((0..width).map(|x| row && (left..right).contains(&center(x, width))));
            }
        }
        Region::Mask { inside, width: columns, height: rows } => {
            let expected = columns.saturating_mul(rows);
            if expected == 0 || inside.len() != expected {
                return Err(PictureError::Size { what: "mask", expected, found: inside.len() });
            }
            for y in 0..height {
                let row = (center(y, height) * rows as f64) as usize * columns;
                out.extend((0..width).map(|x| inside[row + (center(x, width) * columns as f64) as usize]));
            }
        }
    }
    Ok(out)
}
