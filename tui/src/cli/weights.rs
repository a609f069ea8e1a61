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
    for line in summary(&record) {
        context.out.line(line);
    }
    Ok(())
}

/// What the file is and which models it fits; of models that it does not fit, only the nearest where it fits none.
fn summary(record: &Value) -> Vec<String> {
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let tensors = list(&record["tensors"]);
    let sides = |tensor: &Value| list(&tensor["shape"]).iter().filter_map(Value::as_u64).product::<u64>();
    let numbers: u64 = tensors.iter().map(sides).sum();
    let format = match record["format"].as_str() {
        Some("torch-zip") => "PyTorch",
        Some("torch-legacy") => "PyTorch before 1.6",
        _ => "safetensors",
    };
    let mut lines = vec![format!("{format}, {} tensors, {:.1} million numbers", tensors.len(), numbers as f64 / 1e6)];
    let fits = list(&record["fits"]);
    let usable = |fit: &&Value| fit["fits"] == true || fit["pretrained"] == true;
    let mut shown: Vec<&Value> = fits.iter().filter(usable).collect();
    if shown.is_empty() {
        shown.extend(fits.first());
    }
    for fit in &shown {
        lines.extend(fit["sentence"].as_str().map(str::to_owned));
        for option in list(&fit["options"]).iter().filter(|_| usable(fit)) {
            let (name, default) = (option["name"].as_str().unwrap_or_default(), &option["default"]);
            let default = default.as_str().map_or_else(|| default.to_string(), str::to_owned);
            lines.push(format!(
                "  the file does not tell `{name}` of {}; without --option {name}=VALUE it is taken to be {default}",
                fit["model"].as_str().unwrap_or_default()
            ));
        }
    }
    if shown.is_empty() {
        lines.push("fits no model: none has a variable of these names; --key-map of `explain` renames them".to_owned());
    }
    lines
}
