//! Asks for one line of text, and says at once what is wrong with it.

use std::path::PathBuf;

use ratatui::crossterm::event::{KeyCode, KeyEvent};
use ratatui::layout::Rect;
use ratatui::text::Line;

use super::{After, Popup};
use crate::app::shared::Shared;
use crate::widgets::{Canvas, LineEdit, text};

type Done = Box<dyn FnMut(&str, &mut Shared) -> Result<(), String>>;

/// Asks for one line of text.
pub struct Ask {
    title: String,
    help: String,
    line: LineEdit,
    wrong: Option<String>,
    done: Done,
}

impl Ask {
    /// A question; `done` takes the answer or says why it cannot.
    pub fn new(
        title: impl Into<String>,
        help: impl Into<String>,
        text: &str,
        done: impl FnMut(&str, &mut Shared) -> Result<(), String> + 'static,
    ) -> Self {
        Self { title: title.into(), help: help.into(), line: LineEdit::new(text), wrong: None, done: Box::new(done) }
    }

    /// A question for a file that is not there yet.
    pub fn new_file(
        title: impl Into<String>,
        help: impl Into<String>,
        name: &str,
        mut done: impl FnMut(PathBuf, &mut Shared) -> Result<(), String> + 'static,
    ) -> Self {
        Self::new(title, help, name, move |text, shared| {
            let path = std::path::absolute(text.trim()).map_err(|e| e.to_string())?;
            if path.exists() {
                return Err("there is such a file already; take another name".to_owned());
            }
            done(path, shared)
        })
    }
}

impl Popup for Ask {
    fn title(&self) -> String {
        self.title.clone()
    }

    fn size(&self, _: Rect) -> (u16, u16) {
        (text::width(&self.help).clamp(50, 90) as u16, 4)
    }

    fn draw(&mut self, canvas: &mut Canvas<'_, '_>, inside: Rect, shared: &Shared) {
        let row = |y| Rect { y: inside.y + y, height: 1, ..inside };
        canvas.line(Line::styled(self.help.clone(), shared.theme.dim), row(0));
        self.line.draw(canvas, row(1), shared.theme.selected_idle.patch(shared.theme.text), true);
        canvas.paint(row(1), shared.theme.selected_idle);
        if let Some(wrong) = &self.wrong {
            canvas.line(Line::styled(wrong.clone(), shared.theme.bad), row(2));
        }
    }

    fn key(&mut self, key: &KeyEvent, shared: &mut Shared) -> After {
        if key.code == KeyCode::Enter {
            return match (self.done)(&self.line.text(), shared) {
                Ok(()) => After::Close,
                Err(sentence) => {
                    self.wrong = Some(sentence);
                    After::Keep
                }
            };
        }
        if self.line.key(key) {
            self.wrong = None;
        }
        After::Keep
    }

    fn paste(&mut self, text: &str, _: &mut Shared) {
        self.line.insert(text);
    }

    fn hints(&self) -> Vec<(&'static str, &'static str)> {
        vec![("Enter", "ok")]
    }
}
