//! Pictures as PNG and JPEG files, as small as they get without taking long.

use std::collections::HashMap;

use image::codecs::jpeg::JpegEncoder;
use image::{ExtendedColorType, ImageEncoder};

use super::Overlay;
use super::compose::Pixels;

/// The quality of a JPEG picture; what is lost cannot be seen at the size of a terminal.
const JPEG_QUALITY: u8 = 92;

/// A PNG file; grey where the picture is.
pub fn png(pixels: &Pixels) -> Vec<u8> {
    let grey = pixels.rgb.chunks_exact(3).all(|p| p[0] == p[1] && p[1] == p[2]);
    if grey {
        let values: Vec<u8> = pixels.rgb.iter().step_by(3).copied().collect();
        plain_png(&values, pixels.width, pixels.height, png::ColorType::Grayscale)
    } else {
        plain_png(&pixels.rgb, pixels.width, pixels.height, png::ColorType::Rgb)
    }
}

/// A JPEG file, or nothing where the picture is too large for one.
pub fn jpeg(pixels: &Pixels) -> Option<Vec<u8>> {
    let mut file = Vec::new();
    let encoder = JpegEncoder::new_with_quality(&mut file, JPEG_QUALITY);
    encoder.write_image(&pixels.rgb, pixels.width, pixels.height, ExtendedColorType::Rgb8).ok()?;
    Some(file)
}

/// An overlay as a PNG file. Colour maps have 256 colours, so that a byte for each point and a table is often less.
pub fn overlay_png(overlay: &Overlay) -> Vec<u8> {
    let full = plain_png(&overlay.rgba, overlay.width, overlay.height, png::ColorType::Rgba);
    match indexed_png(overlay) {
        Some(indexed) if indexed.len() < full.len() => indexed,
        _ => full,
    }
}

fn plain_png(bytes: &[u8], width: u32, height: u32, colour: png::ColorType) -> Vec<u8> {
    written(width, height, bytes, |encoder| {
        encoder.set_color(colour);
        encoder.set_filter(png::Filter::Adaptive);
    })
}

fn indexed_png(overlay: &Overlay) -> Option<Vec<u8>> {
    let mut colours: Vec<[u8; 4]> = Vec::new();
    let mut known: HashMap<[u8; 4], u8> = HashMap::new();
    let mut indices = Vec::with_capacity(overlay.rgba.len() / 4);
    for point in overlay.rgba.chunks_exact(4) {
        let colour = [point[0], point[1], point[2], point[3]];
        let index = match known.get(&colour) {
            Some(index) => *index,
            None => {
                let index = u8::try_from(colours.len()).ok()?;
                colours.push(colour);
                known.insert(colour, index);
                index
            }
        };
        indices.push(index);
    }
    let table: Vec<u8> = colours.iter().flat_map(|colour| [colour[0], colour[1], colour[2]]).collect();
    let opacity: Vec<u8> = colours.iter().map(|colour| colour[3]).collect();
    Some(written(overlay.width, overlay.height, &indices, |encoder| {
        encoder.set_color(png::ColorType::Indexed);
        encoder.set_palette(table);
        encoder.set_trns(opacity);
        encoder.set_filter(png::Filter::NoFilter);
    }))
}

/// Writes a PNG file into memory; empty where the bytes do not fit the size, which was checked before.
fn written(width: u32, height: u32, bytes: &[u8], set: impl FnOnce(&mut png::Encoder<'_, &mut Vec<u8>>)) -> Vec<u8> {
    let mut file = Vec::new();
    let mut encoder = png::Encoder::new(&mut file, width, height);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_compression(png::Compression::Balanced);
    set(&mut encoder);
    let done = encoder.write_header().and_then(|mut writer| writer.write_image_data(bytes));
    if done.is_ok() { file } else { Vec::new() }
}
