//! The worker program: where it is, and how it is asked one question.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::{Result, SchedulerError};

/// The `lightbox-worker` program.
#[derive(Clone, Debug)]
pub struct WorkerProgram {
    path: PathBuf,
    home: PathBuf,
}

/// What a worker printed when asked a question.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Its standard output.
    pub stdout: Vec<u8>,
    /// Its standard error: warnings, a sentence each line.
    pub stderr: String,
}

impl WorkerProgram {
    /// Finds the program: `LIGHTBOX_WORKER`, else beside this program, else in `../lib/lightbox`.
    ///
    /// # Errors
    /// When it is in none of these places.
    pub fn find(home: &Path) -> Result<Self> {
        let mut places = Vec::new();
        if let Some(set) = std::env::var_os("LIGHTBOX_WORKER").filter(|v| !v.is_empty()) {
            places.push(PathBuf::from(set));
        } else if let Some(folder) = std::env::current_exe().ok().and_then(|e| e.parent().map(Path::to_path_buf)) {
            places.push(folder.join("lightbox-worker"));
            places.push(folder.join("../lib/lightbox/lightbox-worker"));
        }
        match places.iter().find(|p| p.is_file()) {
            Some(path) => Ok(Self { path: path.clone(), home: home.to_path_buf() }),
            None => {
                let looked: Vec<String> = places.iter().map(|p| p.display().to_string()).collect();
                Err(SchedulerError::NoWorker(looked.join(", ")))
            }
        }
    }

    /// The program file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A command with the home already given.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.path);
        command.arg("--home").arg(&self.home).stdin(Stdio::null());
        command
    }

    /// Runs the worker with `arguments` and returns what it printed.
    ///
    /// # Errors
    /// When it cannot be started, or ended with an error: then its own last sentence.
    pub fn ask(&self, arguments: &[&std::ffi::OsStr]) -> Result<Answer> {
        let start = |source| SchedulerError::Start { program: self.path.display().to_string(), source };
        let output = self.command().args(arguments).output().map_err(start)?;
        let stderr = String::from_utf8_lossy(&output.stderr).into_owned();
        match output.status.code() {
            Some(0) => Ok(Answer { stdout: output.stdout, stderr }),
            Some(130) => Err(SchedulerError::Interrupted),
            code => {
                let said = last_sentence(&stderr);
                let message = if said.is_empty() { format!("the worker ended with {}", output.status) } else { said };
                Err(SchedulerError::Worker { message, code: code.unwrap_or(1) })
            }
        }
    }
}

/// The last line that a worker wrote, without its `error: ` prefix.
pub(crate) fn last_sentence(stderr: &str) -> String {
    let line = stderr.lines().rev().find(|l| !l.trim().is_empty()).unwrap_or_default();
    line.trim().trim_start_matches("error: ").to_owned()
}
