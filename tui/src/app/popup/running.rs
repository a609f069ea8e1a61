//! A command of this program while it runs, with the lines that it writes. Closing the window does not stop it.

use ratatui::crossterm::event::{KeyCode, KeyEvent};
use ratatui::layout::Rect;
use ratatui::text::Line;

use super::{After, Popup};
use crate::app::message::Update;
use crate::app::shared::Shared;
use crate::widgets::{Canvas, text};

/// A command while it runs.
pub struct RunningCommand {
    title: String,
    lines: Vec<String>,
    ended: Option<bool>,
}

impl RunningCommand {
    /// A command that was just started, as it would be typed.
    pub fn new(typed: &str) -> Self {
        Self { title: typed.to_owned(), lines: Vec::new(), ended: None }
    }
}

impl Popup for RunningCommand {
    fn title(&self) -> String {
        let state = match self.ended {
            None => "running",
            Some(true) => "done",
            Some(false) => "failed",
        };
        format!("{} ({state})", self.title)
    }

    fn size(&self, room: Rect) -> (u16, u16) {
        (100, room.height.saturating_sub(8).clamp(4, 24))
    }

    fn draw(&mut self, canvas: &mut Canvas<'_, '_>, inside: Rect, shared: &Shared) {
        let rows = usize::from(inside.height);
        let first = self.lines.len().saturating_sub(rows);
        for (i, line) in self.lines.iter().skip(first).enumerate() {
            let cut = text::cut(line, usize::from(inside.width));
            canvas.line(Line::styled(cut, shared.theme.text), Rect { y: inside.y + i as u16, height: 1, ..inside });
        }
        if self.lines.is_empty() {
            canvas.line(Line::styled("starting …", shared.theme.dim), inside);
        }
    }

    fn key(&mut self, key: &KeyEvent, _: &mut Shared) -> After {
        if matches!(key.code, KeyCode::Enter | KeyCode::Char('q')) { After::Close } else { After::Keep }
    }

    fn hints(&self) -> Vec<(&'static str, &'static str)> {
        vec![("Enter", if self.ended.is_some() { "close" } else { "close; the command goes on" })]
    }

    fn update(&mut self, update: &Update, _: &mut Shared) {
        match update {
            Update::CommandLine(line) => self.lines.push(line.clone()),
            Update::Command(done) => {
                self.ended = Some(done.ok);
                if !done.ok {
                    self.lines.extend(done.said.lines().map(str::to_owned));
                }
            }
            _ => {}
        }
    }
}
