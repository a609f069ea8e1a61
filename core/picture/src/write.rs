//! Files that are either whole or absent: written beside their place, synced, then renamed.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use image::ImageEncoder;
use image::codecs::png::PngEncoder;

use crate::PictureError;
use crate::overlay::Picture;

/// Writes the picture as PNG: the file is whole or absent.
///
/// # Errors
/// When the picture is too large for PNG or the file cannot be written.
pub fn write_png(path: &Path, picture: &Picture) -> Result<(), PictureError> {
    let mut bytes = Vec::new();
    // A side beyond u32 is refused by the encoder, as the pixels do not fit the size.
    let [width, height] = [picture.width, picture.height].map(|side| u32::try_from(side).unwrap_or(u32::MAX));
    let color = image::ExtendedColorType::Rgb8;
    let expected = picture.width.saturating_mul(picture.height).saturating_mul(3);
    if picture.pixels.len() != expected {
        return Err(PictureError::Size { what: "picture", expected, found: picture.pixels.len() });
    }
    PngEncoder::new(&mut bytes)
        .write_image(&picture.pixels, width, height, color)
        .map_err(|source| PictureError::Encode { path: path.into(), source })?;
    write_whole(path, &bytes)
}

/// Writes `bytes` so that a crash leaves the old file or the new one, never a part.
pub(super) fn write_whole(path: &Path, bytes: &[u8]) -> Result<(), PictureError> {
    static CALLS: AtomicU64 = AtomicU64::new(0);
    let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let call = CALLS.fetch_add(1, Ordering::Relaxed);
    let temporary = path.with_file_name(format!(".{name}.{}.{call}.tmp", std::process::id()));
    let written = (|| {
        let mut file = File::options().write(true).create_new(true).open(&temporary)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&temporary, path)
    })();
    written.map_err(|source| {
        // What could not be finished is not left behind; that it cannot be removed either changes nothing.
        let _ = fs::remove_file(&temporary);
        PictureError::Io { action: "write", path: path.into(), source }
    })
}
