//! The queue as clients see it.

use std::collections::BTreeMap;

use lightbox_store::run::{Placement, RunId, Wish, hostname};

use super::super::job::{Job, Phase};
use super::Supervisor;
use super::launch::Needed;
use crate::protocol::{Answer, JobState, JobView, Status};
use crate::settings::ExecutorChoice;

impl Supervisor {
    /// The jobs in the order in which they will run: running, waiting in line, settled with the latest first.
    pub(super) fn list(&mut self, only: &[String]) -> Answer {
        let wanted = if only.is_empty() { None } else { Some(self.resolve(only)) };
        let wanted = match wanted.transpose() {
            Ok(wanted) => wanted,
            Err(error) => return Answer::Refused { message: error.to_string(), code: error.code() },
        };
        let waiting = self.line.iter().filter(|run| !self.running.contains(*run));
        let order = self.running.iter().chain(waiting).chain(self.settled.iter().rev());
        let wanted: Option<std::collections::HashSet<RunId>> = wanted.map(|runs| runs.into_iter().collect());
        let shown = order.filter(|run| wanted.as_ref().is_none_or(|wanted| wanted.contains(*run)));
        Answer::Jobs { jobs: shown.filter_map(|run| self.view_of(run)).collect() }
    }

    /// A job as clients see it.
    pub(super) fn view_of(&self, run: &RunId) -> Option<JobView> {
        let job = self.jobs.get(run)?;
        let (state, reason) = self.state(job);
        let running = match &job.phase {
            Phase::Running(running) => Some(running),
            _ => None,
        };
        Some(JobView {
            run: job.run.clone(),
            group: job.group.clone(),
            study: job.study.clone(),
            kind: job.kind.to_owned(),
            label: job.label.clone(),
            state,
            reason,
            priority: job.entry.priority,
            place: running.and(job.entry.placement.as_ref()).map(|placement| match placement {
                Placement::Local { slot, .. } => slot.clone(),
                Placement::Slurm { job } => format!("slurm {job}"),
            }),
            attempt: job.attempt,
            done: running.and_then(|r| r.follow.done()),
            phase: running.and_then(|r| r.follow.phase()).map(str::to_owned),
            eta_seconds: running.and_then(|r| r.follow.eta_seconds()),
            running_seconds: running.map(|r| r.since.elapsed().as_secs_f64()),
        })
    }

    fn state(&self, job: &Job) -> (JobState, Option<String>) {
        match &job.phase {
            Phase::Running(running) if running.stop.is_some() => (JobState::Stopping, None),
            Phase::Running(_) => (JobState::Running, None),
            Phase::Finished => (JobState::Finished, None),
            Phase::Failed(error) => (JobState::Failed, Some(error.clone())),
            Phase::Cancelled => (JobState::Cancelled, None),
            Phase::Waiting if job.entry.wish != Wish::Run => (JobState::Paused, None),
            Phase::Waiting => match self.needed(job, 0) {
                Needed::NotYet(need) => (JobState::Waiting, Some(format!("for {need}"))),
                Needed::Never(reason) => (JobState::Blocked, Some(reason)),
                Needed::Ready if job.not_before.is_some() => {
                    (JobState::Queued, Some("memory ran out; it tries again in a while".to_owned()))
                }
                Needed::Ready if self.paused => (JobState::Queued, Some("the queue is paused".to_owned())),
                Needed::Ready => (JobState::Queued, None),
            },
        }
    }

    /// One word for a job's state.
    pub(super) fn word(&self, run: &RunId) -> &'static str {
        self.jobs.get(run).map_or("not in the queue", |job| self.state(job).0.word())
    }

    /// How the daemon is.
    pub(super) fn status(&self) -> Status {
        let mut jobs = BTreeMap::new();
        for job in self.jobs.values() {
            *jobs.entry(self.state(job).0.word().to_owned()).or_insert(0) += 1;
        }
        Status {
            lightbox: env!("CARGO_PKG_VERSION").to_owned(),
            pid: std::process::id(),
            host: hostname(),
            home: self.home.root().to_path_buf(),
            up_seconds: self.born.elapsed().as_secs_f64(),
            paused: self.paused,
            executor: match self.settings.queue.executor {
                ExecutorChoice::Local => "local".to_owned(),
                ExecutorChoice::Slurm => "slurm".to_owned(),
            },
            slots: self.slots.view(),
            jobs,
            warm: Vec::new(),
            remarks: self.remarks.clone(),
        }
    }
}
