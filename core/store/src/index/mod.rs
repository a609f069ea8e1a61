//! The index: what is in all run directories, in one SQLite file, so that ten thousand runs are listed in a moment.
//!
//! It is a cache. The run directories are the truth, workers never touch the index, and [`Index::rebuild`] makes the same
//! tables again from the directories alone. The file is `<home>/index.sqlite`, in WAL mode: readers never wait for the one
//! who writes.

mod ingest;
mod query;
mod rebuild;
mod refresh;
mod row;
mod schema;
#[cfg(test)]
mod tests;
mod trouble;
mod usage;

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use crate::error::{Result, StoreError};
use crate::home::Home;
use trouble::{Attempt, Trouble};
use usage::Usage;

pub use query::RunFilter;
pub use rebuild::Rebuilt;
pub use row::{PassedOver, RunRow, read_rows};

/// How long a writer waits for another.
const BUSY: Duration = Duration::from_secs(5);

/// The index of a home's runs.
#[derive(Debug)]
pub struct Index {
    db: Connection,
    path: PathBuf,
    runs: PathBuf,
    /// Behind the connection, so that it is given back after that is closed.
    _usage: Option<Usage>,
}

/// The file of a home's index.
pub fn path(home: &Home) -> PathBuf {
    home.root().join("index.sqlite")
}

impl Index {
    /// Opens the index; an empty one is made when there is none, and an older one is brought up to date.
    ///
    /// # Errors
    /// A sentence with what to do: the file is damaged, of a newer Lightbox, or cannot be written.
    pub fn open(home: &Home) -> Result<Self> {
        if !exists(home)?
            && let Some(alone) = usage::alone(home, usage::PATIENCE)?
            && !exists(home)?
        {
            rebuild::make_empty(home, &alone)?;
        }
        Self::open_existing(home)?.map_err(|trouble| trouble.into_error("open", &path(home)))
    }

    /// Opens the index; one that is damaged or missing is made anew from the run directories, and the damaged file is kept as
    /// `index.sqlite.damaged-1` and so on, the newest two of them. Returns a remark for the log when something was done. Looks
    /// at every page of the file, which [`Index::open`] does not.
    ///
    /// # Errors
    /// When the index is of a newer Lightbox, a damaged one is in use, or the home cannot be written.
    pub fn open_or_rebuild(home: &Home) -> Result<(Self, Option<String>)> {
        let remark = match Self::whole(home)? {
            Ok(index) => return Ok((index, None)),
            Err(_) => Self::repair(home)?,
        };
        let opened = Self::open_existing(home)?.map_err(|trouble| trouble.into_error("open", &path(home)))?;
        Ok((opened, remark))
    }

    /// Makes a missing or damaged index anew, unless another process has done it meanwhile.
    fn repair(home: &Home) -> Result<Option<String>> {
        let Some(alone) = usage::alone(home, usage::PATIENCE)? else {
            return Err(usage::busy(
                home,
                "it is damaged, and another process has it open; end that one and try again",
            ));
        };
        if !exists(home)? {
            rebuild::replace(home, &alone, rebuild::Old::Removed)?;
            return Ok(None);
        }
        match Self::on_existing(home, None).and_then(|index| index.check().map(|()| index)) {
            Ok(_) => Ok(None),
            Err(Trouble::Damaged(what)) => {
                let rebuilt = rebuild::replace(home, &alone, rebuild::Old::SetAside)?;
                let (runs, passed) = (rebuilt.runs, rebuilt.passed_over.len());
                Ok(Some(format!(
                    "{} was damaged ({what}); it was set aside and made anew from {runs} runs, {passed} passed over",
                    path(home).display()
                )))
            }
            Err(trouble) => Err(trouble.into_error("open", &path(home))),
        }
    }

    /// The index, if it is there and whole; the inner error is one that a rebuild may heal.
    fn whole(home: &Home) -> Result<Attempt<Self>> {
        if !exists(home)? {
            return Ok(Err(Trouble::Damaged("it is missing".into())));
        }
        match Self::open_existing(home)?.and_then(|index| index.check().map(|()| index)) {
            Err(Trouble::Damaged(what)) => Ok(Err(Trouble::Damaged(what))),
            Err(trouble) => Err(trouble.into_error("open", &path(home))),
            Ok(index) => Ok(Ok(index)),
        }
    }

    fn open_existing(home: &Home) -> Result<Attempt<Self>> {
        let usage = usage::shared(home)?;
        Ok(Self::on_existing(home, Some(usage)))
    }

    fn on_existing(home: &Home, usage: Option<Usage>) -> Attempt<Self> {
        let path = path(home);
        let db = connect(&path)?;
        Ok(Self { db, path, runs: home.runs_dir(), _usage: usage })
    }

    /// Whether the file is in order, pages and rows.
    fn check(&self) -> Attempt<()> {
        let said: String = self.db.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
        if said != "ok" {
            return Err(Trouble::Damaged(said.lines().next().unwrap_or_default().to_owned()));
        }
        self.rows(&RunFilter::default()).map(|_| ())
    }
}

/// Whether there is an index file.
fn exists(home: &Home) -> Result<bool> {
    let path = path(home);
    path.try_exists().map_err(|e| StoreError::io("open", &path, e))
}

/// Makes an empty file that only its owner can read; SQLite gives its companions the same rights.
fn new_file(path: &Path) -> Result<()> {
    match fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path) {
        Err(e) if e.kind() != ErrorKind::AlreadyExists => Err(StoreError::io("create", path, e)),
        _ => Ok(()),
    }
}

/// Connects to an existing file, brings its tables up to date and checks them against the statements.
fn connect(path: &Path) -> Attempt<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut db = Connection::open_with_flags(path, flags)?;
    db.busy_timeout(BUSY)?;
    db.set_prepared_statement_cache_capacity(64);
    db.execute_batch("PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON")?;
    // Before anything is written: a newer program's file is left as it is.
    schema::migrate(&mut db)?;
    db.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
    db.pragma_update(None, "synchronous", "NORMAL")?;
    for statement in ingest::STATEMENTS.iter().chain(&query::STATEMENTS) {
        db.prepare_cached(statement)?;
    }
    Ok(db)
}
