//! Jobs as processes of this machine.
//!
//! A worker holds the lock of its run directory for as long as it lives: the daemon takes the lock and hands it over as the
//! worker's standard input. So there is no moment at which a daemon that was killed and started again could mistake a job
//! that runs for one that does not, and no process id is ever trusted without its start time.

use std::collections::HashMap;
use std::fs::File;
use std::io::Write;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, ExitStatus, Stdio};
use std::time::Duration;

use lightbox_store::RunDir;
use lightbox_store::run::{EventKind, Placement, RunId, hostname, process_start};
use rustix::process::{Pid, Signal, kill_process_group};

use super::executor::{Force, Launch, Notice};
use super::slots::Device;
use super::verdict::Ended;
use crate::client::ARENAS;
use crate::{Result, SchedulerError, WorkerProgram};

/// The line in `worker.log` with which each start begins.
pub const LOG_MARK: &str = "== started by the queue\n";

/// Runs jobs on this machine.
#[derive(Debug)]
pub struct Local {
    worker: WorkerProgram,
    boot: String,
    alone: bool,
    running: HashMap<RunId, Running>,
    notices: Vec<Notice>,
}

/// A worker that may live.
#[derive(Debug)]
enum Running {
    /// Started by this process.
    Child(Child),
    /// Found running; it lives as long as the lock is held.
    Found(RunDir),
}

impl Local {
    /// An executor that starts this worker program. `alone` says that never more than one job runs at a time, so that a
    /// worker's idle threads may spin without taking time from another's.
    pub fn new(worker: WorkerProgram, alone: bool) -> Self {
        Self { worker, boot: boot_id(), alone, running: HashMap::new(), notices: Vec::new() }
    }

    /// How often workers are looked at.
    pub const POLL: Duration = Duration::from_millis(100);

    fn start(&self, launch: &Launch) -> Result<Started> {
        let Some(lock) = launch.dir.try_lock()? else { return Ok(Started::Taken) };
        let start = |source| SchedulerError::Start { program: self.worker.path().display().to_string(), source };
        let mut log = File::options().create(true).append(true).open(launch.dir.file("worker.log")).map_err(start)?;
        log.write_all(LOG_MARK.as_bytes()).map_err(start)?;
        let mut command = self.worker.command();
        command.args(["run", "--lock-on-stdin", "--heed-stop-file"]);
        match &launch.slot.device {
            Device::Cpu | Device::Cluster => {
                command.args(["--device", "cpu"]).env("CUDA_VISIBLE_DEVICES", "");
            }
            Device::Gpu(gpu) => {
                command.args(["--device", "cuda:0"]).env("CUDA_VISIBLE_DEVICES", &gpu.uuid);
                command.env("CUDA_DEVICE_ORDER", "PCI_BUS_ID");
            }
        }
        if !self.alone && std::env::var_os("OMP_WAIT_POLICY").is_none() {
            command.env("OMP_WAIT_POLICY", "passive");
        }
        command.env_remove(ARENAS);
        command.arg(launch.dir.path()).stdin(Stdio::from(lock)).stdout(Stdio::null()).stderr(log);
        // A group of its own: what ends the daemon or the terminal does not end the worker, and cancelling reaches all
        // processes of the job.
        let child = command.process_group(0).spawn().map_err(start)?;
        let pid = child.id();
        let placement = Placement::Local {
            slot: launch.slot.name.clone(),
            pid,
            pid_start: process_start(pid).unwrap_or(0),
            boot: self.boot.clone(),
            host: hostname(),
        };
        Ok(Started::Child(child, placement))
    }

    /// The process group of a job, if it certainly is that job's.
    fn group(&self, run: &RunId) -> Option<Pid> {
        match self.running.get(run)? {
            Running::Child(child) => Pid::from_raw(child.id().cast_signed()),
            Running::Found(dir) => {
                let events = dir.events().ok()?;
                let started = events.iter().rev().find_map(|event| match &event.kind {
                    EventKind::Started { pid, pid_start, host } if *host == hostname() => Some((*pid, *pid_start)),
                    _ => None,
                });
                let (pid, pid_start) = started?;
                (process_start(pid) == Some(pid_start)).then(|| Pid::from_raw(pid.cast_signed()))?
            }
        }
    }
}

enum Started {
    Child(Child, Placement),
    /// Another process has the lock.
    Taken,
}

impl Local {
    /// Starts a job, or finds that it runs already.
    pub fn launch(&mut self, launch: Launch) {
        match self.start(&launch) {
            Ok(Started::Child(child, placement)) => {
                self.running.insert(launch.run.clone(), Running::Child(child));
                self.notices.push(Notice::Placed(launch.run, placement));
            }
            Ok(Started::Taken) => {
                self.running.insert(launch.run, Running::Found(launch.dir));
            }
            Err(error) => self.notices.push(Notice::Ended(launch.run, Ended::NotStarted(error.to_string()))),
        }
    }

    /// Takes up a job that an earlier daemon started; false when it was certainly never started.
    pub fn take_up(&mut self, run: &RunId, dir: &RunDir, placement: Option<&Placement>) -> bool {
        if matches!(dir.try_lock(), Ok(None)) {
            self.running.insert(run.clone(), Running::Found(dir.clone()));
            return true;
        }
        if let Some(Placement::Local { boot, host, .. }) = placement {
            let restarted = *host == hostname() && *boot != self.boot;
            let ended = if restarted { Ended::Restart } else { Ended::Unseen };
            self.notices.push(Notice::Ended(run.clone(), ended));
            return true;
        }
        false
    }

    /// Ends a job of this machine by force; others are passed over.
    pub fn force(&mut self, run: &RunId, how: Force) {
        let signal = match how {
            Force::Terminate => Signal::TERM,
            Force::Kill => Signal::KILL,
        };
        if let Some(group) = self.group(run) {
            // It may have ended in between; the next look sees that.
            let _ = kill_process_group(group, signal);
        }
    }

    /// What happened since the last call.
    pub fn notices(&mut self) -> Vec<Notice> {
        let mut notices = std::mem::take(&mut self.notices);
        self.running.retain(|run, running| {
            let ended = match running {
                Running::Child(child) => match child.try_wait() {
                    Ok(None) => None,
                    Ok(Some(status)) => Some(how(status)),
                    Err(_) => Some(Ended::Unseen),
                },
                Running::Found(dir) => match dir.try_lock() {
                    Ok(None) => None,
                    Ok(Some(_)) | Err(_) => Some(Ended::Unseen),
                },
            };
            let alive = ended.is_none();
            notices.extend(ended.map(|ended| Notice::Ended(run.clone(), ended)));
            alive
        });
        notices
    }
}

fn how(status: ExitStatus) -> Ended {
    match (status.code(), status.signal()) {
        (Some(code), _) => Ended::Exit(code),
        (None, Some(signal)) => Ended::Signal(signal),
        (None, None) => Ended::Unseen,
    }
}

/// Names the boot of this machine.
fn boot_id() -> String {
    std::fs::read_to_string(Path::new("/proc/sys/kernel/random/boot_id")).unwrap_or_default().trim().to_owned()
}
