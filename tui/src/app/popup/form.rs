//! A form: named fields that are checked while one types.

use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::layout::Rect;
use ratatui::text::Line;

use super::{After, Popup};
use crate::app::shared::Shared;
use crate::widgets::{Canvas, LineEdit, text};

type Check = Box<dyn Fn(&str) -> Result<(), String>>;
type Done = Box<dyn FnMut(&[String], &mut Shared) -> Result<(), String>>;

/// One field.
pub struct Field {
    name: String,
    help: String,
    line: LineEdit,
    check: Check,
    choices: Vec<String>,
}

impl Field {
    /// A field of text that must pass a check.
    pub fn text(
        name: impl Into<String>,
        help: impl Into<String>,
        value: &str,
        check: impl Fn(&str) -> Result<(), String> + 'static,
    ) -> Self {
        Self {
            name: name.into(),
            help: help.into(),
            line: LineEdit::new(value),
            check: Box::new(check),
            choices: Vec::new(),
        }
    }

    /// A field with these values, through which ctrl-n and ctrl-p go; several can be joined by commas if `several`.
    pub fn choice(
        name: impl Into<String>,
        help: impl Into<String>,
        value: &str,
        choices: Vec<String>,
        several: bool,
    ) -> Self {
        let known = choices.clone();
        let check = move |value: &str| {
            let parts: Vec<&str> = if several { value.split(',').map(str::trim).collect() } else { vec![value.trim()] };
            match parts.iter().find(|part| !known.iter().any(|k| k == *part)) {
                None => Ok(()),
                Some(_) if known.is_empty() => Err("there is none yet".to_owned()),
                Some(part) => {
                    let hint = lightbox_store::names::nearest(part, known.iter().map(String::as_str));
                    Err(match hint {
                        Some(near) => format!("{part:?} is not known; did you mean {near:?}?"),
                        None => format!("{part:?} is not one of: {}", known.join(", ")),
                    })
                }
            }
        };
        Self { choices, ..Self::text(name, help, value, check) }
    }

    fn wrong(&self) -> Option<String> {
        (self.check)(&self.line.text()).err()
    }

    /// Nothing was typed yet: that is no mistake before the user wants to go on.
    fn is_empty(&self) -> bool {
        self.line.text().is_empty()
    }

    fn turn(&mut self, by: isize) {
        if self.choices.is_empty() {
            return;
        }
        let value = self.line.text();
        let (before, last) = match value.rfind(',') {
            Some(comma) => (value[..=comma].to_owned(), value[comma + 1..].trim().to_owned()),
            None => (String::new(), value.trim().to_owned()),
        };
        let at = self.choices.iter().position(|c| *c == last);
        let next = at.map_or(0, |at| (at as isize + by).rem_euclid(self.choices.len() as isize) as usize);
        self.line = LineEdit::new(&format!("{before}{}", self.choices[next]));
    }
}

/// A form.
pub struct Form {
    title: String,
    fields: Vec<Field>,
    cursor: usize,
    wrong: Option<String>,
    /// The user wanted to go on.
    asked: bool,
    act: &'static str,
    done: Done,
}

impl Form {
    /// A form; `done` takes all values, or says why it cannot. `act` is what it does, in a word.
    pub fn new(
        title: impl Into<String>,
        fields: Vec<Field>,
        act: &'static str,
        done: impl FnMut(&[String], &mut Shared) -> Result<(), String> + 'static,
    ) -> Self {
        Self { title: title.into(), fields, cursor: 0, wrong: None, asked: false, act, done: Box::new(done) }
    }

    fn submit(&mut self, shared: &mut Shared) -> After {
        self.asked = true;
        if let Some(first) = self.fields.iter().position(|f| f.wrong().is_some()) {
            self.cursor = first;
            self.wrong = self.fields[first].wrong().map(|w| format!("{}: {w}", self.fields[first].name));
            return After::Keep;
        }
        let values: Vec<String> = self.fields.iter().map(|f| f.line.text().trim().to_owned()).collect();
        match (self.done)(&values, shared) {
            Ok(()) => After::Close,
            Err(sentence) => {
                self.wrong = Some(sentence);
                After::Keep
            }
        }
    }
}

