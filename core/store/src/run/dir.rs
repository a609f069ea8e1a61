//! The run directory itself: its files, how it is made, found and locked to one worker.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::config::JobConfig;
use super::events::{Event, EventReader, EventWriter};
use super::id::RunId;
use super::queue::QueueEntry;
use super::split::SplitRows;
use super::status::RunStatus;
use crate::atomic;
use crate::error::{Result, StoreError};
use crate::home::Home;

/// Version of the run directory's format.
pub const FORMAT: u32 = 1;

/// Who writes files of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// The daemon: the place in the queue.
    Daemon,
    /// The holder of the run's lock: all else.
    Worker,
}

/// What a new run directory begins with.
#[derive(Clone, Debug)]
pub struct NewRun<'a> {
    /// `config.json`.
    pub config: JobConfig,
    /// `split.csv`.
    pub split: Option<&'a SplitRows>,
    /// `queue.json`.
    pub entry: QueueEntry,
}

impl NewRun<'_> {
    /// Fills a folder that nobody looks at yet.
    fn write(&self, folder: &Path) -> Result<()> {
        atomic::create_private_folder(folder)?;
        let put = |name: &str, text: serde_json::Result<Vec<u8>>| -> Result<()> {
            let path = folder.join(name);
            let mut text = text.map_err(|e| StoreError::content(&path, e.to_string()))?;
            text.push(b'\n');
            atomic::write_unsynced(&path, &text)
        };
        put("config.json", serde_json::to_vec_pretty(&self.config))?;
        put("queue.json", serde_json::to_vec_pretty(&self.entry))?;
        match self.split {
            Some(split) => atomic::write_unsynced(&folder.join("split.csv"), &split.to_csv()),
            None => Ok(()),
        }
    }
}

/// A run directory.
#[derive(Clone, Debug)]
pub struct RunDir {
    path: PathBuf,
}

impl RunDir {
    /// Makes the directory of a new run. It appears under its name only when complete.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub fn create(home: &Home, new: &NewRun<'_>) -> Result<Self> {
        let mut made = Self::create_all(home, std::slice::from_ref(new))?;
        made.pop().ok_or_else(|| StoreError::Invalid("no run was made".to_owned()))
    }

    /// Makes the directories of new runs: all are on the disk before the first appears under its name.
    ///
    /// # Errors
    /// When the folder cannot be written; then none of them is left.
    pub fn create_all(home: &Home, new: &[NewRun<'_>]) -> Result<Vec<Self>> {
        let folder = home.runs_dir();
        let building = |new: &NewRun<'_>| folder.join(format!(".{}.tmp", new.config.run));
        let fill = || -> Result<()> {
            for new in new {
                new.write(&building(new))?;
            }
            // One call for all files is hundreds of times faster than one for each.
            atomic::sync_file_system(&folder)
        };
        if let Err(error) = fill() {
            for new in new {
                let _ = fs::remove_dir_all(building(new));
            }
            return Err(error);
        }
        let mut made = Vec::with_capacity(new.len());
        for new in new {
            let path = folder.join(&new.config.run.0);
            fs::rename(building(new), &path).map_err(|e| StoreError::io("create", &path, e))?;
            made.push(Self { path });
        }
        atomic::sync_folder(&folder)?;
        Ok(made)
    }

    /// Opens an existing run directory.
    ///
    /// # Errors
    /// When the folder holds no `config.json`.
    pub fn open(path: &Path) -> Result<Self> {
        if !path.join("config.json").is_file() {
            return Err(StoreError::NotFound(format!(
                "{} is not a run directory: it has no config.json",
                path.display()
            )));
        }
        Ok(Self { path: path.to_path_buf() })
    }

    /// The folder.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A file or folder of the run by its name.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// `config.json`.
    ///
    /// # Errors
    /// When it cannot be read, or is of a newer format.
    pub fn config(&self) -> Result<JobConfig> {
        let config: JobConfig = self.read_json("config.json")?;
        if config.format > FORMAT {
            let message = format!("format {} is newer than this program's {FORMAT}; update Lightbox", config.format);
            return Err(StoreError::content(&self.file("config.json"), message));
        }
        Ok(config)
    }

    /// `split.csv`.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn split(&self) -> Result<SplitRows> {
        SplitRows::read(&self.file("split.csv"))
    }

    /// The run's state.
    ///
    /// # Errors
    /// When `events.jsonl` exists and cannot be read.
    pub fn status(&self) -> Result<RunStatus> {
        Ok(RunStatus::of(&self.events()?, self.queue_entry()?.as_ref()))
    }

    /// Its place in the queue; none when it was never queued.
    ///
    /// # Errors
    /// When `queue.json` exists and cannot be read.
    pub fn queue_entry(&self) -> Result<Option<QueueEntry>> {
        match self.read_json("queue.json") {
            Ok(entry) => Ok(Some(entry)),
            Err(StoreError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Writes its place in the queue. Only the daemon does this, and whoever makes the run.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_queue_entry(&self, entry: &QueueEntry) -> Result<()> {
        self.write_json("queue.json", entry)
    }

    /// All events so far.
    ///
    /// # Errors
    /// When `events.jsonl` exists and cannot be read.
    pub fn events(&self) -> Result<Vec<Event>> {
        EventReader::new(&self.file("events.jsonl")).poll()
    }

    /// Opens `events.jsonl` for the next attempt.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub fn next_attempt(&self) -> Result<EventWriter> {
        let last = self.events()?.iter().map(|e| e.attempt).max().unwrap_or(0);
        EventWriter::open(&self.file("events.jsonl"), last + 1)
    }

    /// Takes the run for this process; a second worker on the same run is refused. Held until the file is closed.
    ///
    /// # Errors
    /// When another process holds it.
    pub fn lock(&self) -> Result<fs::File> {
        let taken = || StoreError::Invalid(format!("{} is being run by another worker", self.path.display()));
        self.try_lock()?.ok_or_else(taken)
    }

    /// Takes the run for this process and those that inherit the file; none when another holds it.
    ///
    /// # Errors
    /// When the lock file cannot be opened.
    pub fn try_lock(&self) -> Result<Option<fs::File>> {
        let path = self.file(".lock");
        let file = fs::OpenOptions::new().create(true).truncate(false).write(true).open(&path);
        let file = file.map_err(|e| StoreError::io("open", &path, e))?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(fs::TryLockError::WouldBlock) => Ok(None),
            Err(fs::TryLockError::Error(e)) => Err(StoreError::io("lock", &path, e)),
        }
    }

    /// Removes half-written files that a killed process left. The daemon's own (`queue.json`) are the daemon's to remove, all
    /// others belong to whoever holds the lock. What cannot be removed does no harm.
    pub fn sweep(&self, owner: Owner) {
        for entry in fs::read_dir(&self.path).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let of_the_daemon = name.starts_with(".queue.json.");
            if name.starts_with('.') && name.ends_with(".tmp") && of_the_daemon == (owner == Owner::Daemon) {
                let _ = fs::remove_file(entry.path());
            }
        }
    }

    /// Writes a JSON file of the run, whole or not at all.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn write_json<T: Serialize>(&self, name: &str, value: &T) -> Result<()> {
        let path = self.file(name);
        let mut text = serde_json::to_vec_pretty(value).map_err(|e| StoreError::content(&path, e.to_string()))?;
        text.push(b'\n');
        atomic::write(&path, &text)
    }

    /// Reads a JSON file of the run.
    ///
    /// # Errors
    /// When it cannot be read or does not fit.
    pub fn read_json<T: DeserializeOwned>(&self, name: &str) -> Result<T> {
        let path = self.file(name);
        let bytes = fs::read(&path).map_err(|e| StoreError::io("read", &path, e))?;
        serde_json::from_slice(&bytes).map_err(|e| StoreError::content(&path, e.to_string()))
    }
}

