//! A scripted terminal: reads what a program sends, answers its questions, and knows what a person would see.
//!
//! It keeps character cells and, apart from them, the pixels of pictures: those that text erases (sixel, iTerm2) and those
//! that have places of their own (kitty).

mod cells;
mod kitty;
mod script;
mod sixel;

pub use script::Script;

use cells::Cells;
use kitty::Pictures;

use crate::input::split::{self, Cut};

/// A colour, or nothing where no picture is.
pub type Pixel = Option<[u8; 3]>;

/// The terminal.
#[derive(Debug)]
pub struct ScriptedTerminal {
    script: Script,
    columns: u16,
    rows: u16,
    cell: (u16, u16),
    cells: Cells,
    pictures: Pictures,
    /// Pixels of pictures that text erases.
    canvas: Vec<Pixel>,
    pending: Vec<u8>,
    replies: Vec<u8>,
    received: usize,
    drawn_over_text: usize,
}

impl ScriptedTerminal {
    /// A terminal of this size, with cells of this size in pixels.
    pub fn new(script: Script, columns: u16, rows: u16, cell: (u16, u16)) -> ScriptedTerminal {
        let pixels = usize::from(columns) * usize::from(cell.0) * usize::from(rows) * usize::from(cell.1);
        ScriptedTerminal {
            script,
            columns,
            rows,
            cell,
            cells: Cells::new(columns, rows),
            pictures: Pictures::default(),
            canvas: vec![None; pixels],
            pending: Vec::new(),
            replies: Vec::new(),
            received: 0,
            drawn_over_text: 0,
        }
    }

    /// Another size: all text is gone, as the program draws it again; pictures with places of their own stay.
    pub fn resize(&mut self, columns: u16, rows: u16) {
        (self.columns, self.rows) = (columns, rows);
        self.cells = Cells::new(columns, rows);
        let pixels = usize::from(columns) * usize::from(self.cell.0) * usize::from(rows) * usize::from(self.cell.1);
        self.canvas = vec![None; pixels];
    }

