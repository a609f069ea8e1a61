//! Files that are either whole or absent: written beside their place, synced, then renamed.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use crate::error::{Result, StoreError};

static COUNTER: AtomicU64 = AtomicU64::new(0);

/// The temporary sibling of `path`, unique to this process and call.
fn temporary_beside(path: &Path) -> PathBuf {
    let name = path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let unique = COUNTER.fetch_add(1, Ordering::Relaxed);
    path.with_file_name(format!(".{name}.{}.{unique}.tmp", std::process::id()))
}

/// Writes `bytes` to `path` so that a crash leaves the old file or the new one, never a part.
///
/// # Errors
/// When the folder is not writable or the disk is full; the old file is then still there.
pub fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    write_with(path, |out| out.write_all(bytes))
}

/// As [`write()`], with the content produced by `fill`.
///
/// # Errors
/// Those of [`write()`], and what `fill` returns.
pub fn write_with(path: &Path, fill: impl FnOnce(&mut dyn Write) -> std::io::Result<()>) -> Result<()> {
    let temporary = temporary_beside(path);
    let outcome = (|| {
        let file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
        let mut out = BufWriter::new(file);
        fill(&mut out)?;
        out.flush()?;
        out.get_ref().sync_all()?;
        fs::rename(&temporary, path)
    })();
    if let Err(source) = outcome {
        let _ = fs::remove_file(&temporary);
        return Err(StoreError::io("write", path, source));
    }
    if let Some(folder) = path.parent() {
        sync_folder(folder)?;
    }
    Ok(())
}

/// Writes `bytes` to a new file in a folder that nobody looks at yet. [`sync_file_system`] makes it durable.
///
/// # Errors
/// When the folder is not writable or the disk is full.
pub fn write_unsynced(path: &Path, bytes: &[u8]) -> Result<()> {
    let file = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path);
    file.and_then(|mut file| file.write_all(bytes)).map_err(|e| StoreError::io("write", path, e))
}

/// Makes all that was written to the file system of `folder` durable.
///
/// # Errors
/// When the folder cannot be opened or the disk is full.
pub fn sync_file_system(folder: &Path) -> Result<()> {
    let fail = |e: std::io::Error| StoreError::io("sync", folder, e);
    let file = File::open(folder).map_err(fail)?;
    rustix::fs::syncfs(&file).map_err(|e| fail(e.into()))
}

/// Makes a rename in `folder` durable.
///
/// # Errors
/// When the folder cannot be opened or synced.
pub fn sync_folder(folder: &Path) -> Result<()> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    File::open(folder).and_then(|f| f.sync_all()).map_err(|e| StoreError::io("sync", folder, e))
}

/// Creates `folder` and its parents, readable by their owner only.
///
/// # Errors
/// When a parent is not writable, or a file stands in the way.
pub fn create_private_folder(folder: &Path) -> Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder).map_err(|e| StoreError::io("create", folder, e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_write_leaves_the_old_file_and_no_litter() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.json");
        write(&path, b"old").unwrap();
        let failed = write_with(&path, |out| {
            out.write_all(b"half of the ne")?;
            Err(std::io::Error::from(std::io::ErrorKind::StorageFull))
        });
        assert!(failed.unwrap_err().to_string().contains("a.json"));
        assert_eq!(fs::read(&path).unwrap(), b"old");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn files_are_readable_by_their_owner_only() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        write(&path, b"x").unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }
}
