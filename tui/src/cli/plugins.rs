//! `lightbox plugins`: which models and methods there are, and from where.

use std::ffi::OsStr;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use clap::Subcommand;
use lightbox_scheduler::WorkerProgram;
use serde_json::Value;

use super::Context;
use crate::app::catalogue::Catalogue;
use crate::failure::{Failure, Result};

/// What to ask about plugins.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Models and methods, with the libraries that hold them
    List,
    /// Everything about one model or method: parameters, layers, reference
    Show {
        /// Model or method id
        id: String,
    },
    /// Check that a library keeps the promises of the plugin interface, before users do
    Check {
        /// The library, a .so file
        file: PathBuf,
    },
    /// Copy a library into the plugin folder and remember its content: a changed file is refused
    Install {
        /// The library, a .so file
        file: PathBuf,
    },
    /// Remove an installed plugin
    Remove {
        /// Id of the plugin, or name of its file
        id: String,
    },
    /// Begin a plugin: a folder with sources, tests and a README, which builds as it is
    New(super::plugins_new::Arguments),
}

/// Runs the command.
pub fn run(context: &Context, command: Command) -> Result<()> {
    match command {
        Command::List => list(context),
        Command::Show { id } => show(context, &id),
        Command::Check { file } => check(context, &file),
        Command::Install { file } => install(context, &file),
        Command::Remove { id } => remove(context, &id),
        Command::New(arguments) => super::plugins_new::run(context, &arguments),
    }
}

/// What the worker knows of all plugins: `{"models": [...], "attributions": [...], "problems": [...]}`.
pub fn catalogue(context: &Context) -> Result<Value> {
    ask(context, &[OsStr::new("plugins")])
}

fn entries<'a>(catalogue: &'a Value, kind: &str) -> impl Iterator<Item = &'a Value> {
    catalogue[kind].as_array().into_iter().flatten()
}

fn list(context: &Context) -> Result<()> {
    let catalogue = catalogue(context)?;
    if context.out.json {
        return context.out.record(&catalogue);
    }
    let text = |v: &Value, key: &str| v[key].as_str().unwrap_or_default().to_owned();
    let mut rows = Vec::new();
    for (kind, word) in [MODELS, METHODS] {
        for entry in entries(&catalogue, kind) {
            let columns = ["name", "library", "version"].map(|key| text(entry, key));
            rows.push([text(entry, "id"), word.to_owned()].into_iter().chain(columns).collect());
        }
    }
    context.out.table(&["id", "kind", "name", "library", "version"], &rows);
    for problem in entries(&catalogue, "problems") {
        context.out.note(format!("warning: {}", problem.as_str().unwrap_or_default()));
    }
    Ok(())
}

fn show(context: &Context, id: &str) -> Result<()> {
    let catalogue = catalogue(context)?;
    let all = || entries(&catalogue, "models").chain(entries(&catalogue, "attributions"));
    let Some(entry) = all().find(|e| e["id"] == id) else {
        let ids: Vec<&str> = all().filter_map(|e| e["id"].as_str()).collect();
        let hint = lightbox_store::names::nearest(id, ids.iter().copied()).map(|n| format!("; did you mean {n:?}?"));
        return Err(Failure::bad(format!("no plugin is called {id:?}{}", hint.unwrap_or_default())));
    };
    if context.out.json {
        return context.out.record(entry);
    }
    let known: Catalogue = serde_json::from_value(catalogue.clone())
        .map_err(|e| Failure::failed(format!("the worker's list of plugins is not readable: {e}")))?;
    context.out.line(format!("{id}: {}", entry["name"].as_str().unwrap_or_default()));
    for (name, value) in known.facts(id) {
        context.out.line(format!("  {name:<10} {value}"));
    }
    Ok(())
}

/// Runs the checks of a library and shows each as it ends.
fn check(context: &Context, file: &Path) -> Result<()> {
    let worker = WorkerProgram::find(context.home.root())?;
    let failed = |e: std::io::Error| Failure::failed(format!("the worker cannot be run: {e}"));
    let mut child = worker.command().arg("check").arg(file).stdout(Stdio::piped()).spawn().map_err(failed)?;
    let mut last = Value::Null;
    if let Some(stdout) = child.stdout.take() {
        for line in BufReader::new(stdout).lines() {
            let line = line.map_err(failed)?;
            let said: Value = serde_json::from_str(&line)
                .map_err(|e| Failure::failed(format!("the worker's answer is not JSON: {e}")))?;
            if !context.out.json && said.get("check").is_some() {
                context.out.line(check_line(&said));
            }
            last = said;
        }
    }
    child.wait().map_err(failed)?;
    let Some(passed) = last["passed"].as_bool() else {
        return Err(Failure::failed("the worker ended before the checks did"));
    };
    if context.out.json {
        context.out.record(&last)?;
    } else {
        context.out.line(verdict(&last));
    }
    if passed { Ok(()) } else { Err(Failure::failed(format!("{} does not pass", file.display()))) }
}

