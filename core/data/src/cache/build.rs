//! Finding what a cache has, and decoding what it lacks.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use rayon::prelude::*;

use super::segment::{Hash, Segment, UNUSED, Writer};
use super::{CacheSpec, Place, folder, known_files};
use crate::dataset::ImageRecord;
use crate::decode::{self, Counter, Progress};
use crate::error::{Error, Result};
use crate::geometry;

/// What [`open_or_build`] found and made.
pub(super) struct Built {
    pub places: Vec<Place>,
    pub bad: Vec<(usize, String)>,
    pub decoded: usize,
}

/// The pixels of each image file that is there, by its content.
type Index = HashMap<Hash, (Arc<Segment>, usize)>;
/// Why an image file could not be decoded, and which of the images it was.
type Failures = HashMap<Hash, (usize, String)>;

pub(super) fn open_or_build(
    cache: &Path,
    images: &[&ImageRecord],
    spec: &CacheSpec,
    progress: Progress<'_>,
) -> Result<Built> {
    folder::make_private(cache)?;
    let folder = cache.join(spec.key());
    folder::make_private(&folder)?;
    let counter = Counter::new(progress, images.len());
    let paths: Vec<&Path> = images.iter().map(|image| image.path.as_path()).collect();
    let hashes = known_files::hash_all(cache, &paths, &counter)?;

    let mut index = open_segments(&folder, spec)?;
    let mut failures = Failures::new();
    let mut decoded = 0;
    if !missing(&hashes, &index).is_empty() {
        let lock = folder::lock(&folder, &|| counter.is_cancelled())?;
        lock.clear_unfinished(&folder);
        // Whoever held the lock may have built the same.
        index = open_segments(&folder, spec)?;
        let missing = missing(&hashes, &index);
        if !missing.is_empty() {
            counter.skip(images.len() - missing.len());
            failures = build_segment(&folder, &missing, &paths, spec, &counter)?;
            decoded = missing.len() - failures.len();
            index = open_segments(&folder, spec)?;
        }
    }
    Ok(place(&hashes, &paths, &index, &failures, decoded))
}

fn open_segments(folder: &Path, spec: &CacheSpec) -> Result<Index> {
    let mut index = Index::new();
    for segment in Segment::open_all(folder, spec.image_bytes())? {
        let segment = Arc::new(segment);
        for (at, hash) in segment.hashes().iter().enumerate().filter(|(_, hash)| **hash != UNUSED) {
            index.insert(*hash, (Arc::clone(&segment), at));
        }
    }
    Ok(index)
}

/// The contents that no segment holds, each once, with the first image that has it.
fn missing(hashes: &[Result<Hash>], index: &Index) -> Vec<(Hash, usize)> {
    let mut seen = std::collections::HashSet::new();
    let readable = hashes.iter().enumerate().filter_map(|(image, hash)| Some((*hash.as_ref().ok()?, image)));
    readable.filter(|(hash, _)| !index.contains_key(hash) && seen.insert(*hash)).collect()
}

fn build_segment(
    folder: &Path,
    missing: &[(Hash, usize)],
    paths: &[&Path],
    spec: &CacheSpec,
    counter: &Counter<'_>,
) -> Result<Failures> {
    let writer = Writer::create(folder, missing.len(), spec.image_bytes())?;
    let outcomes: Vec<Option<String>> = missing
        .par_iter()
        .enumerate()
        .map(|(at, (hash, image))| {
            counter.check()?;
            let outcome = match pixels(paths[*image], hash, spec) {
                Ok(pixels) => writer.write(at, &pixels).map(|()| None)?,
                Err(error) => Some(error.to_string()),
            };
            counter.step();
            Ok(outcome)
        })
        .collect::<Result<_>>()?;
    counter.check()?;
    let mut kept = Vec::with_capacity(missing.len());
    let mut failures = Failures::new();
    for ((hash, image), outcome) in missing.iter().zip(outcomes) {
        match outcome {
            None => kept.push(*hash),
            Some(reason) => {
                kept.push(UNUSED);
                failures.insert(*hash, (*image, reason));
            }
        }
    }
    if failures.len() < missing.len() {
        writer.finish(&kept)?;
    }
    Ok(failures)
}

fn pixels(path: &Path, hash: &Hash, spec: &CacheSpec) -> Result<Vec<u8>> {
    let options = spec.decode_options();
    let bytes = decode::read_bytes(path, &options.limits)?;
    if blake3::hash(&bytes).as_bytes() != hash {
        return Err(Error::content(path, "changed while it was being read", "leave the dataset alone and start again"));
    }
    geometry::resize(&decode::from_bytes(path, &bytes, &options)?, spec.size)
}

fn place(hashes: &[Result<Hash>], paths: &[&Path], index: &Index, failures: &Failures, decoded: usize) -> Built {
    let mut places = Vec::with_capacity(hashes.len());
    let mut bad = Vec::new();
    for (image, hash) in hashes.iter().enumerate() {
        let found = match hash {
            Ok(hash) => index.get(hash).cloned().ok_or_else(|| match failures.get(hash) {
                Some((first, reason)) if *first == image => reason.clone(),
                Some((_, reason)) => format!("{}: the same file as {reason}", paths[image].display()),
                None => format!("{}: its cached pixels are gone; start again", paths[image].display()),
            }),
            Err(error) => Err(error.to_string()),
        };
        match found {
            Ok(found) => places.push(Some(found)),
            Err(reason) => {
                places.push(None);
                bad.push((image, reason));
            }
        }
    }
    Built { places, bad, decoded }
}
