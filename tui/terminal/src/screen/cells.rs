//! Cells as a terminal's sequences, in as few bytes as all terminals understand.
//!
//! crossterm's backend names both colours whenever one changes and the whole position at every gap; on a slow link that is
//! half of a frame. Here a sequence says only what is new, a gap within a row is a column, and a blank has no foreground.

use std::io::{self, Write};

use ratatui::backend::IntoCrossterm as _;
use ratatui::buffer::Cell;
use ratatui::crossterm::style::Colored;
use ratatui::style::{Color, Modifier};

/// What a blank shows beside its background.
const SEEN_ON_BLANKS: Modifier = Modifier::UNDERLINED.union(Modifier::REVERSED).union(Modifier::CROSSED_OUT);

/// Modifiers and the sequence's number for each.
const MODIFIERS: [(Modifier, &str); 9] = [
    (Modifier::BOLD, "1"),
    (Modifier::DIM, "2"),
    (Modifier::ITALIC, "3"),
    (Modifier::UNDERLINED, "4"),
    (Modifier::SLOW_BLINK, "5"),
    (Modifier::RAPID_BLINK, "6"),
    (Modifier::REVERSED, "7"),
    (Modifier::HIDDEN, "8"),
    (Modifier::CROSSED_OUT, "9"),
];

/// How the next character will look.
#[derive(Clone, Copy, PartialEq)]
struct Pen {
    foreground: Color,
    background: Color,
    modifier: Modifier,
}

impl Pen {
    const PLAIN: Pen = Pen { foreground: Color::Reset, background: Color::Reset, modifier: Modifier::empty() };

    fn of(cell: &Cell) -> Pen {
        Pen { foreground: cell.fg, background: cell.bg, modifier: cell.modifier }
    }

    /// Whether a blank drawn by this pen looks as one drawn by another.
    fn blanks_equal(self, other: Pen) -> bool {
        self.background == other.background && !(self.modifier | other.modifier).intersects(SEEN_ON_BLANKS)
    }
}

/// Writes changed cells, row by row, from a plain pen and back to it.
///
/// # Errors
/// When the writer fails.
pub(super) fn write<'a>(writer: &mut impl Write, cells: impl Iterator<Item = (u16, u16, &'a Cell)>) -> io::Result<()> {
    let (mut pen, mut cursor, mut text) = (Some(Pen::PLAIN), None, String::new());
    for (x, y, cell) in cells {
        go_to(&mut text, cursor, (x, y));
        let wanted = Pen::of(cell);
        let is_drawn = cell.symbol() == " " && pen.is_some_and(|pen| pen.blanks_equal(wanted));
        if !is_drawn && pen != Some(wanted) {
            change(&mut text, pen, wanted);
            pen = Some(wanted);
        }
        text.push_str(cell.symbol());
        cursor = Some((x + 1, y));
        // A symbol with sequences of its own is a picture: nothing is known of cursor and pen after it.
        if cell.symbol().contains('\x1b') {
            (pen, cursor) = (None, None);
        }
    }
    if pen != Some(Pen::PLAIN) {
        text.push_str("\x1b[0m");
    }
    writer.write_all(text.as_bytes())
}

/// Moves the cursor, by its column alone where the row is the same.
fn go_to(text: &mut String, cursor: Option<(u16, u16)>, (x, y): (u16, u16)) {
    let sequence = match cursor {
        Some(there) if there == (x, y) => return,
        Some((_, row)) if row == y => format!("\x1b[{}G", x + 1),
        _ => format!("\x1b[{};{}H", y + 1, x + 1),
    };
    text.push_str(&sequence);
}

