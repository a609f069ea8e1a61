//! `lightbox queue`: the jobs that wait, run and are done, and what is to become of them.

use std::io::{Read, Seek, SeekFrom};
use std::time::Duration;

use clap::{Args, Subcommand};
use lightbox_scheduler::Interrupt;
use lightbox_scheduler::protocol::{Action, Answer, JobState, JobView, Place};
use lightbox_store::run::resolve;
use lightbox_store::{RunDir, RunStatus};

use super::{Context, jobs};
use crate::failure::{Failure, Result};

/// What to do with the queue. JOB is a run, group or study, or the unambiguous beginning or end of a run's name.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// The jobs in the order in which they will run
    List {
        /// Only these
        #[arg(value_name = "JOB")]
        jobs: Vec<String>,
        /// Settled jobs too
        #[arg(long)]
        all: bool,
    },
    /// Hold jobs back, running ones after a checkpoint; without JOB, start nothing new
    Pause {
        #[arg(value_name = "JOB")]
        jobs: Vec<String>,
    },
    /// The opposite of pause
    Resume {
        #[arg(value_name = "JOB")]
        jobs: Vec<String>,
    },
    /// Take jobs out of the queue, running ones after a checkpoint
    Cancel {
        #[arg(value_name = "JOB", required = true)]
        jobs: Vec<String>,
    },
    /// Queue failed and cancelled jobs again; they go on from their checkpoint
    Retry {
        #[arg(value_name = "JOB", required = true)]
        jobs: Vec<String>,
    },
    /// Change the place of waiting jobs
    Move(Move),
    /// What a job's worker wrote
    Logs {
        #[arg(value_name = "JOB")]
        job: String,
        /// Go on as it is written
        #[arg(long, short)]
        follow: bool,
    },
    /// Follow jobs until they are settled; all that wait or run when none is named
    Watch {
        #[arg(value_name = "JOB")]
        jobs: Vec<String>,
    },
}

/// `lightbox queue move`
#[derive(Debug, Args)]
pub struct Move {
    #[arg(value_name = "JOB", required = true)]
    jobs: Vec<String>,
    #[command(flatten)]
    to: To,
}

/// Where to.
#[derive(Debug, Args)]
#[group(required = true, multiple = false)]
struct To {
    /// Before all others of its priority
    #[arg(long)]
    first: bool,
    /// Behind all others of its priority
    #[arg(long)]
    last: bool,
    /// Before another job
    #[arg(long, value_name = "JOB")]
    before: Option<String>,
    /// Set the priority; larger goes first, 0 to begin with
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    priority: Option<i32>,
}

/// Runs the command.
pub fn run(context: &Context, command: Command) -> Result<()> {
    match command {
        Command::List { jobs, all } => list(context, jobs, all),
        Command::Pause { jobs } => act(context, Action::Pause { jobs }, "paused"),
        Command::Resume { jobs } => act(context, Action::Resume { jobs }, "resumed"),
        Command::Cancel { jobs } => act(context, Action::Cancel { jobs }, "cancelled"),
        Command::Retry { jobs } => act(context, Action::Retry { jobs }, "queued again"),
        Command::Move(Move { jobs, to }) => act(context, Action::Move { jobs, to: place(to) }, "moved"),
        Command::Logs { job, follow } => logs(context, &job, follow),
        Command::Watch { jobs } => watch(context, &jobs),
    }
}

fn place(to: To) -> Place {
    match to {
        To { before: Some(job), .. } => Place::Before { job },
        To { priority: Some(priority), .. } => Place::Priority { priority },
        To { first: true, .. } => Place::First,
        To { .. } => Place::Last,
    }
}

fn ask_list(context: &Context, only: Vec<String>) -> Result<Vec<JobView>> {
    match jobs::ask(context, &Action::List { only })? {
        Answer::Jobs { jobs } => Ok(jobs),
        _ => Err(Failure::failed("the daemon gave another answer than was asked for")),
    }
}

fn list(context: &Context, only: Vec<String>, all: bool) -> Result<()> {
    let named = !only.is_empty();
    let mut jobs = ask_list(context, only)?;
    if !all && !named {
        jobs.retain(|job| !job.state.settled() || job.state == JobState::Blocked);
    }
    if context.out.json {
        return context.out.record(&jobs);
    }
    if jobs.is_empty() {
        context.out.note("nothing waits or runs; `lightbox queue list --all` shows what is done");
        return Ok(());
    }
    let rows: Vec<Vec<String>> = jobs.iter().map(row).collect();
    context.out.table(&["job", "state", "priority", "what", "done", "left", "where"], &rows);
    for job in jobs.iter().filter(|job| job.reason.is_some()) {
        context.out.note(format!("{}: {}", job.run, job.reason.as_deref().unwrap_or_default()));
    }
    Ok(())
}

