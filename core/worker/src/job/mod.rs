//! Runs the job of a run directory: takes it, reports its events, and writes how it ended whatever happens.

mod evaluate;
mod explain;
mod images;
mod record;
mod train;

use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use lightbox_store::run::{DeviceChoice, EventKind, EventWriter, Owner, hostname, process_start};
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
    /// The device that the queue gave to it, instead of the one asked for.
    pub device: Option<String>,
    /// Set when the user asks to stop.
    pub cancel: Arc<AtomicBool>,
}

impl Job {
    /// The device to work on.
    pub fn device<'a>(&'a self, asked: &'a DeviceChoice) -> &'a str {
        self.device.as_deref().unwrap_or(&asked.0)
    }

    /// Appends an event.
    pub fn say(&mut self, step: u64, kind: EventKind) -> Result<()> {
        self.events.append(step, kind).map_err(Failure::from)
    }

    /// Appends a warning.
    pub fn warn(&mut self, step: u64, text: impl Into<String>) -> Result<()> {
        self.say(step, EventKind::Warning { text: text.into() })
    }
}

/// Sets `cancel` when a file `stop` appears in the run directory.
pub fn cancel_on_file(dir: &Path, cancel: Arc<AtomicBool>) {
    const LOOK: Duration = Duration::from_millis(200);
    let path = dir.join("stop");
    std::thread::spawn(move || {
        while !path.exists() {
            std::thread::sleep(LOOK);
        }
        cancel.store(true, Ordering::SeqCst);
    });
}

/// Runs the job in `dir`. Whoever starts it may hold the directory's lock already and pass it on as an open file.
pub fn run(home: Home, dir: &Path, locked: bool, device: Option<String>, cancel: Arc<AtomicBool>) -> Result<()> {
    let dir = RunDir::open(dir)?;
    let _lock = if locked { None } else { Some(dir.lock()?) };
    dir.sweep(Owner::Worker);
    let config = dir.config()?;
    let events = dir.next_attempt()?;
    let mut job = Job { home, dir, config, events, device, cancel };
    let pid = std::process::id();
    let pid_start = process_start(pid).unwrap_or(0);
    job.say(0, EventKind::Started { pid, pid_start, host: hostname() })?;
    let outcome = std::panic::catch_unwind(AssertUnwindSafe(|| dispatch(&mut job)))
        .unwrap_or_else(|panic| Err(Failure::failed(format!("the worker panicked: {}", panic_text(&*panic)))));
    let step = job.dir.events().ok().and_then(|e| e.last().map(|e| e.step)).unwrap_or(0);
    let last = match &outcome {
        Ok(()) => EventKind::Finished,
        Err(Failure::Interrupted) => EventKind::Interrupted,
        Err(failure) => EventKind::Failed { error: failure.to_string(), cause: failure.cause() },
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
