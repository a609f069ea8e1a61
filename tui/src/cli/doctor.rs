//! `lightbox doctor`: what works on this machine and in this terminal, what does not, and what to do about it.

use std::ffi::OsStr;
use std::process::{Command, Stdio};
use std::time::Duration;

use clap::Args;
use lightbox_scheduler::{Client, WorkerProgram};
use lightbox_terminal::probe::{Choice, Environment, Protocol, WindowSize, ask, decide};
use rustix::fs::statvfs;
use serde::Serialize;
use serde_json::Value;

use super::{Context, plugins};
use crate::failure::{Failure, Result};

/// How long the terminal may take to answer.
const PATIENCE: Duration = Duration::from_secs(1);

/// Less than this is too little for checkpoints: bytes.
const LITTLE_SPACE: u64 = 5 << 30;

/// Nothing to say.
#[derive(Debug, Args)]
pub struct Arguments {}

/// How something is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum State {
    Ok,
    Warning,
    Failed,
}

/// One thing that was looked at.
#[derive(Clone, Debug, Serialize)]
struct Finding {
    what: &'static str,
    state: State,
    found: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    do_this: String,
}

impl Finding {
    fn ok(what: &'static str, found: impl Into<String>) -> Self {
        Self { what, state: State::Ok, found: found.into(), do_this: String::new() }
    }

    fn warning(what: &'static str, found: impl Into<String>, do_this: impl Into<String>) -> Self {
        Self { what, state: State::Warning, found: found.into(), do_this: do_this.into() }
    }

    fn failed(what: &'static str, found: impl Into<String>, do_this: impl Into<String>) -> Self {
        Self { what, state: State::Failed, found: found.into(), do_this: do_this.into() }
    }
}

/// Runs the command.
pub fn run(context: &Context, _: Arguments) -> Result<()> {
    let mut findings = terminal();
    findings.push(gpu());
    findings.extend(worker(context));
    findings.push(plugin_list(context));
    findings.push(home(context));
    findings.push(daemon(context));
    if context.out.json {
        context.out.record(&findings)?;
    } else {
        findings.iter().for_each(|finding| print(context, finding));
    }
    let failed: Vec<&str> = findings.iter().filter(|f| f.state == State::Failed).map(|f| f.what).collect();
    if failed.is_empty() { Ok(()) } else { Err(Failure::failed(format!("not all is well: {}", failed.join(", ")))) }
}

fn print(context: &Context, finding: &Finding) {
    let (sign, colour) = match finding.state {
        State::Ok => ("ok     ", "\x1b[32m"),
        State::Warning => ("warning", "\x1b[33m"),
        State::Failed => ("FAILED ", "\x1b[31m"),
    };
    let sign = if context.out.color { format!("{colour}{sign}\x1b[0m") } else { sign.to_owned() };
    let mut lines = finding.found.lines();
    context.out.line(format!("{sign} {:<10} {}", finding.what, lines.next().unwrap_or_default()));
    for line in lines.chain(finding.do_this.lines()) {
        context.out.line(format!("{:<19}{line}", ""));
    }
}

/// What the terminal can draw, and how that is known.
fn terminal() -> Vec<Finding> {
    let environment = Environment::from_process();
    let Some(answers) = ask(PATIENCE) else {
        return vec![Finding::ok("terminal", "none: commands print plain text, the interface needs one")];
    };
    let size = lightbox_terminal::tty::window_size().unwrap_or_else(|_| WindowSize::default());
    let graphics = decide(Choice::Auto, &environment, &answers, size);
    let mut found = vec![format!(
        "{}x{} cells of {}x{} pixels; pictures by {}",
        size.columns, size.rows, graphics.cell.0, graphics.cell.1, graphics.protocol
    )];
    found.extend(graphics.reasons.iter().cloned());
    let found = found.join("\n");
    let finding = match graphics.protocol {
        Protocol::HalfBlocks | Protocol::None => Finding::warning(
            "terminal",
            found,
            "kitty, ghostty, WezTerm, foot, iTerm2 or xterm with sixel show real pixels",
        ),
        _ => Finding::ok("terminal", found),
    };
    vec![finding]
}

