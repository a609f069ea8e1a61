//! Which job starts next, and how it is started and stopped.

use std::time::{Duration, Instant};

use lightbox_store::run::{Placement, RunId, Wish};
use lightbox_store::{RunDir, RunStatus};

use super::super::executor::{Force, Launch};
use super::super::follow::Follow;
use super::super::job::{Job, Phase, Running, Stop};
use super::super::slots::Slot;
use super::Supervisor;
use crate::Result;

/// The file in a run directory that asks its worker to stop.
pub const STOP_FILE: &str = "stop";

/// What the runs that a job needs allow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Needed {
    /// All are finished.
    Ready,
    /// This one is not finished yet.
    NotYet(RunId),
    /// It cannot run, for this reason.
    Never(String),
}

impl Supervisor {
    /// Starts jobs in their order while slots are free.
    pub(super) fn start_jobs(&mut self) {
        let now = Instant::now();
        let due = self.next_due.is_some_and(|at| at <= now);
        if self.paused || !(self.dirty || due) || !self.slots.any_free() {
            return;
        }
        self.dirty = false;
        if due {
            self.next_due = self.jobs.values().filter_map(|job| job.not_before).filter(|at| *at > now).min();
        }
        let candidates: Vec<RunId> = self.line.iter().filter(|run| self.may_start(run, now)).cloned().collect();
        for run in candidates {
            if !self.slots.any_free() {
                return;
            }
            let Some(job) = self.jobs.get(&run) else { continue };
            match self.slots.take(job.needs, &run) {
                Ok(Some(slot)) => self.start(&run, slot),
                Ok(None) => {}
                Err(sentence) => self.refuse_to_start(&run, sentence),
            }
        }
    }

    fn may_start(&self, run: &RunId, now: Instant) -> bool {
        let Some(job) = self.jobs.get(run) else { return false };
        job.wants_to_run() && job.not_before.is_none_or(|at| at <= now) && self.needed(job, 0) == Needed::Ready
    }

    fn start(&mut self, run: &RunId, slot: Slot) {
        let launch = match self.prepare(run, slot) {
            Ok(Some(launch)) => launch,
            Ok(None) => return self.slots.give_back(run),
            Err(error) => {
                self.slots.give_back(run);
                return self.refuse_to_start(run, error.to_string());
            }
        };
        self.executor.launch(launch);
        self.running.insert(run.clone());
        self.touch(run);
        self.tell_job(run);
    }

    fn prepare(&mut self, run: &RunId, slot: Slot) -> Result<Option<Launch>> {
        let intent = self.executor.intent();
        let Some(job) = self.jobs.get_mut(run) else { return Ok(None) };
        let config = job.dir.config()?;
        remove_stop_file(&job.dir)?;
        let follow = Follow::new(&job.dir, &config);
        job.entry.attempts_before = follow.attempt().max(job.entry.forgiven);
        job.entry.placement = intent;
        job.dir.write_queue_entry(&job.entry)?;
        job.not_before = None;
        job.phase = Phase::Running(Box::new(Running { follow, since: Instant::now(), stop: None }));
        let (dir, label) = (job.dir.clone(), job.label.clone());
        Ok(Some(Launch { run: run.clone(), dir, slot, label, needs: job.needs, threads: job.threads }))
    }

    /// Keeps where a job was placed, so that the next daemon finds it.
    pub(super) fn placed(&mut self, run: &RunId, placement: Placement) {
        let Some(job) = self.jobs.get_mut(run) else { return };
        job.entry.placement = Some(placement);
        if let Err(error) = job.dir.write_queue_entry(&job.entry) {
            self.complain(error);
        }
        self.tell_job(run);
    }

    /// A job that was perhaps started was not: it stands in line again.
    pub(super) fn never_started(&mut self, run: &RunId) {
        self.slots.give_back(run);
        self.running.remove(run);
        let Some(job) = self.jobs.get_mut(run) else { return };
        job.entry.placement = None;
        job.phase = Phase::Waiting;
        if let Err(error) = job.dir.write_queue_entry(&job.entry) {
            self.complain(error);
        }
        self.after_change(run);
    }

