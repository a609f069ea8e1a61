//! What runs jobs: processes of this machine, or a cluster. The supervisor asks, and learns what happened from notices.

use std::time::Duration;

use lightbox_store::RunDir;
use lightbox_store::run::{Placement, RunId};

use super::cluster::Cluster;
use super::local::Local;
use super::slots::{Needs, Slot};
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
    /// The device that it needs.
    pub needs: Needs,
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
    /// It was never started after all, and stands in line again.
    Back(RunId),
    /// Something that the user should know.
    Remark(String),
}

/// Runs jobs.
pub trait Executor: Send {
    /// What a job's placement is while it is being started, for the case that the daemon ends in between.
    fn intent(&self) -> Option<Placement>;

    /// A job was asked to stop by a file in its run directory.
    fn asked_to_stop(&mut self, run: &RunId);

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

/// Both ways of running jobs: new ones go the way that the settings say, and those that an earlier daemon started are
/// watched where they are.
#[derive(Debug)]
pub struct Executors {
    local: Local,
    cluster: Cluster,
    new_on_cluster: bool,
}

impl Executors {
    /// Starts new jobs on the cluster, or else on this machine.
    pub fn new(local: Local, cluster: Cluster, new_on_cluster: bool) -> Self {
        Self { local, cluster, new_on_cluster }
    }
}

impl Executor for Executors {
    fn intent(&self) -> Option<Placement> {
        self.new_on_cluster.then(Cluster::intent)
    }

    fn asked_to_stop(&mut self, run: &RunId) {
        self.cluster.asked_to_stop(run);
    }

    fn launch(&mut self, launch: Launch) {
        if self.new_on_cluster { self.cluster.launch(launch) } else { self.local.launch(launch) }
    }

    fn take_up(&mut self, run: &RunId, dir: &RunDir, placement: Option<&Placement>) -> bool {
        match placement {
            Some(Placement::Slurm { job }) => {
                self.cluster.take_up(run, dir, *job);
                true
            }
            local => self.local.take_up(run, dir, local),
        }
    }

    fn force(&mut self, run: &RunId, how: Force) {
        self.local.force(run, how);
        self.cluster.force(run, how);
    }

    fn notices(&mut self) -> Vec<Notice> {
        let mut notices = self.local.notices();
        notices.extend(self.cluster.notices());
        notices
    }

    fn poll_every(&self) -> Duration {
        // Run directories on a shared file system are not to be looked at ten times a second.
        if self.new_on_cluster { Duration::from_millis(500) } else { Local::POLL }
    }
}
