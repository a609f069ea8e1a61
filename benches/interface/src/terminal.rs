//! A program on a pseudo-terminal, with a terminal at the other end that notes when each frame has come.

use std::fs::File;
use std::io::{Read, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

/// How long anything may take; sorting and testing a million rows takes seconds.
const PATIENCE: Duration = Duration::from_secs(300);

/// What ends a frame: the mark of synchronized output.
const END: &[u8] = b"\x1b[?2026l";

/// How long a burst of bytes may pause.
const PAUSE: Duration = Duration::from_millis(300);

/// What a terminal with kitty graphics answers, all at once, when the last question has come.
pub const KITTY: &[u8] = b"\x1b_Gi=31;OK\x1b\\\x1bP>|kitty(0.41.1)\x1b\\\x1b[6;16;8t\x1b[?62;c";

/// What one with sixel answers.
pub const SIXEL: &[u8] = b"\x1bP>|XTerm(379)\x1b\\\x1b[6;16;8t\x1b[?63;1;2;4;6c";

/// The last question, which every terminal answers.
const FENCE: &[u8] = b"\x1b[c";

/// A frame, and all that came since the watch began.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    /// From the start of the watch to the end of the frame.
    pub after: Duration,
    /// Bytes.
    pub bytes: usize,
}

type Condition = Box<dyn Fn(&str) -> bool + Send>;

/// What is waited for.
struct Watch {
    since: Instant,
    bytes: usize,
    fits: Condition,
    tell: Sender<Seen>,
}

struct State {
    screen: vt100::Parser,
    bytes: u64,
    last: Instant,
    watch: Option<Watch>,
}

/// A terminal with the program in it.
pub struct Terminal {
    keys: File,
    child: Child,
    state: Arc<Mutex<State>>,
    first_frame: Receiver<Seen>,
}

impl Terminal {
    /// Starts the program over a home; what the first frame must hold is looked for from that moment on. The terminal
    /// gives its answers after `delay`.
    ///
    /// # Errors
    /// When the system gives no pseudo-terminal, or the program does not start.
    pub fn start(
        program: &Path,
        home: &Path,
        (columns, rows): (u16, u16),
        (script, delay): (&'static [u8], Duration),
        first: impl Fn(&str) -> bool + Send + 'static,
    ) -> Result<Self> {
        Self::start_as(Command::new(program), home, (columns, rows), (script, delay), first)
    }

    /// The same with options of the program, in a terminal with kitty graphics that answers at once.
    ///
    /// # Errors
    /// As [`start`](Self::start).
    pub fn start_with(
        program: &Path,
        home: &Path,
        size: (u16, u16),
        options: &[&str],
        first: impl Fn(&str) -> bool + Send + 'static,
    ) -> Result<Self> {
        let mut command = Command::new(program);
        command.args(options);
        Self::start_as(command, home, size, (KITTY, Duration::ZERO), first)
    }

    fn start_as(
        mut command: Command,
        home: &Path,
        (columns, rows): (u16, u16),
        (script, delay): (&'static [u8], Duration),
        first: impl Fn(&str) -> bool + Send + 'static,
    ) -> Result<Self> {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY)?;
        grantpt(&master)?;
        unlockpt(&master)?;
        let name = ptsname(&master, Vec::new())?.into_string()?;
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: columns * 8, ws_ypixel: rows * 16 };
        tcsetwinsize(&master, size)?;
        let side = || -> Result<Stdio> { Ok(Stdio::from(File::options().read(true).write(true).open(&name)?)) };
        command.arg("--home").arg(home).env("XDG_CONFIG_HOME", home);
        command.env("TERM", "xterm-256color").env("COLORTERM", "truecolor");
        for name in ["TMUX", "STY", "NO_COLOR", "TERM_PROGRAM", "KITTY_WINDOW_ID", "LIGHTBOX_HOME"] {
            command.env_remove(name);
        }
        command.stdin(side()?).stdout(side()?).stderr(side()?);
        let master = File::from(master);
        let (keys, answers) = (master.try_clone()?, master.try_clone()?);
        let (tell, first_frame) = channel();
        let watch = Watch { since: Instant::now(), bytes: 0, fits: Box::new(first), tell };
        let screen = vt100::Parser::new(cells(rows)?, cells(columns)?, 0);
        let state = Arc::new(Mutex::new(State { screen, bytes: 0, last: Instant::now(), watch: Some(watch) }));
        let shared = Arc::clone(&state);
        let child = command.spawn().with_context(|| format!("{command:?}"))?;
        std::thread::spawn(move || serve(master, answers, (script, delay), &shared));
        Ok(Self { keys, child, state, first_frame })
    }

    /// The first frame that fitted.
    ///
    /// # Errors
    /// When it never came.
    pub fn first_frame(&self) -> Result<Seen> {
        self.wait(&self.first_frame)
    }