impl Popup for Form {
    fn title(&self) -> String {
        self.title.clone()
    }

    fn size(&self, _: Rect) -> (u16, u16) {
        (96, self.fields.len() as u16 + 5)
    }

    fn draw(&mut self, canvas: &mut Canvas<'_, '_>, inside: Rect, shared: &Shared) {
        let theme = &shared.theme;
        let names = self.fields.iter().map(|f| text::width(&f.name)).max().unwrap_or(0) as u16 + 2;
        let rows = usize::from(inside.height.saturating_sub(4)).max(1);
        let first = (self.cursor + 1).saturating_sub(rows);
        for (i, field) in self.fields.iter().enumerate().skip(first).take(rows) {
            let y = inside.y + (i - first) as u16;
            let focus = i == self.cursor;
            let name_style = if focus { theme.accent } else { theme.dim };
            canvas.line(Line::styled(field.name.clone(), name_style), Rect { x: inside.x, y, width: names, height: 1 });
            let wrong = field.wrong();
            let width = inside.width.saturating_sub(names + 2);
            let area = Rect { x: inside.x + names, y, width, height: 1 };
            let style = if wrong.is_some() { theme.bad } else { theme.text };
            field.line.draw(canvas, area, style, focus);
            if focus {
                canvas.paint(area, theme.selected_idle);
            }
            let (sign, sign_style) = match wrong {
                Some(_) if field.is_empty() && !self.asked => (" ", theme.dim),
                Some(_) => (theme.sign("✗", "!"), theme.bad),
                None => (theme.sign("✓", " "), theme.good),
            };
            canvas.line(Line::styled(sign, sign_style), Rect { x: area.right() + 1, y, width: 1, height: 1 });
        }
        let below = Rect { y: inside.bottom().saturating_sub(3), height: 1, ..inside };
        if let Some(field) = self.fields.get(self.cursor) {
            let too_early = field.is_empty() && !self.asked;
            let wrong = field.wrong().filter(|_| !too_early).or_else(|| self.wrong.clone());
            let (said, style) = match wrong {
                Some(wrong) => (wrong, theme.bad),
                None => (field.help.clone(), theme.dim),
            };
            for (i, part) in text::wrap(&said, usize::from(inside.width)).into_iter().take(3).enumerate() {
                canvas.line(Line::styled(part, style), Rect { y: below.y + i as u16, ..below });
            }
        }
    }

    fn key(&mut self, key: &KeyEvent, shared: &mut Shared) -> After {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        let last = self.fields.len().saturating_sub(1);
        match key.code {
            KeyCode::Char('s') if control => return self.submit(shared),
            KeyCode::Enter if self.cursor == last => return self.submit(shared),
            KeyCode::Down | KeyCode::Tab | KeyCode::Enter => self.cursor = (self.cursor + 1).min(last),
            KeyCode::Up | KeyCode::BackTab => self.cursor = self.cursor.saturating_sub(1),
            KeyCode::Char('n') if control => self.fields[self.cursor].turn(1),
            KeyCode::Char('p') if control => self.fields[self.cursor].turn(-1),
            _ => {
                self.wrong = None;
                self.fields[self.cursor].line.key(key);
            }
        }
        After::Keep
    }

    fn paste(&mut self, text: &str, _: &mut Shared) {
        self.fields[self.cursor].line.insert(text.trim_end());
    }

    fn hints(&self) -> Vec<(&'static str, &'static str)> {
        let choices = self.fields.get(self.cursor).is_some_and(|f| !f.choices.is_empty());
        let mut hints = vec![("↓↑", "field")];
        if choices {
            hints.push(("ctrl-n", "next value"));
        }
        hints.push(("ctrl-s", self.act));
        hints
    }
}
