//! Warm workers: processes that keep a network loaded, so that explaining an image takes as long as the explanation.
//!
//! Each has a thread that passes requests to it one after the other. One that crashes costs the request that it was
//! answering; the next request gets a new process, as does one of which a process from before had said nothing when it died.
//! One that nobody asks for a while ends, and when there are too many the least recently used goes first.

use std::fs::File;
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use lightbox_store::Home;
use lightbox_store::request::{ExplainRequest, Network, WarmAnswer};
use rustix::process::{Pid, Signal, kill_process};

use super::slots::{Gpu, Needs};
use super::supervisor::Connection;
use super::verdict::{crashed, signal_name};
use crate::WorkerProgram;
use crate::client::ARENAS;
use crate::protocol::{Answer, LineReader, Message, News, read_message, write_message};
use crate::settings::WarmSettings;

/// How long a process may take to be gone after its output closed.
const LAST_MOMENT: Duration = Duration::from_secs(2);

/// One request on its way.
struct Asked {
    connection: Connection,
    id: u64,
    request: Box<ExplainRequest>,
    to: SyncSender<Message>,
}

/// A warm worker's thread.
struct Warm {
    key: String,
    asks: Sender<Asked>,
    used: Instant,
    state: Arc<State>,
}

/// What the pool may know of a warm worker while its thread works.
#[derive(Default)]
struct State {
    /// Requests that wait or are being answered.
    waiting: AtomicU64,
    /// Who is being answered, by which process; nobody once it was given up.
    now: Mutex<Option<(Connection, u32)>>,
}

/// All warm workers.
pub struct Pool {
    worker: WorkerProgram,
    home: Home,
    settings: WarmSettings,
    gpus: Vec<Gpu>,
    warm: Vec<Warm>,
}

impl Pool {
    /// No worker yet. `gpus` are those that may be used.
    pub fn new(worker: WorkerProgram, home: Home, settings: WarmSettings, gpus: Vec<Gpu>) -> Self {
        Self { worker, home, settings, gpus, warm: Vec::new() }
    }

    /// Passes a request to the worker that holds its network, or to a new one.
    pub fn explain(
        &mut self,
        connection: Connection,
        id: u64,
        mut request: Box<ExplainRequest>,
        to: SyncSender<Message>,
    ) {
        let mask = self.mask(&mut request);
        let key = format!("{} on {}", name(&request.network), mask.as_deref().unwrap_or("cpu"));
        let at = match self.warm.iter().position(|warm| warm.key == key) {
            Some(at) => at,
            None => {
                self.make_room();
                self.warm.push(self.begin(key, mask));
                self.warm.len() - 1
            }
        };
        let warm = &mut self.warm[at];
        warm.used = Instant::now();
        warm.state.waiting.fetch_add(1, Ordering::SeqCst);
        if let Err(unsent) = warm.asks.send(Asked { connection, id, request, to }) {
            // Its thread ended this very moment, for want of requests.
            self.warm.remove(at);
            let Asked { connection, id, request, to } = unsent.0;
            self.explain(connection, id, request, to);
        }
    }

    /// The GPU that the worker shall see, by UUID; the request then names it as the only one.
    fn mask(&self, request: &mut ExplainRequest) -> Option<String> {
        let gpu = match Needs::of(&request.device.0) {
            Needs::Cpu => None,
            Needs::Any => self.gpus.first(),
            Needs::Gpu(number) => self.gpus.iter().find(|gpu| gpu.number == number),
        };
        if let Some(gpu) = gpu {
            request.device.0 = "cuda:0".to_owned();
            return Some(gpu.uuid.clone());
        }
        None
    }

    fn make_room(&mut self) {
        self.warm.retain(|warm| Arc::strong_count(&warm.state) > 1);
        while self.warm.len() >= self.settings.keep.max(1) {
            let idle = |warm: &&Warm| warm.state.waiting.load(Ordering::SeqCst) == 0;
            // Those that are being asked are kept, even when they are too many for a while.
            let Some(oldest) = self.warm.iter().filter(idle).min_by_key(|w| w.used).map(|w| w.key.clone()) else {
                return;
            };
            self.warm.retain(|warm| warm.key != oldest);
        }
    }

