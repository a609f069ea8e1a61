//! The daemon: one for each home, without libtorch and without plugins. It starts jobs, watches them, and tells clients.

mod cluster;
mod executor;
mod follow;
mod job;
mod local;
mod order;
mod server;
mod slots;
mod socket;
mod supervisor;
mod verdict;
mod warm;

use std::fs::File;
use std::io::Write;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use lightbox_store::run::hostname;
use lightbox_store::{Home, StoreError, atomic};
use serde::{Deserialize, Serialize};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

pub use job::{label, without_time};
pub use socket::{connect, socket_path};

use crate::protocol::{Action, Answer, Message, PROTOCOL};
use crate::settings::ExecutorChoice;
use crate::{Result, SchedulerError, Settings, WorkerProgram};
use cluster::Cluster;
use executor::Executors;
use local::Local;
use server::Command;
use slots::Slots;
use supervisor::Supervisor;
use warm::Pool;

/// How often the daemon looks whether it is still needed.
const HOUSEKEEPING: Duration = Duration::from_secs(5);

/// Who serves a home; `daemon.json` in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DaemonRecord {
    /// Its process id.
    pub pid: u32,
    /// Its machine.
    pub host: String,
    /// The protocol that it speaks.
    pub protocol: u32,
    /// Version of the program.
    pub lightbox: String,
}

impl DaemonRecord {
    /// Reads who served a home last.
    pub fn read(home: &Home) -> Option<Self> {
        serde_json::from_slice(&std::fs::read(home.root().join("daemon.json")).ok()?).ok()
    }
}

/// Serves a home until asked to stop, or until nobody needs it any more.
///
/// # Errors
/// When another daemon serves this home, or the socket cannot be made.
pub fn serve(home: Home, settings: Settings, worker: WorkerProgram) -> Result<()> {
    // A session of its own: the end of the terminal's session does not reach it. It fails when it has one already.
    let _ = rustix::process::setsid();
    let _lock = lock(&home)?;
    let record = DaemonRecord {
        pid: std::process::id(),
        host: hostname(),
        protocol: PROTOCOL,
        lightbox: env!("CARGO_PKG_VERSION").to_owned(),
    };
    let text = serde_json::to_vec(&record).map_err(|e| SchedulerError::Daemon(e.to_string()))?;
    atomic::write(&home.root().join("daemon.json"), &text)?;
    let (commands, inbox) = channel();
    let signals = commands.clone();
    let mut watched =
        signal_hook::iterator::Signals::new([SIGTERM, SIGINT, SIGHUP]).map_err(SchedulerError::Signals)?;
    std::thread::spawn(move || {
        for signal in watched.forever() {
            // A terminal that closes is none of the daemon's business.
            if signal != SIGHUP && signals.send(Command::Signal).is_err() {
                return;
            }
        }
    });
    let slots = match settings.queue.executor {
        ExecutorChoice::Local => Slots::of_this_machine(&settings.slots),
        ExecutorChoice::Slurm => Slots::of_a_cluster(settings.queue.cluster_jobs),
    };
    let pool = Pool::new(worker.clone(), home.clone(), settings.warm.clone(), slots.gpus());
    let on_cluster = settings.queue.executor == ExecutorChoice::Slurm;
    let cluster = Cluster::new(settings.slurm.clone(), worker.path().to_path_buf(), home.root().to_path_buf());
    let executor = Box::new(Executors::new(Local::new(worker, slots.view().len() <= 1), cluster, on_cluster));
    let supervisor = Supervisor::new(home.clone(), settings.clone(), executor, slots)?;
    let listener = socket::listen(&home)?;
    server::accept(listener, commands)?;
    log(format_args!("daemon {} of {} began", record.pid, home.root().display()));
    let served = Daemon { home: home.clone(), settings, supervisor, pool, inbox, stop: None }.run();
    let _ = std::fs::remove_file(socket_path(&home));
    log(format_args!("daemon {} ended", record.pid));
    served
}

