//! The process that runs the checks: a line before and after each, so that whoever asked knows where it died.

use std::io::Write;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::methods::Method;
use super::models::Model;
use super::report::{Check, Finding, Reporter, Verdict};
use crate::plugin::{RegisteredLibrary, Registry};

/// A line of the process's answer.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Line {
    /// A check begins.
    Begin { subject: String, check: String },
    /// It ended.
    End(Check),
    /// All are done.
    Done,
}

/// Writes lines.
struct Lines<W>(W);

impl<W: Write> Lines<W> {
    fn line(&mut self, line: &Line) {
        // Nobody reads on when the pipe is closed.
        let _ = serde_json::to_writer(&mut self.0, line).map_err(std::io::Error::from).and_then(|()| writeln!(self.0));
        let _ = self.0.flush();
    }
}

impl<W: Write> Reporter for Lines<W> {
    fn check(&mut self, subject: &str, check: &str, run: &mut dyn FnMut() -> Result<Finding, String>) {
        self.line(&Line::Begin { subject: subject.to_owned(), check: check.to_owned() });
        let (verdict, text) = run().unwrap_or_else(|said| (Verdict::Error, said));
        self.line(&Line::End(Check { subject: subject.to_owned(), check: check.to_owned(), verdict, text }));
    }
}

/// The body of `lightbox-worker check-run FILE`: runs every check and writes a line each to `answer`.
///
/// # Errors
///
/// The library cannot be loaded.
pub fn main(file: &Path, answer: impl Write) -> Result<(), String> {
    let metadata = Registry::read_here(file).map_err(|error| error.to_string())?;
    let mut registry = Registry::default();
    registry.add(RegisteredLibrary { file: file.to_owned(), metadata: metadata.clone() });
    let mut out = Lines(answer);
    for metadata in &metadata.attributions {
        Method { registry: &registry, metadata }.check(&mut out);
    }
    for metadata in &metadata.models {
        Model { registry: &registry, metadata }.check(&mut out);
    }
    out.line(&Line::Done);
    Ok(())
}
