//! `lightbox plugins`: which models and methods there are, and from where.

use std::ffi::OsStr;

use clap::Subcommand;
use lightbox_scheduler::WorkerProgram;
use serde_json::Value;

use super::Context;
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
}

/// Runs the command.
pub fn run(context: &Context, command: Command) -> Result<()> {
    match command {
        Command::List => list(context),
        Command::Show { id } => show(context, &id),
    }
}

/// What the worker knows of all plugins: `{"models": [...], "attributions": [...], "problems": [...]}`.
pub fn catalogue(context: &Context) -> Result<Value> {
    let worker = WorkerProgram::find(context.home.root())?;
    let answer = worker.ask(&[OsStr::new("plugins")])?;
    serde_json::from_slice(&answer.stdout).map_err(|e| Failure::failed(format!("the worker's answer is not JSON: {e}")))
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
    context.out.record(entry)
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
