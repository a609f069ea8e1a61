//! How an attempt ended: from what the worker wrote, and from how its process ended.

use std::path::Path;

use lightbox_store::RunDir;
use lightbox_store::run::{Event, EventKind, EventWriter, FailureCause, RunningMethod};

use crate::Result;
use crate::worker::last_sentence;

/// How a worker ended, as far as its executor saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ended {
    /// With this exit code.
    Exit(i32),
    /// By this signal.
    Signal(i32),
    /// Nobody saw how: it was not this daemon's child.
    Unseen,
    /// Its machine restarted.
    Restart,
    /// The cluster says that memory ran out.
    OutOfMemory,
    /// Its machine was lost, or the cluster took it away for another job, with this word.
    Lost(String),
    /// Someone cancelled it on the cluster.
    Cancelled,
    /// It could not be started at all.
    NotStarted(String),
}

/// What came of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Its files are complete.
    Finished,
    /// It stopped when asked to; its checkpoint stands.
    Interrupted,
    /// It failed.
    Failed {
        /// The sentence for the user.
        error: String,
        /// What kind of failure.
        cause: FailureCause,
    },
}

/// Reads how the attempt ended. `attempts_before` is the number of the last attempt before it; `method` is what ran in the worker
/// at its end, as far as that is known.
pub fn verdict(
    events: &[Event],
    attempts_before: u32,
    ended: &Ended,
    log: &str,
    method: Option<&RunningMethod>,
) -> Verdict {
    let mine = events.iter().rev().find(|e| e.attempt > attempts_before && is_last_word(&e.kind));
    match mine.map(|e| &e.kind) {
        Some(EventKind::Finished) => return Verdict::Finished,
        Some(EventKind::Interrupted) => return Verdict::Interrupted,
        Some(EventKind::Failed { error, cause }) => return Verdict::Failed { error: error.clone(), cause: *cause },
        _ => {}
    }
    let said = last_sentence(log);
    let failed = |error: String, cause| Verdict::Failed { error, cause };
    if let (Some(RunningMethod { method, file }), Some(how)) = (method, crash(ended, &said)) {
        return failed(crashed(method, file, &how), FailureCause::Other);
    }
    match ended {
        Ended::Exit(2) if !said.is_empty() => failed(said, FailureCause::BadInput),
        Ended::Exit(130) => Verdict::Interrupted,
        Ended::Exit(_) if !said.is_empty() => failed(said, FailureCause::Other),
        Ended::Exit(code) => failed(format!("the worker ended with exit code {code} and no word"), FailureCause::Other),
        Ended::Signal(signal @ (9 | 15)) => {
            failed(format!("the worker was ended by {}", signal_name(*signal)), FailureCause::Lost)
        }
        Ended::Signal(signal) => {
            failed(format!("the worker was ended by {}", signal_name(*signal)), FailureCause::Other)
        }
        Ended::Unseen => failed("the worker ended while no daemon watched it".to_owned(), FailureCause::Lost),
        Ended::Restart => failed("the machine restarted".to_owned(), FailureCause::Lost),
        Ended::OutOfMemory => failed("the cluster says that memory ran out".to_owned(), FailureCause::OutOfMemory),
        Ended::Lost(word) => failed(format!("the cluster ended the job: {word}"), FailureCause::Lost),
        Ended::Cancelled => Verdict::Interrupted,
        Ended::NotStarted(sentence) => failed(sentence.clone(), FailureCause::Other),
    }
}

/// The sentence for a method that ended its worker.
pub fn crashed(method: &str, library: &Path, how: &str) -> String {
    let library = library.display();
    format!("{library}: the method `{method}` crashed the worker: {how}; report it to the plugin's author")
}

/// How the process ended, where it was the doing of what ran in it.
fn crash(ended: &Ended, said: &str) -> Option<String> {
    match ended {
        Ended::Signal(signal @ (4 | 6 | 7 | 8 | 11)) => Some(signal_name(*signal)),
        Ended::Exit(code) if *code != 130 && said.is_empty() => {
            Some(format!("it ended the process with exit code {code}"))
        }
        _ => None,
    }
}

fn is_last_word(kind: &EventKind) -> bool {
    matches!(kind, EventKind::Finished | EventKind::Interrupted | EventKind::Failed { .. })
}

/// Writes the last event that a worker could not write itself, so that the run directory alone tells the whole story.
pub fn write_down(run: &RunDir, attempts_before: u32, verdict: &Verdict) -> Result<()> {
    let events = run.events()?;
    let attempt = events.iter().map(|e| e.attempt).max().unwrap_or(0).max(attempts_before + 1);
    if events.iter().any(|e| e.attempt > attempts_before && is_last_word(&e.kind)) {
        return Ok(());
    }
    let kind = match verdict {
        Verdict::Finished => return Ok(()),
        Verdict::Interrupted => EventKind::Interrupted,
        Verdict::Failed { error, cause } => EventKind::Failed { error: error.clone(), cause: *cause },
    };
    let step = events.last().map_or(0, |e| e.step);
    Ok(EventWriter::open(&run.file("events.jsonl"), attempt)?.append(step, kind)?)
}

/// A signal in words.
pub fn signal_name(signal: i32) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn event(attempt: u32, kind: EventKind) -> Event {
        Event { time: 0.0, attempt, step: 4, kind }
    }

    #[test]
    fn the_workers_own_word_comes_first() {
        let events = [event(1, EventKind::Interrupted), event(2, EventKind::Finished)];
        assert_eq!(verdict(&events, 1, &Ended::Signal(9), "", None), Verdict::Finished);
        assert!(matches!(
            verdict(&events, 2, &Ended::Signal(9), "", None),
            Verdict::Failed { cause: FailureCause::Lost, .. }
        ));
    }

    #[test]
    fn a_worker_without_a_word_is_judged_by_its_end() {
        let of = |ended| verdict(&[], 0, &ended, "warning: x\nerror: no such method \"gradcam2\"\n", None);
        let said = "no such method \"gradcam2\"".to_owned();
        assert_eq!(of(Ended::Exit(2)), Verdict::Failed { error: said.clone(), cause: FailureCause::BadInput });
        assert_eq!(of(Ended::Exit(1)), Verdict::Failed { error: said, cause: FailureCause::Other });
        assert_eq!(of(Ended::Exit(130)), Verdict::Interrupted);
        assert!(matches!(of(Ended::Signal(11)), Verdict::Failed { cause: FailureCause::Other, .. }));
        assert!(matches!(of(Ended::Restart), Verdict::Failed { cause: FailureCause::Lost, .. }));
    }

    #[test]
    fn a_crash_in_a_method_names_it_and_its_library() {
        let running = RunningMethod { method: "zoo".to_owned(), file: "/p/zoo.so".into() };
        let of = |ended| match verdict(&[], 0, &ended, "", Some(&running)) {
            Verdict::Failed { error, .. } => error,
            other => panic!("{other:?}"),
        };
        assert_eq!(
            of(Ended::Signal(11)),
            "/p/zoo.so: the method `zoo` crashed the worker: signal 11 (SIGSEGV, a memory error inside a plugin or a library); \
             report it to the plugin's author"
        );
        assert!(
            of(Ended::Exit(0)).contains("the method `zoo` crashed the worker: it ended the process with exit code 0")
        );
        // By someone, or for want of memory.
        assert!(!of(Ended::Signal(9)).contains("zoo"));
    }
}
