//! The terminal as a device: which descriptors lead to it, and how large it is.

use std::fs::File;
use std::io::{self, IsTerminal};
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::termios::tcgetwinsize;

/// How large the terminal's window is. Pixels are 0 where the terminal does not tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct WindowSize {
    /// Width in character cells.
    pub columns: u16,
    /// Height in character cells.
    pub rows: u16,
    /// Width in pixels, or 0.
    pub px_w: u16,
    /// Height in pixels, or 0.
    pub px_h: u16,
}

impl WindowSize {
    /// The size of a character cell in pixels, where the terminal tells it and it is one that a font may have.
    pub fn cell(&self) -> Option<(u16, u16)> {
        let cell = (self.px_w.checked_div(self.columns)?, self.px_h.checked_div(self.rows)?);
        is_cell(cell).then_some(cell)
    }
}

/// Whether a font may have cells of this size, in pixels. Some terminals tell nonsense.
pub(crate) fn is_cell(cell: (u16, u16)) -> bool {
    (2..=256).contains(&cell.0) && (2..=256).contains(&cell.1)
}

/// What the keys are read from: standard input, or the controlling terminal where that is something else.
pub fn input() -> io::Result<OwnedFd> {
    let stdin = io::stdin();
    if stdin.is_terminal() { stdin.as_fd().try_clone_to_owned() } else { controlling() }
}

/// What frames are written to: standard output, or the controlling terminal where that is something else.
pub fn output() -> io::Result<OwnedFd> {
    let stdout = io::stdout();
    if stdout.is_terminal() { stdout.as_fd().try_clone_to_owned() } else { controlling() }
}

/// The terminal that this process belongs to, for reading and writing.
pub fn controlling() -> io::Result<OwnedFd> {
    Ok(File::options().read(true).write(true).open("/dev/tty")?.into())
}

/// The size of the window.
pub fn window_size() -> io::Result<WindowSize> {
    size_of(output()?)
}

pub(crate) fn size_of(terminal: impl AsFd) -> io::Result<WindowSize> {
    let size = tcgetwinsize(terminal)?;
    Ok(WindowSize { columns: size.ws_col, rows: size.ws_row, px_w: size.ws_xpixel, px_h: size.ws_ypixel })
}

/// How long the last bytes may take when the screen is left: a terminal that takes none (ctrl-s, a dead link) must not
/// keep the program from ending.
pub(crate) const LEAVE_TIME: Duration = Duration::from_millis(500);

/// Writes all of `bytes`.
pub(crate) fn write_all(terminal: impl AsFd, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        match rustix::io::write(&terminal, bytes) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => bytes = &bytes[written..],
            Err(Errno::INTR) => {}
            Err(Errno::AGAIN) => {
                wait(&terminal, PollFlags::OUT, Instant::now() + LEAVE_TIME);
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

/// Writes all of `bytes`, for as long as the terminal takes them in time.
pub(crate) fn write_in_time(terminal: impl AsFd, bytes: &[u8], time: Duration) -> io::Result<()> {
    let end = Instant::now() + time;
    // Small pieces, as a write that is larger than what the terminal takes would wait for the rest.
    for piece in bytes.chunks(256) {
        if !wait(&terminal, PollFlags::OUT, end) {
            return Err(io::ErrorKind::TimedOut.into());
        }
        write_all(&terminal, piece)?;
    }
    Ok(())
}

/// Waits until the terminal is ready; false when the time is over or the terminal gone.
pub(crate) fn wait(terminal: impl AsFd, flags: PollFlags, end: Instant) -> bool {
    loop {
        let Ok(left) = Timespec::try_from(end.saturating_duration_since(Instant::now())) else { return false };
        let mut fds = [PollFd::new(&terminal, flags)];
        match poll(&mut fds, Some(&left)) {
            Ok(0) => return false,
            Ok(_) => return fds[0].revents().intersects(flags),
            Err(Errno::INTR) => {}
            Err(_) => return false,
        }
    }
}
