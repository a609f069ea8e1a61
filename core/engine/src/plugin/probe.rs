//! Asking an unknown library what it offers, in a process that may crash, exit, loop or eat memory at no loss.

use std::io::Read;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use lightbox_abi::metadata::PluginMetadata;
use serde::{Deserialize, Serialize};

use super::{Library, PluginError, Result};

/// What a throw-away process may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProbeLimits {
    /// Longest time until the answer.
    pub time: Duration,
    /// Most resident memory, in bytes.
    pub memory: u64,
}

impl Default for ProbeLimits {
    /// 20 s, since libtorch may come from a cold network disk, and 4 GiB.
    fn default() -> Self {
        ProbeLimits { time: Duration::from_secs(20), memory: 4 << 30 }
    }
}

/// What the throw-away process prints: one JSON object on its standard output.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Answer {
    Plugin(Box<PluginMetadata>),
    Error(String),
}

/// Longest answer and longest error text that are read.
const LONGEST_OUTPUT: u64 = 16 << 20;
/// How often the time and memory of the process are looked at.
const LOOK: Duration = Duration::from_millis(10);

/// The body of `lightbox-worker probe FILE`: loads the library, prints what it offers as JSON and ends the process with 0, or
/// with 2 and the sentence on the standard error too.
///
/// The plugin's own output goes to the standard error. The process ends without running destructors of the plugin.
pub fn main(file: &Path) -> ! {
    let answer_to = keep_stdout();
    let (answer, code) = match Library::load(file).and_then(|library| library.metadata().cloned()) {
        Ok(metadata) => (Answer::Plugin(Box::new(metadata)), 0),
        Err(error) => (Answer::Error(error.to_string()), 2),
    };
    if let Answer::Error(text) = &answer {
        eprintln!("{text}");
    }
    let mut text = serde_json::to_vec(&answer).unwrap_or_default();
    text.push(b'\n');
    let mut rest = text.as_slice();
    while !rest.is_empty() {
        // SAFETY: the descriptor is open, and the buffer is as long as it says.
        let written = unsafe { libc::write(answer_to, rest.as_ptr().cast(), rest.len()) };
        let Ok(written) = usize::try_from(written) else { break };
        rest = &rest[written.min(rest.len())..];
    }
    // SAFETY: ends the process; nothing of it is used afterwards.
    unsafe { libc::_exit(code) }
}

/// Moves the standard output to a descriptor of our own and lets the old number lead to the standard error, so that what a
/// plugin prints does not get into the answer.
fn keep_stdout() -> libc::c_int {
    // SAFETY: these calls only change which files the numbers mean; nothing is printed before.
    unsafe {
        let own = libc::fcntl(libc::STDOUT_FILENO, libc::F_DUPFD_CLOEXEC, 3);
        if own < 0 {
            return libc::STDOUT_FILENO;
        }
        libc::dup2(libc::STDERR_FILENO, libc::STDOUT_FILENO);
        own
    }
}

/// The standard output for an answer alone: what plugins print from now on goes to the standard error.
pub fn answer_alone() -> std::fs::File {
    use std::os::fd::FromRawFd;
    // SAFETY: the descriptor is open, and nothing else of this process uses or closes its number.
    unsafe { std::fs::File::from_raw_fd(keep_stdout()) }
}

/// Asks a library what it offers, in a throw-away process: `worker probe file`.
///
/// # Errors
///
/// What the library or its loader says, or how the process ended without an answer.
pub fn in_worker(worker: &Path, file: &Path, limits: ProbeLimits) -> Result<PluginMetadata> {
    let mut command = Command::new(worker);
    command.arg("probe").arg(file);
    ask(command, file, limits)
}

