//! ratatui's backend: crossterm's sequences around [our own for cells](super::cells), without crossterm's questions to the terminal.
//!
//! crossterm asks the terminal where its cursor is and waits for the answer, which the input thread would have read long
//! before. Here the cursor is where it was put last.

use std::io::{self, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use ratatui::backend::{ClearType, CrosstermBackend, WindowSize};
use ratatui::buffer::Cell;
use ratatui::layout::{Position, Size};

use super::shadow::Shadow;
use super::{Writer, cells};
use crate::tty;

/// Draws into a [`Writer`].
#[derive(Debug)]
pub struct Backend {
    inner: CrosstermBackend<Writer>,
    cursor: Position,
    is_cursor_shown: Option<bool>,
    shown: Shadow,
    may_scroll: Arc<AtomicBool>,
}

impl Backend {
    /// A backend that writes into a frame, and scrolls regions of the terminal where that is allowed.
    pub fn new(writer: Writer, may_scroll: Arc<AtomicBool>) -> Backend {
        Backend {
            inner: CrosstermBackend::new(writer),
            cursor: Position::ORIGIN,
            is_cursor_shown: None,
            shown: Shadow::default(),
            may_scroll,
        }
    }
}

impl ratatui::backend::Backend for Backend {
    type Error = io::Error;

    fn draw<'a, I>(&mut self, content: I) -> io::Result<()>
    where
        I: Iterator<Item = (u16, u16, &'a Cell)>,
    {
        let content: Vec<_> = content.collect();
        let scroll = self.shown.take(&content, self.may_scroll.load(Ordering::Relaxed));
        let Some((scroll, rest)) = scroll else { return cells::write(&mut self.inner, content.into_iter()) };
        self.inner.write_all(scroll.sequences().as_bytes())?;
        cells::write(&mut self.inner, rest.iter().map(|(x, y, cell)| (*x, *y, cell)))
    }

    fn hide_cursor(&mut self) -> io::Result<()> {
        if self.is_cursor_shown.replace(false) == Some(false) { Ok(()) } else { self.inner.hide_cursor() }
    }

    fn show_cursor(&mut self) -> io::Result<()> {
        if self.is_cursor_shown.replace(true) == Some(true) { Ok(()) } else { self.inner.show_cursor() }
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
        self.is_cursor_shown = None;
        self.shown = Shadow::default();
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
