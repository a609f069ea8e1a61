//! A job as the daemon knows it.

use std::time::Instant;

use lightbox_store::run::{GroupId, JobConfig, JobKind, QueueEntry, RunId, Wish};
use lightbox_store::{RunDir, RunStatus};

use super::follow::Follow;
use super::slots::Needs;
use crate::Result;

/// What a job is doing; whether one that waits may start is decided when a slot is free.
#[derive(Debug)]
pub enum Phase {
    /// It has no worker and is not settled.
    Waiting,
    /// A worker has it.
    Running(Box<Running>),
    /// Done.
    Finished,
    /// It failed with this sentence.
    Failed(String),
    /// Taken out by its user.
    Cancelled,
}

/// A job that a worker has.
#[derive(Debug)]
pub struct Running {
    /// How far it is.
    pub follow: Follow,
    /// Since when this daemon knows it to run.
    pub since: Instant,
    /// Set when it was asked to stop.
    pub stop: Option<Stop>,
}

/// A worker that was asked to stop.
#[derive(Clone, Copy, Debug)]
pub struct Stop {
    /// When it was asked.
    pub since: Instant,
    /// How much force was used: 0 asked, 1 SIGTERM, 2 SIGKILL.
    pub force: u8,
}

/// A job.
#[derive(Debug)]
pub struct Job {
    /// The run.
    pub run: RunId,
    /// Its group.
    pub group: GroupId,
    /// The study that queued it.
    pub study: Option<String>,
    /// `train`, `evaluate` or `explain-eval`.
    pub kind: &'static str,
    /// What it does, in a few words.
    pub label: String,
    /// Its directory.
    pub dir: RunDir,
    /// The device that it needs.
    pub needs: Needs,
    /// Threads that it computes with.
    pub threads: usize,
    /// Its place in the queue, as on disk.
    pub entry: QueueEntry,
    /// What it is doing.
    pub phase: Phase,
    /// How often it was started.
    pub attempt: u32,
    /// Not to be started again before this moment.
    pub not_before: Option<Instant>,
}

impl Job {
    /// Reads a run directory. A directory that was never queued gets the place of one that is queued now.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn read(dir: RunDir) -> Result<Self> {
        let config = dir.config()?;
        let entry = dir.queue_entry()?.unwrap_or_default();
        let events = dir.events()?;
        let phase = match RunStatus::of(&events, Some(&entry)) {
            RunStatus::Finished => Phase::Finished,
            RunStatus::Failed { error } => Phase::Failed(error),
            RunStatus::Cancelled => Phase::Cancelled,
            RunStatus::Queued | RunStatus::Paused | RunStatus::Running { .. } | RunStatus::Interrupted => {
                Phase::Waiting
            }
        };
        let (device, threads) = match &config.job {
            JobKind::Train(c) => (&c.device, c.threads),
            JobKind::Evaluate(c) => (&c.device, c.threads),
            JobKind::ExplainEval(c) => (&c.device, c.threads),
        };
        Ok(Self {
            needs: Needs::of(&device.0),
            threads,
            kind: config.job.name(),
            label: label(&config),
            run: config.run,
            group: config.group,
            study: config.study,
            dir,
            entry,
            phase,
            attempt: events.iter().map(|e| e.attempt).max().unwrap_or(0),
            not_before: None,
        })
    }

    /// Nothing more happens to it unless someone asks.
    pub fn settled(&self) -> bool {
        matches!(self.phase, Phase::Finished | Phase::Failed(_) | Phase::Cancelled)
    }

    /// It waits and its user wants it to run.
    pub fn wants_to_run(&self) -> bool {
        matches!(self.phase, Phase::Waiting) && self.entry.wish == Wish::Run
    }

    /// Whether `name` means it: its run, group or study.
    pub fn is_called(&self, name: &str) -> bool {
        self.run.0 == name || self.group.0 == name || self.study.as_deref() == Some(name)
    }
}

/// What a job does, in a few words.
pub fn label(config: &JobConfig) -> String {
    match &config.job {
        JobKind::Train(c) => format!("{} {} fold {}/{}", c.dataset.name, c.model.id, c.split.fold + 1, c.split.folds),
        JobKind::Evaluate(c) => format!("evaluate {} on {}", c.parents.len(), c.dataset.name),
        JobKind::ExplainEval(c) => {
            format!("explain {} {} ({})", c.dataset.name, without_time(&c.parent.0), c.methods.join(", "))
        }
    }
}

/// A run's name without the date and time that it begins with: what tells runs of one study apart.
pub fn without_time(run: &str) -> &str {
    let is_time = |part: &str, digits| part.len() == digits && part.bytes().all(|b| b.is_ascii_digit());
    let mut parts = run.splitn(3, '-');
    match (parts.next(), parts.next(), parts.next()) {
        (Some(date), Some(time), Some(rest)) if is_time(date, 8) && is_time(time, 6) => rest,
        _ => run,
    }
}
