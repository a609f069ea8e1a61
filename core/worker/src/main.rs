//! The worker: hosts libtorch and the plugins, runs one job or answers one question, and ends.
//!
//! `lightbox` starts it; people need it only to look into a problem.

mod failure;
mod info;
mod job;
mod network;
mod plugins;
mod serve;
mod single;
mod weights;

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use clap::{Parser, Subcommand};
use lightbox_store::Home;

use crate::failure::{Failure, Result};

/// Runs one job of Lightbox, or answers one question about plugins, weights or a single image.
#[derive(Debug, Parser)]
#[command(name = "lightbox-worker", version)]
struct Cli {
    /// Folder for datasets, runs and caches
    #[arg(long)]
    home: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the job of a run directory
    Run {
        /// The caller holds the directory's lock and passes it on as standard input
        #[arg(long)]
        lock_on_stdin: bool,
        /// Stop when a file `stop` appears in the directory
        #[arg(long)]
        heed_stop_file: bool,
        /// Device, instead of the one that was asked for
        #[arg(long)]
        device: Option<String>,
        /// The run directory
        dir: PathBuf,
    },
    /// Describe one library, in a process that is thrown away
    Probe {
        /// The library
        file: PathBuf,
    },
    /// Run the checks of one library, in a process that is thrown away
    #[command(hide = true)]
    CheckRun {
        /// The library
        file: PathBuf,
    },
    /// Check that a library keeps the promises of the ABI, one JSON line a check and then the report
    Check {
        /// The library
        file: PathBuf,
    },
    /// Copy a library into the plugin folder, and write down what it is
    Install {
        /// The library
        file: PathBuf,
    },
    /// Remove an installed plugin
    Remove {
        /// Its id or file name
        id: String,
    },
    /// Describe all plugins of the search path
    Plugins,
    /// libtorch and the devices that it can use, as JSON
    Info,
    /// Answer requests to explain single images, one JSON object a line, until standard input ends
    Serve,
    /// Names, shapes and types in a weights file, and which models it fits
    Weights {
        /// The file
        file: PathBuf,
    },
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    match run(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // Its log may be on a disk that is full; the exit code says the same.
            let _ = writeln!(std::io::stderr().lock(), "error: {failure}");
            ExitCode::from(failure.code())
        }
    }
}

fn run(cli: Cli) -> Result<()> {
    if let Command::Probe { file } = &cli.command {
        lightbox_engine::plugin::probe::main(file);
    }
    if let Command::CheckRun { file } = &cli.command {
        let answer = lightbox_engine::plugin::probe::answer_alone();
        return lightbox_engine::conformance::main(file, answer).map_err(Failure::failed);
    }
    let home = Home::locate(cli.home.as_deref())?;
    match cli.command {
        Command::Run { lock_on_stdin, heed_stop_file, device, dir } => {
            let cancel = cancel_on_signal()?;
            if heed_stop_file {
                job::cancel_on_file(&dir, Arc::clone(&cancel));
            }
            job::run(home, &dir, lock_on_stdin, device, cancel)
        }
        Command::Probe { .. } | Command::CheckRun { .. } => Ok(()),
        Command::Check { file } => plugins::check(&file),
        Command::Install { file } => plugins::install(&home, &file),
        Command::Remove { id } => plugins::remove(&home, &id),
        Command::Plugins => plugins::list(&home),
        Command::Info => info::print(),
        Command::Serve => serve::run(&home),
        Command::Weights { file } => weights::inspect(&home, &file),
    }
}

/// Prints a JSON record, the answer to a question, on standard output.
fn answer(record: &serde_json::Value) -> Result<()> {
    writeln!(std::io::stdout().lock(), "{record}").map_err(|e| Failure::failed(format!("standard output: {e}")))
}

/// A flag that SIGINT and SIGTERM set; the job looks at it and stops after its step.
fn cancel_on_signal() -> Result<Arc<AtomicBool>> {
    let flag = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&flag))
            .map_err(|e| Failure::failed(format!("cannot watch for signals: {e}")))?;
    }
    Ok(flag)
}
