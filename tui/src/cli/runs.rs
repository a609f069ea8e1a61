//! `lightbox runs`: list, show, remove and import run directories.

use std::path::PathBuf;

use clap::Subcommand;
use lightbox_scheduler::Client;
use lightbox_scheduler::protocol::{Action, Answer};
use lightbox_store::run::{Part, RunId, resolve};
use lightbox_store::{RunDir, RunRow, RunStatus};
use serde_json::{Value, json};

use super::{Context, store};
use crate::failure::{Failure, Result};

/// Files of a run directory that an import leaves behind.
const OF_ITS_HOME: [&str; 3] = ["queue.json", "stop", ".lock"];

/// What to do with run directories.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// All runs, oldest first
    List,
    /// One run or group: configuration, state and figures
    Show {
        /// Run or group id, or the beginning or end of one
        run: String,
    },
    /// Delete runs for good
    Remove {
        /// Run or group id
        run: String,
        /// Do not ask
        #[arg(long)]
        yes: bool,
    },
    /// Take in a run directory that was copied from another machine
    Import {
        /// The run directory
        dir: PathBuf,
    },
}

/// Runs the command.
pub fn run(context: &Context, command: Command) -> Result<()> {
    match command {
        Command::List => list(context),
        Command::Show { run } => show(context, &run),
        Command::Remove { run, yes } => remove(context, &run, yes),
        Command::Import { dir } => import(context, &dir),
    }
}

fn list(context: &Context) -> Result<()> {
    let records: Vec<Value> = store::runs(context)?.iter().map(summary).collect();
    if context.out.json {
        return context.out.record(&records);
    }
    if records.is_empty() {
        context.out.note("no runs yet; `lightbox train` makes some");
        return Ok(());
    }
    let columns = ["run", "group", "kind", "model", "dataset", "fold", "status"];
    let cell = |record: &Value, column: &str| match &record[column] {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    };
    let rows: Vec<Vec<String>> = records.iter().map(|r| columns.iter().map(|c| cell(r, c)).collect()).collect();
    context.out.table(&columns, &rows);
    Ok(())
}

/// A run as scripts see it; under `model` an evaluation or explanation has the run that it is of.
fn summary(row: &RunRow) -> Value {
    let parent = row.parent.as_ref().map_or("", |p| p.0.as_str());
    let model = if row.kind == "train" { row.model.as_deref().unwrap_or_default() } else { parent };
    json!({
        "run": row.run, "group": row.group, "study": row.study, "kind": row.kind, "model": model,
        "dataset": row.dataset, "fold": row.fold, "status": row.status, "error": row.error, "path": row.path,
    })
}

fn show(context: &Context, name: &str) -> Result<()> {
    let mut records = Vec::new();
    for run in resolve(&context.home, name)? {
        let mut record = summary(&RunRow::read(&run)?);
        record["config"] = run.read_json("config.json")?;
        for file in ["provenance", "metrics"] {
            if run.file(&format!("{file}.json")).exists() {
                record[file] = run.read_json(&format!("{file}.json"))?;
            }
        }
        if let Ok(split) = run.split() {
            let count = |part| split.part(part).count();
            record["images"] = json!({
                "train": count(Part::Train), "validation": count(Part::Validation), "test": count(Part::Test),
            });
        }
        records.push(record);
    }
    if context.out.json {
        return context.out.record(&records);
    }
    for record in &records {
        context.out.line(format!(
            "{}  {}",
            record["run"].as_str().unwrap_or_default(),
            record["status"].as_str().unwrap_or_default()
        ));
        print_tree(context, record, 1);
    }
    Ok(())
}

/// Prints a JSON object as indented `key: value` lines.
fn print_tree(context: &Context, value: &Value, depth: usize) {
    let Value::Object(map) = value else { return };
    for (key, value) in map {
        let indent = "  ".repeat(depth);
        match value {
            Value::Object(inner) if !inner.is_empty() => {
                context.out.line(format!("{indent}{key}:"));
                print_tree(context, value, depth + 1);
            }
            Value::Null => {}
            Value::String(text) => context.out.line(format!("{indent}{key}: {text}")),
            other => context.out.line(format!("{indent}{key}: {other}")),
        }
    }
}

fn remove(context: &Context, name: &str, yes: bool) -> Result<()> {
    let runs = resolve(&context.home, name)?;
    if let Some(busy) = runs.iter().find(|r| matches!(r.status(), Ok(RunStatus::Running { .. }))) {
        return Err(Failure::bad(format!("{} is running; stop it first", busy.path().display())));
    }
    if !yes {
        let names: Vec<String> = runs.iter().map(|r| r.path().display().to_string()).collect();
        return Err(Failure::bad(format!("this deletes for good: {}\nadd --yes to do it", names.join(", "))));
    }
    leave_the_queue(context, &runs)?;
    let removed = runs.iter().try_for_each(|run| {
        std::fs::remove_dir_all(run.path())
            .map_err(|e| Failure::failed(format!("cannot remove {}: {e}", run.path().display())))?;
        context.out.note(format!("removed {}", run.path().display()));
        Ok(())
    });
    // Also when the second of two could not be removed.
    store::directories_changed(context);
    removed
}

/// A daemon must not start what is being removed. Without a daemon there is no queue to leave.
fn leave_the_queue(context: &Context, runs: &[RunDir]) -> Result<()> {
    let Some(mut client) = Client::connect(&context.home)? else { return Ok(()) };
    let names = runs.iter().map(|run| Ok(run.config()?.run)).collect::<Result<Vec<RunId>>>()?;
    match client.ask(Action::Forget { runs: names })? {
        Answer::Done { remarks, .. } => remarks.first().map_or(Ok(()), |remark| Err(Failure::bad(remark))),
        _ => Err(Failure::failed("the daemon gave another answer than was asked for")),
    }
}

fn import(context: &Context, dir: &std::path::Path) -> Result<()> {
    let config = RunDir::open(dir)?.config()?;
    let target = context.home.runs_dir().join(&config.run.0);
    if target.exists() {
        return Err(Failure::bad(format!("{} is here already", config.run)));
    }
    let building = context.home.runs_dir().join(format!(".{}.tmp", config.run));
    copy_folder(dir, &building).and_then(|()| std::fs::rename(&building, &target)).map_err(|e| {
        let _ = std::fs::remove_dir_all(&building);
        Failure::failed(format!("cannot copy {} to {}: {e}", dir.display(), target.display()))
    })?;
    context.out.note(format!("imported {}", config.run));
    store::directories_changed(context);
    Ok(())
}

/// Copies files and folders; links are left out, so that an import never reaches outside its source.
///
/// What belongs to the queue that the run came from stays there: a run that was copied in the middle of its work must not
/// start here by itself.
fn copy_folder(from: &std::path::Path, to: &std::path::Path) -> std::io::Result<()> {
    std::fs::create_dir_all(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let kind = entry.file_type()?;
        if kind.is_dir() {
            copy_folder(&entry.path(), &to.join(entry.file_name()))?;
        } else if kind.is_file() && !OF_ITS_HOME.iter().any(|name| entry.file_name() == *name) {
            std::fs::copy(entry.path(), to.join(entry.file_name()))?;
        }
    }
    Ok(())
}
