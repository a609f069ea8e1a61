//! A program on a pseudo-terminal, and a terminal at the other end that answers as a script says and keeps the screen.

use std::fs::File;
use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

/// How long anything may take on a slow machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// What the terminal answers to questions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// kitty: graphics, its version, DA1.
    Kitty,
    /// xterm with sixel.
    Sixel,
    /// A terminal without graphics.
    Plain,
    /// Nothing at all.
    Silent,
    /// What makes no sense.
    Garbage,
}

struct State {
    screen: vt100::Parser,
    bytes: Vec<u8>,
}

/// A terminal with a program in it.
pub struct Terminal {
    keys: File,
    master: File,
    child: Child,
    state: Arc<Mutex<State>>,
}

impl Terminal {
    /// Starts a program in a terminal of this size; cells are 8 x 16 pixels.
    ///
    /// # Panics
    /// When the system gives no pseudo-terminal, or the program does not start.
    pub fn start(kind: Kind, (columns, rows): (u16, u16), program: &Path, arguments: &[&str]) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("a pseudo-terminal");
        grantpt(&master).expect("it is ours");
        unlockpt(&master).expect("it opens");
        let name = ptsname(&master, Vec::new()).expect("it has a name").into_string().expect("of plain letters");
        set_size(&master, columns, rows);
        let side = || Stdio::from(File::options().read(true).write(true).open(&name).expect("its other side"));
        // A session of its own with this as its terminal, as a login gives it.
        let child = Command::new("setsid")
            .args(["--ctty", "--wait"])
            .arg(program)
            .args(arguments)
            .env("TERM", "xterm-256color")
            .env("COLORTERM", "truecolor")
            .env_remove("TMUX")
            .env_remove("STY")
            .env_remove("NO_COLOR")
            .env_remove("TERM_PROGRAM")
            .env_remove("KITTY_WINDOW_ID")
            .env("XDG_CONFIG_HOME", "/nonexistent")
            .stdin(side())
            .stdout(side())
            .stderr(side())
            .spawn()
            .expect("setsid of util-linux");
        let master = File::from(master);
        let keys = master.try_clone().expect("a second handle");
        let answers = master.try_clone().expect("a third handle");
        let state = Arc::new(Mutex::new(State {
            screen: vt100::Parser::new(cells(rows), cells(columns), 0),
            bytes: Vec::new(),
        }));
        let reader = master.try_clone().expect("a fourth handle");
        let shared = Arc::clone(&state);
        std::thread::spawn(move || serve(kind, reader, answers, &shared));
        Self { keys, master, child, state }
    }

    /// Types text or keys.
    ///
    /// # Panics
    /// When the terminal is gone.
    pub fn send(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).expect("the program reads its keys");
    }

    /// What is on the screen.
    ///
    /// # Panics
    /// When the reading thread panicked.
    pub fn screen(&self) -> String {
        self.state.lock().expect("the reader lives").screen.screen().contents()
    }

    /// Waits until the screen shows some words.
    ///
    /// # Panics
    /// When it never does; with what it shows instead.
    pub fn wait_for(&self, words: &str) {
        self.wait(words, |screen, _| screen.contains(words));
    }

    /// Waits until the screen shows some words no more.
    ///
    /// # Panics
    /// When it goes on showing them.
    pub fn wait_until_gone(&self, words: &str) {
        self.wait(words, |screen, _| !screen.contains(words));
    }

    /// Waits until the bytes that came satisfy something.
    ///
    /// # Panics
    /// When they never do.
    pub fn wait_for_bytes(&self, what: &str, fits: impl Fn(&[u8]) -> bool) {
        self.wait(what, |_, bytes| fits(bytes));
    }

    fn wait(&self, what: &str, fits: impl Fn(&str, &[u8]) -> bool) {
        let begin = Instant::now();
        loop {
            let bytes = self.bytes();
            let screen = self.screen();
            if fits(&screen, &bytes) {
                return;
            }
            assert!(begin.elapsed() < PATIENCE, "{what:?} never came; the screen:\n{screen}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits until nothing came for a moment; all bytes since `from`.
    pub fn rest(&self, from: usize) -> Vec<u8> {
        let mut length = self.bytes().len();
        loop {
            std::thread::sleep(Duration::from_millis(400));
            let now = self.bytes();
            if now.len() == length {
                return now[from.min(length)..].to_vec();
            }
            length = now.len();
        }
    }

    /// All bytes that the program wrote.
    ///
    /// # Panics
    /// When the reading thread panicked.
    pub fn bytes(&self) -> Vec<u8> {
        self.state.lock().expect("the reader lives").bytes.clone()
    }

    /// Another size.
    ///
    /// # Panics
    /// When the terminal is gone.
    pub fn resize(&self, columns: u16, rows: u16) {
        self.state.lock().expect("the reader lives").screen.screen_mut().set_size(cells(rows), cells(columns));
        set_size(&self.master, columns, rows);
    }

    /// The program's process: `setsid` only starts it.
    ///
    /// # Panics
    /// When there is none.
    pub fn process(&self) -> u32 {
        let children = format!("/proc/{0}/task/{0}/children", self.child.id());
        let text = std::fs::read_to_string(children).unwrap_or_default();
        // Where setsid did not have to fork, it became the program.
        text.split_whitespace().next().map_or(self.child.id(), |pid| pid.parse().expect("a number"))
    }

    /// Waits for the end; the exit code.
    ///
    /// # Panics
    /// When it never comes.
    pub fn end(&mut self) -> i32 {
        let begin = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                return status.code().unwrap_or(-1);
            }
            assert!(begin.elapsed() < PATIENCE, "it does not end; the screen:\n{}", self.screen());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // A test that failed leaves its program behind otherwise.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn cells(count: u16) -> NonZeroU16 {
    NonZeroU16::new(count).expect("a terminal has cells")
}

fn set_size(terminal: impl std::os::fd::AsFd, columns: u16, rows: u16) {
    let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: columns * 8, ws_ypixel: rows * 16 };
    tcsetwinsize(terminal, size).expect("a size");
}

fn serve(kind: Kind, mut reader: File, mut answers: File, state: &Mutex<State>) {
    let mut buffer = [0_u8; 16_384];
    let mut tail = Vec::new();
    while let Ok(count @ 1..) = reader.read(&mut buffer) {
        let bytes = &buffer[..count];
        tail.extend_from_slice(bytes);
        for (question, answer) in script(kind) {
            // A question that lies across two reads is found when its end is there.
            if let Some(at) = find(&tail, question.as_bytes()) {
                tail.drain(..at + question.len());
                let _ = answers.write_all(answer.as_bytes());
            }
        }
        let keep = tail.len().saturating_sub(64);
        tail.drain(..keep);
        if let Ok(mut state) = state.lock() {
            state.screen.process(bytes);
            state.bytes.extend_from_slice(bytes);
        }
    }
}

/// Questions in the order in which they are asked, with their answers.
fn script(kind: Kind) -> &'static [(&'static str, &'static str)] {
    match kind {
        Kind::Kitty => &[
            ("a=q,t=d,f=24;AAAA\x1b\\", "\x1b_Gi=31;OK\x1b\\"),
            ("\x1b[>0q", "\x1bP>|kitty(0.41.1)\x1b\\"),
            ("\x1b[16t", "\x1b[6;16;8t"),
            ("\x1b[c", "\x1b[?62;c"),
        ],
        Kind::Sixel => &[("\x1b[>0q", "\x1bP>|XTerm(379)\x1b\\"), ("\x1b[c", "\x1b[?63;1;2;4;6c")],
        Kind::Plain => &[("\x1b[c", "\x1b[?1;2c")],
        Kind::Silent => &[],
        Kind::Garbage => &[("\x1b[c", "\x1b_G\x1b[?;;;c\x1bP\x07\x1b]11;rgb:zz\x07\x1b[9999999999999t")],
    }
}

fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part)
}
