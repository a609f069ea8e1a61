//! Jobs run here and now, one after the other, while the command that started them watches.

use std::fs::File;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::process::{Child, ExitStatus, Stdio};
use std::time::Duration;

use lightbox_store::run::{Event, EventKind, EventReader, EventWriter};
use lightbox_store::{RunDir, RunStatus};
use rustix::process::{Pid, Signal, kill_process};

use crate::worker::last_sentence;
use crate::{Interrupt, Result, SchedulerError, WorkerProgram};

/// How often a running job's events are looked at.
const POLL: Duration = Duration::from_millis(100);

/// How a job ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Its files are complete.
    Finished,
    /// It failed with this sentence and exit code.
    Failed {
        /// The sentence.
        error: String,
        /// 1 failed, 2 bad input.
        code: i32,
    },
    /// The user stopped it; it can be resumed.
    Interrupted,
}

/// Runs one job in a worker process and reports its events until it ends. A run that has finished is not run again; one
/// that was interrupted resumes from its last checkpoint.
///
/// A first ctrl-c asks the worker to write a checkpoint and stop, a second one ends it.
///
/// # Errors
/// When the worker cannot be started or the run directory cannot be read.
pub fn run_in_foreground(
    worker: &WorkerProgram,
    run: &RunDir,
    interrupt: &Interrupt,
    on_event: &mut dyn FnMut(&Event),
) -> Result<Outcome> {
    if run.status()? == RunStatus::Finished {
        return Ok(Outcome::Finished);
    }
    let mut reader = EventReader::new(&run.file("events.jsonl"));
    reader.poll()?;
    let log_path = run.file("worker.log");
    let start = |source| SchedulerError::Start { program: worker.path().display().to_string(), source };
    let log = File::options().create(true).append(true).open(&log_path).map_err(start)?;
    let log_start = log.metadata().map_or(0, |m| m.len());
    // A process group of its own: a ctrl-c in the terminal then reaches only this process, which passes it on.
    let command = &mut worker.command();
    command.arg("run").arg(run.path()).stdout(Stdio::null()).stderr(log).process_group(0);
    let mut child = command.spawn().map_err(start)?;
    let status = watch(&mut child, &mut reader, interrupt, on_event)?;
    let log = std::fs::read(&log_path).unwrap_or_default();
    let said = String::from_utf8_lossy(log.get(log_start as usize..).unwrap_or_default()).into_owned();
    conclude(run, status, &last_sentence(&said))
}

/// Reports events until the worker ends, and passes ctrl-c on to it.
fn watch(
    child: &mut Child,
    reader: &mut EventReader,
    interrupt: &Interrupt,
    on_event: &mut dyn FnMut(&Event),
) -> Result<ExitStatus> {
    let before = interrupt.count();
    let mut passed_on = 0;
    loop {
        let ended = child.try_wait().map_err(|source| SchedulerError::Start { program: "worker".into(), source })?;
        for event in reader.poll()? {
            on_event(&event);
        }
        if let Some(status) = ended {
            return Ok(status);
        }
        let asked = interrupt.count() - before;
        if asked > passed_on {
            passed_on = asked;
            let signal = if asked == 1 { Signal::INT } else { Signal::KILL };
            if let Some(pid) = Pid::from_raw(child.id() as i32) {
                // It may have ended in between; the next turn of the loop sees that.
                let _ = kill_process(pid, signal);
            }
        }
        std::thread::sleep(POLL);
    }
}

/// Reads how the worker ended; a worker that died without a word gets its last event written for it.
fn conclude(run: &RunDir, status: ExitStatus, said: &str) -> Result<Outcome> {
    let events = run.events()?;
    let attempt = events.iter().map(|e| e.attempt).max().unwrap_or(1);
    match (status.code(), events.last().map(|e| &e.kind)) {
        (Some(0), Some(EventKind::Finished)) => return Ok(Outcome::Finished),
        (_, Some(EventKind::Interrupted)) => return Ok(Outcome::Interrupted),
        (code, Some(EventKind::Failed { error })) => {
            return Ok(Outcome::Failed { error: error.clone(), code: code.unwrap_or(1) });
        }
        _ => {}
    }
    let mut writer = EventWriter::open(&run.file("events.jsonl"), attempt)?;
    let step = events.last().map_or(0, |e| e.step);
    let error = match status.signal() {
        Some(signal) => format!("the worker was ended by {}", signal_name(signal)),
        None if said.is_empty() => format!("the worker ended without a word ({status})"),
        None => said.to_owned(),
    };
    writer.append(step, EventKind::Failed { error: error.clone() })?;
    Ok(Outcome::Failed { error, code: status.code().unwrap_or(1).max(1) })
}

fn signal_name(signal: i32) -> String {
    let meaning = match signal {
        4 => "SIGILL, an instruction that this processor lacks",
        6 => "SIGABRT, an abort inside a plugin or a library",
        7 => "SIGBUS, a file on disk that shrank or a disk that is full",
        9 => "SIGKILL, sent by the system when memory runs out, or by someone",
        11 => "SIGSEGV, a memory error inside a plugin or a library",
        15 => "SIGTERM, sent by someone",
        _ => return format!("signal {signal}"),
    };
    format!("signal {signal} ({meaning})")
}