/// All runs of a home, oldest first. Folders that are not runs are passed over.
///
/// # Errors
/// When the folder of runs cannot be read.
pub fn list_runs(home: &Home) -> Result<Vec<RunDir>> {
    let folder = home.runs_dir();
    let entries = fs::read_dir(&folder).map_err(|e| StoreError::io("read", &folder, e))?;
    let mut paths: Vec<PathBuf> = entries.filter_map(|e| e.ok()).map(|e| e.path()).collect();
    paths.retain(|p| p.file_name().is_some_and(|n| !n.to_string_lossy().starts_with('.')));
    paths.sort();
    Ok(paths.iter().filter_map(|p| RunDir::open(p).ok()).collect())
}

/// The runs that a user means by a run id, a group id, or the unambiguous beginning or end of one.
///
/// # Errors
/// When nothing or more than one thing fits.
pub fn resolve(home: &Home, name: &str) -> Result<Vec<RunDir>> {
    let runs: Vec<(RunDir, JobConfig)> =
        list_runs(home)?.into_iter().filter_map(|r| r.config().ok().map(|c| (r, c))).collect();
    let matching = |fits: &dyn Fn(&str) -> bool| -> Option<Result<Vec<RunDir>>> {
        let ids: Vec<&RunId> = runs.iter().map(|(_, c)| &c.run).filter(|r| fits(&r.0)).collect();
        let mut groups: Vec<&str> = runs.iter().map(|(_, c)| c.group.0.as_str()).filter(|g| fits(g)).collect();
        groups.dedup();
        groups.sort_unstable();
        groups.dedup();
        match (ids.as_slice(), groups.as_slice()) {
            ([], []) => None,
            ([run], []) => Some(Ok(runs.iter().filter(|(_, c)| &c.run == *run).map(|(r, _)| r.clone()).collect())),
            ([], [group]) => {
                Some(Ok(runs.iter().filter(|(_, c)| c.group.0 == *group).map(|(r, _)| r.clone()).collect()))
            }
            _ => {
                let all: Vec<&str> = ids.iter().map(|r| r.0.as_str()).chain(groups).take(5).collect();
                Some(Err(StoreError::Invalid(format!("{name:?} fits more than one run or group: {}", all.join(", ")))))
            }
        }
    };
    matching(&|id| id == name).or_else(|| matching(&|id| id.starts_with(name) || id.ends_with(name))).unwrap_or_else(
        || Err(StoreError::NotFound(format!("no run or group is called {name:?}; see `lightbox runs list`"))),
    )
}

/// The name of this machine.
pub fn hostname() -> String {
    fs::read_to_string("/proc/sys/kernel/hostname").map(|s| s.trim().to_owned()).unwrap_or_else(|_| "unknown".into())
}
