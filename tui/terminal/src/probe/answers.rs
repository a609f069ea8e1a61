//! Collects the answers.

use crate::input::Reply;

/// What the terminal has answered so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answers {
    complete: bool,
    /// It draws sixel pictures.
    pub sixel: bool,
    /// Whether it draws kitty graphics, if it said so.
    pub kitty: Option<bool>,
    /// The names that came, in order: inside tmux its own, and perhaps that of the terminal around it.
    pub versions: Vec<String>,
    /// Width and height of a cell in pixels.
    pub cell: Option<(u16, u16)>,
    /// Width and height of the text area in pixels.
    pub window: Option<(u32, u32)>,
    /// The background colour.
    pub background: Option<(u8, u8, u8)>,
    /// How many colours a sixel picture may have.
    pub sixel_colours: Option<u32>,
}

impl Answers {
    /// Takes a reply.
    pub fn take(&mut self, reply: &Reply) {
        match reply {
            Reply::DeviceAttributes { sixel, .. } => {
                self.sixel |= sixel;
                self.complete = true;
            }
            Reply::Kitty { id: 31, ok, .. } => self.kitty = Some(*ok),
            Reply::Version(version) if self.versions.len() < 4 => self.versions.push(version.clone()),
            Reply::CellSize { w, h } if *w > 0 && *h > 0 => self.cell = Some((*w, *h)),
            Reply::WindowPixels { w, h } if *w > 0 && *h > 0 => self.window = Some((*w, *h)),
            Reply::Background(r, g, b) => self.background = Some((*r, *g, *b)),
            Reply::SixelColours(colours) => self.sixel_colours = Some(*colours),
            _ => {}
        }
    }

    /// The last answer is in.
    pub fn complete(&self) -> bool {
        self.complete
    }
}
