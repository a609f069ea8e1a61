//! The command palette: everything that can be done here, found by typing some of its letters.

use ratatui::crossterm::event::KeyEvent;
use ratatui::layout::Rect;

use super::{After, Choice, Choose, Popup};
use crate::app::keys::{Entry, shown};
use crate::app::shared::Shared;
use crate::widgets::Canvas;

/// The command palette.
pub struct Palette {
    list: Choose,
    names: Vec<&'static str>,
    chosen: std::rc::Rc<std::cell::Cell<Option<usize>>>,
}

impl Palette {
    /// These commands; those that cannot be done now say why.
    pub fn new(entries: &[Entry], ascii: bool) -> Self {
        let chosen = std::rc::Rc::new(std::cell::Cell::new(None));
        let choices = entries
            .iter()
            .map(|entry| {
                let key = entry.keys.first().map(|k| shown(k, ascii)).unwrap_or_default();
                let note = match &entry.disabled {
                    Some(reason) => format!("{key:<9} not now: {reason}"),
                    None => format!("{key:<9} {}", entry.help),
                };
                Choice::new(entry.name, note)
            })
            .collect();
        let tell = std::rc::Rc::clone(&chosen);
        let list = Choose::one("Commands", choices, move |index, _| tell.set(Some(index)));
        Self { list, names: entries.iter().map(|e| e.name).collect(), chosen }
    }
}

impl Popup for Palette {
    fn title(&self) -> String {
        self.list.title()
    }

    fn size(&self, room: Rect) -> (u16, u16) {
        self.list.size(room)
    }

    fn draw(&mut self, canvas: &mut Canvas<'_, '_>, inside: Rect, shared: &Shared) {
        self.list.draw(canvas, inside, shared);
    }

    fn key(&mut self, key: &KeyEvent, shared: &mut Shared) -> After {
        self.list.key(key, shared)
    }

    fn paste(&mut self, text: &str, shared: &mut Shared) {
        self.list.paste(text, shared);
    }

    fn hints(&self) -> Vec<(&'static str, &'static str)> {
        self.list.hints()
    }

    fn chosen_command(&self) -> Option<&'static str> {
        self.names.get(self.chosen.get()?).copied()
    }
}