fn row(job: &JobView) -> Vec<String> {
    let done = job.done.map(|done| format!("{:.0} %", done * 100.0)).or_else(|| job.phase.clone());
    vec![
        job.run.0.clone(),
        job.state.word().to_owned(),
        job.priority.to_string(),
        job.label.clone(),
        done.unwrap_or_default(),
        job.eta_seconds.map(duration).unwrap_or_default(),
        job.place.clone().unwrap_or_default(),
    ]
}

/// A length of time in the two largest units that matter.
pub fn duration(seconds: f64) -> String {
    let s = seconds.max(0.0).round() as u64;
    match s {
        0..60 => format!("{s} s"),
        60..3600 => format!("{} min {:02} s", s / 60, s % 60),
        3600..86_400 => format!("{} h {:02} min", s / 3600, s % 3600 / 60),
        _ => format!("{} d {:02} h", s / 86_400, s % 86_400 / 3600),
    }
}

fn act(context: &Context, action: Action, done: &str) -> Result<()> {
    let whole_queue = matches!(&action, Action::Pause { jobs } | Action::Resume { jobs } if jobs.is_empty());
    let Answer::Done { jobs, remarks } = jobs::ask(context, &action)? else {
        return Err(Failure::failed("the daemon gave another answer than was asked for"));
    };
    if context.out.json {
        return context.out.record(&serde_json::json!({ "jobs": jobs, "remarks": remarks }));
    }
    if whole_queue {
        context.out.note(format!("the queue is {done}"));
    }
    for job in &jobs {
        context.out.note(format!("{done}: {job}"));
    }
    match (jobs.is_empty(), remarks.as_slice()) {
        (true, [first, ..]) => Err(Failure::bad(first)),
        (_, remarks) => {
            remarks.iter().for_each(|remark| context.out.note(remark));
            Ok(())
        }
    }
}

/// Queues again, without a word, what of these runs failed or was cancelled before.
pub fn retry_stopped(context: &Context, runs: &[RunDir]) -> Result<()> {
    let mut stopped = Vec::new();
    for run in runs {
        if matches!(run.status()?, RunStatus::Failed { .. } | RunStatus::Cancelled | RunStatus::Paused) {
            stopped.push(run.config()?.run.0);
        }
    }
    if !stopped.is_empty() {
        jobs::ask(context, &Action::Retry { jobs: stopped })?;
    }
    Ok(())
}

fn logs(context: &Context, name: &str, follow: bool) -> Result<()> {
    let runs = resolve(&context.home, name)?;
    let [run] = runs.as_slice() else {
        return Err(Failure::bad(format!("{name} is {} runs; name one: lightbox queue list {name}", runs.len())));
    };
    let path = run.file("worker.log");
    let interrupt = Interrupt::watch()?;
    let mut at = 0;
    loop {
        let text = read_from(&path, &mut at)?;
        context.out.bytes(&text);
        let over = !matches!(run.status()?, RunStatus::Running { .. } | RunStatus::Queued);
        if !follow || (over && text.is_empty()) {
            return Ok(());
        }
        if interrupt.count() > 0 {
            return Err(Failure::Interrupted);
        }
        std::thread::sleep(Duration::from_millis(300));
    }
}

fn read_from(path: &std::path::Path, at: &mut u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut read = || -> std::io::Result<u64> {
        let mut file = std::fs::File::open(path)?;
        file.seek(SeekFrom::Start(*at))?;
        Ok(file.read_to_end(&mut bytes)? as u64)
    };
    match read() {
        Ok(n) => {
            *at += n;
            Ok(bytes)
        }
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(e) => Err(Failure::failed(format!("cannot read {}: {e}", path.display()))),
    }
}

fn watch(context: &Context, names: &[String]) -> Result<()> {
    let jobs = ask_list(context, names.to_vec())?;
    let wanted = jobs.iter().filter(|job| !names.is_empty() || !job.state.settled());
    let runs = wanted
        .map(|job| Ok(RunDir::open(&context.home.runs_dir().join(&job.run.0))?))
        .collect::<Result<Vec<RunDir>>>()?;
    if runs.is_empty() {
        context.out.note("nothing waits or runs");
        return Ok(());
    }
    jobs::wait(context, &runs)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_at_a_glance() {
        let shown = [3.4, 75.0, 3700.0, 90_000.0].map(duration);
        assert_eq!(shown, ["3 s", "1 min 15 s", "1 h 01 min", "1 d 01 h"]);
    }
}
