//! What is refused for its size, before memory is taken for it.

use std::path::Path;

use crate::error::{Error, Result};

/// Bounds on one image. The defaults let any radiograph pass and stop a file that unpacks to gigabytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DecodeLimits {
    /// Most bytes of the file itself.
    pub max_file_bytes: u64,
    /// Most pixels (width times height).
    pub max_pixels: u64,
    /// Most bytes that decoding may take.
    pub max_bytes: u64,
}

impl Default for DecodeLimits {
    /// 512 MiB of file, 100 million pixels (a large mammogram has 17), 1 GiB of memory.
    fn default() -> Self {
        Self { max_file_bytes: 512 << 20, max_pixels: 100_000_000, max_bytes: 1 << 30 }
    }
}

impl DecodeLimits {
    pub(super) fn check_file(&self, path: &Path, bytes: u64) -> Result<()> {
        if bytes > self.max_file_bytes {
            let problem = format!("{bytes} bytes of file are above the limit of {}", self.max_file_bytes);
            return Err(Error::content(path, problem, "reduce the image or leave it out of the dataset"));
        }
        Ok(())
    }

    /// Checks a header's size, `bytes_per_pixel` being the decoded one's.
    pub(super) fn check_size(&self, path: &Path, width: u32, height: u32, bytes_per_pixel: u64) -> Result<()> {
        let pixels = u64::from(width) * u64::from(height);
        let remedy = "reduce the image or leave it out of the dataset";
        if pixels == 0 {
            return Err(super::damaged(path, &format!("{width} x {height} pixels")));
        }
        if pixels > self.max_pixels {
            let problem = format!("{width} x {height} pixels ({pixels}) are above the limit of {}", self.max_pixels);
            return Err(Error::content(path, problem, remedy));
        }
        let bytes = pixels.saturating_mul(bytes_per_pixel);
        if bytes > self.max_bytes {
            let limit = self.max_bytes;
            let problem = format!("{width} x {height} pixels take {bytes} bytes, above the limit of {limit}");
            return Err(Error::content(path, problem, remedy));
        }
        Ok(())
    }
}
