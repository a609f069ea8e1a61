//! Runs one of Slurm's commands, and never waits for it longer than allowed.

use std::io::Read;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process_group};

use super::SlurmError;

/// More than this is not read of what a command prints.
const LARGEST_OUTPUT: u64 = 64 << 20;

/// How long output is waited for after its command has ended: something that the command left behind may hold it open.
const LAST_OUTPUT: Duration = Duration::from_secs(1);

/// Longest part of what a command said that becomes part of a sentence.
const LONGEST_SAID: usize = 500;

/// What a command printed.
#[derive(Debug)]
pub(super) struct Printed {
    status: ExitStatus,
    /// Its standard output.
    pub stdout: String,
    stderr: String,
}

impl Printed {
    /// Its output, if it says that it succeeded.
    pub fn success(self, command: &'static str) -> Result<String, SlurmError> {
        if self.status.success() {
            Ok(self.stdout)
        } else {
            Err(SlurmError::Refused { command, said: self.said(command) })
        }
    }

    /// What it has to say about its failure, in one line.
    fn said(&self, command: &str) -> String {
        let (prefix, error) = (format!("{command}: "), "error: ");
        let lines = if self.stderr.trim().is_empty() { &self.stdout } else { &self.stderr };
        let tidy = |line: &str| {
            let line = line.trim().trim_start_matches(prefix.as_str()).trim_start_matches(error);
            line.chars().filter(|c| !c.is_control()).collect::<String>()
        };
        let lines: Vec<String> = lines.lines().map(tidy).filter(|line| !line.is_empty()).collect();
        match lines.join("; ").chars().take(LONGEST_SAID).collect::<String>() {
            said if said.is_empty() => format!("it ended with {} and no word", self.status),
            said => said,
        }
    }
}

/// Runs a command to its end, or ends it with all its children when `limit` has passed.
pub(super) fn run(mut command: Command, name: &'static str, limit: Duration) -> Result<Printed, SlurmError> {
    let deadline = Instant::now() + limit;
    // A group of its own, which can be ended as a whole, and which a ctrl-c in a terminal does not reach.
    let command = command.stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    let mut child = command.spawn().map_err(|source| match source.kind() {
        std::io::ErrorKind::NotFound => SlurmError::NotInstalled { command: name, folder: None },
        _ => SlurmError::Start { command: name, source },
    })?;
    let (stdout, stderr) = (read(child.stdout.take()), read(child.stderr.take()));
    let mut nap = Duration::from_millis(1);
    let status = loop {
        if let Some(status) = child.try_wait().map_err(|source| SlurmError::Start { command: name, source })? {
            break status;
        }
        if Instant::now() >= deadline {
            end(&child);
            // The kernel ends it now, unless it hangs in a system call on a file system that is away.
            let _ = child.try_wait();
            std::thread::spawn(move || child.wait());
            return Err(SlurmError::TimedOut { command: name, seconds: limit.as_secs() });
        }
        std::thread::sleep(nap);
        nap = (nap * 2).min(Duration::from_millis(50));
    };
    let text = |output: &Receiver<Vec<u8>>| {
        let bytes = output.recv_timeout(LAST_OUTPUT).or_else(|_| {
            end(&child);
            output.recv_timeout(LAST_OUTPUT)
        });
        String::from_utf8_lossy(&bytes.unwrap_or_default()).into_owned()
    };
    Ok(Printed { status, stdout: text(&stdout), stderr: text(&stderr) })
}

/// Ends a command and all that it started.
fn end(child: &Child) {
    if let Some(group) = Pid::from_raw(child.id().cast_signed()) {
        // It may have ended in between.
        let _ = kill_process_group(group, Signal::KILL);
    }
}

/// Reads a pipe in a thread of its own, so that a command with much to say on one pipe is not held up by the other.
fn read(pipe: Option<impl Read + Send + 'static>) -> Receiver<Vec<u8>> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(pipe) = pipe {
            let _ = pipe.take(LARGEST_OUTPUT).read_to_end(&mut bytes);
        }
        // Nobody listens when the command took too long.
        let _ = sender.send(bytes);
    });
    receiver
}
