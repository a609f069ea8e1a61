//! What the terminal shows, as far as it was told: what a frame's changes are compared with to find rows that moved.

use ratatui::buffer::{Buffer, Cell};
use ratatui::layout::Rect;

use super::scroll::Scroll;

/// Changes to fewer cells are not searched for rows that moved.
const WORTH_SEARCHING: usize = 128;

/// A cell to be drawn and its column and row.
pub(super) type Placed = (u16, u16, Cell);

/// The cells that were drawn since the screen was cleared.
#[derive(Debug, Default)]
pub(super) struct Shadow {
    cells: Buffer,
}

impl Shadow {
    /// Takes a frame's changes; where scrolling spares cells, what to scroll and which cells are to be drawn after it.
    pub(super) fn take(&mut self, changes: &[(u16, u16, &Cell)], may_scroll: bool) -> Option<(Scroll, Vec<Placed>)> {
        let before = (may_scroll && changes.len() >= WORTH_SEARCHING).then(|| self.cells.clone());
        self.hold(changes);
        for (x, y, cell) in changes {
            self.cells[(*x, *y)] = (*cell).clone();
        }
        let mut before = before?;
        // A picture is more than its cell shows.
        if before.content.iter().chain(&self.cells.content).any(|cell| cell.symbol().contains('\x1b')) {
            return None;
        }
        let scroll = Scroll::between(&before, &self.cells)?;
        scroll.apply(&mut before);
        let rest = before.diff(&self.cells);
        Some((scroll, rest.into_iter().map(|(x, y, cell)| (x, y, cell.clone())).collect()))
    }

    /// Grows to where the changes are.
    fn hold(&mut self, changes: &[(u16, u16, &Cell)]) {
        let area = changes.iter().fold(self.cells.area, |area, (x, y, _)| area.union(Rect::new(*x, *y, 1, 1)));
        if area != self.cells.area {
            let mut grown = Buffer::empty(Rect::new(0, 0, area.right(), area.bottom()));
            for (index, cell) in self.cells.content.iter().enumerate() {
                let (x, y) = self.cells.pos_of(index);
                grown[(x, y)] = cell.clone();
            }
            self.cells = grown;
        }
    }
}
