//! `lightbox store`, and how commands use the index: as a cache that may be missing, old or damaged.

use clap::Subcommand;
use lightbox_store::index::{PassedOver, read_rows};
use lightbox_store::{Index, RunFilter, RunRow, StoreError};
use serde_json::json;

use super::Context;
use crate::failure::Result;

/// What to do with the store.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make the index of runs anew from the run directories
    Rebuild,
}

/// Runs the command.
pub fn run(context: &Context, command: Command) -> Result<()> {
    match command {
        Command::Rebuild => rebuild(context),
    }
}

fn rebuild(context: &Context) -> Result<()> {
    let rebuilt = Index::rebuild(&context.home)?;
    say_passed_over(context, &rebuilt.passed_over);
    if context.out.json {
        let passed: Vec<_> =
            rebuilt.passed_over.iter().map(|(path, reason)| json!({ "path": path, "reason": reason })).collect();
        return context.out.record(&json!({ "runs": rebuilt.runs, "passed_over": passed }));
    }
    let word = if rebuilt.runs == 1 { "run" } else { "runs" };
    context.out.line(format!("{} {word}", rebuilt.runs));
    Ok(())
}

/// All runs, oldest first: from the index where it can be used, else from the directories.
pub fn runs(context: &Context) -> Result<Vec<RunRow>> {
    let (rows, passed) = match refreshed(context) {
        Ok(both) => both,
        Err(error) => {
            context.out.note(format!("reading the run directories, which takes longer: {error}"));
            read_rows(&context.home)?
        }
    };
    say_passed_over(context, &passed);
    Ok(rows)
}

/// Tells the index that directories came or went. One that cannot be used now finds out the next time it is.
pub fn directories_changed(context: &Context) {
    if let Err(error) = refreshed(context) {
        context.out.note(format!("the index is not up to date: {error}"));
    }
}

/// The rows of the index after it was brought up to date. Looking for damage first would take as long as reading a large
/// index whole; damage that shows on the way costs a rebuild, once.
fn refreshed(context: &Context) -> std::result::Result<(Vec<RunRow>, PassedOver), StoreError> {
    let bring_up_to_date = |mut index: Index| {
        let passed = index.refresh(&context.home)?;
        Ok((index.runs(&RunFilter::default())?, passed))
    };
    match Index::open(&context.home).and_then(bring_up_to_date) {
        Err(StoreError::Content { .. }) => {
            let (index, remark) = Index::open_or_rebuild(&context.home)?;
            remark.iter().for_each(|remark| context.out.note(remark));
            bring_up_to_date(index)
        }
        other => other,
    }
}

fn say_passed_over(context: &Context, passed: &PassedOver) {
    for (path, reason) in passed {
        context.out.note(format!("passed over {}: {reason}", path.display()));
    }
}
