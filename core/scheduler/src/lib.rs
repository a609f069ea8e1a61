//! Runs jobs: one worker process each, so that a plugin that crashes costs one job and nothing else.

mod foreground;
mod interrupt;
mod worker;

pub use foreground::{Outcome, run_in_foreground};
pub use interrupt::Interrupt;
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
    /// The user interrupted.
    #[error("interrupted")]
    Interrupted,
    /// A run directory could not be read or written.
    #[error(transparent)]
    Store(#[from] lightbox_store::StoreError),
    /// Signals could not be watched.
    #[error("cannot watch for ctrl-c: {0}")]
    Signals(std::io::Error),
}

/// Result with [`SchedulerError`].
pub type Result<T> = std::result::Result<T, SchedulerError>;
