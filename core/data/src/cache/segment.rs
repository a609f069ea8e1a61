//! One immutable file of decoded images.
//!
//! Layout, little-endian: magic (8 bytes), version u32, bytes per image u32, number of images u64, BLAKE3 hash of all
//! of the header but this field (32 bytes), then per image the BLAKE3 hash of the image *file* (32 bytes); padded with
//! zeros to a page, then the pixels of the images in that order.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use memmap2::Mmap;

use super::folder;
use crate::error::{Error, Result};

const MAGIC: &[u8; 8] = b"LBXCACHE";
const VERSION: u32 = 1;
const FIXED: usize = 8 + 4 + 4 + 8 + HASH;
const HASH: usize = 32;
const PAGE: usize = 4096;
/// Ending of a finished segment.
const ENDING: &str = "pixels";

/// Hash of an image file's bytes.
pub(super) type Hash = [u8; HASH];

/// Stands for an image whose place was not filled; no file has this hash.
pub(super) const UNUSED: Hash = [0; HASH];

/// A segment that was verified and mapped.
#[derive(Debug)]
pub(super) struct Segment {
    map: Mmap,
    hashes: Vec<Hash>,
    start: usize,
    image_bytes: usize,
}

impl Segment {
    /// The finished segments of a folder. Those that are not what they were written as are removed.
    pub fn open_all(folder: &Path, image_bytes: usize) -> Result<Vec<Self>> {
        let mut found = Vec::new();
        for path in folder::files(folder) {
            if path.extension().is_none_or(|ending| ending != ENDING) {
                continue;
            }
            match Self::open(&path, image_bytes)? {
                Some(segment) => found.push(segment),
                None => std::fs::remove_file(&path).map_err(|source| Error::io("remove", &path, source))?,
            }
        }
        Ok(found)
    }

    /// Maps one; `None` if its header or length is wrong.
    fn open(path: &Path, image_bytes: usize) -> Result<Option<Self>> {
        let failed = |source| Error::io("read", path, source);
        let file = File::open(path).map_err(failed)?;
        if file.metadata().map_err(failed)?.len() < FIXED as u64 {
            return Ok(None);
        }
        // SAFETY: a segment is only ever renamed into place when complete and is never written again, neither by this
        // program nor, its folder being 0700, by another user; removal keeps the mapped file alive. Its length is
        // checked below before any pixel is read. What remains is the owner truncating the file by hand.
        #[expect(unsafe_code, reason = "mapping a file is the point of this cache")]
        let map = unsafe { Mmap::map(&file) }.map_err(failed)?;
        let Some((hashes, start)) = verify(&map, image_bytes) else { return Ok(None) };
        Ok(Some(Self { map, hashes, start, image_bytes }))
    }

    /// Hashes of the image files whose pixels it holds, in order.
    pub fn hashes(&self) -> &[Hash] {
        &self.hashes
    }

    /// The pixels of its `at`-th image.
    pub fn pixels(&self, at: usize) -> Option<&[u8]> {
        let from = self.start + at.checked_mul(self.image_bytes)?;
        self.map.get(from..from + self.image_bytes)
    }
}

/// The hashes and where the pixels start, if header and length are right.
fn verify(bytes: &[u8], image_bytes: usize) -> Option<(Vec<Hash>, usize)> {
    let field = |at: usize, length: usize| bytes.get(at..at + length);
    let word = |at: usize| field(at, 4).and_then(|four| four.try_into().ok()).map(u32::from_le_bytes);
    let count = u64::from_le_bytes(field(16, 8)?.try_into().ok()?);
    if field(0, 8)? != MAGIC || word(8)? != VERSION || word(12)? as usize != image_bytes {
        return None;
    }
    let count = usize::try_from(count).ok()?;
    let start = pixel_start(count)?;
    if count.checked_mul(image_bytes)?.checked_add(start)? != bytes.len() {
        return None;
    }
    let entries = field(FIXED, count * HASH)?;
    if field(24, HASH)? != header_hash(field(0, 24)?, entries) {
        return None;
    }
    Some((entries.as_chunks::<HASH>().0.to_vec(), start))
}

fn header_hash(fixed: &[u8], entries: &[u8]) -> Hash {
    let mut hasher = blake3::Hasher::new();
    hasher.update(fixed);
    hasher.update(entries);
    *hasher.finalize().as_bytes()
}

fn pixel_start(count: usize) -> Option<usize> {
    count.checked_mul(HASH)?.checked_add(FIXED)?.checked_next_multiple_of(PAGE)
}

/// A segment that is being written; deleted again unless finished.
pub(super) struct Writer {
    file: File,
    path: PathBuf,
    image_bytes: usize,
    start: usize,
    finished: bool,
}

impl Writer {
    /// A new file in `folder` with room for `count` images.
    pub fn create(folder: &Path, count: usize, image_bytes: usize) -> Result<Self> {
        let path = folder::unfinished_name(folder);
        let length =
            pixel_start(count).and_then(|start| Some((start, count.checked_mul(image_bytes)?.checked_add(start)?)));
        let Some((start, length)) = length else {
            return Err(Error::argument(
                format!("{count} images of {image_bytes} bytes are too many"),
                "use fewer or smaller images",
            ));
        };
        let file = folder::create_private(&path)?;
        let writer = Self { file, path, image_bytes, start, finished: false };
        folder::reserve(&writer.file, &writer.path, length as u64)?;
        Ok(writer)
    }

    /// Writes the pixels of the `at`-th image; any thread may, in any order.
    pub fn write(&self, at: usize, pixels: &[u8]) -> Result<()> {
        debug_assert_eq!(pixels.len(), self.image_bytes);
        let offset = (self.start + at * self.image_bytes) as u64;
        self.file.write_all_at(pixels, offset).map_err(|source| folder::write_failed(&self.path, source))
    }

    /// Writes the header and puts the segment in place. Each image has its file's hash, or [`UNUSED`] where the image
    /// turned out bad and its place stays empty.
    pub fn finish(mut self, hashes: &[Hash]) -> Result<()> {
        let failed = |source| folder::write_failed(&self.path, source);
        let entries = hashes.as_flattened();
        let mut header = Vec::with_capacity(self.start);
        header.extend_from_slice(MAGIC);
        header.extend_from_slice(&VERSION.to_le_bytes());
        header.extend_from_slice(&u32::try_from(self.image_bytes).unwrap_or(u32::MAX).to_le_bytes());
        header.extend_from_slice(&(hashes.len() as u64).to_le_bytes());
        let hash = header_hash(&header, entries);
        header.extend_from_slice(&hash);
        header.extend_from_slice(entries);
        header.resize(self.start, 0);
        self.file.write_all_at(&header, 0).map_err(failed)?;
        self.file.sync_all().map_err(failed)?;
        let name = format!("{}.{ENDING}", &blake3::hash(entries).to_hex()[..32]);
        let folder = self.path.parent().unwrap_or(Path::new("."));
        std::fs::rename(&self.path, folder.join(name)).map_err(failed)?;
        self.finished = true;
        File::open(folder).and_then(|opened| opened.sync_all()).map_err(|source| Error::io("sync", folder, source))
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        if !self.finished {
            // Whoever builds next removes it if this fails.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}