/// Says what is new about the pen. A modifier that ends is ended by beginning from a plain pen, since terminals disagree
/// about what ends a bold one.
fn change(text: &mut String, from: Option<Pen>, to: Pen) {
    let begins_anew = from.is_none_or(|pen| !to.modifier.contains(pen.modifier));
    let from = from.filter(|_| !begins_anew).unwrap_or(Pen::PLAIN);
    let mut parts = Vec::new();
    if begins_anew {
        parts.push("0".to_owned());
    }
    let added = to.modifier - from.modifier;
    parts
        .extend(MODIFIERS.iter().filter(|(modifier, _)| added.contains(*modifier)).map(|(_, number)| (*number).into()));
    if from.foreground != to.foreground {
        parts.push(Colored::ForegroundColor(to.foreground.into_crossterm()).to_string());
    }
    if from.background != to.background {
        parts.push(Colored::BackgroundColor(to.background.into_crossterm()).to_string());
    }
    // Without colours, by `NO_COLOR`, nothing may be left to say.
    parts.retain(|part| !part.is_empty());
    if !parts.is_empty() {
        text.push_str("\x1b[");
        text.push_str(&parts.join(";"));
        text.push('m');
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use ratatui::buffer::Buffer;
    use ratatui::layout::Rect;
    use ratatui::style::Style;

    use super::*;

    const AREA: Rect = Rect { x: 0, y: 0, width: 12, height: 3 };

    fn sent(before: &Buffer, after: &Buffer) -> String {
        let mut bytes = Vec::new();
        write(&mut bytes, before.diff(after).into_iter()).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    fn colour(colour: Color) -> vt100::Color {
        match colour {
            Color::Red => vt100::Color::Idx(1),
            Color::Indexed(number) => vt100::Color::Idx(number),
            Color::Rgb(r, g, b) => vt100::Color::Rgb(r, g, b),
            _ => vt100::Color::Default,
        }
    }

    fn looks_alike(shown: &vt100::Cell, cell: &Cell) -> bool {
        let symbol = if shown.contents().is_empty() { " " } else { shown.contents() };
        let on_blanks = shown.underline() == cell.modifier.contains(Modifier::UNDERLINED)
            && shown.inverse() == cell.modifier.contains(Modifier::REVERSED)
            && shown.bgcolor() == colour(cell.bg);
        let on_text = shown.fgcolor() == colour(cell.fg)
            && shown.bold() == cell.modifier.contains(Modifier::BOLD)
            && shown.italic() == cell.modifier.contains(Modifier::ITALIC);
        symbol == cell.symbol() && on_blanks && (symbol == " " || on_text)
    }

    fn cells() -> impl Strategy<Value = Buffer> {
        let colours = || prop::sample::select(vec![Color::Reset, Color::Red, Color::Indexed(200), Color::Rgb(1, 2, 3)]);
        let modifiers = prop::sample::select(vec![
            Modifier::empty(),
            Modifier::BOLD,
            Modifier::BOLD | Modifier::ITALIC,
            Modifier::UNDERLINED,
            Modifier::REVERSED,
        ]);
        let symbol = prop::sample::select(vec![" ", " ", " ", "a", "⣿", "é"]);
        let cell = (symbol, colours(), colours(), modifiers);
        prop::collection::vec(cell, AREA.area() as usize).prop_map(|cells| {
            let mut buffer = Buffer::empty(AREA);
            for (target, (symbol, foreground, background, modifier)) in buffer.content.iter_mut().zip(cells) {
                let style = Style::new().fg(foreground).bg(background).add_modifier(modifier);
                target.set_symbol(symbol).set_style(style);
            }
            buffer
        })
    }

    proptest! {
        #[test]
        fn a_terminal_shows_what_was_drawn(first in cells(), second in cells()) {
            let mut terminal = vt100::Parser::new(AREA.height.try_into().unwrap(), AREA.width.try_into().unwrap(), 0);
            let mut before = Buffer::empty(AREA);
            for after in [first, second] {
                terminal.process(sent(&before, &after).as_bytes());
                for (index, cell) in after.content.iter().enumerate() {
                    let (x, y) = after.pos_of(index);
                    let shown = terminal.screen().cell(y, x).expect("within the area");
                    prop_assert!(looks_alike(shown, cell), "{x},{y}: {shown:?} for {cell:?}");
                }
                before = after;
            }
        }
    }

    #[test]
    fn only_what_is_new_is_said() {
        let before = Buffer::empty(AREA);
        let mut after = before.clone();
        after.set_string(1, 1, "a", Style::new().fg(Color::Rgb(1, 2, 3)).bg(Color::Indexed(4)));
        after.set_string(2, 1, "b", Style::new().fg(Color::Rgb(9, 9, 9)).bg(Color::Indexed(4)));
        after.set_string(9, 1, "c", Style::new());
        let expected = "\x1b[2;2H\x1b[38;2;1;2;3;48;5;4ma\x1b[38;2;9;9;9mb\x1b[10G\x1b[39;49mc";
        assert_eq!(sent(&before, &after), expected);
        assert_eq!(sent(&after, &after), "");
    }

    #[test]
    fn nothing_is_taken_for_known_after_a_picture() {
        let (picture, text) = (Cell::new("\x1b[31mpicture"), Cell::new("x"));
        let mut bytes = Vec::new();
        write(&mut bytes, [(0, 0, &picture), (1, 0, &text)].into_iter()).unwrap();
        assert_eq!(bytes, b"\x1b[1;1H\x1b[31mpicture\x1b[1;2H\x1b[0mx");
    }
}
