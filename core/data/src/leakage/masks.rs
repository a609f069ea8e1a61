//! That masks can be read and lie over their images.

use std::path::Path;

use super::fingerprint::Fingerprint;
use crate::decode::{self, DecodeLimits};
use crate::error::{Error, Result};

/// A mask's sides may be in another proportion than its image's by this share: both were rounded to whole pixels, perhaps
/// in other resolutions.
const TOLERANCE: f64 = 0.02;

/// Reads a mask whole and holds its proportions against its image's, where that could be read; a mask is turned as its
/// image is, so that either way up counts.
pub(super) fn check(mask: &Path, image: Option<&Fingerprint>, limits: &DecodeLimits) -> Result<()> {
    let picture = decode::decode(mask, &decode::read_bytes(mask, limits)?, limits)?;
    let Some((width, height)) = image.map(|image| image.size) else { return Ok(()) };
    let proportion = |width: u32, height: u32| f64::from(width) / f64::from(height);
    let fits = |other: f64| (proportion(picture.width, picture.height) / other - 1.0).abs() <= TOLERANCE;
    if fits(proportion(width, height)) || fits(proportion(height, width)) {
        return Ok(());
    }
    let problem = format!(
        "a mask of {} x {} pixels does not lie over its image of {width} x {height}",
        picture.width, picture.height
    );
    Err(Error::content(mask, problem, "replace the mask or correct [masks] in the manifest"))
}
