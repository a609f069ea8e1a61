//! Keys and replies, whole and in pieces.

use crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEventKind};
use proptest::prelude::*;

use super::{Decoder, Incoming, Reply};

fn key(code: KeyCode, modifiers: KeyModifiers) -> Incoming {
    Incoming::Event(Event::Key(KeyEvent::new(code, modifiers)))
}

fn char_key(c: char) -> Incoming {
    key(KeyCode::Char(c), KeyModifiers::NONE)
}

/// Everything that comes of bytes, fed in these pieces, until nothing is waited for any more.
fn decoded<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Vec<Incoming> {
    let mut decoder = Decoder::new();
    let mut found: Vec<Incoming> = pieces.into_iter().flat_map(|piece| decoder.feed(piece)).collect();
    for _ in 0..200 {
        found.extend(decoder.idle());
    }
    assert!(!decoder.is_waiting());
    found
}

fn is_key(incoming: &Incoming) -> bool {
    matches!(incoming, Incoming::Event(_))
}

/// Sequences and what they say.
fn literals() -> Vec<(&'static [u8], Incoming)> {
    let none = KeyModifiers::NONE;
    vec![
        (b"a", char_key('a')),
        (b"A", key(KeyCode::Char('A'), KeyModifiers::SHIFT)),
        ("é".as_bytes(), char_key('é')),
        ("🩻".as_bytes(), char_key('🩻')),
        (b"\r", key(KeyCode::Enter, none)),
        (b"\t", key(KeyCode::Tab, none)),
        (b"\x7f", key(KeyCode::Backspace, none)),
        (b"\x04", key(KeyCode::Char('d'), KeyModifiers::CONTROL)),
        (b"\x1ba", key(KeyCode::Char('a'), KeyModifiers::ALT)),
        (b"\x1b[A", key(KeyCode::Up, none)),
        (b"\x1bOA", key(KeyCode::Up, none)),
        (b"\x1b[1;5C", key(KeyCode::Right, KeyModifiers::CONTROL)),
        (b"\x1b[Z", key(KeyCode::BackTab, KeyModifiers::SHIFT)),
        (b"\x1b[5~", key(KeyCode::PageUp, none)),
        (b"\x1b[15~", key(KeyCode::F(5), none)),
        (b"\x1b[[B", key(KeyCode::F(2), none)),
        (b"\x1bOR", key(KeyCode::F(3), none)),
        (b"\x1b[1;2R", key(KeyCode::F(3), KeyModifiers::SHIFT)),
        (b"\x1b[I", Incoming::Event(Event::FocusGained)),
        (b"\x1b[O", Incoming::Event(Event::FocusLost)),
        (b"\x1b[200~two\rlines \x1b[A\x1b[201~", Incoming::Event(Event::Paste("two\rlines \x1b[A".into()))),
        (b"\x1b_Gi=31;OK\x1b\\", Incoming::Reply(Reply::Kitty { id: 31, ok: true, text: "OK".into() })),
        (
            b"\x1b_Gi=7;ENOENT:gone\x1b\\",
            Incoming::Reply(Reply::Kitty { id: 7, ok: false, text: "ENOENT:gone".into() }),
        ),
        (b"\x1bP>|kitty(0.41.1)\x1b\\", Incoming::Reply(Reply::Version("kitty(0.41.1)".into()))),
        (b"\x1b[?62;4;22c", Incoming::Reply(Reply::DeviceAttributes { sixel: true, attributes: vec![62, 4, 22] })),
        (b"\x1b[?6c", Incoming::Reply(Reply::DeviceAttributes { sixel: false, attributes: vec![6] })),
        (b"\x1b[6;20;10t", Incoming::Reply(Reply::CellSize { w: 10, h: 20 })),
        (b"\x1b[4;630;980t", Incoming::Reply(Reply::WindowPixels { w: 980, h: 630 })),
        (b"\x1b]11;rgb:1010/1212/ffff\x1b\\", Incoming::Reply(Reply::Background(16, 18, 255))),
        (b"\x1b]11;rgb:f/0/8\x07", Incoming::Reply(Reply::Background(255, 0, 136))),
        (b"\x1b[?1;0;1024S", Incoming::Reply(Reply::SixelColours(1024))),
        (b"\x1b[0n", Incoming::Reply(Reply::Ready)),
        (b"\x1b[>41;379;0c", Incoming::Reply(Reply::Unknown)),
        (b"\x1b[12;40R", Incoming::Reply(Reply::Unknown)),
        (b"\x1b[?2026;2$y", Incoming::Reply(Reply::Unknown)),
    ]
}

