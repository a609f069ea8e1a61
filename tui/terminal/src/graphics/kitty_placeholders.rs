//! kitty graphics at the place of characters: the cells hold U+10EEEE with marks for row and column, and their colour is
//! the picture's number. tmux moves such cells as it moves text, so pictures stay where they belong.
//!
//! Picture and overlay are composed here. The cells are drawn after the picture was sent, in the next frame.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Style};

use super::encoder::{Encoder, Job, Key, Made};
use super::kitty;
use super::pace::Pace;
use super::painter::{Driver, Outgoing, Placed};
use super::{cells, compose, leftovers, picture_file};

/// Numbers of pictures: one of the 256 colours (which multiplexers never change) in the low byte, and a third mark that
/// says the high byte.
const HIGH_BYTE: u8 = 0x4c;
const NUMBERS: std::ops::RangeInclusive<u8> = 16..=255;
/// How many pictures the terminal keeps for this program.
const KEPT: usize = 24;

/// Combining marks by number, as ranges of first and count: the table of kitty's protocol.
const MARKS: [(u32, u32); 86] = [
    (0x305, 1),
    (0x30d, 2),
    (0x310, 1),
    (0x312, 1),
    (0x33d, 3),
    (0x346, 1),
    (0x34a, 3),
    (0x350, 3),
    (0x357, 1),
    (0x35b, 1),
    (0x363, 13),
    (0x483, 5),
    (0x592, 4),
    (0x597, 3),
    (0x59c, 6),
    (0x5a8, 2),
    (0x5ab, 2),
    (0x5af, 1),
    (0x5c4, 1),
    (0x610, 8),
    (0x657, 5),
    (0x65d, 2),
    (0x6d6, 7),
    (0x6df, 4),
    (0x6e4, 1),
    (0x6e7, 2),
    (0x6eb, 2),
    (0x730, 1),
    (0x732, 2),
    (0x735, 2),
    (0x73a, 1),
    (0x73d, 1),
    (0x73f, 3),
    (0x743, 1),
    (0x745, 1),
    (0x747, 1),
    (0x749, 2),
    (0x7eb, 7),
    (0x7f3, 1),
    (0x816, 4),
    (0x81b, 9),
    (0x825, 3),
    (0x829, 5),
    (0x951, 1),
    (0x953, 2),
    (0xf82, 2),
    (0xf86, 2),
    (0x135d, 3),
    (0x17dd, 1),
    (0x193a, 1),
    (0x1a17, 1),
    (0x1a75, 8),
    (0x1b6b, 1),
    (0x1b6d, 7),
    (0x1cd0, 3),
    (0x1cda, 2),
    (0x1ce0, 1),
    (0x1dc0, 2),
    (0x1dc3, 7),
    (0x1dcb, 2),
    (0x1dd1, 22),
    (0x1dfe, 1),
    (0x20d0, 2),
    (0x20d4, 4),
    (0x20db, 2),
    (0x20e1, 1),
    (0x20e7, 1),
    (0x20e9, 1),
    (0x20f0, 1),
    (0x2cef, 3),
    (0x2de0, 32),
    (0xa66f, 1),
    (0xa67c, 2),
    (0xa6f0, 2),
    (0xa8e0, 18),
    (0xaab0, 1),
    (0xaab2, 2),
    (0xaab7, 2),
    (0xaabe, 2),
    (0xaac1, 1),
    (0xfe20, 7),
    (0x10a0f, 1),
    (0x10a38, 1),
    (0x1d185, 5),
    (0x1d1aa, 4),
    (0x1d242, 3),
];

/// A picture that the terminal has.
#[derive(Debug, Clone, Copy)]
struct Upload {
    key: Key,
    rect_size: (u16, u16),
    used: u64,
}

