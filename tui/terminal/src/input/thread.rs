//! The thread that reads the terminal.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;
use std::thread::JoinHandle;

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use rustix::io::Errno;

use super::{Decoder, Incoming};
use crate::tty;

/// How long after the last byte a lone ESC is the Esc key.
const IDLE: Timespec = Timespec { tv_sec: 0, tv_nsec: 30_000_000 };

/// Reads the terminal until it is stopped or dropped.
#[derive(Debug)]
pub struct Input {
    stop: Arc<OwnedFd>,
    thread: Option<JoinHandle<()>>,
}

impl Input {
    /// Starts to read the terminal; what arrives goes to `sender`, on a thread of its own.
    ///
    /// # Errors
    ///
    /// When there is no terminal to read.
    pub fn start(sender: impl Fn(Incoming) + Send + 'static) -> io::Result<Input> {
        Input::read_from(tty::input()?, sender)
    }

    /// The same for a descriptor of the caller's choice.
    ///
    /// # Errors
    ///
    /// When the system gives no thread or no descriptor.
    pub fn read_from(terminal: OwnedFd, sender: impl Fn(Incoming) + Send + 'static) -> io::Result<Input> {
        let stop = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
        let stopped = Arc::clone(&stop);
        let thread = std::thread::Builder::new().name("terminal input".into()).spawn(move || {
            if read(&terminal, &stopped, &sender).is_err() {
                sender(Incoming::Closed);
            }
        })?;
        Ok(Input { stop, thread: Some(thread) })
    }

    /// Stops reading, so that another program may; nothing is sent after this returns.
    pub fn stop(&mut self) {
        // An event counter can always be written once.
        let _ = rustix::io::write(&*self.stop, &1_u64.to_ne_bytes());
        if let Some(thread) = self.thread.take() {
            // A panic of the thread was already reported by its hook.
            let _ = thread.join();
        }
    }
}

impl Drop for Input {
    fn drop(&mut self) {
        self.stop();
    }
}

/// Reads until it is told to stop; an error when the terminal is gone.
fn read(terminal: &OwnedFd, stop: &OwnedFd, sender: &impl Fn(Incoming)) -> io::Result<()> {
    let mut decoder = Decoder::new();
    let mut buffer = [0_u8; 4096];
    loop {
        let mut fds = [PollFd::new(terminal, PollFlags::IN), PollFd::from_borrowed_fd(stop.as_fd(), PollFlags::IN)];
        let wait = decoder.is_waiting().then_some(&IDLE);
        let ready = match poll(&mut fds, wait) {
            Ok(ready) => ready,
            Err(Errno::INTR) => continue,
            Err(error) => return Err(error.into()),
        };
        if !fds[1].revents().is_empty() {
            return Ok(());
        }
        if ready == 0 {
            decoder.idle().into_iter().for_each(sender);
            continue;
        }
        match rustix::io::read(terminal, &mut buffer) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(read) => decoder.feed(&buffer[..read]).into_iter().for_each(sender),
            Err(Errno::INTR | Errno::AGAIN) => {}
            Err(error) => return Err(error.into()),
        }
    }
}
