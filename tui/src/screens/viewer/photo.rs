//! The image itself: decoded as its dataset says, brought to a size that is quick to send, the lesion outlined.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};
use std::path::Path;
use std::sync::Arc;

use lightbox_data::dataset::ImageRecord;
use lightbox_data::decode::{self, DecodeLimits, DecodeOptions};
use lightbox_data::geometry;
use lightbox_data::manifest::{Channels, Manifest};
use lightbox_terminal::graphics::Picture;

/// Longest side of a picture in the viewer: what a terminal cell grid can show, and no more on the wire.
const LONGEST: u32 = 512;

/// Smaller images are enlarged to about this, each pixel to a square, so that a line drawn on them is thin.
const SMALL: u32 = 384;

/// Longest side of a thumbnail.
const THUMBNAIL: u32 = 160;

/// Colour of the outline of what the experts drew.
const OUTLINE: [u8; 3] = [255, 255, 255];

/// An image that is ready to be shown.
#[derive(Clone, Debug)]
pub struct Photo {
    /// Its pixels.
    pub picture: Arc<Picture>,
    /// The same with the lesion outlined, where one is known.
    pub outlined: Option<Arc<Picture>>,
    /// Its own size in pixels.
    pub size: (u32, u32),
    /// Share of the image that the lesion covers.
    pub lesion_share: Option<f64>,
}

/// Reads an image for the viewer.
pub fn read(record: &ImageRecord, manifest: Option<&Manifest>) -> Result<Photo, String> {
    let (rgb, width, height, size) = enlarged(pixels(&record.path, manifest, LONGEST)?);
    let limits = DecodeLimits::default();
    let lesion = geometry::lesion(record, (width, height), &limits).map_err(|e| e.to_string())?;
    let outlined = lesion.as_ref().map(|lesion| {
        let mut drawn = rgb.clone();
        outline(&mut drawn, width as usize, &lesion.pixels);
        picture(drawn, width, height)
    });
    let share = lesion.map(|l| l.pixels.iter().filter(|p| **p > 0).count() as f64 / l.pixels.len().max(1) as f64);
    Ok(Photo { picture: picture(rgb, width, height), outlined, size, lesion_share: share })
}

/// Reads an image as a thumbnail.
pub fn thumbnail(path: &Path, manifest: &Manifest) -> Result<Arc<Picture>, String> {
    let (rgb, width, height, _) = pixels(path, Some(manifest), THUMBNAIL)?;
    Ok(picture(rgb, width, height))
}

type Pixels = (Vec<u8>, u32, u32, (u32, u32));

fn pixels(path: &Path, manifest: Option<&Manifest>, longest: u32) -> Result<Pixels, String> {
    let options = DecodeOptions {
        channels: Channels::Colour,
        intensity: manifest.map(|m| m.intensity).unwrap_or_default(),
        clahe: manifest.and_then(|m| m.clahe),
        limits: DecodeLimits::default(),
    };
    let image = decode::read(path, &options).map_err(|e| e.to_string())?;
    let size = (image.width, image.height);
    let scale = f64::from(longest) / f64::from(size.0.max(size.1).max(1));
    if scale >= 1.0 {
        return Ok((image.pixels, size.0, size.1, size));
    }
    let side = |n: u32| ((f64::from(n) * scale).round() as u32).max(1);
    let (width, height) = (side(size.0), side(size.1));
    let rgb = geometry::resize(&image, (width, height)).map_err(|e| e.to_string())?;
    Ok((rgb, width, height, size))
}

/// Each pixel of a small image as a square of equal pixels.
fn enlarged((rgb, width, height, size): Pixels) -> Pixels {
    let times = (SMALL / width.max(height).max(1)) as usize;
    if times < 2 {
        return (rgb, width, height, size);
    }
    let mut large = Vec::with_capacity(rgb.len() * times * times);
    for row in rgb.chunks_exact(3 * width as usize) {
        let wide: Vec<u8> = row.chunks_exact(3).flat_map(|pixel| pixel.repeat(times)).collect();
        large.extend(std::iter::repeat_n(wide, times).flatten());
    }
    (large, width * times as u32, height * times as u32, size)
}

fn picture(rgb: Vec<u8>, width: u32, height: u32) -> Arc<Picture> {
    let mut hasher = DefaultHasher::new();
    (width, height, &rgb).hash(&mut hasher);
    Arc::new(Picture { id: hasher.finish(), width, height, rgb: rgb.into() })
}

/// Draws the border of what is inside a mask, two pixels wide so that it is seen when the picture is made smaller.
fn outline(rgb: &mut [u8], width: usize, mask: &[u8]) {
    let height = mask.len() / width.max(1);
    let inside = |x: isize, y: isize| {
        let within = x >= 0 && y >= 0 && (x as usize) < width && (y as usize) < height;
        within && mask[y as usize * width + x as usize] > 0
    };
    for y in 0..height as isize {
        for x in 0..width as isize {
            let near = [(-1, 0), (1, 0), (0, -1), (0, 1), (-2, 0), (2, 0), (0, -2), (0, 2)];
            if inside(x, y) && near.iter().any(|(dx, dy)| !inside(x + dx, y + dy)) {
                let at = 3 * (y as usize * width + x as usize);
                rgb[at..at + 3].copy_from_slice(&OUTLINE);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_images_are_enlarged_by_whole_pixels() {
        let rgb: Vec<u8> = (0..6 * 100).map(|i| i as u8).collect();
        let (large, width, height, size) = enlarged((rgb.clone(), 2, 100, (2, 100)));
        assert_eq!((width, height, size, large.len()), (6, 300, (2, 100), 6 * 300 * 3));
        assert_eq!((&large[..3], &large[6..9], &large[9..12]), (&rgb[..3], &rgb[..3], &rgb[3..6]));
        assert_eq!(large[18 * 3..18 * 3 + 3], rgb[6..9]);
    }

    #[test]
    fn the_border_is_drawn_and_the_middle_left() {
        let mut mask = vec![0_u8; 64];
        for y in 1..7 {
            for x in 1..7 {
                mask[y * 8 + x] = 1;
            }
        }
        let mut rgb = vec![10_u8; 192];
        outline(&mut rgb, 8, &mask);
        let at = |x: usize, y: usize| rgb[3 * (y * 8 + x)];
        assert_eq!((at(0, 0), at(1, 1), at(2, 2), at(3, 3)), (10, 255, 255, 10));
    }
}