#[test]
fn literals_whole_and_split_at_every_byte() {
    for (bytes, expected) in literals() {
        assert_eq!(decoded([bytes]), vec![expected.clone()], "{bytes:?}");
        for at in 1..bytes.len() {
            let (before, after) = bytes.split_at(at);
            assert_eq!(decoded([before, after]), vec![expected.clone()], "{bytes:?} at {at}");
        }
        let bytewise: Vec<&[u8]> = bytes.chunks(1).collect();
        assert_eq!(decoded(bytewise), [expected], "{bytes:?} byte by byte");
    }
}

#[test]
fn mouse_reports() {
    let cases: [(&[u8], MouseEventKind, (u16, u16)); 6] = [
        (b"\x1b[<0;10;5M", MouseEventKind::Down(MouseButton::Left), (9, 4)),
        (b"\x1b[<2;10;5m", MouseEventKind::Up(MouseButton::Right), (9, 4)),
        (b"\x1b[<32;300;200M", MouseEventKind::Drag(MouseButton::Left), (299, 199)),
        (b"\x1b[<64;1;1M", MouseEventKind::ScrollUp, (0, 0)),
        (b"\x1b[<65;1;1M", MouseEventKind::ScrollDown, (0, 0)),
        (b"\x1b[M !!", MouseEventKind::Down(MouseButton::Left), (0, 0)),
    ];
    for (bytes, kind, (column, row)) in cases {
        let found = decoded([bytes]);
        let [Incoming::Event(Event::Mouse(mouse))] = &found[..] else { panic!("{bytes:?}: {found:?}") };
        assert_eq!((mouse.kind, mouse.column, mouse.row), (kind, column, row), "{bytes:?}");
    }
    assert_eq!(decoded([&b"\x1b[<0;0;0M"[..]]), [Incoming::Reply(Reply::Unknown)], "places count from 1");
}

#[test]
fn a_lone_escape_is_a_key_after_a_while() {
    let mut decoder = Decoder::new();
    assert_eq!(decoder.feed(b"\x1b"), []);
    assert_eq!(decoder.idle(), [key(KeyCode::Esc, KeyModifiers::NONE)]);
    assert_eq!(decoder.feed(b"j"), [char_key('j')]);
    // Two of them are two keys.
    assert_eq!(decoder.feed(b"\x1b\x1b"), [key(KeyCode::Esc, KeyModifiers::NONE)]);
    assert_eq!(decoder.idle(), [key(KeyCode::Esc, KeyModifiers::NONE)]);
}

#[test]
fn alt_and_a_key_that_begins_sequences() {
    for (bytes, c) in [(b"\x1b[", '['), (b"\x1b]", ']'), (b"\x1b_", '_')] {
        let mut decoder = Decoder::new();
        assert_eq!(decoder.feed(bytes), []);
        assert_eq!(decoder.idle(), [key(KeyCode::Char(c), KeyModifiers::ALT)]);
        assert_eq!(decoder.feed(b"x"), [char_key('x')]);
    }
    // Typed on, before anything is idle: no key is lost.
    let found = decoded([&b"\x1bPjk"[..]]);
    let alt_p = key(KeyCode::Char('P'), KeyModifiers::ALT | KeyModifiers::SHIFT);
    assert_eq!(found, [alt_p, char_key('j'), char_key('k')]);
}

#[test]
fn a_reply_with_a_pause_after_its_escape_is_no_keys() {
    for (bytes, reply) in
        literals().into_iter().filter(|(_, one)| !is_key(one) && *one != Incoming::Reply(Reply::Unknown))
    {
        for at in 1..=2 {
            let mut decoder = Decoder::new();
            assert_eq!(decoder.feed(&bytes[..at]), []);
            assert_eq!(decoder.idle().len(), 1, "the escape cannot wait for ever");
            assert_eq!(decoder.feed(&bytes[at..]), vec![reply.clone()], "{bytes:?} at {at}");
        }
        for at in 3..bytes.len() {
            let mut decoder = Decoder::new();
            decoder.feed(&bytes[..at]);
            assert_eq!(decoder.idle(), [], "{bytes:?} at {at}");
            assert_eq!(decoder.feed(&bytes[at..]), vec![reply.clone()], "{bytes:?} at {at}");
        }
    }
}

