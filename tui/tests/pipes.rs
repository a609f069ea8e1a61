//! What a shell does with the output of a command: pipes that close, descriptors that are not there, a disk that is full.

#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::fs::File;
use std::path::Path;
use std::process::{Command, Output};

/// Runs `lightbox ARGUMENTS REDIRECTIONS` in a shell.
fn shell(home: &Path, arguments: &str, redirections: &str) -> Output {
    let program = env!("CARGO_BIN_EXE_lightbox");
    let line = format!("'{program}' --home '{}' {arguments} {redirections}", home.display());
    Command::new("sh").args(["-c", &line]).output().unwrap()
}

const COMMANDS: [&str; 6] =
    ["data list", "runs list", "daemon status", "data show nothing", "runs show nothing", "store rebuild"];

#[test]
fn descriptors_that_are_closed_or_full_never_panic() {
    let home = tempfile::tempdir().unwrap();
    for command in COMMANDS {
        let usual = shell(home.path(), command, "").status.code();
        for redirection in ["2>&-", ">&-", ">&- 2>&-", "2>/dev/full"] {
            let output = shell(home.path(), command, redirection);
            assert_eq!(output.status.code(), usual, "{command} {redirection}: {output:?}");
        }
        let full = shell(home.path(), command, ">/dev/full");
        let said = String::from_utf8_lossy(&full.stderr).into_owned();
        assert!(!said.contains("panicked"), "{command}: {said}");
    }
    let full = shell(home.path(), "daemon status", ">/dev/full");
    let said = String::from_utf8_lossy(&full.stderr).into_owned();
    assert_eq!((full.status.code(), said.contains("cannot write to standard output: No space left")), (Some(1), true));
}

#[test]
fn a_pipe_that_nobody_reads_ends_the_program_quietly() {
    let home = tempfile::tempdir().unwrap();
    for command in ["daemon status", "data --help", "--json runs list"] {
        let output = shell(home.path(), command, "| true");
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{command}");
    }
    // The reader of standard error is gone before anything is said: the exit code still tells.
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = Command::new(env!("CARGO_BIN_EXE_lightbox"));
    command.arg("--home").arg(home.path()).args(["runs", "show", "nothing"]);
    let status = command.stderr(writer).stdout(File::create("/dev/null").unwrap()).status().unwrap();
    assert_eq!(status.code(), Some(2));
}
