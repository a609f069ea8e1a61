//! What clients ask for. Each action is applied whole before the next one is looked at.

use lightbox_store::run::{RunId, Wish, resolve};
use lightbox_store::{RunDir, names};

use super::super::job::{Job, Phase};
use super::{PAUSED, Supervisor};
use crate::Result;
use crate::protocol::{Action, Answer, News};

/// What an action was done to, and what the user should know of those to which it was not.
#[derive(Debug, Default)]
pub(super) struct Done {
    pub jobs: Vec<RunId>,
    pub remarks: Vec<String>,
}

impl Supervisor {
    /// Applies a client's action. Explaining and stopping are not the supervisor's.
    pub fn act(&mut self, action: &Action) -> Answer {
        let done = match action {
            Action::Status => return Answer::Status(Box::new(self.status())),
            Action::List { only } => return self.list(only),
            Action::Enqueue { runs } => Ok(self.enqueue(runs)),
            Action::Pause { jobs } if jobs.is_empty() => self.pause_queue(true),
            Action::Resume { jobs } if jobs.is_empty() => self.pause_queue(false),
            Action::Pause { jobs } => self.on_each(jobs, Self::pause),
            Action::Resume { jobs } => self.on_each(jobs, Self::resume),
            Action::Cancel { jobs } => self.on_each(jobs, Self::cancel),
            Action::Retry { jobs } => self.on_each(jobs, Self::retry),
            Action::Move { jobs, to } => self.move_jobs(jobs, to),
            Action::Forget { runs } => Ok(self.forget_all(runs)),
            Action::Subscribe | Action::Explain { .. } | Action::Stop { .. } => Ok(Done::default()),
        };
        match done {
            Ok(Done { jobs, remarks }) => Answer::Done { jobs, remarks },
            Err(error) => Answer::Refused { message: error.to_string(), code: error.code() },
        }
    }

    fn enqueue(&mut self, runs: &[RunId]) -> Done {
        let mut done = Done::default();
        for run in runs {
            if self.jobs.contains_key(run) {
                done.jobs.push(run.clone());
                continue;
            }
            match self.read_new(run) {
                Ok(job) if matches!(job.phase, Phase::Finished) => {
                    done.remarks.push(format!("{run} is finished already"));
                }
                Ok(job) => {
                    self.insert(job);
                    self.after_change(run);
                    done.jobs.push(run.clone());
                }
                Err(error) => done.remarks.push(error.to_string()),
            }
        }
        done
    }

    fn read_new(&self, run: &RunId) -> Result<Job> {
        names::check("run", &run.0)?;
        let dir = RunDir::open(&self.home.runs_dir().join(&run.0))?;
        let job = Job::read(dir)?;
        if dir_is_new(&job.dir)? {
            job.dir.write_queue_entry(&job.entry)?;
        }
        Ok(job)
    }

    /// Does something to each job that the names mean.
    fn on_each(&mut self, names: &[String], act: fn(&mut Self, &RunId) -> Result<Option<String>>) -> Result<Done> {
        let runs = self.resolve(names)?;
        let mut done = Done::default();
        for run in runs {
            match act(self, &run) {
                Ok(None) => done.jobs.push(run),
                Ok(Some(remark)) => done.remarks.push(remark),
                Err(error) => done.remarks.push(error.to_string()),
            }
        }
        Ok(done)
    }

    /// The jobs that the names mean: runs, groups, studies, or the beginning or end of a run's or group's name. Jobs that
    /// left the list long ago are read again from their directories.
    pub(super) fn resolve(&mut self, names: &[String]) -> Result<Vec<RunId>> {
        let mut found = Vec::new();
        for name in names {
            let mut here: Vec<RunId> =
                self.jobs.values().filter(|job| job.is_called(name)).map(|job| job.run.clone()).collect();
            if here.is_empty() {
                for dir in resolve(&self.home, name)? {
                    let run = dir.config()?.run;
                    if !self.jobs.contains_key(&run) {
                        let job = Job::read(dir)?;
                        let settled = job.settled();
                        self.insert(job);
                        if settled {
                            self.settled.push_back(run.clone());
                        }
                    }
                    here.push(run);
                }
            }
            here.sort_by_key(|run| (self.line.place(run).map(|(p, o)| (-i64::from(p), o)), run.clone()));
            found.extend(here.into_iter().filter(|run| !found.contains(run)).collect::<Vec<_>>());
        }
        Ok(found)
    }

    /// Changes a job's entry on disk, then in memory: what cannot be written is not done.
    pub(super) fn change(&mut self, run: &RunId, change: impl FnOnce(&mut Job)) -> Result<()> {
        let Some(job) = self.jobs.get_mut(run) else { return Ok(()) };
        let before = job.entry.clone();
        change(job);
        if let Err(error) = job.dir.write_queue_entry(&job.entry) {
            job.entry = before;
            return Err(error.into());
        }
        Ok(())
    }