#[test]
fn what_does_not_end_is_given_up() {
    for bytes in [&b"\x1b[?62;4"[..], b"\x1b_Gi=31;O", b"\x1b]11;rgb:", b"\xf0\x9f"] {
        let mut decoder = Decoder::new();
        let mut found = decoder.feed(bytes);
        for _ in 0..10 {
            found.extend(decoder.idle());
        }
        assert_eq!(found, [Incoming::Reply(Reply::Unknown)], "{bytes:?}");
        assert_eq!(decoder.feed(b"j"), [char_key('j')], "{bytes:?}");
    }
}

#[test]
fn an_endless_string_neither_grows_nor_becomes_keys() {
    let mut decoder = Decoder::new();
    let mut found = decoder.feed(b"\x1b_G");
    for _ in 0..1000 {
        found.extend(decoder.feed(&[b'x'; 1000]));
    }
    assert!(found.is_empty());
    assert_eq!(decoder.feed(b"\x1b\\j"), [Incoming::Reply(Reply::Unknown), char_key('j')]);
}

#[test]
fn a_paste_without_end_is_given_out_in_time() {
    let mut decoder = Decoder::new();
    assert_eq!(decoder.feed(b"\x1b[200~lost"), []);
    let found: Vec<Incoming> = (0..100).flat_map(|_| decoder.idle()).collect();
    assert_eq!(found, [Incoming::Event(Event::Paste("lost".into()))]);
    assert_eq!(decoder.feed(b"j"), [char_key('j')]);
}

proptest! {
    #[test]
    fn no_bytes_panic_and_keys_come_through_afterwards(pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..40), 0..12)) {
        let mut decoder = Decoder::new();
        for piece in &pieces {
            decoder.feed(piece);
        }
        for _ in 0..200 {
            decoder.idle();
        }
        prop_assert!(!decoder.is_waiting());
        prop_assert_eq!(decoder.feed(b"j"), [char_key('j')]);
    }

    #[test]
    fn near_sequences_do_not_panic(body in "[\\[\\]OP_<?>0-9;:~MRtcuSAZ\u{1b}\\\\]{0,24}") {
        decoded([format!("\x1b[{body}").as_bytes(), format!("\x1b{body}").as_bytes()]);
    }

    #[test]
    fn a_mixture_is_the_same_however_it_is_split(picks in prop::collection::vec(0_usize..35, 1..8), cuts in prop::collection::vec(1_usize..9, 1..40)) {
        let all = literals();
        let chosen: Vec<_> = picks.iter().filter_map(|pick| all.get(*pick)).collect();
        let bytes: Vec<u8> = chosen.iter().flat_map(|(bytes, _)| bytes.to_vec()).collect();
        let expected: Vec<Incoming> = chosen.iter().map(|(_, expected)| expected.clone()).collect();
        let mut pieces = Vec::new();
        let mut rest = &bytes[..];
        for cut in cuts {
            let (piece, after) = rest.split_at(cut.min(rest.len()));
            pieces.push(piece);
            rest = after;
        }
        pieces.push(rest);
        prop_assert_eq!(decoded(pieces), expected);
    }

    #[test]
    fn replies_between_keys_stay_replies(keys in "[a-z]{1,12}", at in 0_usize..12) {
        let at = at.min(keys.len());
        let bytes = [&keys.as_bytes()[..at], b"\x1b_Gi=31;OK\x1b\\\x1b[?62;4c", &keys.as_bytes()[at..]].concat();
        let found = decoded([&bytes[..]]);
        let typed: Vec<Incoming> = keys.chars().map(char_key).collect();
        prop_assert_eq!(found.iter().filter(|one| is_key(one)).cloned().collect::<Vec<_>>(), typed);
    }
}
