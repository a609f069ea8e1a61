//! The heatmap laid over the original image, at the original's size.

use rayon::prelude::*;

use crate::colormap::Colormap;
use crate::outline::{Region, draw};
use crate::resize::resize_map;
use crate::{PictureError, legend};

/// An image of 8 bits per channel, row-major, one channel (grey) or three (red, green, blue).
#[derive(Clone, Copy, Debug)]
pub struct Original<'a> {
    /// The pixels, channels last.
    pub pixels: &'a [u8],
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
    /// 1 or 3.
    pub channels: usize,
}

/// A picture in red, green and blue, row-major.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Three bytes a pixel.
    pub pixels: Vec<u8>,
    /// Width in pixels.
    pub width: usize,
    /// Height in pixels.
    pub height: usize,
}

/// How an overlay looks.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Colours of the map.
    pub colormap: Colormap,
    /// Share of the original in each pixel, 0 to 1; the colours get the rest.
    pub image_weight: f32,
    /// Stretch the result so that its largest channel value is full, as grad-cam does. The colours then no longer match
    /// a legend.
    pub stretch: bool,
    /// Add a colour bar on the right.
    pub legend: bool,
}

impl Default for Options {
    fn default() -> Options {
        Options { colormap: Colormap::default(), image_weight: 0.5, stretch: false, legend: false }
    }
}

/// Lays `map`, [height, width] in [0, 1], over `original` and outlines `regions`. The picture has the original's size,
/// and is wider with a legend. Where the map is NaN, the original is left as it is.
///
/// # Errors
/// When an input does not have the size it is said to have or a setting is outside its range.
pub fn overlay(
    original: &Original<'_>,
    map: &[f32],
    map_size: [usize; 2],
    regions: &[Region<'_>],
    options: &Options,
) -> Result<Picture, PictureError> {
    let Original { width, height, channels, pixels } = *original;
    if !matches!(channels, 1 | 3) {
        let value = channels.to_string();
        return Err(PictureError::Setting { setting: "channels of the image", value, need: "1 or 3" });
    }
    let expected = width.saturating_mul(height).saturating_mul(channels);
    if expected == 0 || pixels.len() != expected {
        return Err(PictureError::Size { what: "image", expected, found: pixels.len() });
    }
    let weight = options.image_weight;
    if !(0.0..=1.0).contains(&weight) {
        let value = weight.to_string();
        return Err(PictureError::Setting { setting: "image weight", value, need: "it must lie between 0 and 1" });
    }
    let map = resize_map(map, map_size, [height, width])?;
    let mixed: Vec<[f32; 3]> = pixels
        .par_chunks_exact(channels)
        .zip(map.par_iter())
        .with_min_len(4096)
        .map(|(pixel, value)| {
            let base = [0, 1, 2].map(|c| f32::from(pixel[c.min(channels - 1)]) / 255.0);
            match options.colormap.at(*value) {
                Some(color) => [0, 1, 2].map(|c| (1.0 - weight) * (f32::from(color[c]) / 255.0) + weight * base[c]),
                None => base,
            }
        })
        .collect();
    let largest = match options.stretch {
        true => mixed.iter().flatten().copied().fold(0.0, f32::max),
        false => 1.0,
    };
    let scale = if largest > 0.0 { largest } else { 1.0 };
    let bytes = mixed.iter().flatten().map(|value| (255.0 * (value / scale)) as u8).collect();
    let mut picture = Picture { pixels: bytes, width, height };
    for region in regions {
        draw(&mut picture, region)?;
    }
    Ok(if options.legend { legend::beside(picture, options.colormap) } else { picture })
}
