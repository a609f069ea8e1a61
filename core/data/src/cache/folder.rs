//! The cache's folders: made for their owner only, locked by one builder at a time, and room on the disk.

use std::fs::{DirBuilder, File, OpenOptions, TryLockError};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::error::{Error, Result};

/// How often a waiting builder looks whether it is its turn (and whether it was cancelled).
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// Ending of a segment that is being written.
const UNFINISHED: &str = "tmp";

/// Makes a folder (and those above it) that only its owner can enter.
pub(super) fn make_private(folder: &Path) -> Result<()> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(folder);
    made.map_err(|source| Error::io("create", folder, source))?;
    let closed = std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700));
    closed.map_err(|source| Error::io("protect", folder, source))
}

/// A new file that only its owner can read.
pub(super) fn create_private(path: &Path) -> Result<File> {
    let created = OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path);
    created.map_err(|source| write_failed(path, source))
}

/// Holds a folder's lock until dropped; the system lets go of it should the process die.
pub(super) struct Lock(Option<File>);

/// Waits for the folder's lock. `cancelled` is asked while waiting.
pub(super) fn lock(folder: &Path, cancelled: &dyn Fn() -> bool) -> Result<Lock> {
    let path = folder.join("lock");
    let opened = OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&path);
    let file = opened.map_err(|source| Error::io("open", &path, source))?;
    loop {
        match file.try_lock() {
            Ok(()) => return Ok(Lock(Some(file))),
            Err(TryLockError::WouldBlock) if cancelled() => return Err(Error::Cancelled),
            Err(TryLockError::WouldBlock) => std::thread::sleep(LOOK_AGAIN),
            // Some file systems have no locks. Two builders then do the same work, and either's segment is good.
            Err(TryLockError::Error(_)) => return Ok(Lock(None)),
        }
    }
}

impl Lock {
    /// Removes what killed builders left; only the holder of a real lock knows that nobody writes there.
    pub fn clear_unfinished(&self, folder: &Path) {
        if self.0.is_none() {
            return;
        }
        for path in files(folder) {
            if path.extension().is_some_and(|ending| ending == UNFINISHED) {
                // It stays if it cannot be removed; nothing ever reads it.
                let _ = std::fs::remove_file(path);
            }
        }
    }
}

/// A name for a segment being written that no other builder uses.
pub(super) fn unfinished_name(folder: &Path) -> PathBuf {
    use std::sync::atomic::{AtomicU64, Ordering};
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let count = COUNTER.fetch_add(1, Ordering::Relaxed);
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |time| time.as_nanos());
    folder.join(format!("{}-{count}-{now}.{UNFINISHED}", std::process::id()))
}

/// The files of a folder, sorted; none if it cannot be read.
pub(super) fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut found: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    found.sort();
    found
}

/// Takes `bytes` of disk for a file, so that a disk too small is found before the work and not after.
pub(super) fn reserve(file: &File, path: &Path, bytes: u64) -> Result<()> {
    use rustix::fs::{FallocateFlags, fallocate, fstatvfs};
    if let Ok(disk) = fstatvfs(file) {
        let free = disk.f_bavail.saturating_mul(disk.f_frsize);
        if bytes > free {
            return Err(disk_full(path, &format!("{bytes} bytes are needed and {free} are free")));
        }
    }
    match fallocate(file, FallocateFlags::empty(), 0, bytes) {
        Ok(()) => Ok(()),
        // Some file systems cannot reserve; writing will tell.
        Err(rustix::io::Errno::OPNOTSUPP | rustix::io::Errno::NOSYS | rustix::io::Errno::INVAL) => {
            file.set_len(bytes).map_err(|source| write_failed(path, source))
        }
        Err(error) => Err(write_failed(path, error.into())),
    }
}

/// A failed write in words that tell a full disk from all else.
pub(super) fn write_failed(path: &Path, source: std::io::Error) -> Error {
    match source.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
            disk_full(path, &source.to_string())
        }
        _ => Error::io("write", path, source),
    }
}

fn disk_full(path: &Path, how: &str) -> Error {
    let folder = path.parent().unwrap_or(path);
    let problem = format!("no room on the disk for the decode cache ({how})");
    Error::content(folder, problem, "free some space, or use a home on another disk (--home)")
}
