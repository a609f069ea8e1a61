//! Job control: whether a shell looks after this process, and stopping it.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::process::{Signal, kill_current_process_group};

/// Parents that are looked at, at most.
const GENERATIONS: usize = 32;

/// Whether the process group of this process has a parent in the same session that could continue it. Without one (the
/// program is what a window or an SSH session runs) a stopped process would stay stopped.
pub fn is_controlled() -> bool {
    let Some(own) = Process::read("self") else { return false };
    let mut parent = own.parent;
    for _ in 0..GENERATIONS {
        let Some(process) = Process::read(&parent.to_string()) else { return false };
        if process.session != own.session {
            return false;
        }
        if process.group != own.group {
            return true;
        }
        parent = process.parent;
    }
    false
}

/// The process has stopped itself, and nobody has asked since.
static SUSPENDED: AtomicBool = AtomicBool::new(false);

/// Whether the process stopped itself since this was asked last.
pub fn was_suspended() -> bool {
    SUSPENDED.swap(false, Ordering::SeqCst)
}

/// Stops the process group; returns when it was continued.
pub fn stop() -> io::Result<()> {
    SUSPENDED.store(true, Ordering::SeqCst);
    // Not SIGTSTP, which the program may handle.
    Ok(kill_current_process_group(Signal::STOP)?)
}

struct Process {
    parent: u32,
    group: u32,
    session: u32,
}

impl Process {
    fn read(id: &str) -> Option<Process> {
        let text = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
        // The name, in brackets, may contain anything; state, parent, group and session follow it.
        let mut fields = text.rsplit_once(')')?.1.split_whitespace().skip(1).map(str::parse);
        let mut next = || fields.next()?.ok();
        Some(Process { parent: next()?, group: next()?, session: next()? })
    }
}
