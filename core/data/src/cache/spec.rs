//! What makes two caches different.

use crate::decode::{DecodeLimits, DecodeOptions};
use crate::error::{Error, Result};
use crate::manifest::{Channels, Clahe, Intensity, Manifest};

/// Rises whenever decoding or resizing gives other pixels for the same file, so that old caches are not taken for new.
const DECODING_VERSION: u32 = 2;
/// No network takes more; a larger side is a slip of the pen that would fill the disk.
const MAX_SIDE: u32 = 16_384;

/// How images are decoded and brought to size.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CacheSpec {
    /// The network's width and height.
    pub size: (u32, u32),
    /// One or three channels.
    pub channels: Channels,
    /// The rule for more than 8 bits.
    pub intensity: Intensity,
    /// CLAHE before resizing.
    pub clahe: Option<Clahe>,
}

impl CacheSpec {
    /// As a manifest says, at `size` (width, height).
    pub fn of(manifest: &Manifest, size: (u32, u32)) -> Self {
        Self { size, channels: manifest.channels, intensity: manifest.intensity, clahe: manifest.clahe }
    }

    /// Bytes of one image.
    pub fn image_bytes(&self) -> usize {
        self.size.0 as usize * self.size.1 as usize * self.channels.count()
    }

    /// Name of the folder of its segments.
    pub(super) fn key(&self) -> String {
        let text =
            format!("{DECODING_VERSION} {:?} {:?} {:?} {:?}", self.size, self.channels, self.intensity, self.clahe);
        let hash = blake3::hash(text.as_bytes()).to_hex();
        format!("{}x{}x{}-{}", self.size.0, self.size.1, self.channels.count(), &hash[..16])
    }

    pub(super) fn check(&self) -> Result<()> {
        let (width, height) = self.size;
        if (1..=MAX_SIDE).contains(&width) && (1..=MAX_SIDE).contains(&height) {
            return Ok(());
        }
        let problem = format!("an image size of {width} x {height} cannot be used");
        Err(Error::argument(problem, format!("use sides from 1 to {MAX_SIDE}")))
    }

    pub(super) fn decode_options(&self) -> DecodeOptions {
        DecodeOptions {
            channels: self.channels,
            intensity: self.intensity,
            clahe: self.clahe,
            limits: DecodeLimits::default(),
        }
    }
}
