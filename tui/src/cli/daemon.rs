//! `lightbox daemon`: the supervisor of the queue. It starts by itself when a command needs it.

use std::time::{Duration, Instant};

use clap::Subcommand;
use lightbox_scheduler::protocol::{Action, Answer, Status};
use lightbox_scheduler::{Client, SchedulerError, Settings, WorkerProgram, daemon, daemon_process};

use super::{Context, jobs};
use crate::failure::{Failure, Result};

/// What to do with the daemon.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Start it, if it does not run
    Start,
    /// End it; running jobs go on and the next daemon takes them up
    Stop {
        /// Ask running jobs to write a checkpoint and stop first; they stay in the queue
        #[arg(long)]
        jobs: bool,
    },
    /// Slots, GPUs and number of jobs
    Status,
    /// Serve this home in the foreground
    #[command(hide = true)]
    Run,
}

/// Runs the command.
pub fn run(context: &Context, command: Command) -> Result<()> {
    match command {
        Command::Start => {
            let client = jobs::client(context)?;
            context.out.note(format!("the daemon runs, pid {}", client.daemon().pid));
            warn_of_logout(context);
            Ok(())
        }
        Command::Stop { jobs } => stop(context, jobs),
        Command::Status => status(context),
        Command::Run => {
            let settings = Settings::read()?;
            let worker = WorkerProgram::find(context.home.root())?;
            Ok(daemon::serve(context.home.clone(), settings, worker)?)
        }
    }
}

fn stop(context: &Context, jobs_too: bool) -> Result<()> {
    const PATIENCE: Duration = Duration::from_secs(120);
    match Client::connect(&context.home) {
        Ok(None) if daemon_process(&context.home, false)?.is_none() => {
            context.out.note("no daemon runs");
            return Ok(());
        }
        Ok(Some(mut client)) => match client.ask(Action::Stop { jobs_too }) {
            // It may end before its answer is on the way.
            Ok(_) | Err(SchedulerError::Gone) => {}
            Err(error) => return Err(error.into()),
        },
        // It does not answer, or is of another version: by signal.
        Ok(None) | Err(_) => {
            daemon_process(&context.home, true)?;
        }
    }
    let began = Instant::now();
    while let Some(pid) = daemon_process(&context.home, false)? {
        if began.elapsed() > PATIENCE {
            return Err(Failure::failed(format!("the daemon (pid {pid}) does not end; end it with: kill -9 {pid}")));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    context.out.note("the daemon ended");
    Ok(())
}

fn status(context: &Context) -> Result<()> {
    let Some(mut client) = Client::connect(&context.home)? else {
        if context.out.json {
            return context.out.record(&serde_json::json!({ "running": false }));
        }
        context.out.line("no daemon runs; it starts by itself when it is needed");
        return Ok(());
    };
    let Answer::Status(status) = client.ask(Action::Status)? else {
        return Err(SchedulerError::Daemon("the daemon gave another answer than was asked for".into()).into());
    };
    if context.out.json {
        return context.out.record(&status);
    }
    show(context, &status);
    Ok(())
}

fn show(context: &Context, status: &Status) {
    let up = super::queue::duration(status.up_seconds);
    let paused = if status.paused { ", the queue is paused" } else { "" };
    context.out.line(format!(
        "Lightbox {} daemon, pid {} on {}, up {up}, executor {}{paused}",
        status.lightbox, status.pid, status.host, status.executor
    ));
    context.out.line(format!("home {}", status.home.display()));
    let jobs: Vec<String> = status.jobs.iter().map(|(state, count)| format!("{count} {state}")).collect();
    context.out.line(format!("jobs: {}", if jobs.is_empty() { "none".to_owned() } else { jobs.join(", ") }));
    let rows: Vec<Vec<String>> = status
        .slots
        .iter()
        .map(|slot| {
            vec![slot.name.clone(), slot.device.clone(), slot.job.as_ref().map_or("free".into(), |j| j.0.clone())]
        })
        .collect();
    context.out.table(&["slot", "device", "job"], &rows);
    for warm in &status.warm {
        context.out.line(format!("warm: {warm}"));
    }
    for remark in &status.remarks {
        context.out.line(format!("note: {remark}"));
    }
    warn_of_logout(context);
}

/// systemd may end all of a user's processes at logout, a daemon's too.
fn warn_of_logout(context: &Context) {
    let user = std::env::var("USER").unwrap_or_default();
    let lingers = std::path::Path::new("/var/lib/systemd/linger").join(&user).exists();
    if kills_at_logout() && !lingers && user != "root" {
        context.out.note(format!(
            "warning: this machine ends a user's processes at logout (KillUserProcesses=yes); keep the daemon with: \
             loginctl enable-linger {user}"
        ));
    }
}

fn kills_at_logout() -> bool {
    let main = std::path::PathBuf::from("/etc/systemd/logind.conf");
    let more = std::fs::read_dir("/etc/systemd/logind.conf.d").into_iter().flatten().flatten().map(|e| e.path());
    let mut files: Vec<_> = more.collect();
    files.sort();
    let mut kills = false;
    for file in std::iter::once(main).chain(files) {
        for line in std::fs::read_to_string(file).unwrap_or_default().lines() {
            if let Some(value) = line.trim().strip_prefix("KillUserProcesses=") {
                kills = matches!(value.trim(), "yes" | "true" | "1" | "on");
            }
        }
    }
    kills
}
