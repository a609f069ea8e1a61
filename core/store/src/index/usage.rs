//! Who uses the index file. Everyone who has it open holds a shared lock; only who holds it alone may put another file in
//! its place, because SQLite would mix the old file's `-wal` into the new one.

use std::fs::{self, File, TryLockError};
use std::os::unix::fs::OpenOptionsExt;
use std::time::{Duration, Instant};

use crate::error::{Result, StoreError};
use crate::home::Home;

/// How long to wait for others that have the index open, or put another in its place.
pub(super) const PATIENCE: Duration = Duration::from_secs(5);

/// How often to look whether a lock is free.
const PAUSE: Duration = Duration::from_millis(20);

/// A held lock; given back when dropped.
#[derive(Debug)]
pub(super) struct Usage(#[expect(dead_code, reason = "held for its lock")] File);

/// Says that this process has the index open.
///
/// # Errors
/// When the lock file cannot be made, or another process puts an index in place for longer than [`PATIENCE`].
pub(super) fn shared(home: &Home) -> Result<Usage> {
    let taken = take(home, PATIENCE, File::try_lock_shared)?;
    taken.ok_or_else(|| busy(home, "another process is rebuilding the index; try again"))
}

/// Says that nobody else has the index open; none when someone has it for longer than `patience`.
///
/// # Errors
/// When the lock file cannot be made.
pub(super) fn alone(home: &Home, patience: Duration) -> Result<Option<Usage>> {
    take(home, patience, File::try_lock)
}

/// The error for an index that is in use.
pub(super) fn busy(home: &Home, what: &str) -> StoreError {
    StoreError::io("replace", &super::path(home), std::io::Error::new(std::io::ErrorKind::TimedOut, what.to_owned()))
}

fn take(
    home: &Home,
    patience: Duration,
    lock: impl Fn(&File) -> std::result::Result<(), TryLockError>,
) -> Result<Option<Usage>> {
    let path = home.root().join(".index.lock");
    let file = fs::OpenOptions::new().create(true).truncate(false).write(true).mode(0o600).open(&path);
    let file = file.map_err(|e| StoreError::io("open", &path, e))?;
    let until = Instant::now() + patience;
    loop {
        match lock(&file) {
            Ok(()) => return Ok(Some(Usage(file))),
            Err(TryLockError::WouldBlock) if Instant::now() < until => std::thread::sleep(PAUSE),
            Err(TryLockError::WouldBlock) => return Ok(None),
            Err(TryLockError::Error(e)) => return Err(StoreError::io("lock", &path, e)),
        }
    }
}
