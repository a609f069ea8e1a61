//! Runs the job of a run directory: takes it, reports its events, and writes how it ended whatever happens.

mod evaluate;
mod explain;
mod images;
mod record;
mod train;

use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use lightbox_store::run::{EventKind, EventWriter, hostname, process_start};
use lightbox_store::{Home, JobConfig, JobKind, RunDir};

use crate::failure::{Failure, Result};

/// What a job works with.
pub struct Job {
    /// The home it belongs to.
    pub home: Home,
    /// Its run directory.
    pub dir: RunDir,
    /// Its configuration.
    pub config: JobConfig,
    /// Where it says what happens.
    pub events: EventWriter,
    /// Set when the user asks to stop.
    pub cancel: Arc<AtomicBool>,
}

impl Job {
    /// Appends an event.
    pub fn say(&mut self, step: u64, kind: EventKind) -> Result<()> {
        self.events.append(step, kind).map_err(Failure::from)
    }

    /// Appends a warning.
    pub fn warn(&mut self, step: u64, text: impl Into<String>) -> Result<()> {
        self.say(step, EventKind::Warning { text: text.into() })
    }
}

/// Runs the job in `dir`.
pub fn run(home: Home, dir: &Path, cancel: Arc<AtomicBool>) -> Result<()> {
    let dir = RunDir::open(dir)?;
    let _lock = dir.lock()?;
    let config = dir.config()?;
    let events = dir.next_attempt()?;
    let mut job = Job { home, dir, config, events, cancel };
    let pid = std::process::id();
    let pid_start = process_start(pid).unwrap_or(0);
    job.say(0, EventKind::Started { pid, pid_start, host: hostname() })?;
    let outcome = std::panic::catch_unwind(AssertUnwindSafe(|| dispatch(&mut job)))
        .unwrap_or_else(|panic| Err(Failure::failed(format!("the worker panicked: {}", panic_text(&*panic)))));
    let step = job.dir.events().ok().and_then(|e| e.last().map(|e| e.step)).unwrap_or(0);
    let last = match &outcome {
        Ok(()) => EventKind::Finished,
        Err(Failure::Interrupted) => EventKind::Interrupted,
        Err(failure) => EventKind::Failed { error: failure.to_string() },
    };
    // When even this cannot be written (a full disk), the command that watches says so from the exit code and the log.
    match job.say(step, last) {
        Ok(()) => outcome,
        Err(unwritten) => outcome.and(Err(unwritten)),
    }
}

fn dispatch(job: &mut Job) -> Result<()> {
    match job.config.job.clone() {
        JobKind::Train(config) => train::run(job, &config),
        JobKind::Evaluate(config) => evaluate::run(job, &config),
        JobKind::ExplainEval(config) => explain::run(job, &config),
    }
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|s| (*s).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".to_owned())
}
