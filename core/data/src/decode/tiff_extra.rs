//! TIFFs that the common way refuses: grey in signed, wide and floating-point samples, grey with a second channel, and
//! palettes.

use std::borrow::Cow;
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
    let (bytes, palette) = indices_as_grey(bytes);
    let mut decoder = Decoder::new(Cursor::new(bytes.as_ref())).map_err(fail)?;
    let format = decoder.find_tag_unsigned_vec::<u16>(Tag::SampleFormat).ok().flatten();
    let format = format.and_then(|formats| formats.first().copied()).unwrap_or(UNSIGNED);
    let bytes_per_pixel = match decoder.colortype().map_err(fail)? {
        // What is decoded, and what it becomes.
        ColorType::Gray(8) if palette => 1 + 3,
        ColorType::Gray(8 | 16) if format != UNSIGNED => 2 + 4,
        ColorType::Gray(bits @ (32 | 64)) => u64::from(bits) / 8 + 4,
        // Grey with an alpha channel that is not declared as one.
        ColorType::Multiband { bit_depth: bits @ (8 | 16), num_samples: 2 } => u64::from(bits) / 8 * 2,
        _ if palette => return Err(unsupported(path, Format::Tiff, "a palette of other than 8 bits")),
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
    let (bytes, has_palette) = indices_as_grey(bytes);
    let mut decoder = Decoder::new(Cursor::new(bytes.as_ref())).map_err(fail)?.with_limits(allocation(limits));
    let (width, height) = decoder.dimensions().map_err(fail)?;
    let palette = if has_palette { Some(decoder.get_tag_u16_vec(Tag::ColorMap).map_err(fail)?) } else { None };
    let inverted = decoder.find_tag_unsigned::<u16>(Tag::PhotometricInterpretation).ok().flatten()
        == Some(PhotometricInterpretation::WhiteIsZero.to_u16());
    let real = |values: Vec<f32>, full: f64| Samples::Real { values, full };
    let samples = match decoder.read_image().map_err(fail)? {
        DecodingResult::U8(values) => match palette {
            Some(palette) => Samples::Byte(look_up(path, &values, &palette)?),
            None => Samples::Byte(values),
        },
        DecodingResult::U16(values) => Samples::Word(values),
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
    if inverted {
        return Err(unsupported(path, Format::Tiff, "white is zero in samples of a rare type"));
    }
    let channels = if has_palette { 3 } else { 1 };
    let pixels = width as usize * height as usize;
    let samples = if samples.len() == 2 * pixels { samples.take_channels(2, 1) } else { samples };
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

/// The decoder refuses palettes; told that the indices are grey values, it reads them. Gives the file with that changed,
/// and whether it was (for a classic TIFF, by its first directory).
fn indices_as_grey(bytes: &[u8]) -> (Cow<'_, [u8]>, bool) {
    match photometric_place(bytes) {
        Some(place) => {
            let mut changed = bytes.to_vec();
            // Little- and big-endian alike: 3 (palette) becomes 1 (black is zero) in the byte that holds it.
            changed[place] = PhotometricInterpretation::BlackIsZero.to_u16() as u8;
            (Cow::Owned(changed), true)
        }
        None => (Cow::Borrowed(bytes), false),
    }
}

/// Where the low byte of the photometric interpretation stands, if that is "palette".
fn photometric_place(bytes: &[u8]) -> Option<usize> {
    let little = bytes.starts_with(b"II*\0");
    if !little && !bytes.starts_with(b"MM\0*") {
        return None;
    }
    let word = |at: usize| -> Option<u16> {
        let two = bytes.get(at..at.checked_add(2)?)?.try_into().ok()?;
        Some(if little { u16::from_le_bytes(two) } else { u16::from_be_bytes(two) })
    };
    let four = bytes.get(4..8)?.try_into().ok()?;
    let directory = if little { u32::from_le_bytes(four) } else { u32::from_be_bytes(four) } as usize;
    let entries = usize::from(word(directory)?);
    let entry = (0..entries).map(|index| directory + 2 + index * 12);
    let found = entry.into_iter().find(|at| word(*at) == Some(Tag::PhotometricInterpretation.to_u16()))?;
    let is_palette = word(found + 8)? == PhotometricInterpretation::RGBPalette.to_u16();
    is_palette.then_some(if little { found + 8 } else { found + 9 })
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
