//! Rows that a frame shifts up or down, which the terminal can shift by itself.
//!
//! A step of the cursor past a table's last visible row moves every row by one: some 10 KB of text in a large window,
//! where a scrolled region and two new rows say the same in a few hundred bytes. Regions that scroll are as old as the VT100
//! (DECSTBM); at their edges a line feed and a reverse index scroll them in every terminal, multiplexers too.

use std::fmt::Write as _;

use ratatui::buffer::{Buffer, Cell};
use ratatui::layout::Rect;

/// How far rows are looked for: a step of the cursor, and a notch of a mouse wheel.
const DISTANCES: [i32; 4] = [1, -1, 3, -3];

/// Cells that a scrolled region must spare; fewer are drawn as quickly.
const WORTH: i32 = 64;

/// A region of whole rows and how far it moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Scroll {
    /// The first row and the one after the last.
    rows: (u16, u16),
    /// Rows that everything in it moves up; below 0, down.
    up: i32,
}

impl Scroll {
    /// The region whose scrolling spares the most cells on the way from what is shown to what is wanted, if it is worth it.
    pub(super) fn between(shown: &Buffer, wanted: &Buffer) -> Option<Scroll> {
        if shown.area != wanted.area {
            return None;
        }
        let height = i32::from(shown.area.height);
        let as_is: Vec<i32> = (0..height).map(|y| changes(row(shown, y), row(wanted, y))).collect();
        let candidates = DISTANCES.iter().filter_map(|up| best_of(shown, wanted, &as_is, *up));
        candidates.max_by_key(|(spared, _)| *spared).filter(|(spared, _)| *spared >= WORTH).map(|(_, scroll)| scroll)
    }

    /// The terminal's sequences, to be written with a plain pen; they leave its cursor anywhere.
    pub(super) fn sequences(self) -> String {
        let (top, end) = self.rows;
        let mut text = format!("\x1b[{};{end}r", top + 1);
        // Writing into a string cannot fail.
        let _ = match self.up {
            up if up > 0 => write!(text, "\x1b[{end};1H{}", "\n".repeat(up.unsigned_abs() as usize)),
            up => write!(text, "\x1b[{};1H{}", top + 1, "\x1bM".repeat(up.unsigned_abs() as usize)),
        };
        text + "\x1b[r"
    }

    /// What the terminal shows after them.
    pub(super) fn apply(self, shown: &mut Buffer) {
        let width = usize::from(shown.area.width);
        let (start, end) = (usize::from(self.rows.0) * width, usize::from(self.rows.1) * width);
        let Some(region) = shown.content.get_mut(start..end) else { return };
        let moved = (self.up.unsigned_abs() as usize * width).min(region.len());
        let kept = region.len() - moved;
        if self.up > 0 {
            region.rotate_left(moved);
            region[kept..].fill(Cell::EMPTY);
        } else {
            region.rotate_right(moved);
            region[..moved].fill(Cell::EMPTY);
        }
    }
}

/// For one distance: the cells spared at most, and where.
fn best_of(shown: &Buffer, wanted: &Buffer, as_is: &[i32], up: i32) -> Option<(i32, Scroll)> {
    let height = as_is.len() as i32;
    // Rows whose content is already on the screen, `up` rows below.
    let rows = (-up).max(0)..(height - up).min(height);
    let (mut best, mut sum, mut start) = (None, 0, rows.start);
    for y in rows {
        if sum <= 0 {
            (sum, start) = (0, y);
        }
        sum += as_is[y as usize] - changes(row(shown, y + up), row(wanted, y));
        let region = (start.min(start + up), (y + 1).max(y + 1 + up));
        let spared = sum - uncovered(wanted, as_is, region, up);
        if best.is_none_or(|(most, _)| spared > most) {
            best = Some((spared, region));
        }
    }
    let (spared, (top, end)) = best?;
    let rows = (u16::try_from(top).ok()?, u16::try_from(end).ok()?);
    Some((spared, Scroll { rows, up }))
}

/// Cells to be drawn on the rows that come in blank, beyond what they would have taken as they were.
fn uncovered(wanted: &Buffer, as_is: &[i32], (top, end): (i32, i32), up: i32) -> i32 {
    let blank = if up > 0 { end - up..end } else { top..top - up };
    blank.map(|y| row(wanted, y).iter().filter(|cell| **cell != Cell::EMPTY).count() as i32 - as_is[y as usize]).sum()
}

