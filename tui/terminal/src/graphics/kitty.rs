//! What both kitty drivers send: pictures in pieces, by number.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::probe::through_tmux;

/// The longest piece of a picture's base64, by the protocol.
const PIECE: usize = 4096;

/// A command with a payload in pieces; the first piece carries `keys`.
pub fn command(out: &mut Vec<u8>, keys: &str, payload: &[u8], tmux: bool) {
    let text = STANDARD.encode(payload);
    let mut pieces = text.as_bytes().chunks(PIECE).peekable();
    let mut first = true;
    while let Some(piece) = pieces.next() {
        let more = u8::from(pieces.peek().is_some());
        let mut bytes = b"\x1b_G".to_vec();
        if std::mem::take(&mut first) {
            bytes.extend_from_slice(keys.as_bytes());
            bytes.push(b',');
        }
        bytes.extend_from_slice(format!("q=2,m={more};").as_bytes());
        bytes.extend_from_slice(piece);
        bytes.extend_from_slice(b"\x1b\\");
        send(out, bytes, tmux);
    }
}

/// A command without a payload.
pub fn order(out: &mut Vec<u8>, keys: &str, tmux: bool) {
    send(out, format!("\x1b_G{keys},q=2\x1b\\").into_bytes(), tmux);
}

fn send(out: &mut Vec<u8>, bytes: Vec<u8>, tmux: bool) {
    if tmux {
        out.extend(through_tmux(&bytes));
    } else {
        out.extend(bytes);
    }
}
