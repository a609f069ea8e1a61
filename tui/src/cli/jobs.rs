//! Runs jobs here and now and shows how they get on.

use std::collections::BTreeMap;

use lightbox_scheduler::{Interrupt, Outcome, WorkerProgram, run_in_foreground};
use lightbox_store::run::{Event, EventKind};
use lightbox_store::{JobConfig, RunDir};

use super::Context;
use crate::failure::{Failure, Result};
use crate::output::Progress;

/// Runs jobs one after the other until all are done. Finished ones are passed over; interrupted ones resume.
///
/// The first job that fails does not stop the others; the failures are then told together.
pub fn run_all(context: &Context, runs: &[RunDir]) -> Result<()> {
    let worker = WorkerProgram::find(context.home.root())?;
    let interrupt = Interrupt::watch()?;
    let mut failures = Vec::new();
    let mut worst = 1;
    for (index, run) in runs.iter().enumerate() {
        let config = run.config()?;
        let mut view = View::new(context, label(&config, index, runs.len()));
        match run_in_foreground(&worker, run, &interrupt, &mut |event| view.show(event))? {
            Outcome::Finished => {}
            Outcome::Failed { error, code } => {
                worst = worst.max(code);
                failures.push(format!("{}: {error}", config.run));
            }
            Outcome::Interrupted => {
                context.out.note(format!("stopped; go on with: lightbox runs resume {}", config.group));
                return Err(Failure::Interrupted);
            }
        }
    }
    match failures.as_slice() {
        [] => Ok(()),
        [one] if worst == 2 => Err(Failure::BadInput(one.clone())),
        [one] => Err(Failure::Failed(one.clone())),
        [first, ..] => {
            Err(Failure::Failed(format!("{} of {} runs failed; the first: {first}", failures.len(), runs.len())))
        }
    }
}

/// What stands before each line about a job.
fn label(config: &JobConfig, index: usize, total: usize) -> String {
    use lightbox_store::JobKind;
    let what = match &config.job {
        JobKind::Train(c) => format!("{} {} fold {}/{}", c.dataset.name, c.model.id, c.split.fold + 1, c.split.folds),
        JobKind::Evaluate(c) => format!("evaluate {} on {}", c.parents.len(), c.dataset.name),
        JobKind::ExplainEval(c) => format!("explain {} ({})", c.parent, c.methods.join(", ")),
    };
    format!("[{}/{total}] {what}", index + 1)
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

/// Shows one job's events as lines or a progress bar.
struct View<'a> {
    context: &'a Context,
    label: String,
    progress: Option<(String, Progress)>,
}

impl<'a> View<'a> {
    fn new(context: &'a Context, label: String) -> Self {
        Self { context, label, progress: None }
    }

    fn show(&mut self, event: &Event) {
        match &event.kind {
            EventKind::Started { .. } => self.say("started"),
            EventKind::Resumed { epoch } => self.say(&format!("resumed in epoch {}, step {}", epoch + 1, event.step)),
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
            EventKind::Failed { error } => {
                self.progress = None;
                self.say(&format!("failed: {error}"));
            }
            EventKind::Interrupted => self.progress = None,
            EventKind::Step { .. } | EventKind::Checkpoint { .. } => {}
        }
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
