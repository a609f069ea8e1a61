//! Work beside the loop: files that are read, tables that are built and sorted, commands that run. Each piece ends in one
//! message to the loop, so that nothing there ever waits.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use super::message::{Message, Update};

type Work = Box<dyn FnOnce() -> Update + Send>;

/// Threads for short pieces of work. Two: one long table must not hold up a thumbnail.
const THREADS: usize = 2;

/// Takes work and sends what comes of it to the loop.
#[derive(Clone)]
pub struct Tasks {
    queue: Sender<Work>,
    messages: Sender<Message>,
    /// Short pieces that are not done, for tests that wait for them.
    #[cfg(test)]
    undone: Arc<std::sync::atomic::AtomicUsize>,
}

impl Tasks {
    /// Starts the threads; they end with the last [`Tasks`].
    pub fn start(messages: Sender<Message>) -> Self {
        let (queue, work) = channel::<Work>();
        let work = Arc::new(Mutex::new(work));
        for _ in 0..THREADS {
            let (work, messages) = (Arc::clone(&work), messages.clone());
            std::thread::spawn(move || serve(&work, &messages));
        }
        Self {
            queue,
            messages,
            #[cfg(test)]
            undone: Arc::default(),
        }
    }

    /// Does a short piece of work beside the loop.
    pub fn spawn(&self, work: impl FnOnce() -> Update + Send + 'static) {
        #[cfg(test)]
        let work = {
            use std::sync::atomic::Ordering::SeqCst;
            let undone = Arc::clone(&self.undone);
            undone.fetch_add(1, SeqCst);
            move || {
                let update = work();
                undone.fetch_sub(1, SeqCst);
                update
            }
        };
        // Without threads the program is ending.
        let _ = self.queue.send(Box::new(work));
    }

    /// Whether a short piece of work is not done yet.
    #[cfg(test)]
    pub fn are_busy(&self) -> bool {
        self.undone.load(std::sync::atomic::Ordering::SeqCst) > 0
    }

    /// Does what may take long on a thread of its own; it can send updates before it ends.
    pub fn spawn_long(&self, work: impl FnOnce(&Tell) + Send + 'static) {
        let tell = Tell(self.messages.clone());
        std::thread::spawn(move || work(&tell));
    }

    /// Runs this program with other arguments, as a script would, and reports its output.
    pub fn run_command(&self, ask: CommandRun) {
        self.spawn_long(move |tell| {
            let outcome = run(&ask);
            tell.update(Update::Command(outcome));
        });
    }
}

/// Sends updates to the loop.
pub struct Tell(Sender<Message>);

impl Tell {
    /// Sends one; nothing happens when the loop has ended.
    pub fn update(&self, update: Update) {
        let _ = self.0.send(Message::Update(update));
    }
}

fn serve(work: &Mutex<Receiver<Work>>, messages: &Sender<Message>) {
    loop {
        let next = match work.lock() {
            Ok(queue) => queue.recv(),
            Err(_) => return,
        };
        let Ok(next) = next else { return };
        if messages.send(Message::Update(next())).is_err() {
            return;
        }
    }
}

/// A call of this program.
#[derive(Clone, Debug)]
pub struct CommandRun {
    /// This program.
    pub program: PathBuf,
    /// The home.
    pub home: PathBuf,
    /// Arguments after `--home`.
    pub arguments: Vec<String>,
    /// What the user is told that was done, for example "queued".
    pub done: String,
    /// What is to be read anew afterwards.
    pub purpose: Purpose,
}

/// What a command was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// It changed runs or studies.
    Runs,
    /// It changed datasets.
    Data,
    /// The demo, which changes everything.
    Demo,
}

/// What came of a command.
#[derive(Clone, Debug)]
pub struct CommandDone {
    /// What was called.
    pub run: CommandRun,
    /// Whether it succeeded.
    pub ok: bool,
    /// Its standard output, or its sentence on standard error.
    pub said: String,
}

impl CommandRun {
    /// As a user would type it.
    pub fn as_typed(&self) -> String {
        let quoted =
            self.arguments.iter().map(|a| match a.chars().all(|c| c.is_alphanumeric() || "-_./=,:".contains(c)) {
                true => a.clone(),
                false => format!("'{}'", a.replace('\'', r"'\''")),
            });
        format!("lightbox {}", quoted.collect::<Vec<_>>().join(" "))
    }
}

fn run(ask: &CommandRun) -> CommandDone {
    let output = command(&ask.program, &ask.home, &ask.arguments).stdin(Stdio::null()).output();
    let (ok, said) = match output {
        Ok(output) if output.status.success() => (true, text(&output.stdout)),
        Ok(output) => (false, text(&output.stderr)),
        Err(error) => (false, format!("cannot run {}: {error}", ask.program.display())),
    };
    CommandDone { run: ask.clone(), ok, said }
}

/// This program as a command without colours and progress.
pub fn command(program: &Path, home: &Path, arguments: &[String]) -> Command {
    let mut command = Command::new(program);
    command.arg("--home").arg(home).args(["--color", "never"]).args(arguments);
    command
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim_end().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_comes_back_as_a_message() {
        let (send, receive) = channel();
        let tasks = Tasks::start(send);
        tasks.spawn(|| Update::Nothing);
        assert!(matches!(receive.recv(), Ok(Message::Update(Update::Nothing))));
    }

    #[test]
    fn a_command_is_shown_as_it_would_be_typed() {
        let run = CommandRun {
            program: PathBuf::from("lightbox"),
            home: PathBuf::from("/h"),
            arguments: ["data", "add", "/a folder/it's", "--name", "x"].map(str::to_owned).to_vec(),
            done: String::new(),
            purpose: Purpose::Data,
        };
        assert_eq!(run.as_typed(), r"lightbox data add '/a folder/it'\''s' --name x");
    }
}