/// The driver.
pub struct KittyPlaceholders {
    encoder: Encoder,
    tmux: bool,
    wanted: Vec<(Rect, Key)>,
    /// What the cells of the last frame show, by place and number.
    seen: Vec<(Rect, u8)>,
    uploads: BTreeMap<u8, Upload>,
    stale: Vec<u8>,
    /// The next frame may clear the screen, with which kitty frees what was sent ahead of it.
    may_clear: bool,
    frames: u64,
    pace: Pace,
    settled: bool,
}

impl KittyPlaceholders {
    /// A driver; `tmux` where sequences have to be handed through it.
    pub fn new(tmux: bool, wake: Arc<dyn Fn() + Send + Sync>) -> KittyPlaceholders {
        let encode = |job: &Job| {
            let (w, h) = job.key.size;
            let pixels = job.base.as_deref().map(|base| compose::composed(base, job.overlay.as_deref(), w, h));
            Made::Bytes(pixels.map_or_else(Vec::new, |pixels| picture_file::png(&pixels)))
        };
        KittyPlaceholders {
            encoder: Encoder::start(encode, wake),
            tmux,
            wanted: Vec::new(),
            seen: Vec::new(),
            uploads: BTreeMap::new(),
            stale: Vec::new(),
            may_clear: false,
            frames: 0,
            pace: Pace::new(Instant::now()),
            settled: true,
        }
    }

    /// The number of a picture that the terminal has for a rectangle of this size.
    fn number(&self, key: &Key, rect: Rect) -> Option<u8> {
        let size = (rect.width, rect.height);
        self.uploads
            .iter()
            .find(|(_, upload)| upload.key == *key && upload.rect_size == size)
            .map(|(number, _)| *number)
    }

    fn upload(&mut self, rect: Rect, key: Key, out: &mut Vec<u8>) {
        let Some(made) = self.encoder.get(&key) else { return };
        let Made::Bytes(file) = &*made else { return };
        if let Err(wait) = self.pace.may_send(file.len(), Instant::now()) {
            self.encoder.wake_in(wait);
            return;
        }
        let Some(number) = NUMBERS.into_iter().find(|number| !self.uploads.contains_key(number)) else { return };
        let (id, c, r) = (id(number), rect.width, rect.height);
        kitty::command(out, &format!("a=T,U=1,f=100,i={id},c={c},r={r}"), file, self.tmux);
        leftovers::sent(id, self.tmux);
        self.uploads.insert(number, Upload { key, rect_size: (c, r), used: self.frames });
        // The cells follow in the next frame.
        self.encoder.wake_in(Duration::ZERO);
    }

    fn delete(&self, number: u8, out: &mut Vec<u8>) {
        out.extend(leftovers::deletion(id(number), self.tmux));
        leftovers::deleted(id(number));
    }
}

impl Driver for KittyPlaceholders {
    fn draw(&mut self, placed: &[Placed], buffer: &mut Buffer) {
        self.frames += 1;
        self.settled = true;
        let jobs: Vec<Job> = placed.iter().map(|one| one.job(one.pixels_worth_sending())).collect();
        let wanted: Vec<(Rect, Key)> = placed.iter().zip(&jobs).map(|(one, job)| (one.rect, job.key)).collect();
        let mut seen = Vec::new();
        for (rect, key) in &wanted {
            let mut number = self.number(key, *rect);
            if number.is_none() {
                self.settled = false;
                // Another overlay of the same picture stays until the new one is there.
                let same = |number: &u8| self.uploads.get(number).is_some_and(|upload| upload.key.base == key.base);
                number = self.seen.iter().find(|(at, number)| at == rect && same(number)).map(|(_, number)| *number);
            }
            cells::blank(buffer, *rect);
            if let Some(number) = number {
                put(buffer, *rect, number);
                seen.push((*rect, number));
                if let Some(upload) = self.uploads.get_mut(&number) {
                    upload.used = self.frames;
                }
            }
        }
        let unsent = jobs.into_iter().zip(&wanted).filter(|(_, (rect, key))| self.number(key, *rect).is_none());
        self.encoder.want(unsent.map(|(job, _)| job).collect::<Vec<_>>());
        if wanted != self.wanted {
            self.pace.change(Instant::now());
        }
        self.wanted = wanted;
        self.seen = seen;
    }

