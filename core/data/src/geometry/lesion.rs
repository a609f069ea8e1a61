//! Where the lesion is, in the network's own pixels.

use std::path::Path;

use crate::annotation::BoxFraction;
use crate::dataset::ImageRecord;
use crate::decode::{self, DecodeLimits, Orientation, Picture, Samples};
use crate::error::Result;

/// A lesion at the network's size.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lesion {
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// `height * width` values, 1 inside and 0 outside.
    pub pixels: Vec<u8>,
}

/// From this value on, a pixel of a lossily compressed mask is inside; below is ringing.
const LOSSY_INSIDE: u8 = 128;

/// The lesion of an image by its mask, else by its boxes; `None` where it has neither.
pub fn lesion(record: &ImageRecord, size: (u32, u32), limits: &DecodeLimits) -> Result<Option<Lesion>> {
    match &record.mask {
        Some(mask) => mask_to_size(mask, &record.path, size, limits).map(Some),
        None if record.boxes.is_empty() => Ok(None),
        None => Ok(Some(boxes_to_size(&record.boxes, size))),
    }
}

/// Brings a mask to `size` (width, height) by nearest neighbour, at pixel centres. Inside is what is not black, whatever
/// the depth (in a lossy format: what is nearer to white). The mask may have another resolution than its image.
///
/// A mask lies as its image does: it is turned by its own orientation tag if it has one, else by its image's, unless it
/// has the sides of the upright image and not of the stored one.
pub fn mask_to_size(mask: &Path, image: &Path, size: (u32, u32), limits: &DecodeLimits) -> Result<Lesion> {
    let picture = decode::decode(mask, &decode::read_bytes(mask, limits)?, limits)?;
    let turn = match picture.orientation {
        Orientation::Upright => {
            let (stored_width, stored_height, turn) = decode::stored_geometry(image, limits)?;
            if is_upright_already(&picture, stored_width, stored_height, turn) { Orientation::Upright } else { turn }
        }
        own => own,
    };
    let inside = inside(&picture);
    let (width, height, inside) = decode::turn_upright(turn, picture.width, picture.height, 1, inside);
    let columns: Vec<usize> = (0..size.0).map(|x| nearest(x, size.0, width)).collect();
    let mut pixels = Vec::with_capacity(size.0 as usize * size.1 as usize);
    for y in 0..size.1 {
        let row = nearest(y, size.1, height) * width as usize;
        pixels.extend(columns.iter().map(|column| inside[row + column]));
    }
    Ok(Lesion { width: size.0, height: size.1, pixels })
}

/// True where turning would stretch the mask: its sides are in the proportion of the upright image.
fn is_upright_already(mask: &Picture, stored_width: u32, stored_height: u32, turn: Orientation) -> bool {
    let product = |a: u32, b: u32| u64::from(a) * u64::from(b);
    let off = |width: u32, height: u32| product(mask.width, height).abs_diff(product(mask.height, width));
    turn.swaps_sides() && off(stored_height, stored_width) < off(stored_width, stored_height)
}

fn inside(picture: &Picture) -> Vec<u8> {
    let channels = picture.channels;
    let any = |pixel: &[bool]| u8::from(pixel.iter().any(|set| *set));
    let set: Vec<bool> = match &picture.samples {
        Samples::Byte(values) => {
            let least = if picture.lossy { LOSSY_INSIDE } else { 1 };
            values.iter().map(|value| *value >= least).collect()
        }
        Samples::Word(values) => values.iter().map(|value| *value > 0).collect(),
        Samples::Real { values, .. } => values.iter().map(|value| *value > 0.0).collect(),
    };
    set.chunks_exact(channels).map(any).collect()
}

/// The source pixel under the centre of target pixel `at`.
fn nearest(at: u32, target: u32, source: u32) -> usize {
    let (at, target, source) = (u64::from(at), u64::from(target), u64::from(source));
    (((2 * at + 1) * source / (2 * target)).min(source - 1)) as usize
}

/// Draws boxes at `size` (width, height): a pixel is inside when its centre is; a box too small to hold any centre has
/// the pixel that its own centre lies in.
pub fn boxes_to_size(boxes: &[BoxFraction], size: (u32, u32)) -> Lesion {
    let mut pixels = vec![0; size.0 as usize * size.1 as usize];
    for found in boxes {
        let columns = span(found.x_center, found.width, size.0);
        for y in span(found.y_center, found.height, size.1) {
            let row = y * size.0 as usize;
            pixels[row + columns.start..row + columns.end].fill(1);
        }
    }
    Lesion { width: size.0, height: size.1, pixels }
}

/// The pixels of one axis whose centres lie within a box's extent.
fn span(center: f64, extent: f64, side: u32) -> std::ops::Range<usize> {
    let scale = f64::from(side);
    let first = ((center - extent / 2.0) * scale - 0.5).ceil().clamp(0.0, scale) as usize;
    let end = ((center + extent / 2.0) * scale - 0.5).ceil().clamp(0.0, scale) as usize;
    if first < end {
        return first..end;
    }
    let only = ((center * scale).floor().clamp(0.0, (scale - 1.0).max(0.0))) as usize;
    only..(only + 1).min(side as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_box_covers_the_pixels_whose_centres_it_holds() {
        let quarter = BoxFraction { x_center: 0.25, y_center: 0.75, width: 0.5, height: 0.5 };
        let lesion = boxes_to_size(&[quarter], (4, 4));
        assert_eq!(lesion.pixels, [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 0, 0, 1, 1, 0, 0]);
        let speck = BoxFraction { x_center: 0.99, y_center: 0.01, width: 1e-6, height: 1e-6 };
        assert_eq!(boxes_to_size(&[speck], (2, 2)).pixels, [0, 1, 0, 0]);
        let whole = BoxFraction { x_center: 0.5, y_center: 0.5, width: 1.0, height: 1.0 };
        assert_eq!(boxes_to_size(&[whole], (3, 2)).pixels, [1; 6]);
    }

    #[test]
    fn nearest_takes_the_pixel_under_the_centre() {
        let sources: Vec<_> = (0..3).map(|x| nearest(x, 3, 6)).collect();
        assert_eq!(sources, [1, 3, 5]);
        let sources: Vec<_> = (0..5).map(|x| nearest(x, 5, 2)).collect();
        assert_eq!(sources, [0, 0, 1, 1, 1]);
    }
}
