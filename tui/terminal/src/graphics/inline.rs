//! Pictures that are drawn over character cells, and that text written later erases: sixel and iTerm2.
//!
//! The cells under a picture are blank in a colour that cannot be seen but differs from picture to picture. So ratatui
//! finds them changed when a picture goes or another comes, and redraws them, which erases the old picture; and it leaves
//! them alone for as long as the picture stays.

use std::sync::Arc;
use std::time::Instant;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Color, Style};

use super::cells;
use super::encoder::{Encoder, Job, Key, Made};
use super::pace::Pace;
use super::painter::{Driver, Outgoing, Placed};

/// What differs between the two protocols.
pub trait Format: Send + 'static {
    /// The size in pixels that a picture is made for.
    fn size(&self, placed: &Placed, screen: Rect) -> (u32, u32);
    /// The encoder of this format, which works on another thread.
    fn encode(&self) -> Box<dyn Fn(&Job) -> Made + Send>;
    /// Adds what draws an encoded picture at the cursor.
    fn draw(&self, made: &[u8], rect: Rect, out: &mut Vec<u8>);
    /// The most pixels of a picture, each way.
    fn most_pixels(&self) -> Option<u32> {
        None
    }
}

/// A picture on the screen.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Seen {
    rect: Rect,
    key: Key,
    /// The colour of the blank cells under it.
    colour: u8,
}

/// The driver.
pub struct Inline<F> {
    format: F,
    encoder: Encoder,
    wanted: Vec<(Rect, Key)>,
    seen: Vec<Seen>,
    /// To be sent by the next flush.
    unsent: Vec<(Rect, Arc<Made>)>,
    colours: u8,
    pace: Pace,
    settled: bool,
}

impl<F: Format> Inline<F> {
    /// A driver for this format.
    pub fn new(format: F, wake: Arc<dyn Fn() + Send + Sync>) -> Inline<F> {
        let encoder = Encoder::start(format.encode(), wake);
        let pace = Pace::new(Instant::now());
        Inline {
            format,
            encoder,
            wanted: Vec::new(),
            seen: Vec::new(),
            unsent: Vec::new(),
            colours: 0,
            pace,
            settled: true,
        }
    }

    /// What is seen at a place in this frame; where it is new, it is to be sent.
    fn see(&mut self, rect: Rect, key: Key) -> Option<Seen> {
        let before = self.seen.iter().find(|seen| seen.rect == rect).copied();
        if let Some(same) = before.filter(|before| before.key == key) {
            return Some(same);
        }
        let made = self.encoder.get(&key).filter(|made| self.may_send(made));
        let Some(made) = made else {
            self.settled = false;
            // Another overlay of the same picture stays until the new one is there.
            return before.filter(|before| before.key.base == key.base);
        };
        self.unsent.push((rect, made));
        // A picture that covers exactly the old one erases it without blank cells in between.
        let colour = before.map_or_else(|| self.next_colour(), |before| before.colour);
        Some(Seen { rect, key, colour })
    }

    fn may_send(&mut self, made: &Made) -> bool {
        let Made::Bytes(bytes) = made else { return false };
        match self.pace.may_send(bytes.len(), Instant::now()) {
            Ok(()) => true,
            Err(wait) => {
                self.encoder.wake_in(wait);
                false
            }
        }
    }

    /// One of the colours 16 to 255, in turn.
    fn next_colour(&mut self) -> u8 {
        self.colours = (self.colours + 1) % 240;
        16 + self.colours
    }
}

impl<F: Format> Driver for Inline<F> {
    fn draw(&mut self, placed: &[Placed], buffer: &mut Buffer) {
        let jobs: Vec<Job> = placed.iter().map(|one| one.job(self.format.size(one, buffer.area))).collect();
        let wanted: Vec<(Rect, Key)> = placed.iter().zip(&jobs).map(|(one, job)| (one.rect, job.key)).collect();
        if wanted != self.wanted {
            self.pace.change(Instant::now());
        }
        self.encoder.want(jobs);
        // What was not sent, because no flush came, is not on the screen.
        for (rect, _) in std::mem::take(&mut self.unsent) {
            self.seen.retain(|seen| seen.rect != rect);
        }
        self.settled = true;
        let mut now = Vec::new();
        for (rect, key) in &wanted {
            cells::blank(buffer, *rect);
            let Some(seen) = self.see(*rect, *key) else { continue };
            for place in rect.positions() {
                if let Some(cell) = buffer.cell_mut(place) {
                    cell.set_style(Style::new().fg(Color::Indexed(seen.colour)));
                }
            }
            now.push(seen);
        }
        self.wanted = wanted;
        self.seen = now;
    }

    fn flush(&mut self, out: &mut Outgoing) {
        if self.unsent.is_empty() {
            return;
        }
        let out = &mut out.shown;
        out.extend_from_slice(b"\x1b7");
        for (rect, made) in std::mem::take(&mut self.unsent) {
            let Made::Bytes(bytes) = &*made else { continue };
            let (row, column) = (u32::from(rect.y) + 1, u32::from(rect.x) + 1);
            out.extend_from_slice(format!("\x1b[{row};{column}H").as_bytes());
            self.format.draw(bytes, rect, out);
        }
        out.extend_from_slice(b"\x1b8");
    }

    fn forget(&mut self) {
        self.seen.clear();
        self.unsent.clear();
        self.settled = false;
    }

    fn clear(&mut self, out: &mut Outgoing) {
        let out = &mut out.shown;
        // Text erases them: blank lines over each, since no frame may follow.
        out.extend_from_slice(b"\x1b7\x1b[m");
        for seen in &self.seen {
            for y in seen.rect.top()..seen.rect.bottom() {
                let (row, column) = (u32::from(y) + 1, u32::from(seen.rect.x) + 1);
                out.extend_from_slice(format!("\x1b[{row};{column}H\x1b[{}X", seen.rect.width).as_bytes());
            }
        }
        out.extend_from_slice(b"\x1b8");
        self.forget();
        self.wanted.clear();
        self.settled = true;
    }

    fn is_settled(&self) -> bool {
        self.settled && self.unsent.is_empty()
    }

    fn most_pixels(&self) -> Option<u32> {
        self.format.most_pixels()
    }
}
