//! The help page: every key of this screen and of the program, with a sentence, and why it cannot be used now.

use ratatui::crossterm::event::{KeyCode, KeyEvent};
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::{After, Popup};
use crate::app::keys::{Entry, shown};
use crate::app::shared::Shared;
use crate::widgets::{Canvas, text};

/// The help page.
pub struct Help {
    screen: &'static str,
    about: &'static str,
    sections: Vec<(String, Vec<Entry>)>,
    offset: usize,
}

impl Help {
    /// Help for a screen: what it is for, its keys, and those of the whole program.
    pub fn new(screen: &'static str, about: &'static str, sections: Vec<(String, Vec<Entry>)>) -> Self {
        Self { screen, about, sections, offset: 0 }
    }

    fn lines(&self, width: usize, shared: &Shared) -> Vec<Line<'static>> {
        let theme = &shared.theme;
        let mut lines = vec![];
        for part in text::wrap(self.about, width) {
            lines.push(Line::styled(part, theme.text));
        }
        for (name, entries) in &self.sections {
            lines.push(Line::default());
            lines.push(Line::styled(name.clone(), theme.heading));
            for entry in entries {
                let keys: Vec<String> = entry.keys.iter().map(|k| shown(k, theme.ascii)).collect();
                let keys = keys.join(" ");
                let says = match &entry.disabled {
                    Some(reason) => format!("{} (not now: {reason})", entry.help),
                    None => entry.help.to_owned(),
                };
                let style = if entry.disabled.is_some() { theme.dim } else { theme.text };
                for (i, part) in text::wrap(&says, width.saturating_sub(18)).into_iter().enumerate() {
                    let key = if i == 0 { format!("{:<18}", text::cut(&keys, 17)) } else { " ".repeat(18) };
                    lines.push(Line::from(vec![Span::styled(key, theme.accent), Span::styled(part, style)]));
                }
            }
        }
        lines
    }
}

impl Popup for Help {
    fn title(&self) -> String {
        format!("Help: {}", self.screen)
    }

    fn size(&self, room: Rect) -> (u16, u16) {
        let entries: usize = self.sections.iter().map(|(_, e)| e.len() + 2).sum();
        (88, (entries as u16 + 6).min(room.height.saturating_sub(4)))
    }

    fn draw(&mut self, canvas: &mut Canvas<'_, '_>, inside: Rect, shared: &Shared) {
        let lines = self.lines(usize::from(inside.width), shared);
        self.offset = self.offset.min(lines.len().saturating_sub(usize::from(inside.height)));
        for (i, line) in lines.into_iter().skip(self.offset).take(usize::from(inside.height)).enumerate() {
            canvas.line(line, Rect { y: inside.y + i as u16, height: 1, ..inside });
        }
    }

    fn key(&mut self, key: &KeyEvent, _: &mut Shared) -> After {
        match key.code {
            KeyCode::Down | KeyCode::Char('j') => self.offset += 1,
            KeyCode::Up | KeyCode::Char('k') => self.offset = self.offset.saturating_sub(1),
            KeyCode::PageDown | KeyCode::Char(' ') => self.offset += 10,
            KeyCode::PageUp => self.offset = self.offset.saturating_sub(10),
            KeyCode::Char('q' | '?') => return After::Close,
            _ => {}
        }
        After::Keep
    }

    fn hints(&self) -> Vec<(&'static str, &'static str)> {
        vec![("j k", "scroll")]
    }
}
