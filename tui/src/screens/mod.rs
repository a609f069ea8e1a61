//! The six screens, and what they have in common.

pub mod data;
mod movement;
pub mod plugins;
pub mod queue;
pub mod results;
pub mod studies;
pub mod viewer;

use ratatui::crossterm::event::KeyEvent;
use ratatui::layout::Rect;

use crate::app::keys::Entry;
use crate::app::message::{Link, Update};
use crate::app::shared::Shared;
use crate::widgets::{Canvas, Hit};

/// Number of a screen, from 0.
pub const STUDIES: usize = 0;
/// The queue's.
pub const QUEUE: usize = 1;
/// The results'.
pub const RESULTS: usize = 2;
/// The viewer's.
pub const VIEWER: usize = 3;
/// The plugins'.
pub const PLUGINS: usize = 4;
/// The datasets'.
pub const DATA: usize = 5;

/// A screen to show, with something on it.
#[derive(Clone, Debug, PartialEq)]
pub enum Goal {
    /// A screen as it was left.
    Screen(usize),
    /// Something for the studies.
    Studies(studies::Goal),
    /// A job, or one of its keys.
    Queue(queue::Goal),
    /// Tables of a study or of runs.
    Results(results::Goal),
    /// Images, or a choice made for them.
    Viewer(viewer::Goal),
    /// Words for the table of plugins.
    Plugins(movement::Words, String),
    /// Something for the datasets.
    Data(data::Goal),
}

/// A screen.
pub trait Screen {
    /// Its name.
    fn name(&self) -> &'static str;
    /// What it is for, in a sentence or two, for its help page.
    fn about(&self) -> &'static str;
    /// Its keys.
    fn entries(&self, shared: &Shared) -> Vec<Entry>;
    /// Takes a key; false when it means nothing here.
    fn key(&mut self, key: &KeyEvent, shared: &mut Shared) -> bool;
    /// Does what a name of the palette stands for; false when nothing is called so here.
    fn invoke(&mut self, name: &str, shared: &mut Shared) -> bool;
    /// It is shown from now on.
    fn enter(&mut self, shared: &mut Shared) {
        let _ = shared;
    }
    /// Something for it to show.
    fn go(&mut self, goal: Goal, shared: &mut Shared) {
        let _ = (goal, shared);
    }
    /// Sees what came of work beside the loop.
    fn update(&mut self, update: &Update, shared: &mut Shared);
    /// Sees what the daemon says, after the queue's state took it in.
    fn link(&mut self, link: &Link, shared: &mut Shared) {
        let _ = (link, shared);
    }
    /// Takes a click on something of its own; `again` for a second one.
    fn click(&mut self, hit: &Hit, again: bool, shared: &mut Shared) {
        let _ = (hit, again, shared);
    }
    /// Takes a turn of the wheel.
    fn scroll(&mut self, by: isize, shared: &mut Shared);
    /// Draws it.
    fn draw(&mut self, canvas: &mut Canvas<'_, '_>, area: Rect, shared: &Shared);
    /// Whether something on it changes with time, so that it must be drawn each second.
    fn is_alive(&self, shared: &Shared) -> bool {
        let _ = shared;
        false
    }
    /// Something to leave before the program (a drill-down): true when it was left.
    fn back(&mut self, shared: &mut Shared) -> bool {
        let _ = shared;
        false
    }
    /// Whether [`back`](Self::back) would go anywhere.
    fn has_back(&self) -> bool {
        false
    }
}
