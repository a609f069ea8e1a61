//! The one that asks: static checks here, dynamic ones in a process that may crash, exit, loop or eat memory at no loss.

use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use super::run::Line;
use super::{Check, Report, Verdict};
use crate::plugin::probe::{ProbeLimits, in_worker, kind_of_end, resident_memory};
use crate::plugin::{HostFacts, elf, file_hash};

/// What the checks may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CheckLimits {
    /// Longest time of one check.
    pub time: Duration,
    /// Most resident memory, in bytes.
    pub memory: u64,
}

impl Default for CheckLimits {
    /// Two minutes a check, 8 GiB.
    fn default() -> Self {
        CheckLimits { time: Duration::from_secs(120), memory: 8 << 30 }
    }
}

/// How often time and memory are looked at.
const LOOK: Duration = Duration::from_millis(20);
/// Longest answer that is read.
const LONGEST_ANSWER: u64 = 16 << 20;

/// Checks the library `file` with the worker program `worker`; `each` is told every check as it ends.
pub fn supervise(worker: &Path, file: &Path, limits: CheckLimits, each: &mut dyn FnMut(&Check)) -> Report {
    let mut report =
        Report { file: file.display().to_string(), hash: file_hash(file).unwrap_or_default(), ..Report::default() };
    let mut add = |checks: &mut Vec<Check>, check: Check| {
        each(&check);
        checks.push(check);
    };
    let found = look_at_file(file);
    let stop = found.verdict == Verdict::Error;
    add(&mut report.checks, found);
    if stop {
        return report;
    }
    let metadata = match in_worker(worker, file, ProbeLimits::default()) {
        Ok(metadata) => metadata,
        Err(error) => {
            add(&mut report.checks, of_file("description", Verdict::Error, error.to_string()));
            return report;
        }
    };
    let text = format!("{} methods, {} models", metadata.attributions.len(), metadata.models.len());
    let nothing = metadata.attributions.is_empty() && metadata.models.is_empty();
    let verdict = if nothing { Verdict::Error } else { Verdict::Ok };
    add(&mut report.checks, of_file("description", verdict, text));
    for unsupported in &metadata.unsupported {
        let text = format!("{}: {}", unsupported.id, unsupported.reason);
        add(&mut report.checks, of_file("description", Verdict::Error, text));
    }
    (report.id, report.version) = (Some(metadata.id), Some(metadata.version));
    if !nothing {
        let checks = &mut report.checks;
        run(worker, file, limits, &mut |check| add(checks, check));
    }
    report
}

fn of_file(check: &str, verdict: Verdict, text: String) -> Check {
    Check { subject: "file".to_owned(), check: check.to_owned(), verdict, text }
}

/// What the file says without being loaded.
fn look_at_file(file: &Path) -> Check {
    let read = elf::read_file(file).and_then(|facts| {
        elf::check(file, &facts, &HostFacts::current())?;
        Ok(facts)
    });
    match read {
        Err(error) => of_file("library", Verdict::Error, error.to_string()),
        Ok(facts) => {
            let abi = facts.entry.as_ref().map_or_else(String::new, |e| format!("ABI {}.{}", e.abi_major, e.abi_minor));
            let glibc =
                facts.glibc.map_or_else(String::new, |(major, minor)| format!(", glibc {major}.{minor} or later"));
            let torch = facts.libtorch.map_or_else(String::new, |version| format!(", libtorch {version}"));
            let sdk = facts.sdk.map_or_else(String::new, |version| format!(", SDK {version}"));
            of_file("library", Verdict::Ok, format!("{abi}{glibc}{torch}{sdk}; needs {}", facts.needed.join(", ")))
        }
    }
}

/// Runs the dynamic checks; one that ends its process is an error, and so is what it left undone.
fn run(worker: &Path, file: &Path, limits: CheckLimits, add: &mut dyn FnMut(Check)) {
    let spawned = Command::new(worker)
        .arg("check-run")
        .arg(file)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn();
    let mut child = match spawned {
        Ok(child) => child,
        Err(error) => {
            let text = format!("{} cannot be started: {error}", worker.display());
            return add(of_file("process", Verdict::Error, text));
        }
    };
    let Some(stdout) = child.stdout.take() else { return };
    let lines = lines(stdout);
    let mut current: Option<(String, String)> = None;
    let mut since = Instant::now();
    let died = loop {
        match lines.recv_timeout(LOOK) {
            Ok(Line::Begin { subject, check }) => (current, since) = (Some((subject, check)), Instant::now()),
            Ok(Line::End(check)) => {
                current = None;
                add(check);
            }
            Ok(Line::Done) => {
                // It may hang while it ends; nothing of it is needed any more.
                let _ = child.kill();
                let _ = child.wait();
                return;
            }
            Err(RecvTimeoutError::Disconnected) => {
                break child.wait().map_or_else(|error| error.to_string(), kind_of_end);
            }
            Err(RecvTimeoutError::Timeout) => {
                let too_long = since.elapsed() > limits.time;
                let too_much = resident_memory(child.id()).is_some_and(|bytes| bytes > limits.memory);
                if too_long || too_much {
                    let _ = child.kill();
                    let _ = child.wait();
                    break if too_long {
                        format!("did not end within {} s", limits.time.as_secs())
                    } else {
                        format!("took more than {} MiB of memory", limits.memory >> 20)
                    };
                }
            }
        }
    };
    let (subject, check) = current.unwrap_or_else(|| ("file".to_owned(), "process".to_owned()));
    let text = format!("the plugin {died}; the checks after this one were not run");
    add(Check { subject, check, verdict: Verdict::Error, text });
}

/// The lines of a pipe, read on a thread of their own; what is no line of an answer is left out.
fn lines(pipe: impl Read + Send + 'static) -> Receiver<Line> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(pipe.take(LONGEST_ANSWER)).lines() {
            let Ok(line) = line else { break };
            if let Ok(line) = serde_json::from_str(&line)
                && sender.send(line).is_err()
            {
                break;
            }
        }
    });
    receiver
}