    fn begin(&self, key: String, mask: Option<String>) -> Warm {
        let (asks, inbox) = channel();
        let state = Arc::new(State::default());
        let keeper = Keeper {
            worker: self.worker.clone(),
            home: self.home.clone(),
            mask,
            idle: Duration::from_secs_f64(self.settings.idle_minutes * 60.0),
            state: Arc::clone(&state),
            process: None,
        };
        // Without a thread, the inbox is dropped and the request finds nobody: its client is told by the closed channel.
        let _ = std::thread::Builder::new().name("warm".into()).spawn(move || keeper.serve(&inbox));
        Warm { key, asks, used: Instant::now(), state }
    }

    /// A client is gone: what is being explained for it is given up.
    pub fn disconnected(&mut self, connection: Connection) {
        for warm in &self.warm {
            let mut now = warm.state.now.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some((_, pid)) = now.take_if(|(of, _)| *of == connection)
                && let Some(pid) = Pid::from_raw(pid.cast_signed())
            {
                let _ = kill_process(pid, Signal::KILL);
            }
        }
    }

    /// What is loaded, for `daemon status`.
    pub fn view(&self) -> Vec<String> {
        let alive = self.warm.iter().filter(|warm| Arc::strong_count(&warm.state) > 1);
        alive.map(|warm| warm.key.clone()).collect()
    }
}

/// A network in a few words; requests with the same words go to the same worker, which looks closer itself.
fn name(network: &Network) -> String {
    match network {
        Network::Run { path } => path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default(),
        Network::Weights { model, file, .. } => format!("{model} from {}", file.display()),
    }
}

/// Owns one warm process.
struct Keeper {
    worker: WorkerProgram,
    home: Home,
    mask: Option<String>,
    idle: Duration,
    state: Arc<State>,
    process: Option<Process>,
}

struct Process {
    child: Child,
    requests: ChildStdin,
    answers: LineReader<ChildStdout>,
}

/// How a request ended.
enum End {
    Answered(Answer),
    /// The process must be replaced, and the request asked again.
    Stale,
}

impl Keeper {
    fn serve(mut self, inbox: &Receiver<Asked>) {
        // Until nobody asked for a while, or the pool let it go.
        while let Ok(asked) = inbox.recv_timeout(self.idle) {
            let answer = self.answer(&asked);
            self.state.waiting.fetch_sub(1, Ordering::SeqCst);
            let _ = asked.to.try_send(Message::Answer { id: asked.id, answer });
        }
        // Its standard input closes, and it ends by itself.
        if let Some(Process { mut child, requests, .. }) = self.process.take() {
            drop(requests);
            let _ = child.wait();
        }
    }

    fn answer(&mut self, asked: &Asked) -> Answer {
        const TRIES: usize = 3;
        for _ in 0..TRIES {
            match self.try_answer(asked) {
                Ok(End::Answered(answer)) => return answer,
                Ok(End::Stale) => self.end(),
                Err(message) => return Answer::Refused { message, code: 1 },
            }
        }
        Answer::Refused { message: "plugins change all the time; try again when they are installed".into(), code: 1 }
    }

