//! A program on a pseudo-terminal, and a terminal at the other end that answers as a script says and keeps the screen.

use std::fs::File;
use std::io::{Read, Write};
use std::num::NonZeroU16;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use lightbox_terminal::testing::ScriptedTerminal;
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::pixels::Pixels;

/// How long anything may take on a slow machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// Which terminal it is: what it answers and draws.
pub use lightbox_terminal::testing::Script as Kind;

struct State {
    screen: vt100::Parser,
    scripted: ScriptedTerminal,
    bytes: Vec<u8>,
}

/// How long the last bytes of a program that ended may take; more only where it left another one on the terminal.
const LAST_BYTES: Duration = Duration::from_secs(10);

/// A cell's width and height in pixels.
pub const CELL: (u16, u16) = (8, 16);

/// What a tmux inside a new kitty says when it is asked about the terminal around it.
const TMUX: &str = "#!/bin/sh\nprintf 'xterm-kitty\\tkitty(0.41.1)\\t256,RGB,title\\ton\\n'\n";

/// A terminal with a program in it.
pub struct Terminal {
    keys: File,
    master: File,
    child: Child,
    state: Arc<Mutex<State>>,
    reader: JoinHandle<()>,
    _programs: tempfile::TempDir,
}

impl Terminal {
    /// Starts a program in a terminal of this size, with cells of [`CELL`].
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
        let programs = tempfile::tempdir().expect("a folder");
        // A session of its own with this as its terminal, as a login gives it.
        let mut command = Command::new("setsid");
        command
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
            .stderr(side());
        if kind == Kind::KittyInTmux {
            inside_tmux(&mut command, programs.path());
        }
        let child = command.spawn().expect("setsid of util-linux");
        let master = File::from(master);
        let keys = master.try_clone().expect("a second handle");
        let answers = master.try_clone().expect("a third handle");
        let state = Arc::new(Mutex::new(State {
            screen: vt100::Parser::new(cells(rows), cells(columns), 0),
            scripted: ScriptedTerminal::new(kind, columns, rows, CELL),
            bytes: Vec::new(),
        }));
        let reader = master.try_clone().expect("a fourth handle");
        let shared = Arc::clone(&state);
        let reader = std::thread::spawn(move || serve(reader, answers, &shared));
        Self { keys, master, child, state, reader, _programs: programs }
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

    /// The pixels of the screen: those of pictures, and of half-blocks; nothing where text or nothing is.
    ///
    /// # Panics
    /// When the reading thread panicked.
    pub fn pixels(&self) -> Pixels {
        let state = self.state.lock().expect("the reader lives");
        let (rows, columns) = state.screen.screen().size();
        let (rows, columns) = (rows.get(), columns.get());
        let mut pixels = Pixels {
            width: usize::from(columns) * usize::from(CELL.0),
            height: usize::from(rows) * usize::from(CELL.1),
            colours: state.scripted.pixels(),
        };
        pixels.add_half_blocks(state.screen.screen());
        pixels
    }

    /// Waits until what is seen of pictures satisfies something.
    ///
    /// # Panics
    /// When it never does.
    pub fn wait_for_pixels(&self, what: &str, fits: impl Fn(&Pixels) -> bool) {
        let mut seen = 0;
        self.wait(what, |_, bytes| {
            let new = bytes.len() != std::mem::replace(&mut seen, bytes.len());
            new && fits(&self.pixels())
        });
    }

    /// Waits until the screen shows some words.
    ///
    /// # Panics
    /// When it never does; with what it shows instead.
    pub fn wait_for(&self, words: &str) {
        self.wait(words, |screen, _| screen.contains(words));
    }

    /// Waits until the screen satisfies something.
    ///
    /// # Panics
    /// When it never does.
    pub fn wait_until(&self, what: &str, fits: impl Fn(&str) -> bool) {
        self.wait(what, |screen, _| fits(screen));
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

    fn wait(&self, what: &str, mut fits: impl FnMut(&str, &[u8]) -> bool) {
        let begin = Instant::now();
        loop {
            let bytes = self.bytes();
            let screen = self.screen();
            if fits(&screen, &bytes) {
                return;
            }
            assert!(
                begin.elapsed() < PATIENCE,
                "{what:?} never came; a picture is at {:?}; the screen:\n{screen}",
                self.pixels().picture()
            );
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
        let mut state = self.state.lock().expect("the reader lives");
        state.screen.screen_mut().set_size(cells(rows), cells(columns));
        state.scripted.resize(columns, rows);
        drop(state);
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

    /// The program left the screen: it wrote what that takes, and nothing for the screen after it.
    ///
    /// # Panics
    /// When it did not.
    pub fn assert_left_as_found(&self) {
        let bytes = self.bytes();
        let text = String::from_utf8_lossy(&bytes);
        let left = text.rfind("\x1b[?1049l").unwrap_or_else(|| panic!("the alternate screen was not left"));
        let entered = text.rfind("\x1b[?1049h").expect("it was entered");
        assert!(left > entered, "the alternate screen was entered again");
        for mode in ["\x1b[?25h", "\x1b[?2004l"] {
            assert!(text.rfind(mode).is_some_and(|at| at > entered), "{mode:?} was not written");
        }
    }

    /// Waits for the end, and for the last bytes; the exit code.
    ///
    /// # Panics
    /// When it never comes.
    pub fn end(&mut self) -> i32 {
        let begin = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().expect("a child") {
                let ended = Instant::now();
                while !self.reader.is_finished() && ended.elapsed() < LAST_BYTES {
                    std::thread::sleep(Duration::from_millis(5));
                }
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

/// The variables that tmux sets, and a `tmux` that says what it runs in.
fn inside_tmux(command: &mut Command, programs: &Path) {
    let tmux = programs.join("tmux");
    std::fs::write(&tmux, TMUX).expect("a file");
    std::fs::set_permissions(&tmux, std::fs::Permissions::from_mode(0o755)).expect("it is ours");
    let path = std::env::var("PATH").unwrap_or_default();
    command
        .env("TERM", "tmux-256color")
        .env("TMUX", "/nonexistent/default,1,0")
        .env("PATH", format!("{}:{path}", programs.display()));
}

fn serve(mut reader: File, mut answers: File, state: &Mutex<State>) {
    let mut buffer = [0_u8; 16_384];
    while let Ok(count @ 1..) = reader.read(&mut buffer) {
        let bytes = &buffer[..count];
        let Ok(mut state) = state.lock() else { return };
        state.screen.process(bytes);
        state.scripted.feed(bytes);
        state.bytes.extend_from_slice(bytes);
        let replies = state.scripted.replies();
        drop(state);
        let _ = answers.write_all(&replies);
    }
}
