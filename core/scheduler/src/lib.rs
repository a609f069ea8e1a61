//! Runs jobs: one worker process each, so that a plugin that crashes costs one job and nothing else.

mod client;
pub mod daemon;
mod interrupt;
pub mod protocol;
mod settings;
pub mod slurm;
mod worker;

pub use client::{Client, daemon_process};
pub use interrupt::Interrupt;
pub use settings::Settings;
pub use slurm::{SlurmError, SlurmSettings};
pub use worker::{Answer, WorkerProgram};

/// What can go wrong with worker processes.
#[derive(Debug, thiserror::Error)]
pub enum SchedulerError {
    /// The worker program is not where it should be.
    #[error(
        "cannot find lightbox-worker: looked for {0}; build it with `just build`, or set LIGHTBOX_WORKER to its path"
    )]
    NoWorker(String),
    /// It could not be started.
    #[error("cannot start {program}: {source}")]
    Start {
        /// The worker program.
        program: String,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// A worker ended with an error of its own words.
    #[error("{message}")]
    Worker {
        /// Its sentence.
        message: String,
        /// Its exit code: 1 failed, 2 bad input.
        code: i32,
    },
    /// The daemon cannot be reached, started or understood.
    #[error("{0}")]
    Daemon(String),
    /// The daemon ended in the middle of a conversation.
    #[error("the daemon is gone; jobs that run go on, and the next command starts another daemon")]
    Gone,
    /// The daemon was asked for something that makes no sense.
    #[error("{0}")]
    Refused(String),
    /// The user interrupted.
    #[error("interrupted")]
    Interrupted,
    /// Slurm did not do what was asked of it.
    #[error(transparent)]
    Slurm(#[from] SlurmError),
    /// A run directory could not be read or written.
    #[error(transparent)]
    Store(#[from] lightbox_store::StoreError),
    /// Signals could not be watched.
    #[error("cannot watch for ctrl-c: {0}")]
    Signals(std::io::Error),
}

/// Result with [`SchedulerError`].
pub type Result<T> = std::result::Result<T, SchedulerError>;

impl SchedulerError {
    /// The exit code that belongs to it: 2 for bad input, 130 interrupted, else 1.
    pub fn code(&self) -> i32 {
        use lightbox_store::StoreError;
        match self {
            Self::Refused(_) => 2,
            Self::Worker { code, .. } => *code,
            Self::Interrupted => 130,
            Self::Store(StoreError::Content { .. } | StoreError::NotFound(_) | StoreError::Invalid(_)) => 2,
            Self::Store(StoreError::Io { .. })
            | Self::NoWorker(_)
            | Self::Start { .. }
            | Self::Daemon(_)
            | Self::Gone
            | Self::Slurm(_) => 1,
            Self::Signals(_) => 1,
        }
    }
}
