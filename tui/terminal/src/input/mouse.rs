//! Mouse reports, in the SGR form that is asked for and in the older one that some terminals send all the same.

use crossterm::event::{Event, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};

use super::reply::numbers;

/// Parses a whole sequence as a mouse report. The outer `None`: it is no mouse report; the inner: one without meaning.
pub fn parse(sequence: &[u8]) -> Option<Option<Event>> {
    match sequence {
        [0x1b, b'[', b'<', body @ .., last @ (b'M' | b'm')] => Some(sgr(body, *last == b'm')),
        [0x1b, b'[', b'M', code, column, row] => Some(event(
            u32::from(code.saturating_sub(32)),
            u32::from(*column) - 32 * u32::from(*column >= 32),
            u32::from(*row) - 32 * u32::from(*row >= 32),
            false,
        )),
        _ => None,
    }
}

fn sgr(body: &[u8], released: bool) -> Option<Event> {
    match numbers(body)[..] {
        [code, column, row] => event(code, column, row, released),
        _ => None,
    }
}

/// The event of a button code and a place that is counted from 1.
fn event(code: u32, column: u32, row: u32, released: bool) -> Option<Event> {
    let place = |n: u32| u16::try_from(n.checked_sub(1)?).ok();
    let kind = kind(code, released)?;
    Some(Event::Mouse(MouseEvent { kind, column: place(column)?, row: place(row)?, modifiers: modifiers(code) }))
}

/// Bits 0, 1, 6 and 7 hold the button, bit 5 says that the mouse moved.
fn kind(code: u32, released: bool) -> Option<MouseEventKind> {
    let moved = code & 32 != 0;
    let button = match code & 3 {
        0 => MouseButton::Left,
        1 => MouseButton::Middle,
        _ => MouseButton::Right,
    };
    match (code & 0b1100_0000, code & 3) {
        (0, 3) if moved => Some(MouseEventKind::Moved),
        // The older form does not say which button went up.
        (0, 3) => Some(MouseEventKind::Up(MouseButton::Left)),
        (0, _) if moved => Some(MouseEventKind::Drag(button)),
        (0, _) if released => Some(MouseEventKind::Up(button)),
        (0, _) => Some(MouseEventKind::Down(button)),
        (64, 0) => Some(MouseEventKind::ScrollUp),
        (64, 1) => Some(MouseEventKind::ScrollDown),
        (64, 2) => Some(MouseEventKind::ScrollLeft),
        (64, _) => Some(MouseEventKind::ScrollRight),
        _ => None,
    }
}

fn modifiers(code: u32) -> KeyModifiers {
    [(4, KeyModifiers::SHIFT), (8, KeyModifiers::ALT), (16, KeyModifiers::CONTROL)]
        .into_iter()
        .filter(|(bit, _)| code & bit != 0)
        .fold(KeyModifiers::NONE, |all, (_, modifier)| all | modifier)
}
