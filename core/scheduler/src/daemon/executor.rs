//! What runs jobs: processes of this machine, or a cluster. The supervisor asks, and learns what happened from notices.

use std::time::Duration;

use lightbox_store::RunDir;
use lightbox_store::run::{Placement, RunId};

use super::slots::Slot;
use super::verdict::Ended;

/// A job to be started.
#[derive(Clone, Debug)]
pub struct Launch {
    /// Its name.
    pub run: RunId,
    /// Its run directory.
    pub dir: RunDir,
    /// Where it may run.
    pub slot: Slot,
    /// What it does, in a few words.
    pub label: String,
    /// Threads that it computes with.
    pub threads: usize,
}

/// How a worker is stopped when it did not stop by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Force {
    /// SIGTERM to its process group: it writes a checkpoint and ends.
    Terminate,
    /// SIGKILL to its process group.
    Kill,
}

/// What an executor has to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// The job is where this says.
    Placed(RunId, Placement),
    /// Its worker ended.
    Ended(RunId, Ended),
}

/// Runs jobs.
pub trait Executor: Send {
    /// Starts a job. A job that cannot be started ends with [`Ended::NotStarted`].
    fn launch(&mut self, launch: Launch);

    /// Takes up a job that an earlier daemon started, if its worker may still live: it then ends with a notice.
    /// False when it certainly does not.
    fn take_up(&mut self, run: &RunId, dir: &RunDir, placement: Option<&Placement>) -> bool;

    /// Ends a job by force.
    fn force(&mut self, run: &RunId, how: Force);

    /// What happened since the last call.
    fn notices(&mut self) -> Vec<Notice>;

    /// How often notices and events should be asked for while jobs run.
    fn poll_every(&self) -> Duration;
}