fn row(buffer: &Buffer, y: i32) -> &[Cell] {
    let Rect { width, .. } = buffer.area;
    let start = y.unsigned_abs() as usize * usize::from(width);
    buffer.content.get(start..start + usize::from(width)).unwrap_or_default()
}

fn changes(from: &[Cell], to: &[Cell]) -> i32 {
    from.iter().zip(to).filter(|(from, to)| from != to).count() as i32
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use ratatui::style::{Modifier, Style};

    use super::super::cells;
    use super::*;

    fn table(first: usize, selected: usize, notes: &str) -> Buffer {
        let area = Rect::new(0, 0, 40, 24);
        let mut buffer = Buffer::empty(area);
        buffer.set_string(0, 0, "a head that stays", Style::new());
        for y in 1..22 {
            let number = first + usize::from(y);
            let style = if number == selected { Style::new().add_modifier(Modifier::REVERSED) } else { Style::new() };
            buffer.set_string(0, y, format!("│ {:<30} {number:>5} │", "row ".repeat(number % 7)), style);
        }
        buffer.set_string(0, 23, notes, Style::new());
        buffer
    }

    fn shown(terminal: &vt100::Parser) -> Vec<String> {
        terminal.screen().rows(0, 40).map(|row| row.trim_end().to_owned()).collect()
    }

    fn drawn(terminal: &mut vt100::Parser, before: &Buffer, after: &Buffer) -> usize {
        let mut bytes = Vec::new();
        let mut before = before.clone();
        if let Some(scroll) = Scroll::between(&before, after) {
            bytes.extend(scroll.sequences().into_bytes());
            scroll.apply(&mut before);
        }
        cells::write(&mut bytes, before.diff(after).into_iter()).unwrap();
        terminal.process(&bytes);
        bytes.len()
    }

    fn fresh() -> vt100::Parser {
        vt100::Parser::new(24.try_into().unwrap(), 40.try_into().unwrap(), 0)
    }

    #[test]
    fn a_table_that_moves_by_a_row_is_scrolled() {
        for (from, to, up) in [(20, 21, 1), (21, 20, -1), (20, 23, 3), (23, 20, -3)] {
            let (before, after) = (table(from, from + 21, "first"), table(to, to + 21, "second"));
            let scroll = Scroll::between(&before, &after).expect("worth it");
            assert_eq!(scroll.up, up);
            let mut terminal = fresh();
            drawn(&mut terminal, &Buffer::empty(before.area), &before);
            drawn(&mut terminal, &before, &after);
            let mut anew = fresh();
            drawn(&mut anew, &Buffer::empty(after.area), &after);
            assert_eq!(shown(&terminal), shown(&anew));
        }
    }

    #[test]
    fn what_is_drawn_as_quickly_is_not_scrolled() {
        assert_eq!(Scroll::between(&table(20, 25, "a"), &table(20, 26, "b")), None, "the cursor moved within the rows");
        assert_eq!(Scroll::between(&table(20, 25, ""), &table(60, 65, "")), None, "all rows are others");
    }

    proptest! {
        #[test]
        fn whatever_is_scrolled_the_terminal_shows_what_was_wanted(
            first in prop::collection::vec("[ab ]{0,3}|b{30}|a{40}", 12),
            second in prop::collection::vec("[ab ]{0,3}|b{30}|a{40}", 12),
            from in 0..12usize,
            by in 1..4usize,
        ) {
            let lines = |lines: &[String]| {
                let mut buffer = Buffer::empty(Rect::new(0, 0, 40, 12));
                for (y, line) in (0..).zip(lines) {
                    buffer.set_string(0, y, line, Style::new());
                }
                buffer
            };
            // Some rows of the second are rows of the first, moved.
            let mut mixed = first.clone();
            mixed[from..].rotate_left(by.min(12 - from));
            mixed.iter_mut().zip(second).step_by(5).for_each(|(row, other)| *row = other);
            let (before, after) = (lines(&first), lines(&mixed));
            let (mut terminal, mut anew) = (fresh(), fresh());
            drawn(&mut terminal, &Buffer::empty(before.area), &before);
            drawn(&mut terminal, &before, &after);
            drawn(&mut anew, &Buffer::empty(after.area), &after);
            prop_assert_eq!(shown(&terminal), shown(&anew));
        }
    }
}
