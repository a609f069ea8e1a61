//! A page of text to scroll through: a sentence in full, a log, details.

use ratatui::crossterm::event::{KeyCode, KeyEvent};
use ratatui::layout::Rect;
use ratatui::text::Line;

use super::{After, Popup};
use crate::app::shared::{Shared, Wish};
use crate::widgets::{Canvas, text};

/// A page of text.
pub struct Page {
    title: String,
    text: String,
    offset: usize,
}

impl Page {
    /// A page from its beginning.
    pub fn new(title: impl Into<String>, text: impl Into<String>) -> Self {
        Self { title: title.into(), text: text.into(), offset: 0 }
    }

    /// A page from its end, for logs.
    pub fn at_end(title: impl Into<String>, text: impl Into<String>) -> Self {
        Self { offset: usize::MAX, ..Self::new(title, text) }
    }
}

impl Popup for Page {
    fn title(&self) -> String {
        self.title.clone()
    }

    fn size(&self, room: Rect) -> (u16, u16) {
        let widest = self.text.lines().map(text::width).max().unwrap_or(0).clamp(40, 110) as u16;
        let width = widest.min(room.width.saturating_sub(6)).max(1);
        let lines: usize = self.text.lines().map(|l| text::width(l).div_ceil(usize::from(width)).max(1)).sum();
        (widest, (lines.min(200) as u16).clamp(3, room.height.saturating_sub(4).max(3)))
    }

    fn draw(&mut self, canvas: &mut Canvas<'_, '_>, inside: Rect, shared: &Shared) {
        let lines = text::wrap(&self.text, usize::from(inside.width));
        self.offset = self.offset.min(lines.len().saturating_sub(usize::from(inside.height)));
        for (i, line) in lines.into_iter().skip(self.offset).take(usize::from(inside.height)).enumerate() {
            canvas.line(Line::styled(line, shared.theme.text), Rect { y: inside.y + i as u16, height: 1, ..inside });
        }
    }

    fn key(&mut self, key: &KeyEvent, shared: &mut Shared) -> After {
        match key.code {
            KeyCode::Down | KeyCode::Char('j') => self.offset += 1,
            KeyCode::Up | KeyCode::Char('k') => self.offset = self.offset.saturating_sub(1),
            KeyCode::PageDown | KeyCode::Char(' ') => self.offset += 10,
            KeyCode::PageUp => self.offset = self.offset.saturating_sub(10),
            KeyCode::Char('g') => self.offset = 0,
            KeyCode::Char('G') => self.offset = usize::MAX,
            KeyCode::Char('y') => shared.wishes.push(Wish::Copy(self.text.clone())),
            KeyCode::Char('q') | KeyCode::Enter => return After::Close,
            _ => {}
        }
        After::Keep
    }

    fn hints(&self) -> Vec<(&'static str, &'static str)> {
        vec![("j k", "scroll"), ("y", "copy")]
    }
}
