//! A client of the daemon: starts it when it is not there, asks it, listens to it.

use std::collections::VecDeque;
use std::fs::File;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use lightbox_store::Home;
use rustix::process::{Pid, Signal, kill_process};

use crate::daemon::{self, DaemonRecord};
use crate::protocol::{
    Action, Answer, Hello, LineReader, Message, News, PROTOCOL, Request, read_message, write_message,
};
use crate::worker::last_sentence;
use crate::{Result, SchedulerError};

/// How long a daemon may take to begin: it reads the queue first.
const START: Duration = Duration::from_secs(60);

/// The variable by which glibc limits its heaps. Set for the daemon, and taken away again from its workers.
pub(crate) const ARENAS: &str = "MALLOC_ARENA_MAX";

/// How often it is looked whether an answer is still wanted.
const LOOK: Duration = Duration::from_millis(200);

/// How long a daemon may take to say hello.
const HELLO: Duration = Duration::from_secs(10);

/// A connection to the daemon.
#[derive(Debug)]
pub struct Client {
    lines: LineReader<UnixStream>,
    stream: UnixStream,
    next: u64,
    news: VecDeque<News>,
    hello: Hello,
}

impl Client {
    /// Connects to the daemon of a home; none when there is none.
    ///
    /// # Errors
    /// When it does not answer or is of another version.
    pub fn connect(home: &Home) -> Result<Option<Self>> {
        let Some(stream) = daemon::connect(home)? else { return Ok(None) };
        Self::greet(stream).map(Some)
    }

