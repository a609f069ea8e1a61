//! Frames as they leave, without a terminal.

use std::io::Write;
use std::sync::Arc;

use ratatui::backend::Backend as _;
use ratatui::buffer::Cell;
use ratatui::layout::Position;

use super::{Backend, Writer};

#[test]
fn a_frame_is_one_piece_between_its_marks() {
    let mut writer = Writer::default();
    let mut other = writer.clone();
    writer.write_all(b"text").unwrap();
    writer.flush().unwrap();
    other.write_all(b", picture").unwrap();
    assert_eq!(writer.take_frame(), b"\x1b[?2026htext, picture\x1b[?2026l");
    assert_eq!(writer.take_frame(), b"", "nothing was written, nothing is sent");
    writer.write_all(b"text").unwrap();
    other.write_ahead(b"data");
    assert_eq!(writer.take_frame(), b"data\x1b[?2026htext\x1b[?2026l");
    writer.write_ahead(b"data");
    assert_eq!(writer.take_frame(), b"data", "it shows nothing: no frame");
}

#[test]
fn the_cursor_is_where_it_was_put_and_nobody_is_asked() {
    let writer = Writer::default();
    let mut backend = Backend::new(writer.clone(), Arc::default());
    backend.set_cursor_position((7, 3)).unwrap();
    assert_eq!(backend.get_cursor_position().unwrap(), Position::new(7, 3));
    assert_eq!(writer.take_frame(), b"\x1b[?2026h\x1b[4;8H\x1b[?2026l");
}

#[test]
fn a_frame_without_changes_has_no_bytes() {
    let writer = Writer::default();
    let mut backend = Backend::new(writer.clone(), Arc::default());
    backend.hide_cursor().unwrap();
    assert!(!writer.take_frame().is_empty());
    backend.draw(std::iter::empty::<(u16, u16, &Cell)>()).unwrap();
    backend.hide_cursor().unwrap();
    backend.flush().unwrap();
    assert_eq!(writer.take_frame(), b"");
    // After the screen was cleared, perhaps since it was just entered, the cursor is hidden again.
    backend.clear().unwrap();
    backend.hide_cursor().unwrap();
    assert!(writer.take_frame().windows(6).any(|window| window == b"\x1b[?25l"));
}