/// The GPUs by the driver's own tool.
fn gpu() -> Finding {
    let query = ["--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"];
    match Command::new("nvidia-smi").args(query).stdin(Stdio::null()).output() {
        Ok(output) if output.status.success() => {
            Finding::ok("gpu", String::from_utf8_lossy(&output.stdout).trim().to_owned())
        }
        Ok(output) => Finding::failed(
            "gpu",
            format!("nvidia-smi says: {}", String::from_utf8_lossy(&output.stdout).trim()),
            "the NVIDIA driver does not work; jobs run on the processor until it does",
        ),
        Err(_) => Finding::ok("gpu", "no NVIDIA driver: jobs run on the processor"),
    }
}

/// The worker program and what libtorch can use.
fn worker(context: &Context) -> Vec<Finding> {
    let said = WorkerProgram::find(context.home.root()).and_then(|worker| worker.ask(&[OsStr::new("info")]));
    let answer = match said {
        Ok(answer) => answer,
        Err(error) => return vec![Finding::failed("libtorch", error.to_string(), "`just build` makes the worker")],
    };
    let info: Value = serde_json::from_slice(&answer.stdout).unwrap_or_default();
    let text = |key: &str| info[key].as_str().unwrap_or("?").to_owned();
    let found = format!("{} on {} with {} threads", text("libtorch"), text("cpu_capability"), info["threads"]);
    vec![match info["cuda"]["state"].as_str() {
        Some("ready") => Finding::ok("libtorch", format!("{found}, CUDA on {} GPUs", info["cuda"]["devices"])),
        Some("unusable") => Finding::failed("libtorch", found, info["cuda"]["why"].as_str().unwrap_or_default()),
        _ => Finding::ok("libtorch", format!("{found}, without CUDA")),
    }]
}

fn plugin_list(context: &Context) -> Finding {
    match plugins::catalogue(context) {
        Err(failure) => Finding::failed("plugins", failure.sentence(), "`lightbox plugins list` says more"),
        Ok(catalogue) => {
            let count = |key: &str| catalogue[key].as_array().map_or(0, Vec::len);
            let found = format!("{} models, {} methods", count("models"), count("attributions"));
            let problems: Vec<&str> =
                catalogue["problems"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            match problems.as_slice() {
                [] => Finding::ok("plugins", found),
                problems => Finding::warning("plugins", found, problems.join("\n")),
            }
        }
    }
}

fn home(context: &Context) -> Finding {
    let root = context.home.root();
    let place = root.display().to_string();
    let probe = root.join(format!(".doctor-{}", std::process::id()));
    if let Err(error) = std::fs::write(&probe, b"") {
        return Finding::failed(
            "home",
            format!("{place} cannot be written: {error}"),
            "--home DIR takes another folder",
        );
    }
    // What could just be made can be removed; if not, an empty file stays.
    let _ = std::fs::remove_file(&probe);
    match statvfs(root) {
        Ok(space) => {
            let free = space.f_bavail.saturating_mul(space.f_frsize);
            let found = format!("{place}, {:.1} GB free", free as f64 / 1e9);
            if free < LITTLE_SPACE {
                return Finding::warning(
                    "home",
                    found,
                    "a checkpoint of VGG16 takes 1.6 GB: make room before training",
                );
            }
            Finding::ok("home", found)
        }
        Err(error) => Finding::warning("home", place, format!("its free space is not known: {error}")),
    }
}

fn daemon(context: &Context) -> Finding {
    match Client::connect(&context.home) {
        Ok(None) => Finding::ok("daemon", "not running; it starts with the first job"),
        Ok(Some(client)) => Finding::ok("daemon", format!("running, pid {}", client.daemon().pid)),
        Err(error) => {
            Finding::failed("daemon", error.to_string(), "`lightbox daemon stop` ends it; running jobs go on")
        }
    }
}