    /// Takes what a program sends.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.received += bytes.len();
        self.pending.extend_from_slice(bytes);
        let pending = std::mem::take(&mut self.pending);
        let mut at = 0;
        while at < pending.len() {
            let rest = &pending[at..];
            if let Some((length, inner)) = unwrapped(rest) {
                if self.script == Script::KittyInTmux {
                    self.feed_outer(&inner);
                }
                at += length;
                continue;
            }
            // Its end comes with later bytes: what is doubled within looks like ends of other sequences.
            if rest.starts_with(TMUX) {
                break;
            }
            match split::first(rest) {
                Cut::Whole(length) => {
                    self.sequence(&rest[..length]);
                    at += length;
                }
                Cut::Broken(length) => at += length,
                Cut::Partial => break,
            }
        }
        self.pending = pending[at..].to_vec();
    }

    /// What the terminal has answered since this was called last.
    pub fn replies(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.replies)
    }

    /// How many bytes came.
    pub fn received(&self) -> usize {
        self.received
    }

    /// How many pictures that text erases were drawn.
    pub fn pictures_drawn(&self) -> usize {
        self.drawn_over_text
    }

    /// How many pictures the terminal keeps by number.
    pub fn pictures_kept(&self) -> usize {
        self.pictures.kept()
    }

    /// A row's text.
    pub fn row(&self, row: u16) -> String {
        self.cells.text(row)
    }

    /// The screen in pixels, row by row: what is seen of pictures.
    pub fn pixels(&self) -> Vec<Pixel> {
        let mut seen = self.canvas.clone();
        let width = usize::from(self.columns) * usize::from(self.cell.0);
        self.pictures.paint(&self.cells, self.cell, width, &mut seen);
        seen
    }

    /// What is seen at a place: a fraction of a cell's width and height, counted from the upper left corner.
    pub fn pixel(&self, column: f32, row: f32) -> Pixel {
        let width = usize::from(self.columns) * usize::from(self.cell.0);
        let (x, y) = ((column * f32::from(self.cell.0)) as usize, (row * f32::from(self.cell.1)) as usize);
        self.pixels().get(y * width + x).copied().flatten()
    }

    /// The cells in which anything of a picture is seen: left, top, right and bottom, the last two not included.
    pub fn picture_cells(&self) -> Option<(u16, u16, u16, u16)> {
        let width = usize::from(self.columns) * usize::from(self.cell.0);
        let mut found: Option<(u16, u16, u16, u16)> = None;
        for (at, _) in self.pixels().iter().enumerate().filter(|(_, pixel)| pixel.is_some()) {
            let x = (at % width / usize::from(self.cell.0)) as u16;
            let y = (at / width / usize::from(self.cell.1)) as u16;
            let (l, t, r, b) = found.unwrap_or((x, y, x + 1, y + 1));
            found = Some((l.min(x), t.min(y), r.max(x + 1), b.max(y + 1)));
        }
        found
    }

    fn feed_outer(&mut self, inner: &[u8]) {
        match inner {
            [0x1b, b'_', b'G', body @ ..] => self.kitty(body),
            _ => self.replies.extend(self.script.outer_reply(inner)),
        }
    }

    fn sequence(&mut self, bytes: &[u8]) {
        match bytes {
            [0x1b, b'_', b'G', body @ ..] if self.script == Script::Kitty => self.kitty(body),
            [0x1b, b'P', ..] if self.script == Script::Sixel && bytes.contains(&b'q') => self.sixel(bytes),
            [0x1b, b']', b'1', b'3', b'3', b'7', b';', body @ ..] if self.script == Script::Iterm2 => self.iterm(body),
            _ => {
                let reply = self.script.reply(bytes, (self.columns, self.rows), self.cell);
                self.replies.extend(reply);
                for (column, row) in self.cells.take(bytes) {
                    self.erase(column, row);
                }
                if self.cells.was_cleared() {
                    self.canvas.fill(None);
                    self.pictures.cleared();
                }
            }
        }
    }

    fn kitty(&mut self, body: &[u8]) {
        let body = body.strip_suffix(b"\x1b\\").unwrap_or(body);
        let reply = self.pictures.command(body, self.cells.cursor());
        self.replies.extend(reply);
    }

    fn sixel(&mut self, bytes: &[u8]) {
        let Some(picture) = sixel::decode(bytes) else { return };
        assert!(picture.height % 6 == 0, "{} rows of pixels are no whole bands", picture.height);
        let (column, row) = self.cells.cursor();
        let bottom = usize::from(row) * usize::from(self.cell.1) + picture.height;
        assert!(bottom < usize::from(self.rows) * usize::from(self.cell.1), "the picture scrolls the screen");
        self.put(column, row, picture.width, picture.height, |x, y| picture.pixel(x, y));
    }

    fn iterm(&mut self, body: &[u8]) {
        let Some(file) = kitty::InlineFile::parse(body) else { return };
        let (column, row) = self.cells.cursor();
        let (width, height) = (usize::from(file.columns * self.cell.0), usize::from(file.rows * self.cell.1));
        self.put(column, row, width, height, |x, y| file.pixel(x, y, width, height));
    }

    fn put(&mut self, column: u16, row: u16, width: usize, height: usize, pixel: impl Fn(usize, usize) -> Pixel) {
        self.drawn_over_text += 1;
        let screen = usize::from(self.columns) * usize::from(self.cell.0);
        let (left, top) = (usize::from(column) * usize::from(self.cell.0), usize::from(row) * usize::from(self.cell.1));
        for y in 0..height {
            for x in 0..width.min(screen.saturating_sub(left)) {
                if let (Some(place), Some(colour)) = (self.canvas.get_mut((top + y) * screen + left + x), pixel(x, y)) {
                    *place = Some(colour);
                }
            }
        }
    }

    /// Text erases what is under it.
    fn erase(&mut self, column: u16, row: u16) {
        let screen = usize::from(self.columns) * usize::from(self.cell.0);
        let left = usize::from(column) * usize::from(self.cell.0);
        for y in 0..usize::from(self.cell.1) {
            let start = (usize::from(row) * usize::from(self.cell.1) + y) * screen + left;
            if let Some(line) = self.canvas.get_mut(start..start + usize::from(self.cell.0)) {
                line.fill(None);
            }
        }
    }
}

/// How a sequence begins that tmux hands on.
const TMUX: &[u8] = b"\x1bPtmux;";

/// A sequence that tmux hands on: its length, and what is in it.
fn unwrapped(bytes: &[u8]) -> Option<(usize, Vec<u8>)> {
    let body = bytes.strip_prefix(TMUX)?;
    let mut inner = Vec::new();
    let mut at = 0;
    while at + 1 < body.len() {
        match body[at..] {
            [0x1b, 0x1b, ..] => {
                inner.push(0x1b);
                at += 2;
            }
            [0x1b, b'\\', ..] => return Some((7 + at + 2, inner)),
            [byte, ..] => {
                inner.push(byte);
                at += 1;
            }
            [] => break,
        }
    }
    None
}
