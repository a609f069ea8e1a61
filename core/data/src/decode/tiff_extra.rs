//! TIFFs of science: grey in signed, wide and floating-point samples, and palettes; all others go the common way.

use std::io::Cursor;
use std::path::Path;

use tiff::decoder::{Decoder, DecodingResult, Limits};
use tiff::tags::{PhotometricInterpretation, Tag};
use tiff::{ColorType, TiffError};

use super::decoder::{truncated, unsupported};
use super::format::Format;
use super::limits::DecodeLimits;
use super::orientation::Orientation;
use super::samples::{Picture, Samples};
use super::{damaged, limits};
use crate::error::{Error, Result};

/// What such a file's header says.
pub(super) struct Head {
    pub width: u32,
    pub height: u32,
    pub bytes_per_pixel: u64,
    pub orientation: Orientation,
}

const UNSIGNED: u16 = 1;
/// Entries of an 8-bit palette, for each of red, green and blue.
const PALETTE: usize = 256;

/// The header, if the file is one of these kinds.
pub(super) fn head(path: &Path, bytes: &[u8]) -> Result<Option<Head>> {
    let fail = |error| explain(path, &error);
    let mut decoder = Decoder::new(Cursor::new(bytes)).map_err(fail)?;
    let format = decoder.find_tag_unsigned_vec::<u16>(Tag::SampleFormat).ok().flatten();
    let format = format.and_then(|formats| formats.first().copied()).unwrap_or(UNSIGNED);
    let bytes_per_pixel = match decoder.colortype().map_err(fail)? {
        // What is decoded, and what it becomes.
        ColorType::Gray(8 | 16) if format != UNSIGNED => 2 + 4,
        ColorType::Gray(bits @ (32 | 64)) => u64::from(bits) / 8 + 4,
        ColorType::Palette(8) => 1 + 3,
        _ => return Ok(None),
    };
    let (width, height) = decoder.dimensions().map_err(fail)?;
    let tag = decoder.find_tag_unsigned::<u8>(Tag::Orientation).ok().flatten();
    Ok(Some(Head { width, height, bytes_per_pixel, orientation: Orientation::new(tag.unwrap_or(1)) }))
}

/// The pixels of such a file.
pub(super) fn decode(
    path: &Path,
    bytes: &[u8],
    limits: &limits::DecodeLimits,
    orientation: Orientation,
) -> Result<Picture> {
    let fail = |error| explain(path, &error);
    let mut decoder = Decoder::new(Cursor::new(bytes)).map_err(fail)?.with_limits(allocation(limits));
    let (width, height) = decoder.dimensions().map_err(fail)?;
    let palette = match decoder.colortype().map_err(fail)? {
        ColorType::Palette(_) => Some(decoder.get_tag_u16_vec(Tag::ColorMap).map_err(fail)?),
        _ => None,
    };
    let inverted = decoder.find_tag_unsigned::<u16>(Tag::PhotometricInterpretation).ok().flatten()
        == Some(PhotometricInterpretation::WhiteIsZero.to_u16());
    let real = |values: Vec<f32>, full: f64| Samples::Real { values, full };
    let samples = match decoder.read_image().map_err(fail)? {
        DecodingResult::U8(values) => match palette {
            Some(palette) => Samples::Byte(look_up(path, &values, &palette)?),
            None => Samples::Byte(values),
        },
        DecodingResult::I8(values) => real(values.into_iter().map(f32::from).collect(), f64::from(i8::MAX)),
        DecodingResult::I16(values) => real(values.into_iter().map(f32::from).collect(), f64::from(i16::MAX)),
        DecodingResult::U32(values) => real(values.into_iter().map(|v| v as f32).collect(), f64::from(u32::MAX)),
        DecodingResult::I32(values) => real(values.into_iter().map(|v| v as f32).collect(), f64::from(i32::MAX)),
        DecodingResult::U64(values) => real(values.into_iter().map(|v| v as f32).collect(), u64::MAX as f64),
        DecodingResult::I64(values) => real(values.into_iter().map(|v| v as f32).collect(), i64::MAX as f64),
        DecodingResult::F32(values) => real(values, 1.0),
        DecodingResult::F64(values) => real(values.into_iter().map(|v| v as f32).collect(), 1.0),
        _ => return Err(unsupported(path, Format::Tiff, "its sample type")),
    };
    if inverted && matches!(samples, Samples::Real { .. }) {
        return Err(unsupported(path, Format::Tiff, "white is zero in samples that are not 8 or 16 unsigned bits"));
    }
    let channels = if matches!(samples, Samples::Byte(_)) { 3 } else { 1 };
    Ok(Picture { width, height, channels, samples, orientation, lossy: false })
}

/// TIFF's palette holds all reds, then all greens, then all blues, at 16 bits.
fn look_up(path: &Path, values: &[u8], palette: &[u16]) -> Result<Vec<u8>> {
    if palette.len() < 3 * PALETTE {
        return Err(damaged(path, "its palette is too short"));
    }
    let mut out = Vec::with_capacity(values.len() * 3);
    for value in values {
        for channel in 0..3 {
            out.push((palette[channel * PALETTE + usize::from(*value)] >> 8) as u8);
        }
    }
    Ok(out)
}

fn allocation(limits: &DecodeLimits) -> Limits {
    let mut bound = Limits::default();
    bound.decoding_buffer_size = usize::try_from(limits.max_bytes).unwrap_or(usize::MAX);
    bound.intermediate_buffer_size = bound.decoding_buffer_size;
    bound
}

fn explain(path: &Path, error: &TiffError) -> Error {
    match error {
        TiffError::UnsupportedError(what) => unsupported(path, Format::Tiff, &what.to_string()),
        TiffError::IoError(found) if found.kind() == std::io::ErrorKind::UnexpectedEof => truncated(path, Format::Tiff),
        TiffError::LimitsExceeded => Error::content(
            path,
            "needs more memory than the limit allows",
            "reduce the image or leave it out of the dataset",
        ),
        other => damaged(path, &other.to_string()),
    }
}
