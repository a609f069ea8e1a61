//! ratatui's backend: crossterm's sequences, without crossterm's questions to the terminal.
//!
//! crossterm asks the terminal where its cursor is and waits for the answer, which the input thread would have read long
//! before. Here the cursor is where it was put last.

use std::io;

use ratatui::backend::{ClearType, CrosstermBackend, WindowSize};
use ratatui::buffer::Cell;
use ratatui::layout::{Position, Size};

use super::Writer;
use crate::tty;

/// Draws into a [`Writer`].
#[derive(Debug)]
pub struct Backend {
    inner: CrosstermBackend<Writer>,
    cursor: Position,
    shown: Option<bool>,
}

impl Backend {
    /// A backend that writes into a frame.
    pub fn new(writer: Writer) -> Backend {
        Backend { inner: CrosstermBackend::new(writer), cursor: Position::ORIGIN, shown: None }
    }
}

impl ratatui::backend::Backend for Backend {
    type Error = io::Error;

    fn draw<'a, I>(&mut self, content: I) -> io::Result<()>
    where
        I: Iterator<Item = (u16, u16, &'a Cell)>,
    {
        let mut content = content.peekable();
        // A frame without changes has no bytes.
        if content.peek().is_none() { Ok(()) } else { self.inner.draw(content) }
    }

    fn hide_cursor(&mut self) -> io::Result<()> {
        if self.shown.replace(false) == Some(false) { Ok(()) } else { self.inner.hide_cursor() }
    }

    fn show_cursor(&mut self) -> io::Result<()> {
        if self.shown.replace(true) == Some(true) { Ok(()) } else { self.inner.show_cursor() }
    }

    fn get_cursor_position(&mut self) -> io::Result<Position> {
        Ok(self.cursor)
    }

    fn set_cursor_position<P: Into<Position>>(&mut self, position: P) -> io::Result<()> {
        self.cursor = position.into();
        self.inner.set_cursor_position(self.cursor)
    }

    fn clear(&mut self) -> io::Result<()> {
        self.clear_region(ClearType::All)
    }

    fn clear_region(&mut self, clear_type: ClearType) -> io::Result<()> {
        // A screen that is cleared may be one that was just entered, where nothing is known of the cursor.
        self.shown = None;
        self.inner.clear_region(clear_type)
    }

    fn size(&self) -> io::Result<Size> {
        let size = tty::window_size()?;
        Ok(Size::new(size.columns, size.rows))
    }

    fn window_size(&mut self) -> io::Result<WindowSize> {
        let size = tty::window_size()?;
        Ok(WindowSize { columns_rows: Size::new(size.columns, size.rows), pixels: Size::new(size.px_w, size.px_h) })
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
