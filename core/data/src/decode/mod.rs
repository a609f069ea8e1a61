//! Reading image files: formats, limits, orientation and the intensity rule.
//!
//! The order is fixed: the format by the file's content; size limits from its header, before any pixel is allocated;
//! that the file is complete; decoding at full depth; alpha dropped (the colour as stored, as Pillow's `convert("RGB")`
//! does); one or three channels; the [`Intensity`] rule where there are more than 8 bits; CLAHE;
//! orientation. Of a file with several pages or frames the first is read.
//!
//! JPEG pixels differ from libjpeg's by a level or two (another inverse cosine transform and chroma upsampling, both
//! within the standard); all other formats are read bit for bit.

mod clahe;
mod complete;
mod decoder;
mod format;
mod grey;
mod intensity;
mod limits;
mod orientation;
mod progress;
mod samples;
mod tiff_extra;

use std::io::Read;
use std::path::Path;

pub use clahe::clahe;
pub use format::Format;
pub use limits::DecodeLimits;
pub use progress::{Progress, silent};

use crate::error::{Error, Result};
use crate::manifest::{Channels, Clahe, Intensity};
pub(crate) use grey::luma;
pub(crate) use orientation::{Orientation, apply as turn_upright};
pub(crate) use progress::Counter;
pub(crate) use samples::{Picture, Samples};

/// How an image is read.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct DecodeOptions {
    /// One or three channels.
    pub channels: Channels,
    /// The rule for more than 8 bits.
    pub intensity: Intensity,
    /// CLAHE on the 8-bit image.
    pub clahe: Option<Clahe>,
    /// What is refused for its size.
    pub limits: DecodeLimits,
}

/// An upright 8-bit image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DecodedImage {
    /// Columns.
    pub width: u32,
    /// Rows.
    pub height: u32,
    /// 1 or 3.
    pub channels: usize,
    /// `height * width * channels` bytes: rows from the top, pixels from the left, channels together (HWC).
    pub pixels: Vec<u8>,
}

/// Reads an image file.
pub fn read(path: &Path, options: &DecodeOptions) -> Result<DecodedImage> {
    let bytes = read_bytes(path, &options.limits)?;
    from_bytes(path, &bytes, options)
}

/// Decodes the bytes of an image file; `path` is named in errors only.
pub fn from_bytes(path: &Path, bytes: &[u8], options: &DecodeOptions) -> Result<DecodedImage> {
    let picture = decode(path, bytes, &options.limits)?;
    let (width, height, turn) = (picture.width, picture.height, picture.orientation);
    let channels = options.channels.count();
    // A grey image meets the intensity rule before it is repeated, so that it comes out the same in one channel and three.
    let samples = if channels == 1 { grey::to_grey(picture) } else { picture.samples };
    let mut pixels = intensity::to_bytes(samples, options.intensity);
    if pixels.len() < width as usize * height as usize * channels {
        pixels = grey::thrice(&pixels);
    }
    if let Some(settings) = options.clahe {
        clahe::apply(&mut pixels, width as usize, height as usize, channels, &settings);
    }
    let (width, height, pixels) = turn_upright(turn, width, height, channels, pixels);
    Ok(DecodedImage { width, height, channels, pixels })
}

/// Width and height as shown (after orientation), from the file's header.
pub fn dimensions(path: &Path, limits: &DecodeLimits) -> Result<(u32, u32)> {
    let (width, height, orientation) = stored_geometry(path, limits)?;
    Ok(orientation.size(width, height))
}

/// Width and height as stored, and how the image has to be turned, from the file's header.
pub(crate) fn stored_geometry(path: &Path, limits: &DecodeLimits) -> Result<(u32, u32, Orientation)> {
    let bytes = read_bytes(path, limits)?;
    let format = Format::of(path, &bytes)?;
    let head = guarded(path, || decoder::head(path, &bytes, format, limits))?;
    Ok((head.width, head.height, head.orientation))
}

/// The image as stored and how it has to be turned, at full depth.
pub(crate) fn decode(path: &Path, bytes: &[u8], limits: &DecodeLimits) -> Result<Picture> {
    let format = Format::of(path, bytes)?;
    guarded(path, || {
        let head = decoder::head(path, bytes, format, limits)?;
        complete::check(path, bytes, format)?;
        let picture = decoder::decode(path, bytes, format, limits, &head)?;
        // What follows counts on it.
        let pixels = picture.width as usize * picture.height as usize;
        if picture.samples.len() != pixels * picture.channels || !matches!(picture.channels, 1 | 3) {
            return Err(damaged(path, "its pixels do not fill its size"));
        }
        Ok(picture)
    })
}

/// A file's bytes, no more of them than the limits allow.
pub(crate) fn read_bytes(path: &Path, limits: &DecodeLimits) -> Result<Vec<u8>> {
    let failed = |source| Error::io("read", path, source);
    let metadata = std::fs::metadata(path).map_err(failed)?;
    // A pipe or a device would never end.
    if !metadata.is_file() {
        return Err(Error::content(path, "not a regular file", "name an image file"));
    }
    limits.check_file(path, metadata.len())?;
    let file = std::fs::File::open(path).map_err(failed)?;
    let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or(0));
    file.take(limits.max_file_bytes.saturating_add(1)).read_to_end(&mut bytes).map_err(failed)?;
    limits.check_file(path, bytes.len() as u64)?;
    Ok(bytes)
}

/// A decoder that panics on damaged bytes must cost one image, not the job.
fn guarded<T>(path: &Path, work: impl FnOnce() -> Result<T>) -> Result<T> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(work)).unwrap_or_else(|_| Err(damaged(path, PANICKED)))
}

/// What an error says when a decoder panicked; tests look for it.
const PANICKED: &str = "its decoder gave up on the damage";

/// A file whose content is broken.
fn damaged(path: &Path, problem: &str) -> Error {
    Error::content(path, format!("damaged image: {problem}"), "replace the file or leave it out of the dataset")
}