    fn try_answer(&mut self, asked: &Asked) -> Result<End, String> {
        if self.process.as_mut().is_some_and(|p| !matches!(p.child.try_wait(), Ok(None))) {
            self.end();
        }
        let (mut process, is_new) = match self.process.take() {
            Some(process) => (process, false),
            None => (self.start()?, true),
        };
        let who = (asked.connection, process.child.id());
        *self.state.now.lock().unwrap_or_else(PoisonError::into_inner) = Some(who);
        let mut heard = Heard::default();
        let outcome = converse(&mut process, asked, &mut heard);
        let is_wanted = self.state.now.lock().unwrap_or_else(PoisonError::into_inner).take().is_some();
        match outcome {
            Ok(end) => {
                self.process = Some(process);
                Ok(end)
            }
            Err(error) => {
                let how = how_it_ended(&mut process.child, &error);
                // It may have been dying since before the request, of something else: a new process tells.
                if is_wanted && !is_new && !heard.anything {
                    return Ok(End::Stale);
                }
                let log = self.home.logs_dir().join("warm.log");
                Err(match heard.running {
                    Some((method, file)) => {
                        format!("{}, with the end of {}", crashed(&method, &file, &how), log.display())
                    }
                    None => format!("the worker crashed while it explained: {how} (see {})", log.display()),
                })
            }
        }
    }

    fn end(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.child.kill();
            let _ = process.child.wait();
        }
    }

    fn start(&self) -> Result<Process, String> {
        let log = self.home.logs_dir().join("warm.log");
        let fail = |error: std::io::Error| format!("cannot start {}: {error}", self.worker.path().display());
        let errors = File::options().create(true).append(true).open(&log).map_err(fail)?;
        let mut command = self.worker.command();
        command.env_remove(ARENAS);
        command.arg("serve").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(errors);
        command.env("CUDA_VISIBLE_DEVICES", self.mask.as_deref().unwrap_or("")).env("CUDA_DEVICE_ORDER", "PCI_BUS_ID");
        let mut child = command.spawn().map_err(fail)?;
        match (child.stdin.take(), child.stdout.take()) {
            (Some(requests), Some(answers)) => Ok(Process { child, requests, answers: LineReader::new(answers) }),
            _ => Err("the worker has no standard input and output".to_owned()),
        }
    }
}

/// How a process ended that answers no more; one that lives is ended.
fn how_it_ended(child: &mut Child, error: &std::io::Error) -> String {
    // Its output closes a moment before the process is gone.
    let begun = Instant::now();
    while matches!(child.try_wait(), Ok(None)) && begun.elapsed() < LAST_MOMENT {
        std::thread::sleep(Duration::from_millis(5));
    }
    let lives = matches!(child.try_wait(), Ok(None));
    let _ = child.kill();
    match child.wait() {
        Ok(_) if lives => error.to_string(),
        Ok(status) => match (status.signal(), status.code()) {
            (Some(signal), _) => signal_name(signal),
            (None, Some(code)) => format!("it ended the process with exit code {code}"),
            (None, None) => error.to_string(),
        },
        Err(error) => error.to_string(),
    }
}

/// What a process said of a request before it ended.
#[derive(Default)]
struct Heard {
    /// Anything at all.
    anything: bool,
    /// The method of a library that ran last, and its file.
    running: Option<(String, PathBuf)>,
}

/// Asks the process and passes on what it answers.
fn converse(process: &mut Process, asked: &Asked, heard: &mut Heard) -> std::io::Result<End> {
    write_message(&mut process.requests, &asked.request)?;
    process.requests.flush()?;
    let id = asked.id;
    loop {
        let answer: Option<WarmAnswer> = read_message(&mut process.answers)?;
        // A client that is gone or does not read loses its pictures' news; the pictures are written all the same.
        let answer = answer.ok_or(std::io::ErrorKind::UnexpectedEof)?;
        heard.anything = true;
        match answer {
            WarmAnswer::Explained(explained) => {
                let _ = asked.to.try_send(Message::News(News::Explained { id, explained }));
            }
            WarmAnswer::Begins { method, file } => heard.running = Some((method, file)),
            WarmAnswer::Remark { text } => {
                let _ = asked.to.try_send(Message::News(News::Remark { id, text }));
            }
            WarmAnswer::Done => {
                return Ok(End::Answered(Answer::Done { jobs: Vec::new(), remarks: Vec::new() }));
            }
            WarmAnswer::Failed { message, code } => return Ok(End::Answered(Answer::Refused { message, code })),
            WarmAnswer::Stale => return Ok(End::Stale),
        }
    }
}
