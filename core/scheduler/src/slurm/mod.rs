//! Jobs of a Slurm cluster, through its own commands: `sbatch`, `squeue`, `sacct`, `scontrol` and `scancel`.
//!
//! Only what every Slurm of the last years prints in a form meant for programs is read, and accounting may be absent.
//! A job carries its run's name as its job name and `lightbox:RUN:ATTEMPT` as its comment, so it is found again when the
//! daemon ended before it could write the job's number down.

mod client;
mod command;
mod script;
mod settings;
mod states;

#[cfg(test)]
mod fakes;

use std::path::PathBuf;

pub use client::Client;
pub use script::{LOG_FILE, SCRIPT_FILE, Submission, script};
pub use settings::SlurmSettings;
pub use states::JobState;

/// What can go wrong between Lightbox and Slurm.
#[derive(Debug, thiserror::Error)]
pub enum SlurmError {
    /// The command is not there.
    #[error("slurm is not installed here: there is no command `{command}`{}", place(.folder.as_ref()))]
    NotInstalled {
        /// The command.
        command: &'static str,
        /// The folder in which alone it was looked for.
        folder: Option<PathBuf>,
    },
    /// It could not be run.
    #[error("cannot run {command}: {source}")]
    Start {
        /// The command.
        command: &'static str,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// It did not end in time.
    #[error("{command} gave no answer within {seconds} s: the cluster's controller is busy or away")]
    TimedOut {
        /// The command.
        command: &'static str,
        /// How long it was waited for.
        seconds: u64,
    },
    /// It ended with an error.
    #[error("{command}: {said}")]
    Refused {
        /// The command.
        command: &'static str,
        /// What it wrote to standard error, in one line.
        said: String,
    },
    /// It printed something that cannot be read.
    #[error("cannot read what {command} printed: {printed:?}")]
    Garbled {
        /// The command.
        command: &'static str,
        /// The beginning of it.
        printed: String,
    },
    /// The job script in the run directory cannot be written.
    #[error("cannot write {path}: {source}")]
    Script {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// An earlier daemon's `sbatch` for the same run still works.
    #[error("{0} is being submitted by a daemon that has ended; wait until its sbatch is done")]
    Busy(String),
    /// A setting or a path that cannot become part of a job script.
    #[error("{0}")]
    Unusable(String),
}

impl SlurmError {
    /// Whether the same may work later, without anyone changing anything.
    pub fn is_transient(&self) -> bool {
        const LATER: [&str; 10] = [
            "Unable to contact slurm controller",
            "timed out",
            "Connection refused",
            "Connection reset",
            "Zero Bytes were transmitted",
            "Transport endpoint",
            "Resource temporarily unavailable",
            "standby mode",
            // Limits on the number of jobs that may be in the queue at once.
            "MaxSubmitJob",
            "try again",
        ];
        match self {
            Self::TimedOut { .. } | Self::Busy(_) => true,
            Self::Refused { said, .. } => LATER.iter().any(|words| said.contains(words)),
            Self::NotInstalled { .. }
            | Self::Start { .. }
            | Self::Garbled { .. }
            | Self::Script { .. }
            | Self::Unusable(_) => false,
        }
    }
}

fn place(folder: Option<&PathBuf>) -> String {
    match folder {
        Some(folder) => format!(" in {}, which the setting slurm.bin names", folder.display()),
        None => " on the PATH; name the folder of Slurm's commands in the setting slurm.bin".to_owned(),
    }
}
