//! No pictures: a frame that says so.

use ratatui::buffer::Buffer;
use ratatui::widgets::{Block, Paragraph, Widget, Wrap};

use super::cells;
use super::painter::{Driver, Outgoing, Placed};

/// Draws frames in place of pictures.
#[derive(Debug, Default)]
pub struct NoPictures;

impl Driver for NoPictures {
    fn draw(&mut self, placed: &[Placed], buffer: &mut Buffer) {
        for one in placed {
            cells::blank(buffer, one.rect);
            let size = format!("{} x {} pixels; pictures are off", one.shown.base.width, one.shown.base.height);
            Paragraph::new(size).wrap(Wrap { trim: true }).centered().block(Block::bordered()).render(one.rect, buffer);
        }
    }

    fn flush(&mut self, _out: &mut Outgoing) {}

    fn forget(&mut self) {}

    fn clear(&mut self, _out: &mut Outgoing) {}

    fn is_settled(&self) -> bool {
        true
    }
}
