//! The alternate screen: entered once, left as it was found whatever happens.
//!
//! All bytes of a frame are collected by a [`Writer`] and leave with one write, between the marks of synchronized output,
//! so that no half-drawn frame is ever seen:
//!
//! ```no_run
//! # use lightbox_terminal::screen::Screen;
//! # fn main() -> std::io::Result<()> {
//! let mut screen = Screen::enter(true)?;
//! let mut terminal = ratatui::Terminal::new(screen.backend())?;
//! terminal.draw(|frame| frame.render_widget("hello", frame.area()))?;
//! // painter.flush(&mut screen.writer())?;
//! screen.present()?;
//! # Ok(())
//! # }
//! ```

mod backend;
mod cells;
mod job;
mod restore;
mod scroll;
mod shadow;
mod signals;
#[cfg(test)]
mod tests;
mod writer;

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

pub use backend::Backend;
pub use signals::{Signal, Signals};
pub use writer::Writer;

use crate::tty::{self, WindowSize};

/// The alternate screen. Left when this is dropped, on a panic, and by a second signal to end.
#[derive(Debug)]
pub struct Screen {
    terminal: OwnedFd,
    mouse: bool,
    writer: Writer,
    written: u64,
    has_pictures: bool,
    may_scroll: Arc<AtomicBool>,
}

impl Screen {
    /// Enters the alternate screen: raw mode, bracketed paste, focus events, no cursor, and the mouse where it is wanted.
    ///
    /// # Errors
    ///
    /// When there is no terminal.
    pub fn enter(mouse: bool) -> io::Result<Screen> {
        let terminal = tty::output()?;
        restore::watch_panics();
        restore::enter(&terminal, mouse)?;
        Ok(Screen {
            terminal,
            mouse,
            writer: Writer::default(),
            written: 0,
            has_pictures: false,
            may_scroll: Arc::default(),
        })
    }

    /// Where the bytes of a frame go. All writers of a screen fill the same frame.
    pub fn writer(&self) -> Writer {
        self.writer.clone()
    }

    /// What `ratatui::Terminal` draws with. It never asks the terminal anything.
    pub fn backend(&self) -> Backend {
        Backend::new(self.writer(), Arc::clone(&self.may_scroll))
    }

    /// To be called while a frame is drawn: whether it has pictures. The terminal scrolls pictures with their rows, so rows
    /// that moved are scrolled only where there are none, in this frame and the one before.
    pub fn has_pictures(&mut self, any: bool) {
        let before = std::mem::replace(&mut self.has_pictures, any);
        self.may_scroll.store(!before && !any, Ordering::Relaxed);
    }

    /// Sends the frame that was collected; nothing where nothing was.
    ///
    /// # Errors
    ///
    /// When the terminal is gone.
    pub fn present(&mut self) -> io::Result<()> {
        let frame = self.writer.take_frame();
        if frame.is_empty() {
            return Ok(());
        }
        tty::write_all(&self.terminal, &frame)?;
        self.written += frame.len() as u64;
        Ok(())
    }

    /// How many bytes all frames together had.
    pub fn bytes_written(&self) -> u64 {
        self.written
    }

    /// The size of the window.
    ///
    /// # Errors
    ///
    /// When the terminal is gone.
    pub fn size(&self) -> io::Result<WindowSize> {
        tty::size_of(&self.terminal)
    }

    /// Leaves the screen, stops the process until the shell continues it (ctrl-z, `fg`), and enters the screen again.
    /// Stop the [`Input`](crate::input::Input) before. Afterwards everything has to be drawn again: clear ratatui's
    /// terminal and let the painter forget. `false` where no shell would continue the process; nothing happens then.
    ///
    /// # Errors
    ///
    /// When the terminal is gone.
    pub fn suspend(&mut self) -> io::Result<bool> {
        if !job::is_controlled() {
            return Ok(false);
        }
        restore::leave();
        job::stop()?;
        self.enter_again()?;
        Ok(true)
    }

    /// Enters the screen again, after [`Signal::Continue`] or after another program used the terminal. Everything has to
    /// be drawn again.
    ///
    /// # Errors
    ///
    /// When the terminal is gone.
    pub fn enter_again(&mut self) -> io::Result<()> {
        self.writer.take_frame();
        restore::enter(&self.terminal, self.mouse)
    }

    /// Leaves the screen; also happens when this is dropped. [`enter_again`](Self::enter_again) takes it back.
    pub fn leave(&mut self) {
        restore::leave();
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.leave();
    }
}
