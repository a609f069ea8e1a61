//! That a file is there to its end: decoders fill what is missing with grey and say nothing.

use std::path::Path;

use super::decoder::truncated;
use super::format::Format;
use crate::error::Result;

/// Refuses a file that ends before its format says it does. TIFF and BMP name byte ranges, which their decoders check.
pub(super) fn check(path: &Path, bytes: &[u8], format: Format) -> Result<()> {
    let whole = match format {
        Format::Jpeg => jpeg(bytes),
        Format::Png => png(bytes),
        Format::WebP => webp(bytes),
        Format::Tiff | Format::Bmp => true,
    };
    if whole { Ok(()) } else { Err(truncated(path, format)) }
}

/// Walks the segments by their lengths (so that a thumbnail inside one is passed over) and the scans by their markers,
/// up to the end-of-image marker.
fn jpeg(bytes: &[u8]) -> bool {
    const END_OF_IMAGE: u8 = 0xd9;
    let mut at = 2;
    let mut in_scan = false;
    while let Some(rest) = bytes.get(at..) {
        let Some(offset) = rest.iter().position(|byte| *byte == 0xff) else { return false };
        // Outside a scan, bytes between segments are padding, which decoders skip as well.
        at += offset + 1;
        match bytes.get(at) {
            None => return false,
            Some(&END_OF_IMAGE) => return true,
            // A stuffed zero, a fill byte, a restart or a marker without content.
            Some(0xff) => {}
            Some(0x00 | 0x01 | 0xd0..=0xd8) => at += 1,
            Some(&marker) => {
                let Some(length) = bytes.get(at + 1..at + 3) else { return false };
                let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
                // Within a scan a marker with an impossible length is damage that decoders read past.
                at += if in_scan && length < 2 { 1 } else { 1 + length.max(2) };
                in_scan |= marker == 0xda;
            }
        }
    }
    false
}

/// Walks the chunks to `IEND`.
fn png(bytes: &[u8]) -> bool {
    let mut at = 8_usize;
    while let Some(head) = bytes.get(at..at.saturating_add(8)) {
        let length = u32::from_be_bytes([head[0], head[1], head[2], head[3]]) as usize;
        let end = at.saturating_add(length).saturating_add(12);
        if end > bytes.len() {
            return false;
        }
        if &head[4..] == b"IEND" {
            return true;
        }
        at = end;
    }
    false
}

/// The RIFF header names the length of what follows it.
fn webp(bytes: &[u8]) -> bool {
    match bytes {
        [_, _, _, _, a, b, c, d, ..] => bytes.len() as u64 >= u64::from(u32::from_le_bytes([*a, *b, *c, *d])) + 8,
        _ => false,
    }
}