    fn pause(&mut self, run: &RunId) -> Result<Option<String>> {
        match self.jobs.get(run).map(|job| (&job.phase, job.entry.wish)) {
            Some((Phase::Waiting | Phase::Running(_), Wish::Run)) => {
                self.change(run, |job| job.entry.wish = Wish::Pause)?;
                self.ask_to_stop(run);
                self.after_change(run);
                Ok(None)
            }
            Some((Phase::Waiting | Phase::Running(_), _)) => Ok(None),
            _ => Ok(Some(format!("{run} is {}; there is nothing to pause", self.word(run)))),
        }
    }

    fn resume(&mut self, run: &RunId) -> Result<Option<String>> {
        match self.jobs.get(run).map(|job| &job.phase) {
            Some(Phase::Waiting | Phase::Running(_)) => {
                self.change(run, |job| job.entry.wish = Wish::Run)?;
                self.after_change(run);
                Ok(None)
            }
            Some(Phase::Finished) => Ok(Some(format!("{run} is finished"))),
            _ => Ok(Some(format!("{run} is {}; use `lightbox queue retry`", self.word(run)))),
        }
    }

    fn cancel(&mut self, run: &RunId) -> Result<Option<String>> {
        match self.jobs.get(run).map(|job| &job.phase) {
            Some(Phase::Waiting) => {
                self.change(run, |job| {
                    job.entry.wish = Wish::Cancel;
                    job.not_before = None;
                })?;
                if let Some(job) = self.jobs.get_mut(run) {
                    job.phase = Phase::Cancelled;
                }
                self.after_change(run);
                Ok(None)
            }
            Some(Phase::Running(_)) => {
                self.change(run, |job| job.entry.wish = Wish::Cancel)?;
                self.ask_to_stop(run);
                self.after_change(run);
                Ok(None)
            }
            Some(Phase::Cancelled) => Ok(None),
            _ => Ok(Some(format!("{run} is {}; there is nothing to cancel", self.word(run)))),
        }
    }

    fn retry(&mut self, run: &RunId) -> Result<Option<String>> {
        let phase = self.jobs.get(run).map(|job| &job.phase);
        match phase {
            Some(Phase::Finished) => return Ok(Some(format!("{run} is finished; train again to get another run"))),
            Some(Phase::Running(running)) if running.stop.is_none() => return Ok(None),
            Some(_) => {}
            None => return Ok(Some(format!("{run} is not in the queue"))),
        }
        let priority = self.jobs.get(run).map_or(0, |job| job.entry.priority);
        let order = self.line.behind_all(priority, 1)[0];
        self.change(run, |job| {
            job.entry.wish = Wish::Run;
            job.entry.forgiven = job.attempt;
            job.entry.automatic_retries = 0;
            job.entry.order = order;
            job.not_before = None;
        })?;
        if let Some(job) = self.jobs.get_mut(run)
            && job.settled()
        {
            job.phase = Phase::Waiting;
        }
        self.after_change(run);
        Ok(None)
    }

    fn pause_queue(&mut self, paused: bool) -> Result<Done> {
        let path = self.home.root().join(PAUSED);
        let written = if paused { std::fs::write(&path, "") } else { std::fs::remove_file(&path) };
        match written {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                return Err(lightbox_store::StoreError::io("write", &path, error).into());
            }
            _ => {}
        }
        self.paused = paused;
        self.dirty = true;
        self.tell(News::Queue { paused });
        Ok(Done::default())
    }

    fn forget_all(&mut self, runs: &[RunId]) -> Done {
        let mut done = Done::default();
        for run in runs {
            if matches!(self.jobs.get(run).map(|job| &job.phase), Some(Phase::Running(_))) {
                done.remarks.push(format!("{run} is running; cancel it first: lightbox queue cancel {run}"));
            } else {
                self.forget(run);
                done.jobs.push(run.clone());
            }
        }
        done
    }

    /// Asks all running jobs to stop at a checkpoint; they stay in the queue.
    pub fn stop_jobs(&mut self) {
        for run in self.running.clone() {
            self.ask_to_stop(&run);
        }
    }

    /// Whether any job has a worker.
    pub fn any_running(&self) -> bool {
        !self.running.is_empty()
    }

    /// Starts nothing any more.
    pub fn start_nothing(&mut self) {
        self.paused = true;
    }
}

fn dir_is_new(dir: &RunDir) -> Result<bool> {
    Ok(dir.queue_entry()?.is_none())
}
