//! `queue.json`: a run's place in the queue and what its user wishes. With `events.jsonl` it gives the run's state, so a
//! queue can be put together again from run directories alone.

use serde::{Deserialize, Serialize};

use super::id::RunId;

/// What the user wishes for a job.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Wish {
    /// It shall run when its turn comes.
    #[default]
    Run,
    /// It shall wait until it is resumed; a running one stops at its next checkpoint.
    Pause,
    /// It shall not run; a running one stops.
    Cancel,
}

/// Where a job was last started.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "executor", rename_all = "kebab-case")]
pub enum Placement {
    /// A process of this machine.
    Local {
        /// The slot that it holds, for example `cpu:0` or `GPU-2ac5…:0`.
        slot: String,
        /// The worker's process id.
        pid: u32,
        /// When that process started, in clock ticks since boot; 0 when it had ended already.
        pid_start: u64,
        /// The machine's boot, from `/proc/sys/kernel/random/boot_id`.
        boot: String,
        /// The machine.
        host: String,
    },
    /// A job of a Slurm cluster.
    Slurm {
        /// Its number.
        job: u64,
    },
}

impl QueueEntry {
    /// The place of a job that is queued now, behind those queued before; `index` keeps the order of those queued together.
    pub fn now(index: usize) -> Self {
        let micros = time::OffsetDateTime::now_utc().unix_timestamp_nanos() / 1000;
        let order = i64::try_from(micros).unwrap_or(i64::MAX / 2).saturating_add(index as i64);
        Self { order, ..Self::default() }
    }
}

/// A run's place in the queue.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct QueueEntry {
    /// Larger goes first.
    #[serde(default)]
    pub priority: i32,
    /// Among equal priorities, smaller goes first.
    #[serde(default)]
    pub order: i64,
    /// Runs that must be finished before this one starts.
    #[serde(default)]
    pub after: Vec<RunId>,
    /// What the user wishes.
    #[serde(default)]
    pub wish: Wish,
    /// A failure of this attempt or an earlier one no longer counts: the job was queued again since.
    #[serde(default)]
    pub forgiven: u32,
    /// Number of its last attempt when it was last started by the queue.
    #[serde(default)]
    pub attempts_before: u32,
    /// How often it was queued again without anyone asking, since it was last asked for.
    #[serde(default)]
    pub automatic_retries: u32,
    /// Where it was last started.
    #[serde(default)]
    pub placement: Option<Placement>,
}
