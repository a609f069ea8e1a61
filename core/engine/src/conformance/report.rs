//! What the checks of a plugin found.

use serde::{Deserialize, Serialize};

/// How a check ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verdict {
    /// The promise is kept.
    Ok,
    /// Users may be surprised.
    Warning,
    /// The promise is not kept.
    Error,
    /// It could not be tried here.
    Skipped,
}

/// One check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// What was checked: `file`, `method ID` or `model ID`.
    pub subject: String,
    /// Which promise.
    pub check: String,
    /// How it ended.
    pub verdict: Verdict,
    /// What was found, and for anything but `ok` what to do.
    pub text: String,
}

/// Everything that was found out about a library.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The library.
    pub file: String,
    /// blake3 of the file.
    pub hash: String,
    /// Id of the plugin, once it could be loaded.
    pub id: Option<String>,
    /// Its version.
    pub version: Option<String>,
    /// Every check, in order.
    pub checks: Vec<Check>,
}

impl Report {
    /// Whether no check found an error.
    pub fn passed(&self) -> bool {
        self.checks.iter().all(|check| check.verdict != Verdict::Error)
    }
}

/// What a check found, before it has a name.
pub(super) type Finding = (Verdict, String);

/// The promise is kept.
pub(super) fn ok(text: impl Into<String>) -> Finding {
    (Verdict::Ok, text.into())
}

/// Users may be surprised.
pub(super) fn warning(text: impl Into<String>) -> Finding {
    (Verdict::Warning, text.into())
}

/// The promise is not kept.
pub(super) fn error(text: impl Into<String>) -> Finding {
    (Verdict::Error, text.into())
}

/// Takes checks one after the other.
pub(super) trait Reporter {
    /// Runs a check; an error that it returns is an error of the plugin.
    fn check(&mut self, subject: &str, check: &str, run: &mut dyn FnMut() -> Result<Finding, String>);
}
