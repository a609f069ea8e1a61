//! Two pixels in each character cell: the upper half of the cell in the character's colour, the lower behind it.
//!
//! With 16 colours the error of each pixel is spread over its neighbours; without colours the pixels are black or white,
//! spread in the same way.

use std::sync::Arc;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Color;

use super::Colours;
use super::cells::{self, Block};
use super::compose::{self, Pixels};
use super::encoder::{Encoder, Job, Key, Made};
use super::painter::{Driver, Outgoing, Placed};
use super::palette;

/// Draws with half-blocks.
pub struct HalfBlocks {
    encoder: Encoder,
    /// What was drawn last, and where.
    drawn: Vec<(Rect, Key)>,
    settled: bool,
}

impl HalfBlocks {
    /// A driver for a terminal with these colours.
    pub fn new(colours: Colours, wake: Arc<dyn Fn() + Send + Sync>) -> HalfBlocks {
        let encode = move |job: &Job| {
            let (columns, rows) = job.key.size;
            let pixels =
                job.base.as_deref().map(|base| compose::composed(base, job.overlay.as_deref(), columns, 2 * rows));
            Made::Blocks(pixels.map_or_else(Vec::new, |pixels| blocks(&pixels, colours)))
        };
        HalfBlocks { encoder: Encoder::start(encode, wake), drawn: Vec::new(), settled: true }
    }
}

impl Driver for HalfBlocks {
    fn draw(&mut self, placed: &[Placed], buffer: &mut Buffer) {
        self.encoder.want(placed.iter().map(|one| one.job((u32::from(one.rect.width), u32::from(one.rect.height)))));
        let mut drawn = Vec::new();
        self.settled = true;
        for one in placed {
            let key = one.job((u32::from(one.rect.width), u32::from(one.rect.height))).key;
            let mut found = self.encoder.get(&key).map(|made| (key, made));
            if found.is_none() {
                self.settled = false;
                // Another overlay of the same picture stays until the new one is there: no flicker from map to map.
                let before = self.drawn.iter().find(|(rect, other)| *rect == one.rect && other.base == key.base);
                found = before.and_then(|(_, other)| Some((*other, self.encoder.get(other)?)));
            }
            cells::blank(buffer, one.rect);
            if let Some((key, made)) = found
                && let Made::Blocks(blocks) = &*made
            {
                cells::put(buffer, one.rect, blocks);
                drawn.push((one.rect, key));
            }
        }
        self.drawn = drawn;
    }

    fn flush(&mut self, _out: &mut Outgoing) {}

    fn forget(&mut self) {}

    fn clear(&mut self, _out: &mut Outgoing) {
        self.drawn.clear();
    }

    fn is_settled(&self) -> bool {
        self.settled
    }
}

/// Pixels as blocks; the height is even.
pub fn blocks(pixels: &Pixels, colours: Colours) -> Vec<Block> {
    let width = pixels.width as usize;
    let points = palette::colours(pixels, colours);
    let mut blocks = Vec::with_capacity(points.len() / 2);
    for pair in points.chunks_exact(2 * width.max(1)) {
        for (upper, lower) in pair[..width].iter().zip(&pair[width..]) {
            blocks.push(match colours {
                Colours::NoColour => plain(*upper != Color::Black, *lower != Color::Black),
                _ => Block { symbol: '▀', fg: *upper, bg: *lower },
            });
        }
    }
    blocks
}

/// A cell without colours: light where the picture is.
fn plain(upper: bool, lower: bool) -> Block {
    let symbol = match (upper, lower) {
        (true, true) => '█',
        (true, false) => '▀',
        (false, true) => '▄',
        (false, false) => ' ',
    };
    Block { symbol, fg: Color::Reset, bg: Color::Reset }
}