    /// Marks the slot of a job that was found running as taken.
    pub(super) fn occupy(&mut self, job: &Job) {
        if let Some(Placement::Local { slot, .. }) = &job.entry.placement {
            self.slots.occupy(slot, &job.run);
        } else {
            // Its daemon ended before it could write the slot down: any that fits.
            let _ = self.slots.take(job.needs, &job.run);
        }
    }

    /// Asks a running job's worker to stop.
    pub(super) fn ask_to_stop(&mut self, run: &RunId) {
        let Some(job) = self.jobs.get_mut(run) else { return };
        let Phase::Running(running) = &mut job.phase else { return };
        let path = job.dir.file(STOP_FILE);
        let word = if job.entry.wish == Wish::Cancel { "cancel\n" } else { "pause\n" };
        let written = std::fs::write(&path, word);
        running.stop.get_or_insert(Stop { since: Instant::now(), force: 0 });
        self.executor.asked_to_stop(run);
        if let Err(error) = written {
            // A full disk: then by signal.
            self.complain(format!("cannot write {}: {error}", path.display()));
            self.executor.force(run, Force::Terminate);
        }
    }

    /// Uses force on workers that were asked to stop and did not.
    pub(super) fn use_force(&mut self) {
        let grace = Duration::from_secs_f64(self.settings.queue.grace_seconds);
        let mut due = Vec::new();
        for run in &self.running {
            let Some(Job { phase: Phase::Running(running), .. }) = self.jobs.get_mut(run) else { continue };
            let Some(stop) = &mut running.stop else { continue };
            let waited = stop.since.elapsed();
            if stop.force == 0 && waited >= grace {
                stop.force = 1;
                due.push((run.clone(), Force::Terminate));
            } else if stop.force == 1 && waited >= 2 * grace {
                stop.force = 2;
                due.push((run.clone(), Force::Kill));
            } else if stop.force == 2 {
                // A worker that was found before it said its process id cannot be reached at once.
                due.push((run.clone(), Force::Kill));
            }
        }
        for (run, how) in due {
            self.executor.force(&run, how);
        }
    }

    /// What the runs that a job needs allow. `depth` bounds the way along runs that need runs.
    pub(super) fn needed(&self, job: &Job, depth: usize) -> Needed {
        const DEEPEST: usize = 32;
        for need in &job.entry.after {
            let state = match self.jobs.get(need) {
                Some(other) => match &other.phase {
                    Phase::Finished => Needed::Ready,
                    Phase::Failed(error) => Needed::Never(format!("it needs {need}, which failed: {error}")),
                    Phase::Cancelled => Needed::Never(format!("it needs {need}, which was cancelled")),
                    Phase::Waiting if depth >= DEEPEST => Needed::Never("the runs that it needs form a circle".into()),
                    Phase::Waiting => match self.needed(other, depth + 1) {
                        Needed::Never(_) => Needed::Never(format!("it needs {need}, which cannot run")),
                        Needed::Ready | Needed::NotYet(_) => Needed::NotYet(need.clone()),
                    },
                    Phase::Running(_) => Needed::NotYet(need.clone()),
                },
                None => self.needed_on_disk(need),
            };
            if state != Needed::Ready {
                return state;
            }
        }
        Needed::Ready
    }

    fn needed_on_disk(&self, need: &RunId) -> Needed {
        match RunDir::open(&self.home.runs_dir().join(&need.0)).and_then(|dir| dir.status()) {
            Ok(RunStatus::Finished) => Needed::Ready,
            Ok(RunStatus::Running { .. }) => Needed::NotYet(need.clone()),
            Ok(status) => Needed::Never(format!("it needs {need}, which is {} and not in the queue", status.word())),
            Err(_) => Needed::Never(format!("it needs {need}, which is not there")),
        }
    }
}

fn remove_stop_file(dir: &RunDir) -> Result<()> {
    let path = dir.file(STOP_FILE);
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(lightbox_store::StoreError::io("remove", &path, error).into())
        }
        _ => Ok(()),
    }
}
