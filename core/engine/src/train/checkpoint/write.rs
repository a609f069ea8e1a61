//! Writing a checkpoint: all of it or nothing.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

use serde_json::Value;
use tch::Tensor;

use super::error::CheckpointError;
use super::manifest::{Environment, FORMAT, FileRecord, Manifest};
use super::{MANIFEST, OPTIMIZER, WEIGHTS, previous};
use crate::train::progress::Progress;
use crate::weights::write_safetensors;

/// What goes into a checkpoint.
#[derive(Debug)]
pub struct Contents<'a> {
    /// The settings, and what identifies the images.
    pub configuration: &'a Value,
    /// Where it is written.
    pub environment: &'a Environment,
    /// Where the run is.
    pub progress: &'a Progress,
    /// The network's variables by name.
    pub weights: &'a [(String, Tensor)],
    /// The optimizer's tensors by name; none for a checkpoint that nothing resumes from.
    pub optimizer: Option<&'a [(String, Tensor)]>,
}

/// What becomes of the checkpoint that had the name before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// It stays as `NAME.previous`.
    Previous,
    /// It is removed, and an older `NAME.previous` too.
    Nothing,
}

/// Writes the checkpoint `name` into `folder`. Until the last rename the old one stands; afterwards the new one does.
///
/// # Errors
/// When the disk is full or the folder cannot be written; the old checkpoint then stands.
pub fn save(folder: &Path, name: &str, contents: &Contents<'_>, keep: Keep) -> Result<(), CheckpointError> {
    fs::create_dir_all(folder).map_err(CheckpointError::write(folder))?;
    remove_leftovers(folder)?;
    let aside = folder.join(format!(".writing-{name}"));
    fs::create_dir(&aside).map_err(CheckpointError::write(&aside))?;
    let written = write_files(&aside, contents);
    if written.is_err() {
        // The half-written folder takes the space that the next attempt needs. Its own failure would hide the reason.
        let _ = fs::remove_dir_all(&aside);
    }
    written?;
    let (target, older) = (folder.join(name), folder.join(previous(name)));
    remove_if_there(&older)?;
    match fs::rename(&target, &older) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(CheckpointError::write(&target)(error)),
    }
    // A crash right here leaves NAME.previous alone, which is then read.
    fs::rename(&aside, &target).map_err(CheckpointError::write(&target))?;
    sync_folder(folder)?;
    if keep == Keep::Nothing {
        remove_if_there(&older)?;
    }
    Ok(())
}

fn write_files(aside: &Path, contents: &Contents<'_>) -> Result<(), CheckpointError> {
    let mut files = vec![write_tensors(aside, WEIGHTS, contents.weights)?];
    if let Some(optimizer) = contents.optimizer {
        files.push(write_tensors(aside, OPTIMIZER, optimizer)?);
    }
    let manifest = Manifest {
        format: FORMAT,
        configuration: contents.configuration.clone(),
        environment: contents.environment.clone(),
        progress: contents.progress.clone(),
        files,
    };
    let path = aside.join(MANIFEST);
    let bytes = manifest.seal().map_err(|e| CheckpointError::write(&path)(e.into()))?;
    let write = || -> io::Result<()> {
        let mut file = File::create(&path)?;
        file.write_all(&bytes)?;
        file.sync_all()
    };
    write().map_err(CheckpointError::write(&path))?;
    sync_folder(aside)
}

fn write_tensors(aside: &Path, name: &str, list: &[(String, Tensor)]) -> Result<FileRecord, CheckpointError> {
    let path = aside.join(name);
    let write = || -> io::Result<FileRecord> {
        let mut out = Hashing { out: File::create(&path)?, hasher: blake3::Hasher::new(), bytes: 0 };
        let mut buffered = BufWriter::with_capacity(1 << 20, &mut out);
        write_safetensors(&mut buffered, list, &BTreeMap::new())?;
        buffered.flush()?;
        drop(buffered);
        out.out.sync_all()?;
        Ok(FileRecord { name: name.into(), bytes: out.bytes, blake3: out.hasher.finalize().to_hex().to_string() })
    };
    write().map_err(CheckpointError::write(&path))
}

/// Hashes what passes through.
struct Hashing {
    out: File,
    hasher: blake3::Hasher,
    bytes: u64,
}

impl Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.out.write(bytes)?;
        self.hasher.update(&bytes[..n]);
        self.bytes += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

fn sync_folder(folder: &Path) -> Result<(), CheckpointError> {
    File::open(folder).and_then(|f| f.sync_all()).map_err(CheckpointError::write(folder))
}

fn remove_if_there(path: &Path) -> Result<(), CheckpointError> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(CheckpointError::write(path)(error)),
        _ => Ok(()),
    }
}

/// Removes what a crash left half-written. One process writes a run's checkpoints, so nobody else is writing now.
fn remove_leftovers(folder: &Path) -> Result<(), CheckpointError> {
    for entry in fs::read_dir(folder).map_err(CheckpointError::write(folder))? {
        let entry = entry.map_err(CheckpointError::write(folder))?;
        if entry.file_name().to_string_lossy().starts_with(".writing-") {
            remove_if_there(&entry.path())?;
        }
    }
    Ok(())
}
