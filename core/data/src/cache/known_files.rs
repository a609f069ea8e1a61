//! Remembers the hash of each file's content, so that opening a cache does not read the whole dataset again.
//!
//! An entry counts while the file has the same length, inode and times of change. A file changed within the clock's
//! grain of its hashing would look unchanged, so files that young are not remembered.

use std::collections::HashMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::folder;
use super::segment::Hash;
use crate::decode::{self, Counter, DecodeLimits};
use crate::error::{Error, Result};

const FILE: &str = "files.json";
/// Coarsest clock of the file systems in use (FAT, 2 s), and as much again.
const TOO_YOUNG: Duration = Duration::from_secs(4);

/// What tells that a file is the one that was hashed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Mark {
    length: u64,
    inode: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct Known {
    mark: Mark,
    hash: String,
}

/// The content hash of each file, in order; an error for those that cannot be read.
pub(super) fn hash_all(cache: &Path, paths: &[&Path], counter: &Counter<'_>) -> Result<Vec<Result<Hash>>> {
    let file = cache.join(FILE);
    // Only a memory: if it is damaged, everything is hashed again.
    let mut known: HashMap<PathBuf, Known> =
        std::fs::read(&file).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
    let hashed: Vec<(Result<Hash>, Option<Known>)> = paths.par_iter().map(|path| hash(path, &known, counter)).collect();
    counter.check()?;
    let mut changed = false;
    let mut hashes = Vec::with_capacity(paths.len());
    for (path, (hash, fresh)) in paths.iter().zip(hashed) {
        if let Some(fresh) = fresh {
            known.insert(path.to_path_buf(), fresh);
            changed = true;
        }
        hashes.push(hash);
    }
    if changed {
        remember(&file, &known)?;
    }
    Ok(hashes)
}

fn hash(path: &Path, known: &HashMap<PathBuf, Known>, counter: &Counter<'_>) -> (Result<Hash>, Option<Known>) {
    if counter.is_cancelled() {
        return (Err(Error::Cancelled), None);
    }
    let mark = match mark(path) {
        Ok(mark) => mark,
        Err(error) => return (Err(error), None),
    };
    if let Some(found) = known.get(path)
        && found.mark == mark
        && let Ok(hash) = blake3::Hash::from_hex(&found.hash)
    {
        return (Ok(*hash.as_bytes()), None);
    }
    let bytes = match decode::read_bytes(path, &DecodeLimits::default()) {
        Ok(bytes) => bytes,
        Err(error) => return (Err(error), None),
    };
    let hash = blake3::hash(&bytes);
    let fresh = is_settled(&mark).then(|| Known { mark, hash: hash.to_hex().to_string() });
    (Ok(*hash.as_bytes()), fresh)
}

fn mark(path: &Path) -> Result<Mark> {
    let found = std::fs::metadata(path).map_err(|source| Error::io("read", path, source))?;
    Ok(Mark {
        length: found.len(),
        inode: found.ino(),
        modified: (found.mtime(), found.mtime_nsec()),
        changed: (found.ctime(), found.ctime_nsec()),
    })
}

fn is_settled(mark: &Mark) -> bool {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let latest = mark.modified.0.max(mark.changed.0);
    u64::try_from(latest).is_ok_and(|latest| latest + TOO_YOUNG.as_secs() < now.as_secs())
}

fn remember(file: &Path, known: &HashMap<PathBuf, Known>) -> Result<()> {
    let folder = file.parent().unwrap_or(Path::new("."));
    let bytes = serde_json::to_vec(known).map_err(|error| Error::io("write", file, error.into()))?;
    let unfinished = folder::unfinished_name(folder);
    let written = folder::create_private(&unfinished).and_then(|mut created| {
        let failed = |source| folder::write_failed(&unfinished, source);
        std::io::Write::write_all(&mut created, &bytes).map_err(failed)?;
        std::fs::rename(&unfinished, file).map_err(failed)
    });
    if written.is_err() {
        // The first error is the one that counts.
        let _ = std::fs::remove_file(&unfinished);
    }
    written
}
