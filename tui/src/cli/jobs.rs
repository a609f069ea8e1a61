//! Gives jobs to the queue, and shows how they get on while a command waits for them.

use std::collections::BTreeMap;
use std::time::Duration;

use lightbox_scheduler::daemon::label;
use lightbox_scheduler::protocol::{Action, Answer, JobState, JobView, News};
use lightbox_scheduler::{Client, Interrupt, SchedulerError};
use lightbox_store::run::{Event, EventKind, FailureCause, RunId};
use lightbox_store::{GroupId, JobKind, RunDir};

use super::Context;
use crate::failure::{Failure, Result};
use crate::output::Progress;

/// How often the interrupt is looked at while waiting for news.
const LOOK: Duration = Duration::from_millis(200);

/// A connection to the daemon, which is started when it does not run.
pub fn client(context: &Context) -> Result<Client> {
    let program = std::env::current_exe().map_err(|e| Failure::failed(format!("cannot find this program: {e}")))?;
    Ok(Client::connect_or_start(&context.home, &program)?)
}

/// Asks the daemon one question.
pub fn ask(context: &Context, action: &Action) -> Result<Answer> {
    let program = std::env::current_exe().map_err(|e| Failure::failed(format!("cannot find this program: {e}")))?;
    Ok(Client::ask_once(&context.home, &program, action)?)
}

/// Gives runs to the queue.
pub fn enqueue(context: &Context, runs: &[RunDir]) -> Result<()> {
    let runs = runs.iter().map(|run| Ok(run.config()?.run)).collect::<Result<Vec<RunId>>>()?;
    match ask(context, &Action::Enqueue { runs })? {
        Answer::Done { remarks, .. } => {
            remarks.iter().for_each(|remark| context.out.note(remark));
            Ok(())
        }
        _ => Err(Failure::failed("the daemon gave another answer than was asked for")),
    }
}

/// Gives the runs of a new group to the queue and prints the group's name, as the first thing on standard output. Printed
/// only then: a pipe that is closed already ends the program, and the runs must be in the queue before it.
pub fn enqueue_group(context: &Context, group: &GroupId, runs: &[RunDir]) -> Result<()> {
    let queued = enqueue(context, runs);
    context.out.line(group);
    queued
}

/// Shows how jobs get on until all are settled. A daemon that ends meanwhile is started again.
///
/// The first job that fails does not stop the others; the failures are then told together. ctrl-c ends the waiting and
/// not the jobs.
pub fn wait(context: &Context, runs: &[RunDir]) -> Result<()> {
    let interrupt = Interrupt::watch()?;
    let mut waiting = Waiting::new(context, runs)?;
    while !waiting.all_settled() {
        match waiting.listen(&interrupt) {
            Ok(()) => {}
            Err(SchedulerError::Interrupted) => {
                context.out.note(format!(
                    "the jobs go on; see them with: lightbox queue list, stop them with: lightbox queue cancel {}",
                    waiting.group
                ));
                return Err(Failure::Interrupted);
            }
            // The daemon is gone: the next turn of the loop starts another one and lists again.
            Err(error @ SchedulerError::Gone) => waiting.lost(&error)?,
            Err(error) => return Err(error.into()),
        }
    }
    waiting.outcome(runs)
}

/// The jobs that a command waits for.
struct Waiting<'a> {
    context: &'a Context,
    group: String,
    views: BTreeMap<RunId, View<'a>>,
    states: BTreeMap<RunId, (JobState, Option<String>)>,
    losses: usize,
}

impl<'a> Waiting<'a> {
    fn new(context: &'a Context, runs: &[RunDir]) -> Result<Self> {
        let mut views = BTreeMap::new();
        let mut group = String::new();
        for (index, run) in runs.iter().enumerate() {
            let config = run.config()?;
            group.clone_from(&config.group.0);
            let label = format!("[{}/{}] {}", index + 1, runs.len(), label(&config));
            let epochs = match &config.job {
                JobKind::Train(train) => Some(train.epochs),
                JobKind::Evaluate(_) | JobKind::ExplainEval(_) => None,
            };
            views.insert(config.run, View { context, label, epochs, progress: None });
        }
        Ok(Self { context, group, views, states: BTreeMap::new(), losses: 0 })
    }

    fn all_settled(&self) -> bool {
        self.views.keys().all(|run| self.states.get(run).is_some_and(|(state, _)| state.settled()))
    }

    /// Listens to one daemon until all is settled.
    fn listen(&mut self, interrupt: &Interrupt) -> std::result::Result<(), SchedulerError> {
        let program =
            std::env::current_exe().map_err(|e| SchedulerError::Daemon(format!("cannot find this program: {e}")))?;
        let mut client = Client::connect_or_start(&self.context.home, &program)?;
        client.ask(Action::Subscribe)?;
        self.list(&mut client)?;
        let before = interrupt.count();
        while !self.all_settled() {
            if interrupt.count() > before {
                return Err(SchedulerError::Interrupted);
            }
            match client.news(LOOK)? {
                Some(News::Event { run, event }) => {
                    if let Some(view) = self.views.get_mut(&run) {
                        view.show(&event);
                    }
                }
                Some(News::Job(job)) => self.take(&job),
                Some(News::Missed) => self.list(&mut client)?,
                Some(News::Gone { run }) if self.views.contains_key(&run) => {
                    self.states.insert(run, (JobState::Failed, Some("its directory was removed".to_owned())));
                }
                Some(_) | None => {}
            }
        }
        Ok(())
    }

