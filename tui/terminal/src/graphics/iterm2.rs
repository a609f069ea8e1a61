//! iTerm2's pictures, which WezTerm draws too: a file in base64, stretched over character cells.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use ratatui::layout::Rect;

use super::encoder::{Job, Made};
use super::inline::{Format, Inline};
use super::painter::{Driver, Placed};
use super::{compose, picture_file};
use crate::probe::through_tmux;

/// A PNG file larger than this is sent as JPEG, where that is smaller.
const LARGE: usize = 150_000;

/// The driver; `tmux` where sequences have to be handed through it.
pub fn driver(tmux: bool, wake: Arc<dyn Fn() + Send + Sync>) -> Box<dyn Driver> {
    Box::new(Inline::new(Iterm2 { tmux }, wake))
}

struct Iterm2 {
    tmux: bool,
}

impl Format for Iterm2 {
    fn size(&self, placed: &Placed, _screen: Rect) -> (u32, u32) {
        placed.pixels_worth_sending()
    }

    fn encode(&self) -> Box<dyn Fn(&Job) -> Made + Send> {
        Box::new(|job| {
            let (w, h) = job.key.size;
            let pixels = job.base.as_deref().map(|base| compose::composed(base, job.overlay.as_deref(), w, h));
            Made::Bytes(pixels.map_or_else(Vec::new, |pixels| file(&pixels)))
        })
    }

    fn draw(&self, file: &[u8], rect: Rect, out: &mut Vec<u8>) {
        let bytes = sequence(file, rect.width, rect.height);
        out.extend(if self.tmux { through_tmux(&bytes) } else { bytes });
    }
}

/// A picture as a file: PNG, or JPEG where that is much smaller.
pub fn file(pixels: &compose::Pixels) -> Vec<u8> {
    let png = picture_file::png(pixels);
    if png.len() <= LARGE {
        return png;
    }
    picture_file::jpeg(pixels).filter(|jpeg| jpeg.len() < png.len()).unwrap_or(png)
}

/// The sequence that draws a file at the cursor, over this many columns and rows.
pub fn sequence(file: &[u8], columns: u16, rows: u16) -> Vec<u8> {
    let size = file.len();
    let keys = format!("size={size};inline=1;width={columns};height={rows};preserveAspectRatio=0;doNotMoveCursor=1");
    format!("\x1b]1337;File={keys}:{}\x07", STANDARD.encode(file)).into_bytes()
}
