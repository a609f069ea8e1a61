//! Collects the answers.

use super::Environment;
use crate::input::Reply;

/// What the terminal has answered so far.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Answers {
    fence: bool,
    /// The terminal around tmux has given its last answer, or was not asked.
    outer_fence: bool,
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
    /// No answers yet, to the questions that this environment leads to.
    pub fn new(environment: &Environment) -> Answers {
        let outer = environment.in_tmux() && environment.passes_through();
        Answers { outer_fence: !outer, ..Answers::default() }
    }

    /// Takes a reply.
    pub fn take(&mut self, reply: &Reply) {
        match reply {
            Reply::DeviceAttributes { sixel, .. } => {
                self.sixel |= sixel;
                self.fence = true;
            }
            Reply::Kitty { id: 31, ok, .. } => self.kitty = Some(*ok),
            Reply::Version(version) if self.versions.len() < 4 => self.versions.push(version.clone()),
            Reply::CellSize { w, h } if *w > 0 && *h > 0 => self.cell = Some((*w, *h)),
            Reply::WindowPixels { w, h } if *w > 0 && *h > 0 => self.window = Some((*w, *h)),
            Reply::Background(r, g, b) => self.background = Some((*r, *g, *b)),
            Reply::Ready => self.outer_fence = true,
            Reply::SixelColours(colours) => self.sixel_colours = Some(*colours),
            _ => {}
        }
    }

    /// The last answer is in. tmux answers before the terminal around it does.
    pub fn complete(&self) -> bool {
        let in_tmux = self.versions.iter().any(|version| version.starts_with("tmux"));
        self.fence && (self.outer_fence || !in_tmux)
    }

    /// The terminal (or tmux) has answered what every terminal answers.
    pub(super) fn fenced(&self) -> bool {
        self.fence
    }
}
