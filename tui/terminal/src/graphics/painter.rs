//! The painter: what is to be seen, handed to the driver of this terminal.

use std::io::{self, Write as _};
use std::sync::Arc;

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;

use super::encoder::{Job, Key};
use super::fit;
use super::half_blocks::HalfBlocks;
use super::kitty_layered::KittyLayered;
use super::kitty_placeholders::KittyPlaceholders;
use super::none::NoPictures;
use super::{Graphics, Protocol, Shown, iterm2, sixel};
use crate::probe::WindowSize;
use crate::screen::Writer;

/// A picture at its place.
#[derive(Debug, Clone)]
pub(super) struct Placed {
    pub shown: Shown,
    /// The cells that it covers.
    pub rect: Rect,
    /// Their size in pixels.
    pub pixels: (u32, u32),
}

/// What a driver has to send.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    /// Data of pictures, which shows nothing by itself.
    pub ahead: Vec<u8>,
    /// What follows the frame's text.
    pub shown: Vec<u8>,
}

impl Outgoing {
    fn write(&self, writer: &mut Writer) -> io::Result<()> {
        writer.write_ahead(&self.ahead);
        writer.write_all(&self.shown)
    }
}

/// One way to draw. Drivers encode elsewhere, so that no call takes long.
pub(super) trait Driver: Send {
    /// Puts the pictures' cells into the frame's buffer.
    fn draw(&mut self, placed: &[Placed], buffer: &mut Buffer);
    /// Adds the data that pictures need, and what has to follow the frame's text.
    fn flush(&mut self, out: &mut Outgoing);
    /// Nothing is known of the terminal any more.
    fn forget(&mut self);
    /// Takes all pictures away.
    fn clear(&mut self, out: &mut Outgoing);
    /// Everything that was wanted is on the screen.
    fn is_settled(&self) -> bool;
    /// The most pixels of a picture, each way.
    fn most_pixels(&self) -> Option<u32> {
        None
    }
}

/// Draws the pictures of each frame.
pub struct Painter {
    graphics: Graphics,
    driver: Box<dyn Driver>,
    screen: Rect,
}

impl Painter {
    /// A painter for this terminal. `wake` is called, on another thread, when something new can be drawn.
    pub fn new(graphics: Graphics, wake: Box<dyn Fn() + Send + Sync>) -> Painter {
        let wake: Arc<dyn Fn() + Send + Sync> = Arc::from(wake);
        let driver: Box<dyn Driver> = match graphics.protocol {
            Protocol::KittyLayered => Box::new(KittyLayered::new(first_id(), wake)),
            Protocol::KittyPlaceholders => Box::new(KittyPlaceholders::new(graphics.tmux, wake)),
            Protocol::Sixel => sixel::driver(wake),
            Protocol::Iterm2 => iterm2::driver(graphics.tmux, wake),
            Protocol::None => Box::new(NoPictures),
            Protocol::HalfBlocks => Box::new(HalfBlocks::new(graphics.colours, wake)),
        };
        Painter { graphics, driver, screen: Rect::ZERO }
    }

    /// Puts the frame's pictures into its buffer: characters, or blank cells where the terminal will draw over them.
    /// Everything that is to be seen is given each time; what is not given any more disappears.
    pub fn draw(&mut self, shown: &[Shown], buffer: &mut Buffer) {
        if buffer.area != self.screen {
            // ratatui clears a screen of another size, with which kitty frees all pictures.
            if !self.screen.is_empty() {
                self.driver.forget();
            }
            self.screen = buffer.area;
        }
        let placed: Vec<Placed> = shown.iter().filter_map(|shown| self.place(shown, buffer.area)).collect();
        self.driver.draw(&placed, buffer);
    }

    /// Writes the data of pictures, ahead of the frame, and what has to follow its text: placements, deletions; nothing
    /// where nothing changed.
    ///
    /// # Errors
    ///
    /// Those of `writer`.
    pub fn flush(&mut self, writer: &mut Writer) -> io::Result<()> {
        let mut out = Outgoing::default();
        self.driver.flush(&mut out);
        out.write(writer)
    }

    /// To be called after the terminal was cleared or left: everything is sent again.
    pub fn forget(&mut self) {
        self.driver.forget();
    }

    /// Takes all pictures off the terminal, and out of its memory.
    ///
    /// # Errors
    ///
    /// Those of `writer`.
    pub fn clear(&mut self, writer: &mut Writer) -> io::Result<()> {
        let mut out = Outgoing::default();
        self.driver.clear(&mut out);
        out.write(writer)
    }

    /// Everything that was given to the last `draw` is on the screen (or in what `flush` wrote).
    pub fn is_settled(&self) -> bool {
        self.driver.is_settled()
    }

    /// How pictures are drawn here.
    pub fn graphics(&self) -> &Graphics {
        &self.graphics
    }

    /// The cells that a picture of this size would cover within an area.
    pub fn fitted(&self, area: Rect, picture_w: u32, picture_h: u32) -> Rect {
        fit::fitted(area, picture_w, picture_h, self.graphics.cell, self.driver.most_pixels())
    }

    /// The window has another size, or another font: everything is sent again.
    pub fn resize(&mut self, window: WindowSize) {
        if let Some(cell) = window.cell() {
            self.graphics.cell = cell;
        }
        self.driver.forget();
    }

    fn place(&self, shown: &Shown, screen: Rect) -> Option<Placed> {
        let whole = shown.base.is_whole() && shown.overlay.as_ref().is_none_or(|overlay| overlay.is_whole());
        let rect = self.fitted(shown.area.intersection(screen), shown.base.width, shown.base.height);
        let (cell_w, cell_h) = self.graphics.cell;
        let pixels = (u32::from(rect.width) * u32::from(cell_w), u32::from(rect.height) * u32::from(cell_h));
        (whole && !rect.is_empty()).then(|| Placed { shown: shown.clone(), rect, pixels })
    }
}

/// Picture numbers of one process stay apart from those of others on the same terminal.
fn first_id() -> u32 {
    0x4c00_0000 | (std::process::id() & 0xffff) << 8
}

impl Placed {
    /// The size in pixels to send where the terminal scales: not more than the picture has.
    pub fn pixels_worth_sending(&self) -> (u32, u32) {
        let base = &self.shown.base;
        if base.width <= self.pixels.0 && base.height <= self.pixels.1 {
            (base.width, base.height)
        } else {
            self.pixels
        }
    }

    /// The job of encoding the picture with its overlay at a size in the driver's units.
    pub fn job(&self, size: (u32, u32)) -> Job {
        let (base, overlay) = (&self.shown.base, &self.shown.overlay);
        let key = Key { base: Some(base.id), overlay: overlay.as_ref().map(|overlay| overlay.id), size };
        Job { key, base: Some(Arc::clone(base)), overlay: overlay.clone() }
    }
}
