//! Bytes to events and replies, whatever way the bytes are split over reads.
//!
//! A sequence that does not end is given up after a while: what can only be a reply is dropped, what may have been typed
//! (Alt and a key look like the beginning of a sequence) is given out as keys.

use crossterm::event::Event;

use super::split::{self, Cut};
use super::{Incoming, Reply, mouse, reply};

/// The longest sequence that is waited for, in bytes; pastes have their own limit.
pub(super) const LONGEST: usize = 4096;
/// The longest piece of a paste that is collected before it is given out.
const LONGEST_PASTE: usize = 1 << 20;
/// How often `idle` is called, without a byte in between, before an unfinished reply or key is given up (some 300 ms).
const PATIENCE: u32 = 10;
/// The same for a paste (some 3 s): what follows a paste that is given up would be taken for keys.
const PASTE_PATIENCE: u32 = 100;

const PASTE_BEGINS: &[u8] = b"\x1b[200~";
const PASTE_ENDS: &[u8] = b"\x1b[201~";

/// Turns the bytes of a terminal into events and replies.
#[derive(Debug, Default)]
pub struct Decoder {
    pending: Vec<u8>,
    paste: Option<Vec<u8>>,
    /// How often `idle` was called since the last byte.
    idles: u32,
    /// The pending control string was too long; the rest of it is skipped.
    skipping: bool,
    /// What the last `idle` gave out as a key, in case the rest of a reply follows after all.
    released: Vec<u8>,
}

impl Decoder {
    /// A decoder that has seen nothing.
    pub fn new() -> Decoder {
        Decoder::default()
    }

    /// Takes bytes, and gives what is whole.
    pub fn feed(&mut self, bytes: &[u8]) -> Vec<Incoming> {
        let mut found = Vec::new();
        if bytes.is_empty() {
            return found;
        }
        self.idles = 0;
        self.pending.extend_from_slice(bytes);
        self.resume_reply(&mut found);
        self.drain(&mut found);
        found
    }

    /// To be called some 30 ms after the last byte, and again every 30 ms for as long as [`is_waiting`](Self::is_waiting):
    /// a lone ESC is the Esc key, and what does not end is given up in time.
    pub fn idle(&mut self) -> Vec<Incoming> {
        let mut found = Vec::new();
        if !self.is_waiting() {
            return found;
        }
        self.idles += 1;
        if self.paste.is_some() {
            if self.idles >= PASTE_PATIENCE {
                self.pending.clear();
                self.end_paste(&mut found);
            }
        } else if !self.skipping && matches!(self.pending[..], [0x1b] | [0x1b, b'[' | b'O' | b'P' | b']' | b'_']) {
            self.released = std::mem::take(&mut self.pending);
            found.push(typed(&self.released));
        } else if self.idles >= PATIENCE {
            self.give_up(&mut found);
        }
        found
    }

    /// Something is unfinished, so that [`idle`](Self::idle) is to be called.
    pub fn is_waiting(&self) -> bool {
        !self.pending.is_empty() || self.paste.is_some()
    }

    /// A pause inside the first bytes of a reply made keys of these; its rest, which is unmistakable, is not keys too.
    fn resume_reply(&mut self, found: &mut Vec<Incoming>) {
        let released = std::mem::take(&mut self.released);
        if released.is_empty() {
            return;
        }
        let whole = [&released[..], &self.pending[..]].concat();
        if let Cut::Whole(length) = split::first(&whole)
            && length > released.len()
            && let Some(reply) = reply::parse(&whole[..length]).filter(|reply| *reply != Reply::Unknown)
        {
            found.push(Incoming::Reply(reply));
            self.pending.drain(..length - released.len());
        }
    }

