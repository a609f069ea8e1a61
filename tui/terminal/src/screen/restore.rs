//! Entering and leaving, from wherever it happens: the program's end, a panic, a signal.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Mutex, Once, PoisonError, TryLockError};
use std::thread::ThreadId;

use rustix::termios::{OptionalActions, QueueSelector, Termios, tcflush, tcgetattr, tcsetattr};

use crate::graphics::leftovers;
use crate::tty;

/// Alternate screen, cleared; no cursor; bracketed paste; focus events.
const ENTER: &[u8] = b"\x1b[?1049h\x1b[H\x1b[2J\x1b[?25l\x1b[?2004h\x1b[?1004h";
/// Presses, drags, and SGR coordinates.
const MOUSE: &[u8] = b"\x1b[?1000h\x1b[?1002h\x1b[?1006h";
/// Ends a sequence that a panic may have cut, and a synchronized frame.
const CUT: &[u8] = b"\x1b\\\x1b[?2026l";
const LEAVE: &[u8] = b"\x1b[?1006l\x1b[?1002l\x1b[?1000l\x1b[?1004l\x1b[?2004l\x1b[m\x1b[?25h\x1b[?1049l";

/// What is to be restored.
struct Entered {
    terminal: OwnedFd,
    mode: Termios,
    thread: ThreadId,
}

static ENTERED: Mutex<Option<Entered>> = Mutex::new(None);
/// What other threads said when they panicked while the screen was in use.
static LATER: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Enters the screen. Where it is entered already, its modes are set again.
pub fn enter(terminal: impl AsFd, mouse: bool) -> io::Result<()> {
    let mut entered = ENTERED.lock().unwrap_or_else(PoisonError::into_inner);
    let mode = match entered.take() {
        Some(before) => before.mode,
        None => tcgetattr(&terminal)?,
    };
    let mut raw = mode.clone();
    raw.make_raw();
    tcsetattr(&terminal, OptionalActions::Now, &raw)?;
    let copy = terminal.as_fd().try_clone_to_owned()?;
    *entered = Some(Entered { terminal: copy, mode, thread: std::thread::current().id() });
    tty::write_all(&terminal, ENTER)?;
    if mouse { tty::write_all(&terminal, MOUSE) } else { Ok(()) }
}

/// Leaves the screen, if it is entered, and says what could not be said before.
pub fn leave() {
    let entered = match ENTERED.try_lock() {
        Ok(mut entered) => entered.take(),
        Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner().take(),
        // Another thread is leaving it at this moment.
        Err(TryLockError::WouldBlock) => None,
    };
    let Some(entered) = entered else { return };
    let bytes = [CUT, &leftovers::farewell(), LEAVE].concat();
    // The terminal may be gone already, and then there is nothing to restore.
    let _ = tty::write_in_time(&entered.terminal, &bytes, tty::LEAVE_TIME);
    // Replies and mouse reports that are still on their way are not for the shell.
    let _ = tcflush(&entered.terminal, QueueSelector::IFlush);
    let _ = tcsetattr(&entered.terminal, OptionalActions::Now, &entered.mode);
    for message in std::mem::take(&mut *LATER.lock().unwrap_or_else(PoisonError::into_inner)) {
        eprintln!("{message}");
    }
}

/// From now on a panic leaves the screen first and then speaks. One on another thread, which does not end the program,
/// waits with its words until the screen is left.
pub fn watch_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if belongs_to_another_thread() {
                LATER.lock().unwrap_or_else(PoisonError::into_inner).push(panic.to_string());
            } else {
                leave();
                before(panic);
            }
        }));
    });
}

fn belongs_to_another_thread() -> bool {
    let here = std::thread::current().id();
    match ENTERED.try_lock() {
        Ok(entered) => entered.as_ref().is_some_and(|entered| entered.thread != here),
        Err(_) => false,
    }
}
