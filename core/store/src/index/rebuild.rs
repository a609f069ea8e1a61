//! A new index from run directories alone, put in the place of the old one.
//!
//! SQLite keeps the newest changes in `index.sqlite-wal`. Beside another `index.sqlite` these would be taken for its own, so
//! the old file goes first, then its companions, then the new file comes. A crash in between leaves no index, and opening
//! one clears what is left.

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::Connection;

use super::row::PassedOver;
use super::trouble::Trouble;
use super::usage::{self, Usage};
use super::{Index, connect, new_file, path};
use crate::atomic;
use crate::error::{Result, StoreError};
use crate::home::Home;
use crate::run::{RunDir, list_runs};

/// What a rebuild found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rebuilt {
    /// Runs in the index.
    pub runs: usize,
    /// Directories that could not be read, each with a sentence.
    pub passed_over: PassedOver,
}

/// How long a rebuild waits to have the index alone before it writes into the one in use.
const SHORT: Duration = Duration::from_secs(1);

/// What happens to the file that is in the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Old {
    /// It goes.
    Removed,
    /// It stays under another name, for whoever wants to know what happened to it.
    SetAside,
}

impl Index {
    /// Makes the index anew from the run directories, whatever state it is in. While another process has it open, its rows
    /// are replaced in one transaction, which that process sees.
    ///
    /// # Errors
    /// When the folder of runs cannot be read, the disk is full, or a damaged index is in use.
    pub fn rebuild(home: &Home) -> Result<Rebuilt> {
        if let Some(alone) = usage::alone(home, SHORT)? {
            return replace(home, &alone, Old::Removed);
        }
        let Ok(mut index) = Self::open(home) else {
            return Err(usage::busy(home, "another process has it open; `lightbox daemon stop`, then try again"));
        };
        let runs = list_runs(home)?;
        let passed_over = index.replace_all(&runs)?;
        Ok(Rebuilt { runs: index.ids()?.len(), passed_over })
    }
}

/// Builds a new index beside the old one and puts it in its place. The caller has the index alone.
pub(super) fn replace(home: &Home, alone: &Usage, old: Old) -> Result<Rebuilt> {
    place(home, alone, old, &list_runs(home)?)
}

/// Puts an empty index where there is none. The caller has the index alone.
pub(super) fn make_empty(home: &Home, alone: &Usage) -> Result<()> {
    place(home, alone, Old::Removed, &[]).map(|_| ())
}

fn place(home: &Home, _alone: &Usage, old: Old, runs: &[RunDir]) -> Result<Rebuilt> {
    let building = home.root().join(".index.sqlite.tmp");
    clear(&building)?;
    let built = build(&building, home, runs);
    let placed = built.and_then(|rebuilt| {
        let place = path(home);
        match old {
            Old::Removed => clear(&place)?,
            Old::SetAside => set_aside(&place)?,
        }
        fs::rename(&building, &place).map_err(|e| StoreError::io("write", &place, e))?;
        atomic::sync_folder(home.root())?;
        Ok(rebuilt)
    });
    if placed.is_err() {
        // The error that matters is the first one.
        let _ = clear(&building);
    }
    placed
}

/// Fills a new file and closes it, so that nothing of it is left in a `-wal`.
fn build(file: &Path, home: &Home, runs: &[RunDir]) -> Result<Rebuilt> {
    new_file(file)?;
    let failed = |e| Trouble::from(e).into_error("write", file);
    let db = connect(file).map_err(|trouble| trouble.into_error("write", file))?;
    // Nobody else knows the file yet, and one that is not completed is thrown away: no journal is needed.
    let journal = |db: &Connection, mode: &str| db.query_row(&format!("PRAGMA journal_mode = {mode}"), [], |_| Ok(()));
    journal(&db, "OFF").map_err(failed)?;
    let mut index = Index { db, path: file.to_path_buf(), runs: home.runs_dir(), _usage: None };
    let passed_over = index.replace_all(runs)?;
    let runs = index.ids()?.len();
    journal(&index.db, "WAL").map_err(failed)?;
    index.db.close().map_err(|(_, e)| failed(e))?;
    fs::File::open(file).and_then(|f| f.sync_all()).map_err(|e| StoreError::io("sync", file, e))?;
    Ok(Rebuilt { runs, passed_over })
}

/// An index file with its companions, main file first.
fn with_companions(file: &Path) -> [PathBuf; 4] {
    ["", "-wal", "-shm", "-journal"].map(|end| {
        let mut name = file.as_os_str().to_owned();
        name.push(end);
        PathBuf::from(name)
    })
}

fn clear(file: &Path) -> Result<()> {
    with_companions(file).iter().try_for_each(|file| match fs::remove_file(file) {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(StoreError::io("remove", file, e)),
        _ => Ok(()),
    })
}

/// Damaged files that are kept, the newest: enough to see what happened, and no more than the disk can bear.
const KEPT: usize = 2;

/// Renames a damaged index and its companions to `index.sqlite.damaged-N`, and removes what was set aside long before.
fn set_aside(file: &Path) -> Result<()> {
    let mut numbers = set_aside_before(file)?;
    // The largest number is the newest.
    let next = numbers.last().map_or(1, |n| n + 1);
    for (from, to) in with_companions(file).iter().zip(with_companions(&numbered(file, next))) {
        match fs::rename(from, to) {
            Err(e) if e.kind() != ErrorKind::NotFound => return Err(StoreError::io("rename", from, e)),
            _ => {}
        }
    }
    numbers.push(next);
    let old = numbers.len().saturating_sub(KEPT);
    numbers[..old].iter().try_for_each(|n| clear(&numbered(file, *n)))
}

fn numbered(file: &Path, n: u64) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(format!("{DAMAGED}{n}"));
    PathBuf::from(name)
}

/// What the name of a damaged file ends with, before its number.
const DAMAGED: &str = ".damaged-";

/// The numbers of the damaged files beside an index, rising.
fn set_aside_before(file: &Path) -> Result<Vec<u64>> {
    let folder = file.parent().unwrap_or(Path::new("."));
    let entries = fs::read_dir(folder).map_err(|e| StoreError::io("read", folder, e))?;
    let begins = format!("{}{DAMAGED}", file.file_name().unwrap_or_default().to_string_lossy());
    let number = |name: &str| {
        // A companion has a word behind the number: `-wal`.
        let digits = name.strip_prefix(&begins)?.split('-').next()?;
        digits.parse().ok().filter(|n| *n < u64::from(u32::MAX))
    };
    let numbers: BTreeSet<u64> =
        entries.flatten().filter_map(|entry| number(&entry.file_name().to_string_lossy())).collect();
    Ok(numbers.into_iter().collect())
}