    /// Connects to the daemon of a home and starts it when there is none. `program` is `lightbox`.
    ///
    /// # Errors
    /// When it cannot be started, does not answer, or is of another version.
    pub fn connect_or_start(home: &Home, program: &Path) -> Result<Self> {
        if let Some(client) = Self::connect(home)? {
            return Ok(client);
        }
        let log = home.logs_dir().join("daemon.log");
        let mut child = start(home, program, &log)?;
        let began = Instant::now();
        loop {
            if let Some(client) = Self::connect(home)? {
                return Ok(client);
            }
            let ended = child.try_wait().ok().flatten().is_some_and(|status| !status.success());
            // It may have ended because another one began at the same time, which needs a moment.
            if began.elapsed() > if ended { Duration::from_secs(5) } else { START } {
                let said = last_sentence(&std::fs::read_to_string(&log).unwrap_or_default());
                return Err(SchedulerError::Daemon(format!(
                    "the daemon does not start: {said} (see {})",
                    log.display()
                )));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Asks one question of the daemon of a home, started when there is none. One that ends before it answers is replaced
    /// and asked again: each action has the same effect twice as once.
    ///
    /// # Errors
    /// As [`Client::connect_or_start`] and [`Client::ask`].
    pub fn ask_once(home: &Home, program: &Path, action: &Action) -> Result<Answer> {
        const TRIES: usize = 5;
        for _ in 1..TRIES {
            match Self::connect_or_start(home, program).and_then(|mut client| client.ask(action.clone())) {
                Err(SchedulerError::Gone) => std::thread::sleep(Duration::from_millis(100)),
                other => return other,
            }
        }
        Self::connect_or_start(home, program)?.ask(action.clone())
    }

    fn greet(stream: UnixStream) -> Result<Self> {
        let silent = |e: std::io::Error| {
            use std::io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
            if matches!(e.kind(), BrokenPipe | ConnectionReset | UnexpectedEof) {
                return SchedulerError::Gone;
            }
            SchedulerError::Daemon(format!("the daemon does not answer ({e}); stop it with: lightbox daemon stop"))
        };
        stream.set_read_timeout(Some(HELLO)).map_err(silent)?;
        let mine =
            Hello { protocol: PROTOCOL, lightbox: env!("CARGO_PKG_VERSION").to_owned(), pid: std::process::id() };
        write_message(&mut &stream, &mine).map_err(silent)?;
        let mut lines = LineReader::new(stream.try_clone().map_err(silent)?);
        let hello: Option<Hello> = read_message(&mut lines).map_err(silent)?;
        let hello = hello.ok_or(SchedulerError::Gone)?;
        if hello.protocol != PROTOCOL {
            return Err(SchedulerError::Daemon(format!(
                "the daemon of this home (pid {}) is Lightbox {} and speaks protocol {}, this program is {} and speaks \
                 {PROTOCOL}; stop it with `lightbox daemon stop`: running jobs go on, and the next daemon takes them up",
                hello.pid,
                hello.lightbox,
                hello.protocol,
                env!("CARGO_PKG_VERSION"),
            )));
        }
        stream.set_read_timeout(None).map_err(silent)?;
        Ok(Self { lines, stream, next: 1, news: VecDeque::new(), hello })
    }

    /// Who is at the other end.
    pub fn daemon(&self) -> &Hello {
        &self.hello
    }

    /// Asks and waits for the answer; news that come before it are kept.
    ///
    /// # Errors
    /// When the daemon refuses, with its sentence, or is gone.
    pub fn ask(&mut self, action: Action) -> Result<Answer> {
        let mut news = VecDeque::new();
        let answer = self.ask_with(action, &mut |one| news.push_back(one));
        self.news.append(&mut news);
        answer
    }

    /// Asks and waits for the answer; news that come before it are given to `on_news`.
    ///
    /// # Errors
    /// As [`Client::ask`].
    pub fn ask_with(&mut self, action: Action, on_news: &mut dyn FnMut(News)) -> Result<Answer> {
        let id = self.send(action)?;
        loop {
            match self.message(None)? {
                Some(message) => {
                    if let Some(answer) = answer_to(id, message, on_news) {
                        return accept(answer);
                    }
                }
                None => return Err(SchedulerError::Gone),
            }
        }
    }

    /// As [`Client::ask_with`], for as long as the answer is wanted; none when it no longer is. The connection is of no use
    /// then, and when it is dropped the daemon gives up what it does for it.
    ///
    /// # Errors
    /// As [`Client::ask`].
    pub fn ask_while(
        &mut self,
        action: Action,
        on_news: &mut dyn FnMut(News),
        wanted: &dyn Fn() -> bool,
    ) -> Result<Option<Answer>> {
        let id = self.send(action)?;
        while wanted() {
            if let Some(message) = self.message(Some(LOOK))?
                && let Some(answer) = answer_to(id, message, on_news)
            {
                return accept(answer).map(Some);
            }
        }
        Ok(None)
    }

    /// Asks without waiting; the number of the request comes back with its answer.
    ///
    /// # Errors
    /// When the daemon is gone.
    pub fn send(&mut self, action: Action) -> Result<u64> {
        let id = self.next;
        self.next += 1;
        write_message(&mut self.stream, &Request { id, action }).map_err(|_| SchedulerError::Gone)?;
        Ok(id)
    }

    /// The next piece of news; none when `patience` runs out.
    ///
    /// # Errors
    /// When the daemon is gone.
    pub fn news(&mut self, patience: Duration) -> Result<Option<News>> {
        if let Some(news) = self.news.pop_front() {
            return Ok(Some(news));
        }
        let until = Instant::now() + patience;
        loop {
            let left = until.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
            match self.message(Some(left))? {
                Some(Message::News(news)) => return Ok(Some(news)),
                Some(Message::Answer { .. }) if Instant::now() < until => {}
                Some(Message::Answer { .. }) | None => return Ok(None),
            }
        }
    }

    /// The next message; none when the patience runs out.
    ///
    /// # Errors
    /// When the daemon is gone or writes what is not a message.
    pub fn message(&mut self, patience: Option<Duration>) -> Result<Option<Message>> {
        use std::io::ErrorKind::{InvalidData, TimedOut, WouldBlock};
        self.stream.set_read_timeout(patience).map_err(|_| SchedulerError::Gone)?;
        match read_message(&mut self.lines) {
            Ok(Some(message)) => Ok(Some(message)),
            Ok(None) => Err(SchedulerError::Gone),
            Err(error) if matches!(error.kind(), TimedOut | WouldBlock) => Ok(None),
            Err(error) if error.kind() == InvalidData => {
                Err(SchedulerError::Daemon(format!("the daemon sent what this program does not understand: {error}")))
            }
            Err(_) => Err(SchedulerError::Gone),
        }
    }
}

/// The answer to a request, if the message is it; news are given to `on_news`.
fn answer_to(request: u64, message: Message, on_news: &mut dyn FnMut(News)) -> Option<Answer> {
    match message {
        Message::News(news) => on_news(news),
        Message::Answer { id, answer } if id == request || id == 0 => return Some(answer),
        Message::Answer { .. } => {}
    }
    None
}

fn accept(answer: Answer) -> Result<Answer> {
    match answer {
        Answer::Refused { message, code: 2 } => Err(SchedulerError::Refused(message)),
        Answer::Refused { message, .. } => Err(SchedulerError::Daemon(message)),
        other => Ok(other),
    }
}

fn start(home: &Home, program: &Path, log: &Path) -> Result<Child> {
    let fail = |source| SchedulerError::Start { program: program.display().to_string(), source };
    let out = File::options().create(true).append(true).open(log).map_err(fail)?;
    let err = out.try_clone().map_err(fail)?;
    let mut command = Command::new(program);
    command.arg("--home").arg(home.root()).args(["daemon", "run"]).current_dir(home.root());
    // One heap for all threads: a daemon with 10,000 jobs then takes 24 MB instead of 34 (benches/README.md).
    command.env(ARENAS, "1");
    command.stdin(Stdio::null()).stdout(out).stderr(err).spawn().map_err(fail)
}

/// The daemon's process, found by its record and only if it certainly lives: for stopping one that does not answer or
/// is of another version.
///
/// # Errors
/// When it runs on another machine.
pub fn daemon_process(home: &Home, signal: bool) -> Result<Option<u32>> {
    let Some(record) = DaemonRecord::read(home) else { return Ok(None) };
    let path = home.root().join("daemon.lock");
    let held = File::options().write(true).open(&path).is_ok_and(|file| file.try_lock().is_err());
    if !held {
        return Ok(None);
    }
    if record.host != lightbox_store::run::hostname() {
        return Err(SchedulerError::Daemon(format!("the daemon of this home runs on {}; go there", record.host)));
    }
    if let (true, Some(pid)) = (signal, Pid::from_raw(record.pid.cast_signed())) {
        let _ = kill_process(pid, Signal::TERM);
    }
    Ok(Some(record.pid))
}
