//! Images that appear more than once, within and across the split.
//!
//! [`check`] reads every image and mask once and says: which cannot be read; which held-out images decode to the same pixels as
//! one that is trained on; which look almost the same; which groups (patients) are on both sides; where identical
//! images carry different labels. [`dedup`] drops the training copies of test images.
//!
//! *Identical* means: the same width, height and 8-bit red, green and blue after decoding by the dataset's intensity
//! rule, whatever the file format. *Near* means: perceptual hashes within [`NEAR_BITS`] bits of 63 and 32 x 32
//! thumbnails that correlate by at least [`NEAR_CORRELATION`]. Both bounds were set on brain MRI slices, which all look
//! alike to a perceptual hash alone: re-compression (JPEG quality 40), resizing to 60 % and a change of brightness and
//! contrast stay within 4 bits and above 0.995, while slices of other heads that are within 6 bits correlate less.
//! Mirrored, rotated and cropped copies are not found.

pub mod dedup;
mod exact;
mod fingerprint;
mod masks;
mod near;
mod report;

use rayon::prelude::*;

pub use near::{NEAR_BITS, NEAR_CORRELATION};
pub use report::{
    ClassCounts, ClassLeft, Cluster, Copies, Crossing, LabelConflict, Labelled, LeakageReport, LookAlike, Unreadable,
};

use crate::dataset::{Dataset, Split};
use crate::decode::{Counter, DecodeLimits, DecodeOptions, Progress};
use crate::error::Result;
use crate::manifest::Channels;
use fingerprint::Fingerprint;

/// The pairs of parts between which a copy leaks: what is held out, and what it must not share images with.
const CROSSINGS: [(Split, Split); 3] =
    [(Split::Test, Split::Train), (Split::Test, Split::Validation), (Split::Validation, Split::Train)];

/// Reads all images of a dataset, on all cores, and reports what it finds.
///
/// Open the dataset with [`Dataset::open_with_copies`] to see the copies that were dropped before.
pub fn check(dataset: &Dataset, progress: Progress<'_>) -> Result<LeakageReport> {
    let options = DecodeOptions {
        channels: Channels::Colour,
        intensity: dataset.manifest().intensity,
        clahe: None,
        limits: DecodeLimits::default(),
    };
    let images = dataset.images();
    let counter = Counter::new(progress, images.len());
    let read: Vec<(Result<Fingerprint>, Result<()>)> = images
        .par_iter()
        .map(|image| {
            if let Err(cancelled) = counter.check() {
                return (Err(cancelled), Ok(()));
            }
            let found = fingerprint::of(&image.path, &options);
            let mask = image.mask.as_deref().map(|mask| masks::check(mask, found.as_ref().ok(), &options.limits));
            counter.step();
            (found, mask.unwrap_or(Ok(())))
        })
        .collect();
    counter.check()?;

    let (mut unreadable, mut bad_masks) = (Vec::new(), Vec::new());
    let mut prints = Vec::with_capacity(images.len());
    for (image, (found, mask)) in images.iter().zip(read) {
        if let Err(error) = mask {
            bad_masks.push(Unreadable { image: image.id.clone(), reason: error.to_string() });
        }
        match found {
            Ok(print) => prints.push(Some(print)),
            Err(error) => {
                unreadable.push(Unreadable { image: image.id.clone(), reason: error.to_string() });
                prints.push(None);
            }
        }
    }
    let clusters = exact::clusters(&prints);
    let look_alikes = near::find(&prints, &clusters);
    let crossings = CROSSINGS
        .iter()
        .filter_map(|&(held, other)| exact::crossing(dataset, &prints, &clusters, &look_alikes, held, other));
    Ok(LeakageReport {
        dataset: dataset.name().to_owned(),
        images: images.len(),
        counts: report::count_classes(dataset, |_| true),
        crossings: crossings.collect(),
        repeats: exact::repeats(dataset, &clusters),
        across_groups: exact::across_groups(dataset, &clusters),
        label_conflicts: exact::label_conflicts(dataset, &clusters),
        look_alikes: look_alikes.sets(dataset, &clusters),
        unreadable,
        bad_masks,
    })
}