/// Runs `command`, which prints what [`main`] prints for `file`, within limits.
///
/// # Errors
///
/// As [`in_worker`].
pub fn ask(mut command: Command, file: &Path, limits: ProbeLimits) -> Result<PluginMetadata> {
    let failed = |what: String| PluginError::Probe { file: file.to_owned(), message: what };
    let blame = |what: String| {
        failed(format!("{}: {what} while it was described; report it to the plugin's author", file.display()))
    };
    let program = command.get_program().to_owned();
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| failed(format!("{} cannot be started: {error}", Path::new(&program).display())))?;
    let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) else {
        return Err(failed("the process has no output".to_owned()));
    };
    let (answer, complaint) = (drain(stdout), drain(stderr));
    let end = wait(&mut child, limits).map_err(|error| failed(format!("{}: {error}", file.display())))?;
    let status = match end {
        End::Exited(status) => status,
        End::TooLong => {
            return Err(blame(format!("did not answer within {} s and was stopped", limits.time.as_secs_f64())));
        }
        End::TooMuchMemory => {
            return Err(blame(format!("took more than {} MiB of memory and was stopped", limits.memory >> 20)));
        }
    };
    // A process that the plugin started may keep the pipe open: what is there after a moment is the answer.
    let answer = answer.recv_timeout(Duration::from_secs(1)).unwrap_or_default();
    let complaint = complaint.recv_timeout(Duration::from_millis(200)).unwrap_or_default();
    match serde_json::from_slice(&answer) {
        Ok(Answer::Plugin(metadata)) => Ok(*metadata),
        Ok(Answer::Error(message)) => Err(failed(message)),
        // The loader of the worker itself fails so, before `main`.
        Err(_) if status.code() == Some(127) => {
            let text = String::from_utf8_lossy(&complaint);
            Err(failed(format!("{} cannot run: {}", Path::new(&program).display(), text.trim())))
        }
        Err(_) => Err(blame(kind_of_end(status))),
    }
}

/// How a process ended that should not have, as the rest of a sentence about the plugin.
pub(crate) fn kind_of_end(status: ExitStatus) -> String {
    match (status.signal(), status.code()) {
        (Some(signal), _) => format!("crashed ({})", signal_name(signal)),
        (None, code) => format!("ended the process with exit code {}", code.unwrap_or(-1)),
    }
}

enum End {
    Exited(ExitStatus),
    TooLong,
    TooMuchMemory,
}

fn wait(child: &mut Child, limits: ProbeLimits) -> std::io::Result<End> {
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            return Ok(End::Exited(status));
        }
        let end = if start.elapsed() > limits.time {
            End::TooLong
        } else if resident_memory(child.id()).is_some_and(|bytes| bytes > limits.memory) {
            End::TooMuchMemory
        } else {
            std::thread::sleep(LOOK);
            continue;
        };
        // It may have ended by itself just now.
        let _ = child.kill();
        child.wait()?;
        return Ok(end);
    }
}

/// Resident memory of a process, in bytes.
pub(crate) fn resident_memory(process: u32) -> Option<u64> {
    let text = std::fs::read_to_string(format!("/proc/{process}/statm")).ok()?;
    let pages: u64 = text.split_whitespace().nth(1)?.parse().ok()?;
    // SAFETY: asks for a constant of the system.
    let page = u64::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).ok()?;
    pages.checked_mul(page)
}

/// Reads a pipe to its end on a thread of its own, so that a full pipe does not stop the process.
fn drain(pipe: impl Read + Send + 'static) -> std::sync::mpsc::Receiver<Vec<u8>> {
    let (sender, receiver) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let mut pipe = pipe;
        let _ = pipe.by_ref().take(LONGEST_OUTPUT).read_to_end(&mut bytes);
        // The receiver may have given up.
        let _ = sender.send(bytes);
        let _ = std::io::copy(&mut pipe, &mut std::io::sink());
    });
    receiver
}

fn signal_name(signal: i32) -> String {
    match signal {
        libc::SIGSEGV => "segmentation fault".to_owned(),
        libc::SIGABRT => "abort".to_owned(),
        libc::SIGBUS => "bus error".to_owned(),
        libc::SIGFPE => "arithmetic error".to_owned(),
        libc::SIGILL => "illegal instruction".to_owned(),
        libc::SIGKILL => "killed, perhaps for want of memory".to_owned(),
        other => format!("signal {other}"),
    }
}
