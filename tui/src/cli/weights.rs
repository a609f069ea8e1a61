//! `lightbox weights`: what is in a weights file and which model it fits.

use std::ffi::OsStr;
use std::path::PathBuf;

use clap::Subcommand;
use lightbox_scheduler::WorkerProgram;
use serde_json::Value;

use super::Context;
use crate::failure::{Failure, Result};

/// What to ask about weights.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Names, shapes and types of a safetensors or PyTorch file, and which models it fits
    Inspect {
        /// The weights file
        file: PathBuf,
    },
}

/// Runs the command.
pub fn run(context: &Context, command: Command) -> Result<()> {
    let Command::Inspect { file } = command;
    let worker = WorkerProgram::find(context.home.root())?;
    let answer = worker.ask(&[OsStr::new("weights"), file.as_os_str()])?;
    let record: Value = serde_json::from_slice(&answer.stdout)
        .map_err(|e| Failure::failed(format!("the worker's answer is not JSON: {e}")))?;
    if context.out.json {
        return context.out.record(&record);
    }
    let text = |v: &Value| v.as_str().map_or_else(|| v.to_string(), str::to_owned);
    let rows: Vec<Vec<String>> = record["tensors"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|t| vec![text(&t["name"]), text(&t["shape"]), text(&t["dtype"])])
        .collect();
    context.out.table(&["name", "shape", "type"], &rows);
    for fit in record["fits"].as_array().into_iter().flatten() {
        context.out.line(text(fit));
    }
    Ok(())
}