/// Writes a line to the daemon's log, its standard error. A disk that is full costs the line and not the daemon.
fn log(text: impl std::fmt::Display) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}

/// Takes the home for this daemon; held as long as the file is open.
fn lock(home: &Home) -> Result<File> {
    let path = home.root().join("daemon.lock");
    let file = File::options().create(true).truncate(false).write(true).open(&path);
    let file = file.map_err(|e| StoreError::io("open", &path, e))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => {
            let by = DaemonRecord::read(home).map_or(String::new(), |r| format!(" (pid {} on {})", r.pid, r.host));
            Err(SchedulerError::Daemon(format!("another daemon{by} serves {}", home.root().display())))
        }
        Err(std::fs::TryLockError::Error(e)) => Err(StoreError::io("lock", &path, e).into()),
    }
}

struct Daemon {
    home: Home,
    settings: Settings,
    supervisor: Supervisor,
    pool: Pool,
    inbox: Receiver<Command>,
    /// Set when the daemon was asked to end: until when it waits for jobs to stop.
    stop: Option<Instant>,
}

impl Daemon {
    fn run(mut self) -> Result<()> {
        let idle_exit = Duration::from_secs_f64(self.settings.queue.idle_exit_minutes * 60.0);
        let mut looked = Instant::now();
        let mut busy = Instant::now();
        loop {
            self.supervisor.tick();
            if self.stop.is_some_and(|until| !self.supervisor.any_running() || Instant::now() >= until) {
                return Ok(());
            }
            if looked.elapsed() >= HOUSEKEEPING {
                looked = Instant::now();
                if !self.supervisor.is_idle() || !self.pool.view().is_empty() {
                    busy = Instant::now();
                }
                if busy.elapsed() >= idle_exit && !idle_exit.is_zero() || !self.home_is_there() {
                    return Ok(());
                }
            }
            let patience = self.supervisor.patience();
            let first = match self.inbox.recv_timeout(patience) {
                Ok(command) => Some(command),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            };
            if first.is_some() {
                busy = Instant::now();
            }
            for command in first.into_iter().chain(self.inbox.try_iter().collect::<Vec<_>>()) {
                if self.handle(command) {
                    return Ok(());
                }
            }
        }
    }

    /// Handles what came in; true when the daemon shall end at once.
    fn handle(&mut self, command: Command) -> bool {
        match command {
            Command::Signal => return true,
            Command::Closed { connection } => {
                self.supervisor.disconnected(connection);
                self.pool.disconnected(connection);
            }
            Command::Ask { connection, request, to } => {
                let answer = match request.action {
                    Action::Subscribe => {
                        self.supervisor.subscribe(connection, to.clone());
                        Answer::Done { jobs: Vec::new(), remarks: Vec::new() }
                    }
                    Action::Stop { jobs_too } => {
                        self.begin_to_stop(jobs_too);
                        Answer::Done { jobs: Vec::new(), remarks: Vec::new() }
                    }
                    Action::Explain { request: explain } => {
                        self.pool.explain(connection, request.id, explain, to);
                        return false;
                    }
                    action => match self.supervisor.act(&action) {
                        Answer::Status(mut status) => {
                            status.warm = self.pool.view();
                            Answer::Status(status)
                        }
                        answer => answer,
                    },
                };
                // A client that does not read its answers is not waited for: its connection ends.
                let _ = to.try_send(Message::Answer { id: request.id, answer });
            }
        }
        false
    }

    fn begin_to_stop(&mut self, jobs_too: bool) {
        self.supervisor.start_nothing();
        let grace = Duration::from_secs_f64(self.settings.queue.grace_seconds);
        let mut until = Instant::now();
        if jobs_too {
            self.supervisor.stop_jobs();
            until += 3 * grace;
        }
        self.stop = Some(until);
    }

    fn home_is_there(&self) -> bool {
        let path: PathBuf = self.home.runs_dir();
        path.is_dir() && self.home.root().join("daemon.lock").exists()
    }
}
