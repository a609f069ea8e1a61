//! Commands that pretend to be Slurm's, for tests of what a real Slurm does only in bad weather.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use lightbox_store::RunDir;
use lightbox_store::run::QueueEntry;
use tempfile::TempDir;

use super::{Client, SlurmSettings, Submission};

/// A run directory that holds what a submission reads.
pub(super) fn run_dir(runs: &Path, name: &str) -> RunDir {
    let path = runs.join(name);
    std::fs::create_dir_all(&path).unwrap();
    std::fs::write(path.join("config.json"), "{}").unwrap();
    let run = RunDir::open(&path).unwrap();
    run.write_queue_entry(&QueueEntry::default()).unwrap();
    run
}

/// Writes a program. Another process writes it, because a file that is open for writing in this one, or in a child that
/// another test is just starting, cannot be run.
pub(super) fn program(path: &Path, text: &str) {
    let mut shell = Command::new("sh");
    shell.args(["-c", "cat > \"$1\" && chmod 755 \"$1\"", "sh"]).arg(path).stdin(Stdio::piped());
    let mut shell = shell.spawn().unwrap();
    shell.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    assert!(shell.wait().unwrap().success());
}

/// A folder of pretended commands.
pub(super) struct Fakes {
    folder: TempDir,
}

impl Fakes {
    /// None of Slurm's commands.
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    /// Adds a command: lines of sh. `$calls` is the file in which it is written down with its arguments.
    pub fn with(self, name: &str, body: &str) -> Self {
        let calls = self.folder.path().join("calls");
        let text = format!("#!/bin/sh\ncalls='{}'\necho {name} \"$*\" >> \"$calls\"\n{body}\n", calls.display());
        program(&self.folder.path().join(name), &text);
        self
    }

    /// What was called, a line each.
    pub fn calls(&self) -> Vec<String> {
        let calls = std::fs::read_to_string(self.folder.path().join("calls")).unwrap_or_default();
        calls.lines().map(str::to_owned).collect()
    }

    /// A client of these commands.
    pub fn client(&self, limit: Duration) -> Client {
        let settings = SlurmSettings { bin: Some(self.folder.path().to_path_buf()), ..SlurmSettings::default() };
        Client::new(settings).with_limit(limit)
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A run directory beside the commands.
    pub fn run_dir(&self, name: &str) -> RunDir {
        run_dir(self.folder.path(), name)
    }
}

/// A submission of a worker that does not exist.
pub(super) fn submission(run: &RunDir) -> Submission<'_> {
    Submission { run, name: "a test", worker: Path::new("/w"), home: Path::new("/h"), gpu: false, threads: 1 }
}
