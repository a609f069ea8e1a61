//! Each image decoded once, into memory-mapped files of 8-bit pixels at the network's size.
//!
//! A cache folder holds one folder per [`CacheSpec`] (size, channels, intensity, CLAHE, version of the decoding code),
//! and in it *segments*: files that are written once, synced, renamed into place and never changed. A segment lists
//! the content hashes of the image files whose pixels it holds, so that
//!
//! * whatever list of images is asked for (a fold, a dataset less its copies), only images never seen are decoded, into
//!   one more segment; a few changed images cost a few decodes;
//! * a file with two names is stored once;
//! * any number of processes may open and build at once: one builds, the others wait and then read its segment.
//!
//! A segment whose header or length is not what it was written with is deleted and built again. Pixels are the owner's
//! alone (folders 0700, files 0600).

mod build;
mod folder;
mod known_files;
mod segment;
mod spec;

use std::path::Path;
use std::sync::Arc;

pub use spec::CacheSpec;

use crate::dataset::ImageRecord;
use crate::decode::Progress;
use crate::error::{Error, Result};
use segment::Segment;

/// The pixels of a list of images, by their place in that list.
#[derive(Debug, Clone)]
pub struct DecodeCache {
    spec: CacheSpec,
    images: Vec<Place>,
    bad: Vec<(usize, String)>,
    decoded: usize,
}

/// Where an image's pixels are: the segment and the place in it; none for a bad image.
type Place = Option<(Arc<Segment>, usize)>;

impl DecodeCache {
    /// Opens the cache of `images` under `folder`, decoding on all cores what it lacks.
    ///
    /// Images that cannot be read or decoded are left out and told by [`bad`](Self::bad); when they are more than
    /// `max_bad_fraction` of all, that is an error which names the first of them. A full disk is an error before
    /// anything is decoded, or as soon as it is met.
    pub fn open_or_build(
        folder: &Path,
        images: &[&ImageRecord],
        spec: &CacheSpec,
        progress: Progress<'_>,
        max_bad_fraction: f64,
    ) -> Result<Self> {
        spec.check()?;
        let built = build::open_or_build(folder, images, spec, progress)?;
        let cache = Self { spec: *spec, images: built.places, bad: built.bad, decoded: built.decoded };
        cache.check_bad(max_bad_fraction)?;
        Ok(cache)
    }

    fn check_bad(&self, max_bad_fraction: f64) -> Result<()> {
        let Some((_, first)) = self.bad.first() else { return Ok(()) };
        let (bad, all) = (self.bad.len(), self.images.len());
        if bad < all && bad as f64 <= max_bad_fraction * all as f64 {
            return Ok(());
        }
        let share = max_bad_fraction * 100.0;
        let problem = format!("{bad} of {all} images cannot be read (at most {share}% may), the first being: {first}");
        Err(Error::argument(problem, "`data check` names them all"))
    }

    /// The pixels of image `index` (HWC); `None` if it is bad or there is no such index.
    pub fn image(&self, index: usize) -> Option<&[u8]> {
        let (segment, at) = self.images.get(index)?.as_ref()?;
        segment.pixels(*at)
    }

    /// How many images were asked for, bad ones included.
    pub fn len(&self) -> usize {
        self.images.len()
    }

    /// True for an empty list.
    pub fn is_empty(&self) -> bool {
        self.images.is_empty()
    }

    /// The images left out, as (index, error that names the file), by index.
    pub fn bad(&self) -> &[(usize, String)] {
        &self.bad
    }

    /// How many images had to be decoded; the others were there.
    pub fn decoded(&self) -> usize {
        self.decoded
    }

    /// What the pixels are.
    pub fn spec(&self) -> &CacheSpec {
        &self.spec
    }
}
