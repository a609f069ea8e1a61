//! Character cells that stand for a picture.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Style};

/// One character cell of a picture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Block {
    /// The character.
    pub symbol: char,
    /// Its colour.
    pub fg: Color,
    /// The colour behind it.
    pub bg: Color,
}

/// Puts blocks, row by row, into a rectangle of the buffer.
pub fn put(buffer: &mut Buffer, rect: Rect, blocks: &[Block]) {
    for (row, blocks) in rect.rows().zip(blocks.chunks(usize::from(rect.width.max(1)))) {
        for (place, block) in row.columns().zip(blocks) {
            if let Some(cell) = buffer.cell_mut((place.x, place.y)) {
                cell.reset();
                cell.set_char(block.symbol).set_style(Style::new().fg(block.fg).bg(block.bg));
            }
        }
    }
}

/// Empties a rectangle of the buffer.
pub fn blank(buffer: &mut Buffer, rect: Rect) {
    for place in rect.intersection(buffer.area).positions() {
        if let Some(cell) = buffer.cell_mut(place) {
            cell.reset();
        }
    }
}