    fn flush(&mut self, out: &mut Outgoing) {
        for number in std::mem::take(&mut self.stale) {
            self.delete(number, &mut out.shown);
        }
        if std::mem::take(&mut self.may_clear) {
            self.encoder.wake_in(Duration::ZERO);
            return;
        }
        let out = &mut out.ahead;
        for (rect, key) in self.wanted.clone() {
            if self.number(&key, rect).is_none() {
                self.upload(rect, key, out);
            }
        }
        while self.uploads.len() > KEPT {
            let hidden = self.uploads.iter().filter(|(_, upload)| upload.used < self.frames);
            let Some(number) = hidden.min_by_key(|(_, upload)| upload.used).map(|(number, _)| *number) else { break };
            self.uploads.remove(&number);
            self.delete(number, out);
        }
    }

    fn forget(&mut self) {
        self.stale.extend(std::mem::take(&mut self.uploads).into_keys());
        self.seen.clear();
        self.may_clear = true;
        self.settled = false;
    }

    fn clear(&mut self, out: &mut Outgoing) {
        self.forget();
        self.wanted.clear();
        self.flush(out);
        self.settled = true;
    }

    fn is_settled(&self) -> bool {
        self.settled
    }
}

fn id(number: u8) -> u32 {
    u32::from(HIGH_BYTE) << 24 | u32::from(number)
}

/// The combining mark that says a number; the table has 297.
fn mark(number: u16) -> Option<char> {
    let mut left = u32::from(number);
    for (first, count) in MARKS {
        if left < count {
            return char::from_u32(first + left);
        }
        left -= count;
    }
    None
}

/// A picture file as lines of text at the cursor. `moment` makes its number differ from those of other pictures, which
/// stay on the terminal after the program has ended.
pub fn lines(file: &[u8], (columns, rows): (u16, u16), moment: u32, tmux: bool) -> Vec<u8> {
    let number = NUMBERS.start() + (moment % u32::from(NUMBERS.end() - NUMBERS.start())) as u8;
    let high = 1 + (moment >> 8) as u16 % 250;
    let id = u32::from(high) << 24 | u32::from(number);
    let mut bytes = Vec::new();
    kitty::command(&mut bytes, &format!("a=T,U=1,f=100,i={id},c={columns},r={rows}"), file, tmux);
    for row in 0..rows {
        let line: String = (0..columns).filter_map(|column| placeholder(row, column, high)).collect();
        let end = if row + 1 < rows { "\r\n" } else { "" };
        bytes.extend_from_slice(format!("\x1b[38;5;{number}m{line}\x1b[39m{end}").as_bytes());
    }
    bytes
}

/// The characters that stand for a cell of a picture.
fn placeholder(row: u16, column: u16, high: u16) -> Option<String> {
    Some(['\u{10EEEE}', mark(row)?, mark(column)?, mark(high)?].into_iter().collect())
}

fn put(buffer: &mut Buffer, rect: Rect, number: u8) {
    for place in rect.positions() {
        let symbol = placeholder(place.y - rect.y, place.x - rect.x, u16::from(HIGH_BYTE));
        if let (Some(cell), Some(symbol)) = (buffer.cell_mut(place), symbol) {
            cell.set_symbol(&symbol).set_style(Style::new().fg(Color::Indexed(number)));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_are_those_of_the_protocol() {
        let expected = [(0, 0x305), (1, 0x30d), (2, 0x30e), (12, 0x350), (76, 0x6df), (296, 0x1d244)];
        for (number, mark_) in expected {
            assert_eq!(mark(number).map(u32::from), Some(mark_), "{number}");
        }
        assert_eq!(mark(297), None);
    }
}
