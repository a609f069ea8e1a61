//! A frame while it is drawn: the text, the pictures that belong on it, and what can be clicked.

use std::sync::Arc;

use lightbox_terminal::graphics::{Overlay, Picture, Shown};
use ratatui::Frame;
use ratatui::layout::{Position, Rect};
use ratatui::style::Style;
use ratatui::text::Line;
use ratatui::widgets::{Block, Clear, Widget};

use crate::theme::Theme;

/// What a click does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hit {
    /// Shows a screen by its number.
    Screen(usize),
    /// Puts the cursor of a table on a row of its view; a second click opens it.
    Row {
        /// Which table.
        table: u64,
        /// Which row of its view.
        row: usize,
    },
    /// Sorts a table by a column.
    Column {
        /// Which table.
        table: u64,
        /// Which column.
        column: usize,
    },
    /// Does what a name of the palette stands for.
    Command(&'static str),
}

/// A frame while it is drawn.
pub struct Canvas<'a, 'b> {
    frame: &'a mut Frame<'b>,
    /// Pictures, in the order in which they were asked for.
    pub pictures: Vec<Shown>,
    /// What can be clicked; later ones lie on top.
    pub hits: Vec<(Rect, Hit)>,
}

impl<'a, 'b> Canvas<'a, 'b> {
    /// An empty frame.
    pub fn new(frame: &'a mut Frame<'b>) -> Self {
        Self { frame, pictures: Vec::new(), hits: Vec::new() }
    }

    /// The whole terminal.
    pub fn area(&self) -> Rect {
        self.frame.area()
    }

    /// Draws a widget.
    pub fn put(&mut self, widget: impl Widget, area: Rect) {
        let area = area.intersection(self.area());
        if !area.is_empty() {
            widget.render(area, self.frame.buffer_mut());
        }
    }

    /// Writes a line, cut at the area's right side.
    pub fn line<'l>(&mut self, line: impl Into<Line<'l>>, area: Rect) {
        let area = area.intersection(self.area());
        if !area.is_empty() {
            self.frame.buffer_mut().set_line(area.x, area.y, &line.into(), area.width);
        }
    }

    /// Sets the style of an area without changing its text.
    pub fn paint(&mut self, area: Rect, style: Style) {
        let area = area.intersection(self.area());
        self.frame.buffer_mut().set_style(area, style);
    }

    /// A frame with a title; returns what is inside.
    pub fn panel<'l>(&mut self, area: Rect, title: impl Into<Line<'l>>, focus: bool, theme: &Theme) -> Rect {
        let style = if focus { theme.border_focus } else { theme.border };
        let block = Block::bordered().border_set(theme.frame).border_style(style).title_top(title.into());
        let inner = block.inner(area);
        self.put(block, area);
        inner
    }

    /// Empties an area for a popup: text, pictures and clicks below it are gone.
    pub fn clear_for_popup(&mut self, area: Rect) {
        self.put(Clear, area);
        self.pictures.retain(|shown| !shown.area.intersects(area));
        self.hits.clear();
    }

    /// Asks for a picture.
    pub fn picture(&mut self, area: Rect, base: Arc<Picture>, overlay: Option<Arc<Overlay>>) {
        let area = area.intersection(self.area());
        if !area.is_empty() {
            self.pictures.push(Shown { area, base, overlay });
        }
    }

    /// Says what a click on an area does.
    pub fn hit(&mut self, area: Rect, hit: Hit) {
        self.hits.push((area, hit));
    }

    /// Puts the terminal's cursor somewhere, for typing.
    pub fn cursor(&mut self, x: u16, y: u16) {
        if self.area().contains(Position { x, y }) {
            self.frame.set_cursor_position((x, y));
        }
    }
}
