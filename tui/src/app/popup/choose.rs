//! A list to choose from, narrowed by typing.

use nucleo_matcher::pattern::{CaseMatching, Normalization, Pattern};
use nucleo_matcher::{Config, Matcher, Utf32Str};
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::{After, Popup};
use crate::app::shared::Shared;
use crate::widgets::{Canvas, LineEdit, text};

/// One line to choose.
#[derive(Clone, Debug, Default)]
pub struct Choice {
    /// What it is.
    pub name: String,
    /// What else is said of it.
    pub note: String,
    /// Whether it is what is chosen now.
    pub chosen: bool,
}

impl Choice {
    /// A line with a note.
    pub fn new(name: impl Into<String>, note: impl Into<String>) -> Self {
        Self { name: name.into(), note: note.into(), chosen: false }
    }
}

type Done = Box<dyn FnMut(usize, &mut Shared)>;

/// A list to choose from.
pub struct Choose {
    title: String,
    choices: Vec<Choice>,
    search: LineEdit,
    shown: Vec<usize>,
    cursor: usize,
    done: Done,
}

impl Choose {
    /// One of these.
    pub fn one(title: impl Into<String>, choices: Vec<Choice>, done: impl FnMut(usize, &mut Shared) + 'static) -> Self {
        let cursor = choices.iter().position(|c| c.chosen).unwrap_or(0);
        Self { cursor, ..Self::new(title.into(), choices, Box::new(done)) }
    }

    fn new(title: String, choices: Vec<Choice>, done: Done) -> Self {
        let shown = (0..choices.len()).collect();
        Self { title, choices, search: LineEdit::default(), shown, cursor: 0, done }
    }

    fn narrow(&mut self) {
        self.shown = matching(&self.search.text(), self.choices.iter().map(|c| format!("{} {}", c.name, c.note)));
        self.cursor = 0;
    }
}

/// Indices of the lines that fit what was typed, the best first; all of them in their order while nothing is typed.
pub fn matching(typed: &str, lines: impl Iterator<Item = String>) -> Vec<usize> {
    let pattern = Pattern::parse(typed, CaseMatching::Ignore, Normalization::Smart);
    let mut matcher = Matcher::new(Config::DEFAULT);
    let mut buffer = Vec::new();
    let mut fitting: Vec<(u32, usize)> = lines
        .enumerate()
        .filter_map(|(i, line)| Some((pattern.score(Utf32Str::new(&line, &mut buffer), &mut matcher)?, i)))
        .collect();
    fitting.sort_by_key(|(score, i)| (std::cmp::Reverse(*score), *i));
    fitting.into_iter().map(|(_, i)| i).collect()
}

impl Popup for Choose {
    fn title(&self) -> String {
        self.title.clone()
    }

    fn size(&self, room: Rect) -> (u16, u16) {
        let widest = |f: fn(&Choice) -> &str| self.choices.iter().map(|c| text::width(f(c))).max().unwrap_or(0);
        let width = widest(|c| &c.name) + widest(|c| &c.note) + 8;
        (width.clamp(30, 90) as u16, (self.choices.len() as u16 + 2).min(room.height.saturating_sub(6)))
    }

    fn draw(&mut self, canvas: &mut Canvas<'_, '_>, inside: Rect, shared: &Shared) {
        let theme = &shared.theme;
        let top = Rect { height: 1, ..inside };
        canvas.line(Line::styled(theme.sign("› ", "> "), theme.accent), top);
        self.search.draw(canvas, Rect { x: top.x + 2, width: top.width.saturating_sub(2), ..top }, theme.text, true);
        let rows = usize::from(inside.height.saturating_sub(1));
        let first = (self.cursor + 1).saturating_sub(rows);
        let names = self.choices.iter().map(|c| text::width(&c.name)).max().unwrap_or(0).min(40);
        for (i, at) in self.shown.iter().enumerate().skip(first).take(rows) {
            let choice = &self.choices[*at];
            let line = Rect { y: inside.y + 1 + (i - first) as u16, height: 1, ..inside };
            let box_ = if choice.chosen { theme.sign("● ", "* ") } else { "  " };
            let name = format!("{:<names$}  ", text::cut(&choice.name, names));
            let spans = vec![
                Span::styled(box_, theme.accent),
                Span::styled(name, theme.text),
                Span::styled(choice.note.clone(), theme.dim),
            ];
            canvas.line(Line::from(spans), line);
            if i == self.cursor {
                canvas.paint(line, theme.selected);
            }
        }
        if self.shown.is_empty() {
            canvas.line(Line::styled("nothing fits", theme.dim), Rect { y: inside.y + 1, height: 1, ..inside });
        }
    }

    fn key(&mut self, key: &KeyEvent, shared: &mut Shared) -> After {
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        let last = self.shown.len().saturating_sub(1);
        match key.code {
            KeyCode::Down => self.cursor = (self.cursor + 1).min(last),
            KeyCode::Up => self.cursor = self.cursor.saturating_sub(1),
            KeyCode::Char('n' | 'j') if control => self.cursor = (self.cursor + 1).min(last),
            KeyCode::Char('p' | 'k') if control => self.cursor = self.cursor.saturating_sub(1),
            KeyCode::Enter => {
                let Some(chosen) = self.shown.get(self.cursor) else { return After::Keep };
                (self.done)(*chosen, shared);
                return After::Close;
            }
            _ => {
                if self.search.key(key) {
                    self.narrow();
                }
            }
        }
        After::Keep
    }

    fn paste(&mut self, text: &str, _: &mut Shared) {
        self.search.insert(text);
        self.narrow();
    }

    fn hints(&self) -> Vec<(&'static str, &'static str)> {
        vec![("Enter", "choose")]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_in_order_are_enough_and_case_does_not_matter() {
        let lines = || ["Pause jobs", "Retry job", "Export table"].map(str::to_owned).into_iter();
        assert_eq!(matching("", lines()), [0, 1, 2]);
        assert_eq!(matching("exp", lines()), [2]);
        assert_eq!(matching("RTRY", lines()), [1]);
        assert!(matching("zzz", lines()).is_empty());
    }
}