    fn list(&mut self, client: &mut Client) -> std::result::Result<(), SchedulerError> {
        let only: Vec<String> = self.views.keys().map(|run| run.0.clone()).collect();
        if let Answer::Jobs { jobs } = client.ask(Action::List { only })? {
            jobs.iter().for_each(|job| self.take(job));
        }
        Ok(())
    }

    fn take(&mut self, job: &JobView) {
        let Some(view) = self.views.get_mut(&job.run) else { return };
        let news = self.states.insert(job.run.clone(), (job.state, job.reason.clone()));
        let changed = news.is_none_or(|(state, _)| state != job.state);
        match job.state {
            JobState::Paused | JobState::Cancelled | JobState::Blocked if changed => view.end(job),
            _ => {}
        }
    }

    fn lost(&mut self, sentence: &SchedulerError) -> Result<()> {
        const TOO_MANY: usize = 5;
        self.losses += 1;
        if self.losses > TOO_MANY {
            return Err(Failure::failed(sentence));
        }
        std::thread::sleep(LOOK);
        Ok(())
    }

    /// All done, or what failed.
    fn outcome(self, runs: &[RunDir]) -> Result<()> {
        let failures: Vec<String> = self
            .states
            .iter()
            .filter(|(_, (state, _))| *state != JobState::Finished)
            .map(|(run, (state, reason))| match (state, reason) {
                (JobState::Failed | JobState::Blocked, Some(reason)) => format!("{run}: {reason}"),
                (state, _) => format!("{run} is {}", state.word()),
            })
            .collect();
        let bad_input = runs.iter().any(failed_by_bad_input);
        match failures.as_slice() {
            [] => Ok(()),
            [one] if bad_input => Err(Failure::BadInput(one.clone())),
            [one] => Err(Failure::Failed(one.clone())),
            [first, ..] => {
                Err(Failure::Failed(format!("{} of {} runs failed; the first: {first}", failures.len(), runs.len())))
            }
        }
    }
}

fn failed_by_bad_input(run: &RunDir) -> bool {
    let events = run.events().unwrap_or_default();
    matches!(events.last().map(|e| &e.kind), Some(EventKind::Failed { cause: FailureCause::BadInput, .. }))
}

/// What one line has room for of an epoch's metrics; `events.jsonl` has all of them.
fn in_short(metrics: &BTreeMap<String, f64>) -> String {
    const SHOWN: [(&str, &str, usize); 4] = [
        ("train/loss", "training loss", 4),
        ("validation/loss", "validation loss", 4),
        ("validation/balanced-accuracy", "balanced accuracy", 3),
        ("images-per-second", "images/s", 0),
    ];
    let shown = SHOWN
        .iter()
        .filter_map(|(name, label, digits)| metrics.get(*name).map(|value| format!("{label} {value:.digits$}")));
    shown.collect::<Vec<_>>().join(", ")
}

/// Where a job went on; a training whose last epoch is done has only its predictions left.
fn resumed(epoch: usize, epochs: Option<usize>, step: u64) -> String {
    match epochs {
        Some(epochs) if epoch >= epochs => format!("resumed after the last epoch, step {step}"),
        _ => format!("resumed in epoch {}, step {step}", epoch + 1),
    }
}

/// Shows one job's events as lines or a progress bar.
struct View<'a> {
    context: &'a Context,
    label: String,
    /// Epochs of a training.
    epochs: Option<usize>,
    progress: Option<(String, Progress)>,
}

impl View<'_> {
    fn show(&mut self, event: &Event) {
        match &event.kind {
            EventKind::Started { .. } => self.say("started"),
            EventKind::Resumed { epoch } => self.say(&resumed(*epoch, self.epochs, event.step)),
            EventKind::Epoch { epoch, metrics } => {
                self.progress = None;
                self.say(&format!("epoch {}: {}", epoch + 1, in_short(metrics)));
            }
            EventKind::Progress { phase, done, total } => self.advance(phase, *done, *total),
            EventKind::Warning { text } => self.say(&format!("warning: {text}")),
            EventKind::Finished => {
                self.progress = None;
                self.say("done");
            }
            EventKind::Failed { error, .. } => {
                self.progress = None;
                self.say(&format!("failed: {error}"));
            }
            EventKind::Interrupted => self.progress = None,
            EventKind::Step { .. } | EventKind::Checkpoint { .. } => {}
        }
    }

    /// Says how a job stands that no worker will say anything about.
    fn end(&mut self, job: &JobView) {
        self.progress = None;
        let reason = job.reason.as_ref().map_or(String::new(), |reason| format!(": {reason}"));
        self.say(&format!("{}{reason}", job.state.word()));
    }

    fn advance(&mut self, phase: &str, done: usize, total: usize) {
        if self.progress.as_ref().is_none_or(|(p, _)| p != phase) {
            let bar = self.context.out.progress(&format!("{} {phase}", self.label), total);
            self.progress = Some((phase.to_owned(), bar));
        }
        if let Some((_, bar)) = &mut self.progress {
            bar.set(done);
        }
    }

    fn say(&self, text: &str) {
        self.context.out.note(format!("{} {text}", self.label));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_training_resumes_in_an_epoch_that_it_has() {
        assert_eq!(resumed(1, Some(2), 7), "resumed in epoch 2, step 7");
        assert_eq!(resumed(2, Some(2), 14), "resumed after the last epoch, step 14");
    }
}