/// One check in a line: sign, subject, name, what was found.
fn check_line(check: &Value) -> String {
    let text = |key: &str| check[key].as_str().unwrap_or_default();
    let sign = match text("verdict") {
        "ok" => "ok     ",
        "warning" => "WARNING",
        "skipped" => "skipped",
        _ => "ERROR  ",
    };
    format!("{sign}  {}: {}: {}", text("subject"), text("check"), text("text"))
}

/// How many checks ended how.
fn verdict(last: &Value) -> String {
    let checks = last["report"]["checks"].as_array().map(Vec::as_slice).unwrap_or_default();
    let count = |verdict: &str| checks.iter().filter(|check| check["verdict"] == verdict).count();
    let (errors, warnings, skipped) = (count("error"), count("warning"), count("skipped"));
    let id = last["report"]["id"].as_str().unwrap_or("the file");
    format!("{id}: {} checks, {errors} errors, {warnings} warnings, {skipped} skipped", checks.len())
}

fn install(context: &Context, file: &Path) -> Result<()> {
    let said = ask(context, &[OsStr::new("install"), file.as_os_str()])?;
    if context.out.json {
        return context.out.record(&said);
    }
    let text = |key: &str| said[key].as_str().unwrap_or_default();
    let list = |key: &str| {
        let all = said[key].as_array().map(Vec::as_slice).unwrap_or_default();
        all.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ")
    };
    let replaced = said["replaced"].as_str().map(|old| format!(" in place of {old}")).unwrap_or_default();
    context.out.line(format!("installed {} {}{replaced}", text("id"), text("version")));
    for (key, word) in [("methods", "methods"), ("models", "models")] {
        if !list(key).is_empty() {
            context.out.line(format!("{word}: {}", list(key)));
        }
    }
    context.out.note(format!("whether it keeps its promises says: lightbox plugins check {}", file.display()));
    Ok(())
}

fn remove(context: &Context, id: &str) -> Result<()> {
    let said = ask(context, &[OsStr::new("remove"), OsStr::new(id)])?;
    if context.out.json {
        return context.out.record(&said);
    }
    let text = |key: &str| said[key].as_str().unwrap_or_default();
    context.out.line(format!("removed {} {}", text("id"), text("version")));
    Ok(())
}

fn ask(context: &Context, arguments: &[&OsStr]) -> Result<Value> {
    let answer = WorkerProgram::find(context.home.root())?.ask(arguments)?;
    serde_json::from_slice(&answer.stdout).map_err(|e| Failure::failed(format!("the worker's answer is not JSON: {e}")))
}

/// Refuses models that no plugin offers, before any run is queued.
pub fn require_models(context: &Context, ids: &[String]) -> Result<()> {
    require(&catalogue(context)?, MODELS, ids)
}

/// Refuses methods that no plugin offers, before anything is trained or queued for them.
pub fn require_methods(context: &Context, ids: &[String]) -> Result<()> {
    require(&catalogue(context)?, METHODS, ids)
}

fn require(catalogue: &Value, kind: Kind, wanted: &[String]) -> Result<()> {
    wanted.iter().try_for_each(|id| find(catalogue, kind, id).map(|_| ()))
}

/// A list of the catalogue, and the word for what is in it.
pub type Kind = (&'static str, &'static str);

/// Networks.
pub const MODELS: Kind = ("models", "model");

/// Explanation methods.
pub const METHODS: Kind = ("attributions", "method");

/// What the catalogue says of a model or method.
pub fn find<'a>(catalogue: &'a Value, (list, word): Kind, id: &str) -> Result<&'a Value> {
    if let Some(entry) = entries(catalogue, list).find(|entry| entry["id"] == id) {
        return Ok(entry);
    }
    let ids: Vec<&str> = entries(catalogue, list).filter_map(|e| e["id"].as_str()).collect();
    let hint = lightbox_store::names::nearest(id, ids.iter().copied()).map(|n| format!("did you mean {n:?}? "));
    Err(Failure::bad(format!("no {word} is called {id:?}; {}there are: {}", hint.unwrap_or_default(), ids.join(", "))))
}
