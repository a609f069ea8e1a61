//! Windows over a screen. The topmost has the keyboard; Esc always closes it.

mod ask;
mod choose;
mod confirm;
mod form;
mod help;
mod page;
mod palette;
mod running;

use ratatui::crossterm::event::KeyEvent;
use ratatui::layout::Rect;

pub use ask::Ask;
pub use choose::{Choice, Choose};
pub use confirm::Confirm;
pub use form::{Field, Form};
pub use help::Help;
pub use page::Page;
pub use palette::Palette;
pub use running::RunningCommand;

use super::message::Update;
use super::shared::Shared;
use crate::widgets::Canvas;

/// What becomes of a popup after a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// It stays.
    Keep,
    /// It closes.
    Close,
}

/// A window over a screen.
pub trait Popup {
    /// Its title.
    fn title(&self) -> String;
    /// Columns and rows of its inside that it would like to have.
    fn size(&self, room: Rect) -> (u16, u16);
    /// Draws its inside.
    fn draw(&mut self, canvas: &mut Canvas<'_, '_>, inside: Rect, shared: &Shared);
    /// Takes a key. Esc does not come here.
    fn key(&mut self, key: &KeyEvent, shared: &mut Shared) -> After;
    /// Takes pasted text.
    fn paste(&mut self, text: &str, shared: &mut Shared) {
        let _ = (text, shared);
    }
    /// Keys and what they do, for its lower edge.
    fn hints(&self) -> Vec<(&'static str, &'static str)>;
    /// Sees what came of work beside the loop.
    fn update(&mut self, update: &Update, shared: &mut Shared) {
        let _ = (update, shared);
    }
    /// A name of the palette that was chosen here and is to be done once this is closed.
    fn chosen_command(&self) -> Option<&'static str> {
        None
    }
}

/// Draws a popup in the middle of the terminal.
pub fn draw(popup: &mut dyn Popup, canvas: &mut Canvas<'_, '_>, shared: &Shared) {
    let room = canvas.area();
    let (columns, rows) = popup.size(room);
    let width = (columns + 4).min(room.width.saturating_sub(2)).max(room.width.min(20));
    let height = (rows + 2).min(room.height.saturating_sub(2)).max(room.height.min(4));
    let area = Rect { x: room.x + (room.width - width) / 2, y: room.y + (room.height - height) / 2, width, height };
    canvas.clear_for_popup(area);
    canvas.paint(area, shared.theme.base);
    let theme = &shared.theme;
    let title = ratatui::text::Line::styled(format!(" {} ", popup.title()), theme.accent);
    let inside = canvas.panel(area, title, true, theme);
    let mut hints = popup.hints();
    hints.push(("Esc", "close"));
    let words: Vec<ratatui::text::Span<'_>> = hints
        .iter()
        .flat_map(|(key, what)| {
            [
                ratatui::text::Span::styled(format!(" {key}"), theme.accent),
                ratatui::text::Span::styled(format!(" {what} "), theme.dim),
            ]
        })
        .collect();
    let line = ratatui::text::Line::from(words);
    let hint_width = (line.width() as u16).min(area.width.saturating_sub(2));
    canvas.line(line, Rect { x: area.right() - 1 - hint_width, y: area.bottom() - 1, width: hint_width, height: 1 });
    let inside = Rect { x: inside.x + 1, width: inside.width.saturating_sub(2), ..inside };
    popup.draw(canvas, inside, shared);
}
