//! The state of a run, read from its events and from its place in the queue.

use serde::{Deserialize, Serialize};

use super::events::{Event, EventKind};
use super::queue::{QueueEntry, Wish};

/// The state of a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "status", rename_all = "kebab-case")]
pub enum RunStatus {
    /// No worker has it; its turn will come, or someone runs it by hand.
    Queued,
    /// In the queue, but held back by its user.
    Paused,
    /// A worker on this machine has it, or one on another machine may have.
    Running {
        /// The worker's process id.
        pid: u32,
        /// Its machine.
        host: String,
    },
    /// Done; its files are complete.
    Finished,
    /// It ended with this sentence.
    Failed {
        /// The sentence.
        error: String,
    },
    /// Stopped by the user, or its worker died without a word; it can be resumed.
    Interrupted,
    /// Taken out of the queue by its user.
    Cancelled,
}

impl RunStatus {
    /// Reads the state from a run's events and its place in the queue, if it has one.
    pub fn of(events: &[Event], entry: Option<&QueueEntry>) -> Self {
        let attempt = events.iter().map(|e| e.attempt).max().unwrap_or(0);
        match (Self::of_events(events), entry) {
            (status @ (Self::Running { .. } | Self::Finished), _) | (status, None) => status,
            (_, Some(QueueEntry { wish: Wish::Cancel, .. })) => Self::Cancelled,
            (status @ Self::Failed { .. }, Some(entry)) if attempt > entry.forgiven => status,
            (_, Some(QueueEntry { wish: Wish::Pause, .. })) => Self::Paused,
            (_, Some(QueueEntry { wish: Wish::Run, .. })) => Self::Queued,
        }
    }

    /// What the events alone say; a worker of this machine that is gone means interrupted.
    fn of_events(events: &[Event]) -> Self {
        let mut status = Self::Queued;
        for event in events {
            status = match &event.kind {
                EventKind::Started { pid, pid_start, host } => {
                    if *host == super::dir::hostname() && process_start(*pid) != Some(*pid_start) {
                        Self::Interrupted
                    } else {
                        Self::Running { pid: *pid, host: host.clone() }
                    }
                }
                EventKind::Finished => Self::Finished,
                EventKind::Failed { error, .. } => Self::Failed { error: error.clone() },
                EventKind::Interrupted => Self::Interrupted,
                _ => continue,
            };
        }
        status
    }

    /// One word for tables.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running { .. } => "running",
            Self::Finished => "finished",
            Self::Failed { .. } => "failed",
            Self::Interrupted => "interrupted",
            Self::Paused => "paused",
            Self::Cancelled => "cancelled",
        }
    }
}

/// Start time of a process in clock ticks since boot, from `/proc`; none when it does not live.
pub fn process_start(pid: u32) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The second field is the command in parentheses and may hold spaces; fields are counted from behind it.
    let rest = &stat[stat.rfind(')')? + 1..];
    let mut fields = rest.split_whitespace();
    (fields.next()? != "Z").then_some(())?;
    fields.nth(18)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::run::FailureCause;

    fn event(kind: EventKind) -> Event {
        Event { time: 0.0, attempt: 1, step: 0, kind }
    }

    #[test]
    fn a_worker_that_is_gone_means_interrupted() {
        let host = super::super::dir::hostname();
        let me = std::process::id();
        let start = process_start(me).unwrap();
        let alive = EventKind::Started { pid: me, pid_start: start, host: host.clone() };
        let recycled = EventKind::Started { pid: me, pid_start: start + 1, host };
        assert!(matches!(RunStatus::of(&[event(alive)], None), RunStatus::Running { .. }));
        assert_eq!(RunStatus::of(&[event(recycled)], None), RunStatus::Interrupted);
        assert_eq!(RunStatus::of(&[], None), RunStatus::Queued);
    }

    #[test]
    fn the_queue_decides_what_an_unfinished_run_waits_for() {
        let entry = |wish, forgiven| QueueEntry { wish, forgiven, ..QueueEntry::default() };
        let of = |kind: EventKind, wish, forgiven| RunStatus::of(&[event(kind)], Some(&entry(wish, forgiven)));
        let failed = || EventKind::Failed { error: "e".into(), cause: FailureCause::Other };
        assert_eq!(of(EventKind::Interrupted, Wish::Run, 0), RunStatus::Queued);
        assert_eq!(of(EventKind::Interrupted, Wish::Pause, 0), RunStatus::Paused);
        assert_eq!(of(EventKind::Interrupted, Wish::Cancel, 0), RunStatus::Cancelled);
        assert_eq!(of(failed(), Wish::Run, 0), RunStatus::Failed { error: "e".into() });
        assert_eq!(of(failed(), Wish::Run, 1), RunStatus::Queued);
        assert_eq!(of(EventKind::Finished, Wish::Cancel, 0), RunStatus::Finished);
    }
}
