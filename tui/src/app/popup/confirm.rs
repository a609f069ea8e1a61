//! Asks before something that cannot be undone.

use ratatui::crossterm::event::{KeyCode, KeyEvent};
use ratatui::layout::Rect;
use ratatui::text::Line;
use ratatui::widgets::{Paragraph, Wrap};

use super::{After, Popup};
use crate::app::shared::Shared;
use crate::widgets::{Canvas, text};

type Done = Box<dyn FnOnce(&mut Shared)>;

/// Asks before something that cannot be undone.
pub struct Confirm {
    question: String,
    yes: &'static str,
    done: Option<Done>,
}

impl Confirm {
    /// A question, what y does in a word, and what it does.
    pub fn new(question: impl Into<String>, yes: &'static str, done: impl FnOnce(&mut Shared) + 'static) -> Self {
        Self { question: question.into(), yes, done: Some(Box::new(done)) }
    }
}

impl Popup for Confirm {
    fn title(&self) -> String {
        "Sure?".to_owned()
    }

    fn size(&self, room: Rect) -> (u16, u16) {
        let widest = usize::from(room.width.saturating_sub(8)).clamp(1, 70);
        let lines: usize = self.question.lines().map(|l| text::width(l).div_ceil(widest).max(1)).sum();
        (widest as u16, lines as u16 + 1)
    }

    fn draw(&mut self, canvas: &mut Canvas<'_, '_>, inside: Rect, shared: &Shared) {
        let lines: Vec<Line<'_>> =
            self.question.lines().map(|l| Line::styled(l.to_owned(), shared.theme.text)).collect();
        canvas.put(Paragraph::new(lines).wrap(Wrap { trim: true }), inside);
    }

    fn key(&mut self, key: &KeyEvent, shared: &mut Shared) -> After {
        match key.code {
            KeyCode::Char('y') => {
                if let Some(done) = self.done.take() {
                    done(shared);
                }
                After::Close
            }
            KeyCode::Char('n' | 'q') => After::Close,
            _ => After::Keep,
        }
    }

    fn hints(&self) -> Vec<(&'static str, &'static str)> {
        vec![("y", self.yes), ("n", "leave as it is")]
    }
}
