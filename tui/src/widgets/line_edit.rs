//! One line of text that can be edited.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::layout::Rect;
use ratatui::style::Style;
use unicode_width::UnicodeWidthChar;

use super::Canvas;

/// A line of text and where its cursor is.
#[derive(Clone, Debug, Default)]
pub struct LineEdit {
    text: Vec<char>,
    cursor: usize,
}

impl LineEdit {
    /// A line with its cursor at the end.
    pub fn new(text: &str) -> Self {
        let text: Vec<char> = text.chars().filter(|c| !c.is_control()).collect();
        Self { cursor: text.len(), text }
    }

    /// The text.
    pub fn text(&self) -> String {
        self.text.iter().collect()
    }

    /// Writes text at the cursor; line ends become spaces.
    pub fn insert(&mut self, text: &str) {
        for c in text.chars().map(|c| if c.is_control() { ' ' } else { c }) {
            self.text.insert(self.cursor, c);
            self.cursor += 1;
        }
    }

    /// Takes a key; false when it means nothing to a line of text.
    pub fn key(&mut self, key: &KeyEvent) -> bool {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Char('a') if control => self.cursor = 0,
            KeyCode::Char('e') if control => self.cursor = self.text.len(),
            KeyCode::Char('u') if control => {
                self.text.drain(..self.cursor);
                self.cursor = 0;
            }
            KeyCode::Char('k') if control => self.text.truncate(self.cursor),
            KeyCode::Char('w') if control => self.remove_word(),
            KeyCode::Char(c) if !control && !key.modifiers.contains(KeyModifiers::ALT) => {
                self.text.insert(self.cursor, c);
                self.cursor += 1;
            }
            KeyCode::Backspace if self.cursor > 0 => {
                self.cursor -= 1;
                self.text.remove(self.cursor);
            }
            KeyCode::Backspace => {}
            KeyCode::Delete if self.cursor < self.text.len() => {
                self.text.remove(self.cursor);
            }
            KeyCode::Delete => {}
            KeyCode::Left => self.cursor = self.cursor.saturating_sub(1),
            KeyCode::Right => self.cursor = (self.cursor + 1).min(self.text.len()),
            KeyCode::Home => self.cursor = 0,
            KeyCode::End => self.cursor = self.text.len(),
            _ => return false,
        }
        true
    }

    fn remove_word(&mut self) {
        let from = self.text[..self.cursor]
            .iter()
            .rposition(|c| !c.is_whitespace())
            .map_or(0, |end| self.text[..end].iter().rposition(|c| c.is_whitespace()).map_or(0, |space| space + 1));
        self.text.drain(from..self.cursor);
        self.cursor = from;
    }

    /// Draws the line so that its cursor is seen; puts the terminal's cursor there when it has the keyboard.
    pub fn draw(&self, canvas: &mut Canvas<'_, '_>, area: Rect, style: Style, focus: bool) {
        let room = usize::from(area.width.saturating_sub(1));
        let wide = |c: &char| c.width().unwrap_or(0);
        let mut first = 0;
        while self.text[first..self.cursor].iter().map(wide).sum::<usize>() > room {
            first += 1;
        }
        let mut shown = String::new();
        let mut used = 0;
        for c in &self.text[first..] {
            used += wide(c);
            if used > usize::from(area.width) {
                break;
            }
            shown.push(*c);
        }
        canvas.line(ratatui::text::Line::styled(shown, style), area);
        if focus {
            let column = self.text[first..self.cursor].iter().map(wide).sum::<usize>();
            canvas.cursor(area.x.saturating_add(column as u16), area.y);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn press(line: &mut LineEdit, code: KeyCode, modifiers: KeyModifiers) {
        assert!(line.key(&KeyEvent::new(code, modifiers)));
    }

    #[test]
    fn the_usual_keys_edit() {
        let mut line = LineEdit::new("one two");
        press(&mut line, KeyCode::Char('w'), KeyModifiers::CONTROL);
        assert_eq!(line.text(), "one ");
        press(&mut line, KeyCode::Char('é'), KeyModifiers::NONE);
        press(&mut line, KeyCode::Home, KeyModifiers::NONE);
        press(&mut line, KeyCode::Delete, KeyModifiers::NONE);
        press(&mut line, KeyCode::Left, KeyModifiers::NONE);
        line.insert("a\nb");
        assert_eq!(line.text(), "a bne é");
        press(&mut line, KeyCode::Char('u'), KeyModifiers::CONTROL);
        assert_eq!(line.text(), "ne é");
        press(&mut line, KeyCode::Char('k'), KeyModifiers::CONTROL);
        assert_eq!(line.text(), "");
        press(&mut line, KeyCode::Backspace, KeyModifiers::NONE);
        assert!(!line.key(&KeyEvent::new(KeyCode::Enter, KeyModifiers::NONE)));
    }
}
