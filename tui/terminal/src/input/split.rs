//! Cuts a stream of terminal bytes into whole sequences.

use super::decoder::LONGEST;

/// The first thing in some bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// A whole sequence of this many bytes.
    Whole(usize),
    /// The beginning of one; more bytes decide.
    Partial,
    /// This many bytes that are no sequence at all.
    Broken(usize),
}

const ESC: u8 = 0x1b;
const BEL: u8 = 0x07;
const CAN: u8 = 0x18;
const SUB: u8 = 0x1a;

/// Cuts off the first sequence of `bytes`, which are not empty.
pub fn first(bytes: &[u8]) -> Cut {
    match bytes {
        [] | [ESC] => Cut::Partial,
        [ESC, b'[', rest @ ..] => control(rest),
        [ESC, b'O', rest @ ..] => match rest.first() {
            None => Cut::Partial,
            Some(0x20..=0x7e) => Cut::Whole(3),
            Some(_) => Cut::Whole(2),
        },
        [ESC, b'P' | b'_', rest @ ..] => string(rest, false),
        [ESC, b']', rest @ ..] => string(rest, true),
        // Two escapes: the first is the key by itself.
        [ESC, ESC, ..] => Cut::Whole(1),
        [ESC, rest @ ..] => match character(rest) {
            Cut::Whole(n) => Cut::Whole(n + 1),
            Cut::Broken(n) => Cut::Broken(n + 1),
            Cut::Partial => Cut::Partial,
        },
        _ => character(bytes),
    }
}

/// The bytes after `ESC [`: parameters, then one final byte.
fn control(rest: &[u8]) -> Cut {
    match rest {
        // Function keys of the Linux console: ESC [ [ A.
        [b'[', _, ..] => return Cut::Whole(4),
        // A mouse report from before SGR mode carries three bytes after its end.
        [b'M', tail @ ..] => return if tail.len() < 3 { Cut::Partial } else { Cut::Whole(6) },
        _ => {}
    }
    if rest == b"[" {
        return Cut::Partial;
    }
    match rest.iter().position(|byte| !(0x20..=0x3f).contains(byte)) {
        Some(at) if (0x40..=0x7e).contains(&rest[at]) => Cut::Whole(at + 3),
        Some(at) => Cut::Broken(at + 2),
        None if rest.len() > LONGEST => Cut::Broken(rest.len() + 2),
        None => Cut::Partial,
    }
}

/// The bytes after the introducer of a control string: until its terminator, ESC \ (or BEL, for an OSC).
fn string(rest: &[u8], bell_ends: bool) -> Cut {
    for (at, byte) in rest.iter().enumerate() {
        match *byte {
            ESC => {
                return match rest.get(at + 1) {
                    None => Cut::Partial,
                    Some(b'\\') => Cut::Whole(at + 4),
                    Some(_) => Cut::Broken(at + 2),
                };
            }
            BEL if bell_ends => return Cut::Whole(at + 3),
            CAN | SUB => return Cut::Broken(at + 3),
            _ => {}
        }
    }
    Cut::Partial
}

/// One character in UTF-8.
fn character(bytes: &[u8]) -> Cut {
    let Some(&lead) = bytes.first() else { return Cut::Partial };
    let length = match lead {
        0x00..=0x7f => return Cut::Whole(1),
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf4 => 4,
        _ => return Cut::Broken(1),
    };
    let have = &bytes[..bytes.len().min(length)];
    match std::str::from_utf8(have) {
        Ok(_) => Cut::Whole(length),
        Err(error) if error.error_len().is_none() => Cut::Partial,
        Err(_) => Cut::Broken(1),
    }
}
