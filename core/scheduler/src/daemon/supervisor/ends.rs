//! What happens when a worker has ended: the job is settled, or stands in line again.

use std::io::{Read, Seek, SeekFrom};
use std::time::{Duration, Instant};

use lightbox_store::RunDir;
use lightbox_store::run::{EventKind, EventWriter, FailureCause, Owner, RunId, Wish};

use super::super::job::{Job, Phase};
use super::super::local::LOG_MARK;
use super::super::verdict::{Ended, Verdict, verdict, write_down};
use super::{SETTLED_KEPT, Supervisor};
use crate::protocol::News;

/// How long a job whose memory ran out waits before it tries again.
const AFTER_OUT_OF_MEMORY: Duration = Duration::from_secs(30);

/// As much of a worker's log as is looked at for its last sentence.
const LOG_TAIL: u64 = 16 << 10;

impl Supervisor {
    /// Takes in that a job's worker ended.
    pub(super) fn ended(&mut self, run: &RunId, ended: &Ended) {
        self.slots.give_back(run);
        self.running.remove(run);
        self.dirty = true;
        let Some(job) = self.jobs.get_mut(run) else { return };
        let (mut news, mut headway, mut asked) = (Vec::new(), false, false);
        if let Phase::Running(running) = &mut job.phase {
            news = running.follow.look();
            headway = running.follow.made_headway();
            asked = running.stop.is_some();
        }
        if *ended == Ended::Cancelled && job.entry.wish == Wish::Run {
            // By `scancel`, and whoever did that does not want it to be submitted again.
            job.entry.wish = Wish::Cancel;
        }
        let before = job.entry.attempts_before;
        let events = job.dir.events().unwrap_or_default();
        let method = job.dir.take_method_at_the_end();
        let mut verdict = verdict(&events, before, ended, &log_tail(&job.dir), method.as_ref());
        if let Verdict::Failed { cause: FailureCause::Lost, .. } = verdict
            && (asked || job.entry.wish != Wish::Run)
        {
            // It was ended by force because its user wished so.
            verdict = Verdict::Interrupted;
        }
        let mut written = write_down(&job.dir, before, &verdict);
        job.attempt = job.dir.events().unwrap_or_default().iter().map(|e| e.attempt).max().unwrap_or(job.attempt);
        job.entry.placement = None;
        if headway {
            job.entry.automatic_retries = 0;
        }
        let counted = !asked && *ended != Ended::Restart;
        let stopped_too_often = verdict == Verdict::Interrupted;
        job.phase = next_phase(job, verdict, counted, self.settings.queue.retries);
        if let (Phase::Failed(error), true, Ok(())) = (&job.phase, stopped_too_often, &written) {
            written = write_failure(job, error.clone());
        }
        self.next_due = [self.next_due, job.not_before].into_iter().flatten().min();
        job.dir.sweep(Owner::Worker);
        let kept = job.dir.write_queue_entry(&job.entry);
        let gone = !job.dir.path().exists();
        for event in news {
            self.tell(News::Event { run: run.clone(), event });
        }
        if gone {
            return self.forget(run);
        }
        if let Err(error) = written {
            self.complain(error);
        }
        if let Err(error) = kept {
            self.complain(error);
        }
        self.after_change(run);
    }

    /// A job that cannot be started fails with a sentence.
    pub(super) fn refuse_to_start(&mut self, run: &RunId, sentence: String) {
        let Some(job) = self.jobs.get_mut(run) else { return };
        job.entry.attempts_before = job.attempt.max(job.entry.forgiven);
        self.ended(run, &Ended::NotStarted(sentence));
    }

    /// Puts a job where its phase belongs and tells so, together with the jobs that need it.
    pub(super) fn after_change(&mut self, run: &RunId) {
        let Some(job) = self.jobs.get(run) else { return };
        if job.settled() {
            self.line.remove(run);
            self.settled.retain(|other| other != run);
            self.settled.push_back(run.clone());
        } else {
            let (priority, order) = (job.entry.priority, job.entry.order);
            self.line.put(run, priority, order);
            self.settled.retain(|other| other != run);
        }
        self.dirty = true;
        self.touch(run);
        self.tell_job(run);
        if !self.subscribers.is_empty() {
            let needs_it = |job: &&Job| job.entry.after.contains(run);
            let others: Vec<RunId> = self.jobs.values().filter(needs_it).map(|job| job.run.clone()).collect();
            for other in others {
                self.tell_job(&other);
            }
        }
        while self.settled.len() > SETTLED_KEPT {
            if let Some(oldest) = self.settled.pop_front() {
                self.jobs.remove(&oldest);
            }
        }
    }

    /// Drops a job whose directory is gone.
    pub(super) fn forget(&mut self, run: &RunId) {
        self.line.remove(run);
        self.settled.retain(|other| other != run);
        self.jobs.remove(run);
        self.touch(run);
        self.tell(News::Gone { run: run.clone() });
    }
}

/// What a job does after an attempt ended this way.
fn next_phase(job: &mut Job, verdict: Verdict, counted: bool, retries: u32) -> Phase {
    let (sentence, cause) = match verdict {
        Verdict::Finished => return Phase::Finished,
        _ if job.entry.wish == Wish::Cancel => return Phase::Cancelled,
        Verdict::Interrupted if job.entry.wish == Wish::Pause || !counted => return Phase::Waiting,
        Verdict::Interrupted => ("its worker was stopped from outside".to_owned(), FailureCause::Lost),
        Verdict::Failed { error, cause } => (error, cause),
    };
    match cause {
        FailureCause::Lost | FailureCause::OutOfMemory if !counted || job.entry.automatic_retries < retries => {
            job.entry.forgiven = job.attempt;
            job.entry.automatic_retries += u32::from(counted);
            job.not_before = (cause == FailureCause::OutOfMemory).then(|| Instant::now() + AFTER_OUT_OF_MEMORY);
            Phase::Waiting
        }
        _ => Phase::Failed(sentence),
    }
}

/// The run directory must say that a job failed, also when its worker's own last word was that it was interrupted.
fn write_failure(job: &Job, error: String) -> crate::Result<()> {
    let mut writer = EventWriter::open(&job.dir.file("events.jsonl"), job.attempt)?;
    Ok(writer.append(0, EventKind::Failed { error, cause: FailureCause::Lost })?)
}

/// What the worker wrote since it was last started.
fn log_tail(dir: &RunDir) -> String {
    let read = || -> std::io::Result<String> {
        let mut file = std::fs::File::open(dir.file("worker.log"))?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(LOG_TAIL)))?;
        let mut bytes = Vec::new();
        file.take(LOG_TAIL).read_to_end(&mut bytes)?;
        let text = String::from_utf8_lossy(&bytes);
        Ok(text.rsplit(LOG_MARK).next().unwrap_or_default().to_owned())
    };
    read().unwrap_or_default()
}
