//! `events.jsonl`: what happened in a run, one JSON object a line, appended and never changed.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::error::{Result, StoreError};

/// One line of `events.jsonl`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Unix time in seconds.
    pub time: f64,
    /// 1 for the first time the job was run, one more for each time it was resumed.
    pub attempt: u32,
    /// Optimizer step reached; events after the checkpoint that a later attempt resumed from are superseded.
    pub step: u64,
    /// What happened.
    #[serde(flatten)]
    pub kind: EventKind,
}

/// What happened in a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum EventKind {
    /// A worker took the job.
    Started {
        /// Its process id.
        pid: u32,
        /// When that process started, in clock ticks since boot (field 22 of `/proc/PID/stat`).
        pid_start: u64,
        /// Its machine.
        host: String,
    },
    /// The job resumed from a checkpoint; `step` is where.
    Resumed {
        /// Epoch of the checkpoint.
        epoch: usize,
    },
    /// An optimizer step.
    Step {
        /// Epoch, from 0.
        epoch: usize,
        /// Mean loss of the batch.
        loss: f64,
        /// Learning rate.
        lr: f64,
        /// Images per second since the last such event.
        images_per_second: f64,
    },
    /// An epoch ended.
    Epoch {
        /// Epoch, from 0.
        epoch: usize,
        /// Losses and metrics by name, for example `train/loss` and `validation/accuracy`.
        metrics: BTreeMap<String, f64>,
    },
    /// A checkpoint was written.
    Checkpoint {
        /// `best` or `last`.
        which: String,
        /// Epoch, from 0.
        epoch: usize,
    },
    /// How far a phase has come.
    Progress {
        /// What is being done.
        phase: String,
        /// Items done.
        done: usize,
        /// Items in all.
        total: usize,
    },
    /// Something the user should know.
    Warning {
        /// A sentence.
        text: String,
    },
    /// The job is done.
    Finished,
    /// The job failed.
    Failed {
        /// The sentence that the user sees.
        error: String,
        /// What kind of failure it is.
        #[serde(default)]
        cause: FailureCause,
    },
    /// The job was stopped by the user; its last checkpoint stands.
    Interrupted,
}

/// Why a job failed, as far as it decides what to do next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailureCause {
    /// What it was asked to do cannot be done; trying again would fail again.
    BadInput,
    /// Memory ran out, of the machine or of the GPU.
    OutOfMemory,
    /// Its worker was ended from outside, or nobody saw how it ended.
    Lost,
    /// Anything else.
    #[default]
    #[serde(other)]
    Other,
}

/// Appends to `events.jsonl`. Each event is one `write` of one line, so a crash leaves at most one broken last line.
#[derive(Debug)]
pub struct EventWriter {
    file: File,
    path: PathBuf,
    attempt: u32,
}

impl EventWriter {
    /// Opens the file for appending. A last line that a crash left broken is cut off: nobody could have read it.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub fn open(path: &Path, attempt: u32) -> Result<Self> {
        let open = |p: &Path| OpenOptions::new().create(true).append(true).read(true).mode(0o600).open(p);
        let file = open(path).map_err(|e| StoreError::io("open", path, e))?;
        let bytes = std::fs::read(path).map_err(|e| StoreError::io("read", path, e))?;
        let whole = bytes.iter().rposition(|b| *b == b'\n').map_or(0, |at| at + 1);
        if whole < bytes.len() {
            file.set_len(whole as u64).map_err(|e| StoreError::io("write", path, e))?;
        }
        Ok(Self { file, path: path.to_path_buf(), attempt })
    }

    /// Appends one event at an optimizer step.
    ///
    /// # Errors
    /// When the disk is full or the file is gone.
    pub fn append(&mut self, step: u64, kind: EventKind) -> Result<()> {
        let event = Event { time: now(), attempt: self.attempt, step, kind };
        let mut line = serde_json::to_vec(&event).map_err(|e| StoreError::content(&self.path, e.to_string()))?;
        line.push(b'\n');
        self.file.write_all(&line).map_err(|e| StoreError::io("write", &self.path, e))?;
        if matches!(event.kind, EventKind::Finished | EventKind::Failed { .. } | EventKind::Interrupted) {
            self.file.sync_all().map_err(|e| StoreError::io("sync", &self.path, e))?;
        }
        Ok(())
    }

    /// The attempt that is written with each event.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }
}

fn now() -> f64 {
    OffsetDateTime::now_utc().unix_timestamp_nanos() as f64 / 1e9
}

/// Reads `events.jsonl`, from the beginning or on from where it stopped.
#[derive(Debug)]
pub struct EventReader {
    path: PathBuf,
    at: u64,
}

impl EventReader {
    /// A reader at the beginning of the file, which need not exist yet.
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_path_buf(), at: 0 }
    }

    /// The events that were completed since the last call. Lines that are not events are passed over: a crash can leave
    /// one, and newer versions may write kinds that this one does not know.
    ///
    /// # Errors
    /// When the file exists and cannot be read.
    pub fn poll(&mut self) -> Result<Vec<Event>> {
        use std::io::{Seek, SeekFrom};
        let mut file = match File::open(&self.path) {
            Ok(file) => file,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(e) => return Err(StoreError::io("read", &self.path, e)),
        };
        file.seek(SeekFrom::Start(self.at)).map_err(|e| StoreError::io("read", &self.path, e))?;
        let mut reader = BufReader::new(file);
        let (mut events, mut line) = (Vec::new(), Vec::new());
        loop {
            line.clear();
            let n = reader.read_until(b'\n', &mut line).map_err(|e| StoreError::io("read", &self.path, e))?;
            if n == 0 || line.last() != Some(&b'\n') {
                return Ok(events);
            }
            self.at += n as u64;
            if let Ok(event) = serde_json::from_slice(&line) {
                events.push(event);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_broken_by_a_crash_costs_only_itself() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        EventWriter::open(&path, 1).unwrap().append(3, EventKind::Finished).unwrap();
        let mut bytes = std::fs::read(&path).unwrap();
        bytes.extend_from_slice(b"{\"time\": 12, \"atte");
        std::fs::write(&path, &bytes).unwrap();
        let mut reader = EventReader::new(&path);
        assert_eq!(reader.poll().unwrap().len(), 1);
        EventWriter::open(&path, 2).unwrap().append(4, EventKind::Interrupted).unwrap();
        assert!(std::fs::read_to_string(&path).unwrap().lines().all(|l| serde_json::from_str::<Event>(l).is_ok()));
        let more = reader.poll().unwrap();
        assert_eq!(more.len(), 1);
        assert_eq!((more[0].attempt, more[0].step, &more[0].kind), (2, 4, &EventKind::Interrupted));
    }
}
