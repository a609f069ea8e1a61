//! Signals, as messages.

use std::io;
use std::thread::JoinHandle;

use signal_hook::consts::{SIGCONT, SIGHUP, SIGINT, SIGTERM, SIGTSTP, SIGWINCH};
use signal_hook::iterator::{Handle, Signals as Caught};

use super::{job, restore};

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// The window has another size.
    Resize,
    /// The program is to end, by the signal of this number (SIGTERM, SIGHUP, SIGINT). A second one ends it at once.
    Terminate(i32),
    /// The program is to stop: call [`Screen::suspend`](super::Screen::suspend).
    Suspend,
    /// The program was stopped from outside and goes on: call [`Screen::enter_again`](super::Screen::enter_again) and draw everything.
    Continue,
}

/// Hands signals on until dropped.
#[derive(Debug)]
pub struct Signals {
    handle: Handle,
    thread: Option<JoinHandle<()>>,
}

impl Signals {
    /// Starts to hand signals to `sender`, on a thread of its own.
    ///
    /// # Errors
    ///
    /// When the system does not let signals be caught.
    pub fn start(sender: impl Fn(Signal) + Send + 'static) -> io::Result<Signals> {
        let mut caught = Caught::new([SIGWINCH, SIGTERM, SIGHUP, SIGINT, SIGTSTP, SIGCONT])?;
        let handle = caught.handle();
        let thread = std::thread::Builder::new().name("signals".into()).spawn(move || {
            let mut ending = false;
            for signal in caught.forever() {
                match signal {
                    SIGWINCH => sender(Signal::Resize),
                    SIGTSTP => sender(Signal::Suspend),
                    // After a suspension of our own the screen is entered again anyway.
                    SIGCONT if job::was_suspended() => {}
                    SIGCONT => sender(Signal::Continue),
                    _ if ending => end(signal),
                    _ => {
                        ending = true;
                        sender(Signal::Terminate(signal));
                    }
                }
            }
        })?;
        Ok(Signals { handle, thread: Some(thread) })
    }
}

/// The program did not end when it was asked to.
fn end(signal: i32) {
    restore::leave();
    // These signals end a process by default; if that fails there is nothing else to do.
    let _ = signal_hook::low_level::emulate_default_handler(signal);
}

impl Drop for Signals {
    fn drop(&mut self) {
        self.handle.close();
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was already reported by its hook.
            let _ = thread.join();
        }
    }
}