    fn drain(&mut self, found: &mut Vec<Incoming>) {
        let mut at = 0;
        while at < self.pending.len() {
            if self.paste.is_some() {
                self.pending.drain(..at);
                at = 0;
                if !self.collect_paste(found) {
                    return;
                }
                continue;
            }
            match split::first(&self.pending[at..]) {
                Cut::Whole(length) => {
                    let sequence = &self.pending[at..at + length];
                    at += length;
                    if std::mem::take(&mut self.skipping) {
                        found.push(Incoming::Reply(Reply::Unknown));
                    } else if sequence == PASTE_BEGINS {
                        self.paste = Some(Vec::new());
                    } else {
                        found.push(typed(sequence));
                    }
                }
                Cut::Broken(length) => {
                    self.skipping = false;
                    found.push(Incoming::Reply(Reply::Unknown));
                    at += length;
                }
                Cut::Partial => break,
            }
        }
        self.pending.drain(..at);
        if self.pending.len() > LONGEST {
            // Only a control string can be this long. Its introducer stays, so that its end is still known for one; so
            // does an ESC that may begin the end.
            let ends = self.pending.ends_with(b"\x1b");
            self.pending.truncate(2);
            self.pending.extend(ends.then_some(0x1b));
            self.skipping = true;
        }
    }

    /// Moves pasted bytes over; whether the paste has ended.
    fn collect_paste(&mut self, found: &mut Vec<Incoming>) -> bool {
        let Some(paste) = &mut self.paste else { return true };
        if let Some(end) = self.pending.windows(PASTE_ENDS.len()).position(|window| window == PASTE_ENDS) {
            paste.extend(self.pending.drain(..end));
            self.pending.drain(..PASTE_ENDS.len());
            self.end_paste(found);
            return true;
        }
        // The last bytes may be the beginning of the end.
        let unsure = (1..PASTE_ENDS.len()).rev().find(|length| self.pending.ends_with(&PASTE_ENDS[..*length]));
        let sure = self.pending.len() - unsure.unwrap_or(0);
        paste.extend(self.pending.drain(..sure));
        if paste.len() > LONGEST_PASTE {
            let piece = std::mem::take(paste);
            found.push(pasted(&piece));
        }
        false
    }

    fn end_paste(&mut self, found: &mut Vec<Incoming>) {
        if let Some(paste) = self.paste.take()
            && !paste.is_empty()
        {
            found.push(pasted(&paste));
        }
    }

    fn give_up(&mut self, found: &mut Vec<Incoming>) {
        let bytes = std::mem::take(&mut self.pending);
        let skipped = std::mem::take(&mut self.skipping);
        match bytes[..] {
            [0x1b, introducer @ (b'P' | b']' | b'_'), first, ..] if !skipped && !begins_reply(introducer, first) => {
                found.push(typed(&bytes[..2]));
                self.pending = bytes[2..].to_vec();
                self.drain(found);
            }
            _ => found.push(Incoming::Reply(Reply::Unknown)),
        }
    }
}

/// Whether a control string with this introducer and this first byte can be from a terminal. People type letters.
fn begins_reply(introducer: u8, first: u8) -> bool {
    match introducer {
        b'_' => first == b'G',
        b']' => first.is_ascii_digit() || matches!(first, b'l' | b'L'),
        _ => first.is_ascii_digit() || matches!(first, b'>' | b'!' | b'?' | b'$' | b'='),
    }
}

/// What a whole sequence says.
fn typed(sequence: &[u8]) -> Incoming {
    // The beginnings of sequences are here only when nothing followed them: Alt and a key.
    if let [0x1b, key @ (b'[' | b'O' | b'P' | b']' | b'_')] = sequence {
        let modifiers = match key {
            b'O' | b'P' => crossterm::event::KeyModifiers::ALT | crossterm::event::KeyModifiers::SHIFT,
            _ => crossterm::event::KeyModifiers::ALT,
        };
        let code = crossterm::event::KeyCode::Char(char::from(*key));
        return Incoming::Event(Event::Key(crossterm::event::KeyEvent::new(code, modifiers)));
    }
    if let Some(event) = mouse::parse(sequence) {
        return event.map_or(Incoming::Reply(Reply::Unknown), Incoming::Event);
    }
    if let Some(reply) = reply::parse(sequence) {
        return Incoming::Reply(reply);
    }
    let event = terminput::Event::parse_from(sequence).ok().flatten();
    match event.and_then(|event| terminput_crossterm::to_crossterm(event).ok()) {
        Some(event) => Incoming::Event(event),
        None => Incoming::Reply(Reply::Unknown),
    }
}

fn pasted(bytes: &[u8]) -> Incoming {
    Incoming::Event(Event::Paste(String::from_utf8_lossy(bytes).into_owned()))
}
