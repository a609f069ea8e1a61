//! The formats' decoders: header first, pixels after.

use std::io::Cursor;
use std::path::Path;

use image::{ColorType, DynamicImage, ImageDecoder, ImageError, ImageReader, Limits};

use super::format::Format;
use super::limits::DecodeLimits;
use super::orientation::Orientation;
use super::samples::{Picture, Samples};
use super::{damaged, tiff_extra};
use crate::error::{Error, Result};

/// What a header says.
pub(super) struct Head {
    pub width: u32,
    pub height: u32,
    pub orientation: Orientation,
    /// A TIFF of a kind that only [`tiff_extra`] reads.
    extra: bool,
}

/// Reads a header and checks it against the limits.
pub(super) fn head(path: &Path, bytes: &[u8], format: Format, limits: &DecodeLimits) -> Result<Head> {
    if format == Format::Tiff
        && let Some(found) = tiff_extra::head(path, bytes)?
    {
        limits.check_size(path, found.width, found.height, found.bytes_per_pixel)?;
        return Ok(Head { width: found.width, height: found.height, orientation: found.orientation, extra: true });
    }
    let mut decoder = open(path, bytes, format, limits)?;
    let (width, height) = decoder.dimensions();
    limits.check_size(path, width, height, u64::from(decoder.color_type().bytes_per_pixel()))?;
    // A damaged EXIF block is no reason to refuse the picture.
    let orientation = decoder.orientation().map_or(Orientation::Upright, |found| Orientation::new(found.to_exif()));
    Ok(Head { width, height, orientation, extra: false })
}

/// Decodes the pixels behind a header that was found good.
pub(super) fn decode(path: &Path, bytes: &[u8], format: Format, limits: &DecodeLimits, head: &Head) -> Result<Picture> {
    if head.extra {
        return tiff_extra::decode(path, bytes, limits, head.orientation);
    }
    let mut decoder = open(path, bytes, format, limits)?;
    decoder.set_limits(allocation(limits)).map_err(|error| explain(path, format, &error))?;
    let color = decoder.color_type();
    let image = DynamicImage::from_decoder(decoder).map_err(|error| explain(path, format, &error))?;
    let (width, height) = (image.width(), image.height());
    let channels = usize::from(color.channel_count());
    let samples = match image {
        DynamicImage::ImageLuma8(image) => Samples::Byte(image.into_raw()),
        DynamicImage::ImageLumaA8(image) => Samples::Byte(image.into_raw()),
        DynamicImage::ImageRgb8(image) => Samples::Byte(image.into_raw()),
        DynamicImage::ImageRgba8(image) => Samples::Byte(image.into_raw()),
        DynamicImage::ImageLuma16(image) => Samples::Word(image.into_raw()),
        DynamicImage::ImageLumaA16(image) => Samples::Word(image.into_raw()),
        DynamicImage::ImageRgb16(image) => Samples::Word(image.into_raw()),
        DynamicImage::ImageRgba16(image) => Samples::Word(image.into_raw()),
        DynamicImage::ImageRgb32F(image) => Samples::Real { values: image.into_raw(), full: 1.0 },
        DynamicImage::ImageRgba32F(image) => Samples::Real { values: image.into_raw(), full: 1.0 },
        _ => return Err(unsupported(path, format, &format!("its pixel type {color:?}"))),
    };
    let keep = if matches!(color, ColorType::L8 | ColorType::La8 | ColorType::L16 | ColorType::La16) { 1 } else { 3 };
    let samples = samples.take_channels(channels, keep);
    let lossy = format == Format::Jpeg || format == Format::WebP;
    Ok(Picture { width, height, channels: keep, samples, orientation: head.orientation, lossy })
}

fn open<'a>(
    path: &Path,
    bytes: &'a [u8],
    format: Format,
    limits: &DecodeLimits,
) -> Result<impl ImageDecoder + use<'a>> {
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format.for_decoder());
    reader.limits(allocation(limits));
    reader.into_decoder().map_err(|error| explain(path, format, &error))
}

fn allocation(limits: &DecodeLimits) -> Limits {
    let mut bound = Limits::default();
    bound.max_alloc = Some(limits.max_bytes);
    bound
}

/// A decoder's error in this crate's words.
fn explain(path: &Path, format: Format, error: &ImageError) -> Error {
    match error {
        ImageError::Unsupported(found) => unsupported(path, format, &found.to_string()),
        ImageError::Limits(found) => {
            let problem = format!("needs more memory than the limit allows ({found})");
            Error::content(path, problem, "reduce the image or leave it out of the dataset")
        }
        ImageError::IoError(found) if found.kind() == std::io::ErrorKind::UnexpectedEof => truncated(path, format),
        other => damaged(path, &other.to_string()),
    }
}

/// A file that ends too early.
pub(super) fn truncated(path: &Path, format: Format) -> Error {
    damaged(path, &format!("truncated {} (the file ends before the picture does)", format.name()))
}

/// A format's rarity that is not read.
pub(super) fn unsupported(path: &Path, format: Format, what: &str) -> Error {
    let problem = format!("a {} of a kind that is not read ({what})", format.name());
    Error::content(path, problem, "save it as an 8- or 16-bit PNG or TIFF")
}
