//! The method that a worker runs now: what is left of it after a crash says whose crash that was.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::RunDir;
use crate::atomic;

/// The file, there while a method of a plugin runs.
const FILE: &str = "explain.method.json";

/// A method, and the library that it comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunningMethod {
    /// The method's id.
    pub method: String,
    /// The plugin's library.
    pub file: PathBuf,
}

impl RunDir {
    /// Says that a method runs from now on. The explanations themselves do not depend on it, so what goes wrong is passed
    /// over.
    pub fn method_begins(&self, running: &RunningMethod) {
        if let Ok(text) = serde_json::to_vec(running) {
            let _ = atomic::write_unsynced(&self.file(FILE), &text);
        }
    }

    /// Says that no method runs any more.
    pub fn no_method_runs(&self) {
        let _ = std::fs::remove_file(self.file(FILE));
    }

    /// The method that ran when its worker ended, if one did; the next attempt is not blamed for it.
    pub fn take_method_at_the_end(&self) -> Option<RunningMethod> {
        let method = self.read_json(FILE).ok();
        self.no_method_runs();
        method
    }
}