    /// Types keys and waits for the first frame afterwards that fits.
    ///
    /// # Errors
    /// When none does; with the screen.
    pub fn press(&mut self, keys: &str, fits: impl Fn(&str) -> bool + Send + 'static) -> Result<Seen> {
        let (tell, seen) = channel();
        let watch = Watch { since: Instant::now(), bytes: 0, fits: Box::new(fits), tell };
        lock(&self.state).watch = Some(watch);
        self.keys.write_all(keys.as_bytes())?;
        self.wait(&seen).with_context(|| format!("after {keys:?}"))
    }

    /// Types a key and waits for the next frame, whatever it holds.
    ///
    /// # Errors
    /// When none comes.
    pub fn key(&mut self, key: &str) -> Result<Seen> {
        self.press(key, |_| true)
    }

    /// Types a key and waits until all that it leads to has come.
    ///
    /// # Errors
    /// When nothing comes.
    pub fn burst(&mut self, key: &str) -> Result<Seen> {
        let (before, since) = (self.bytes(), Instant::now());
        self.keys.write_all(key.as_bytes())?;
        loop {
            std::thread::sleep(Duration::from_millis(10));
            let (bytes, last) = {
                let state = lock(&self.state);
                (state.bytes, state.last)
            };
            if bytes > before && last.elapsed() > PAUSE {
                return Ok(Seen { after: last.saturating_duration_since(since), bytes: (bytes - before) as usize });
            }
            if since.elapsed() > PATIENCE {
                bail!("nothing came after {key:?}; the screen:\n{}", self.screen());
            }
        }
    }

    /// Types a key; how many bytes come within a moment, if any.
    ///
    /// # Errors
    /// When the program is gone.
    pub fn step(&mut self, key: &str, moment: Duration) -> Result<u64> {
        let before = self.bytes();
        self.keys.write_all(key.as_bytes())?;
        std::thread::sleep(moment);
        Ok(self.bytes() - before)
    }

    /// Waits until nothing was drawn for so long.
    pub fn rest(&self, quiet: Duration) {
        let mut before = self.bytes();
        loop {
            std::thread::sleep(quiet);
            let now = self.bytes();
            if now == before {
                return;
            }
            before = now;
        }
    }

    /// How many bytes came.
    pub fn bytes(&self) -> u64 {
        lock(&self.state).bytes
    }

    /// What is on the screen.
    pub fn screen(&self) -> String {
        lock(&self.state).screen.screen().contents()
    }

    /// The program's process.
    pub fn process(&self) -> u32 {
        self.child.id()
    }

    fn wait(&self, seen: &Receiver<Seen>) -> Result<Seen> {
        match seen.recv_timeout(PATIENCE) {
            Ok(seen) => Ok(seen),
            Err(_) => bail!("the frame that was waited for never came; the screen:\n{}", self.screen()),
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn lock(state: &Mutex<State>) -> std::sync::MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

fn cells(count: u16) -> Result<std::num::NonZeroU16> {
    count.try_into().context("a terminal has cells")
}

fn serve(mut reader: File, mut answers: File, script: (&'static [u8], Duration), state: &Mutex<State>) {
    let mut buffer = [0_u8; 65_536];
    // What came since the last frame's end: a mark may lie across two reads.
    let mut pending: Vec<u8> = Vec::new();
    let mut asked = false;
    // A closed terminal is an error here: the program has ended.
    while let Ok(count @ 1..) = reader.read(&mut buffer) {
        let now = Instant::now();
        pending.extend_from_slice(&buffer[..count]);
        {
            let mut state = lock(state);
            state.bytes += count as u64;
            state.last = now;
        }
        while let Some(at) = find(&pending, END) {
            let frame: Vec<u8> = pending.drain(..at + END.len()).collect();
            if !asked && find(&frame, FENCE).is_some() {
                asked = true;
                answer_after(&mut answers, script);
            }
            lock(state).take(&frame, now);
        }
    }
}

fn answer_after(answers: &mut File, (script, delay): (&'static [u8], Duration)) {
    if delay.is_zero() {
        // A program that has ended needs no answer.
        let _ = answers.write_all(script);
    } else if let Ok(mut later) = answers.try_clone() {
        std::thread::spawn(move || {
            std::thread::sleep(delay);
            let _ = later.write_all(script);
        });
    }
}

impl State {
    fn take(&mut self, frame: &[u8], now: Instant) {
        self.screen.process(frame);
        let Some(watch) = &mut self.watch else { return };
        watch.bytes += frame.len();
        if (watch.fits)(&self.screen.screen().contents()) {
            // Nobody may wait any more.
            let _ = watch.tell.send(Seen { after: now.saturating_duration_since(watch.since), bytes: watch.bytes });
            self.watch = None;
        }
    }
}

fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part)
}
