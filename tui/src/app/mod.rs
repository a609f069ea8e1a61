//! The terminal interface: its state, and how it answers what happens. It knows nothing of the terminal device, so tests
//! drive it with messages and look at its frames.

pub mod catalogue;
pub mod gauges;
pub mod keys;
pub mod link;
pub mod message;
pub mod popup;
mod run;
pub mod shared;
pub mod tasks;
#[cfg(test)]
pub mod testing;
#[cfg(test)]
mod tests;
mod top;

use std::sync::Arc;
use std::time::{Duration, Instant};

use lightbox_store::{Home, Index, RunFilter, RunRow};
use lightbox_terminal::graphics::Shown;
use ratatui::Frame;
use ratatui::crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind, MouseButton, MouseEvent, MouseEventKind};
use ratatui::layout::{Position, Rect};

pub use run::{Options, run};

use keys::{Binding, Entry};
use message::{Link, Update};
use popup::{After, Help, Page, Palette, Popup};
use shared::{LinkState, Loaded, Shared, Wish};
use tasks::{CommandDone, Purpose};

use crate::screens::{self, Goal, Screen};
use crate::widgets::{Canvas, Hit};

/// Smallest terminal in which screens are drawn.
pub const SMALLEST: (u16, u16) = (60, 16);

/// Two clicks within this are a double click.
const DOUBLE_CLICK: Duration = Duration::from_millis(400);

/// The terminal interface.
pub struct App {
    /// What all screens know.
    pub shared: Shared,
    /// Screens and popups.
    ui: Ui,
    hits: Vec<(Rect, Hit)>,
    last_click: Option<(Hit, Instant)>,
    /// True when the frame is not what the state is.
    pub dirty: bool,
    /// True when the program is to end.
    pub ended: bool,
    /// What only the owner of the terminal can do.
    pub outside: Vec<Outside>,
    /// The home to go on with after the end, if not none.
    pub next_home: Option<Home>,
}

/// What only the owner of the terminal can do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outside {
    /// Put text into the clipboard.
    Copy(String),
    /// Leave the terminal to an editor for this file.
    Edit(std::path::PathBuf),
    /// Stop as ctrl-z does.
    Suspend,
    /// Draw everything anew.
    Redraw,
}

/// Screens and popups.
struct Ui {
    screens: Vec<Box<dyn Screen>>,
    current: usize,
    popups: Vec<Box<dyn Popup>>,
    outside: Vec<Outside>,
    /// Screens that led to the one shown: `q` goes back along them.
    trail: Vec<usize>,
}

/// Keys of the whole program.
const GLOBAL: &[Binding<Ui>] = &[
    Binding::new(&["?", "f1"], "help", "This page: all keys of the screen.", Ui::help).footer(),
    Binding::new(&[":", "ctrl-p"], "commands", "All commands, found by typing.", Ui::palette).footer(),
    Binding::new(&["1"], "show studies", "Show the studies.", |_, s| s.go(Goal::Screen(screens::STUDIES))),
    Binding::new(&["2"], "show queue", "Show the queue.", |_, s| s.go(Goal::Screen(screens::QUEUE))),
    Binding::new(&["3"], "show results", "Show the results.", |_, s| s.go(Goal::Screen(screens::RESULTS))),
    Binding::new(&["4"], "show viewer", "Show the viewer.", |_, s| s.go(Goal::Screen(screens::VIEWER))),
    Binding::new(&["5"], "show plugins", "Show the plugins.", |_, s| s.go(Goal::Screen(screens::PLUGINS))),
    Binding::new(&["6"], "show data", "Show the datasets.", |_, s| s.go(Goal::Screen(screens::DATA))),
    Binding::new(&["tab"], "next screen", "Show the next screen.", |ui, s| ui.turn(1, s)),
    Binding::new(&["backtab"], "previous screen", "Show the previous screen.", |ui, s| ui.turn(-1, s)),
    Binding::new(&["ctrl-l"], "redraw", "Draw everything anew.", |ui, _| ui.outside.push(Outside::Redraw)),
    Binding::new(&["ctrl-z"], "suspend", "Back to the shell; `fg` comes back here.", |ui, _| {
        ui.outside.push(Outside::Suspend);
    }),
    Binding::new(
        &["q"],
        "back",
        "Back to where this came from; where it came from nowhere, leave the program. Jobs go on.",
        Ui::back,
    )
    .footer(),
    Binding::new(&["Q", "ctrl-c"], "quit", "Leave the program at once. Jobs go on.", |_, s| s.wishes.push(Wish::Quit)),
];

impl Ui {
    fn screen(&self) -> &dyn Screen {
        &*self.screens[self.current]
    }

    fn help(&mut self, shared: &mut Shared) {
        let screen = self.screen();
        let sections = vec![
            ("On this screen".to_owned(), screen.entries(shared)),
            ("Everywhere".to_owned(), GLOBAL.iter().map(|b| b.entry(self, shared)).collect()),
        ];
        shared.open(Help::new(screen.name(), screen.about(), sections));
    }

    fn palette(&mut self, shared: &mut Shared) {
        let palette = Palette::new(&self.entries(shared), shared.theme.ascii);
        shared.open(palette);
    }

    fn entries(&self, shared: &Shared) -> Vec<Entry> {
        let mut entries = self.screen().entries(shared);
        // A screen may give a key another meaning.
        let taken: Vec<&str> = entries.iter().flat_map(|entry| entry.keys).copied().collect();
        let free = GLOBAL.iter().filter(|b| !b.keys.iter().any(|key| taken.contains(key)));
        entries.extend(free.map(|b| b.entry(self, shared)));
        entries
    }

    fn turn(&mut self, by: isize, shared: &mut Shared) {
        let next = (self.current as isize + by).rem_euclid(self.screens.len() as isize) as usize;
        shared.go(Goal::Screen(next));
    }

    fn back(&mut self, shared: &mut Shared) {
        if self.screens[self.current].back(shared) {
            return;
        }
        match self.trail.pop() {
            Some(screen) => self.show(screen, shared),
            None => shared.wishes.push(Wish::Quit),
        }
    }

    /// Whether `q` leaves the program.
    fn leaves(&self) -> bool {
        self.trail.is_empty() && !self.screen().has_back()
    }

    fn show(&mut self, screen: usize, shared: &mut Shared) {
        self.current = screen.min(self.screens.len() - 1);
        self.screens[self.current].enter(shared);
    }

    fn go(&mut self, goal: Goal, shared: &mut Shared) {
        let screen = match &goal {
            Goal::Screen(screen) => {
                self.trail.clear();
                return self.show(*screen, shared);
            }
            Goal::Studies(_) => screens::STUDIES,
            Goal::Queue(_) => screens::QUEUE,
            Goal::Results(_) => screens::RESULTS,
            Goal::Viewer(_) => screens::VIEWER,
            Goal::Plugins(..) => screens::PLUGINS,
            Goal::Data(_) => screens::DATA,
        };
        self.screens[screen].go(goal, shared);
        if screen != self.current {
            self.trail.push(self.current);
            self.show(screen, shared);
        }
    }
}

impl App {
    /// The interface with its first list of runs, which is read here so that the first frame has its rows.
    pub fn new(mut shared: Shared) -> Self {
        let runs = read_runs(&shared.home);
        take_runs(&mut shared, runs);
        let screens: Vec<Box<dyn Screen>> = vec![
            Box::new(screens::studies::Studies::new()),
            Box::new(screens::queue::Queue::new()),
            Box::new(screens::results::Results::new()),
            Box::new(screens::viewer::Viewer::new()),
            Box::new(screens::plugins::Plugins::new()),
            Box::new(screens::data::Data::new()),
        ];
        let mut ui = Ui { screens, current: 0, popups: Vec::new(), outside: Vec::new(), trail: Vec::new() };
        ui.show(screens::STUDIES, &mut shared);
        let mut app = Self {
            shared,
            ui,
            hits: Vec::new(),
            last_click: None,
            dirty: true,
            ended: false,
            outside: Vec::new(),
            next_home: None,
        };
        if let Some(parent) = app.shared.demo_of.clone() {
            screens::studies::run_demo(&mut app.shared, &parent);
        }
        app.take_wishes();
        app
    }

    /// What can be done now.
    #[cfg(test)]
    pub fn entries(&self) -> Vec<Entry> {
        self.ui.entries(&self.shared)
    }

    /// Number of the screen that is shown.
    #[cfg(test)]
    pub fn current(&self) -> usize {
        self.ui.current
    }

    /// Takes in an event of the terminal.
    pub fn event(&mut self, event: &Event) {
        self.dirty = true;
        match event {
            Event::Key(key) if key.kind != KeyEventKind::Release => self.key(key),
            Event::Mouse(mouse) => self.mouse(mouse),
            Event::Paste(text) => {
                if let Some(top) = self.ui.popups.last_mut() {
                    top.paste(text, &mut self.shared);
                }
            }
            Event::Resize(..) | Event::FocusGained => {}
            _ => self.dirty = false,
        }
        self.take_wishes();
    }

    fn key(&mut self, key: &KeyEvent) {
        self.shared.hush();
        self.shared.waiting = None;
        if keys::name_of(key) == "ctrl-c" {
            self.shared.wishes.push(Wish::Quit);
            return;
        }
        if let Some(top) = self.ui.popups.last_mut() {
            let close = key.code == KeyCode::Esc || top.key(key, &mut self.shared) == After::Close;
            if close {
                self.close_popup();
            }
            return;
        }
        let Ui { screens, current, .. } = &mut self.ui;
        if screens[*current].key(key, &mut self.shared) {
            return;
        }
        if key.code == KeyCode::Esc {
            screens[*current].back(&mut self.shared);
        } else if !keys::press(GLOBAL, &mut self.ui, key, &mut self.shared) {
            let name = keys::shown(&keys::name_of(key), self.shared.theme.ascii);
            self.shared.say(format!("{name} does nothing here; ? shows all keys"));
        }
    }

    fn close_popup(&mut self) {
        let Some(popup) = self.ui.popups.pop() else { return };
        if let Some(name) = popup.chosen_command() {
            self.invoke(name);
        }
    }

    fn invoke(&mut self, name: &str) {
        let Ui { screens, current, .. } = &mut self.ui;
        if !screens[*current].invoke(name, &mut self.shared) {
            keys::invoke(GLOBAL, &mut self.ui, name, &mut self.shared);
        }
    }

    fn mouse(&mut self, mouse: &MouseEvent) {
        match mouse.kind {
            MouseEventKind::ScrollDown => self.scroll(3),
            MouseEventKind::ScrollUp => self.scroll(-3),
            MouseEventKind::Down(MouseButton::Left) => self.click(Position { x: mouse.column, y: mouse.row }),
            _ => self.dirty = false,
        }
    }

    fn scroll(&mut self, by: isize) {
        if self.ui.popups.is_empty() {
            let Ui { screens, current, .. } = &mut self.ui;
            screens[*current].scroll(by, &mut self.shared);
        }
    }

    fn click(&mut self, at: Position) {
        let Some(hit) = self.hits.iter().rev().find(|(area, _)| area.contains(at)).map(|(_, hit)| hit.clone()) else {
            return;
        };
        let again = self.last_click.as_ref().is_some_and(|(h, t)| *h == hit && t.elapsed() < DOUBLE_CLICK);
        self.last_click = Some((hit.clone(), Instant::now()));
        match hit {
            Hit::Screen(screen) => self.shared.go(Goal::Screen(screen)),
            Hit::Command("leave") => self.invoke("back"),
            Hit::Command(name) => self.invoke(name),
            hit => {
                let Ui { screens, current, .. } = &mut self.ui;
                screens[*current].click(&hit, again, &mut self.shared);
            }
        }
    }

    /// Takes in what came of work beside the loop.
    pub fn update(&mut self, update: Update) {
        let shared = &mut self.shared;
        match &update {
            Update::Nothing => return,
            Update::Runs(runs) => take_runs(shared, runs.clone()),
            Update::Catalogue(catalogue) => shared.catalogue = Loaded::of(catalogue.clone()),
            Update::Command(done) => command_ended(shared, done),
            Update::Found { words, place: None, .. } => shared.say_bad(format!("no row holds {words:?}")),
            Update::Asked(Ok(said)) if said.is_empty() => {}
            Update::Asked(Ok(said)) => shared.say(said.clone()),
            Update::Asked(Err(sentence)) => shared.say_bad(sentence.clone()),
            _ => {}
        }
        for screen in &mut self.ui.screens {
            screen.update(&update, shared);
        }
        for popup in &mut self.ui.popups {
            popup.update(&update, shared);
        }
        if matches!(update, Update::Catalogue(_))
            && self.ui.popups.is_empty()
            && let Some(command) = self.shared.waiting.take()
        {
            self.shared.hush();
            self.invoke(command);
        }
        self.dirty = true;
        self.take_wishes();
    }

    /// Takes in what the daemon says.
    pub fn link(&mut self, link: Link) {
        let settled = take_link(&mut self.shared, &link);
        for screen in &mut self.ui.screens {
            screen.link(&link, &mut self.shared);
        }
        if settled {
            self.shared.wishes.push(Wish::Reload);
        }
        self.dirty = true;
        self.take_wishes();
    }

    /// When the frame must be drawn again although nothing happens; none when never.
    pub fn next_tick(&mut self) -> Option<Duration> {
        let remark = self.shared.age_remark();
        let alive = self.ui.screen().is_alive(&self.shared).then_some(Duration::from_secs(1));
        [remark, alive].into_iter().flatten().min()
    }

    fn take_wishes(&mut self) {
        // A wish may lead to others; none leads to itself.
        while !self.shared.wishes.is_empty() {
            for wish in std::mem::take(&mut self.shared.wishes) {
                match wish {
                    Wish::Go(goal) => self.ui.go(goal, &mut self.shared),
                    Wish::Open(popup) => self.ui.popups.push(popup),
                    Wish::Copy(text) => {
                        self.shared.say("copied");
                        self.outside.push(Outside::Copy(text));
                    }
                    Wish::Edit(path) => self.outside.push(Outside::Edit(path)),
                    Wish::Reload => {
                        let home = self.shared.home.clone();
                        self.shared.tasks.spawn(move || Update::Runs(read_runs(&home)));
                    }
                    Wish::Home(home) => {
                        self.next_home = Some(home);
                        self.ended = true;
                    }
                    Wish::Quit => self.ended = true,
                }
            }
        }
        self.outside.append(&mut self.ui.outside);
    }

    /// Draws everything; returns the pictures that belong on the frame.
    pub fn draw(&mut self, frame: &mut Frame<'_>) -> Vec<Shown> {
        let mut canvas = Canvas::new(frame);
        let area = canvas.area();
        if area.width < SMALLEST.0 || area.height < SMALLEST.1 {
            top::too_small(&mut canvas, area, &self.shared);
        } else {
            canvas.paint(area, self.shared.theme.base);
            let inside = top::draw(&mut canvas, area, &self.ui.screens, self.ui.current, &self.shared);
            let mut entries = self.ui.entries(&self.shared);
            if self.ui.leaves() {
                entries.iter_mut().filter(|e| e.name == "back").for_each(|e| e.name = "leave");
            }
            let Ui { screens, current, popups, .. } = &mut self.ui;
            screens[*current].draw(&mut canvas, inside, &self.shared);
            top::footer(&mut canvas, area, &entries, &self.shared);
            for popup in popups {
                popup::draw(&mut **popup, &mut canvas, &self.shared);
            }
        }
        self.dirty = false;
        self.hits = std::mem::take(&mut canvas.hits);
        std::mem::take(&mut canvas.pictures)
    }
}

fn command_ended(shared: &mut Shared, done: &CommandDone) {
    if done.ok {
        shared.say(done.run.done.clone());
    } else {
        shared.say_bad(done.said.lines().last().unwrap_or("it failed").to_owned());
        if done.said.len() > 80 {
            shared.open(Page::new(done.run.as_typed(), done.said.clone()));
        }
    }
    if matches!(done.run.purpose, Purpose::Runs | Purpose::Demo) {
        shared.wishes.push(Wish::Reload);
    }
}

/// The runs by the index, which is brought up to date by the daemon; without a daemon, by this.
fn read_runs(home: &Home) -> Result<Arc<Vec<RunRow>>, String> {
    let read = || -> Result<Vec<RunRow>, lightbox_store::StoreError> {
        let mut index = Index::open(home)?;
        index.refresh(home)?;
        index.runs(&RunFilter::default())
    };
    // A home that cannot be written to, or a damaged index, still has its directories.
    let rows = read().or_else(|_| lightbox_store::index::read_rows(home).map(|(rows, _)| rows));
    rows.map(Arc::new).map_err(|e| e.to_string())
}

fn take_runs(shared: &mut Shared, runs: Result<Arc<Vec<RunRow>>, String>) {
    match runs {
        Ok(runs) => (shared.runs, shared.runs_trouble) = (runs, None),
        Err(sentence) => shared.runs_trouble = Some(sentence),
    }
}

/// Takes in the daemon's word; true when a job came to its end or changed, so that the list of runs is old.
fn take_link(shared: &mut Shared, link: &Link) -> bool {
    let queue = &mut shared.queue;
    queue.generation += 1;
    match link {
        Link::Up(jobs, status) => {
            let fresh = queue.link != LinkState::Up;
            queue.link = LinkState::Up;
            queue.jobs.clone_from(jobs);
            queue.status = Some((**status).clone());
            return fresh;
        }
        Link::Job(job) => match queue.jobs.iter_mut().find(|j| j.run == job.run) {
            Some(known) => {
                let changed = known.state != job.state;
                *known = (**job).clone();
                return changed;
            }
            None => {
                queue.jobs.push((**job).clone());
                return true;
            }
        },
        Link::Gone(run) => {
            queue.jobs.retain(|j| j.run != *run);
            return true;
        }
        Link::Paused(paused) => {
            if let Some(status) = &mut queue.status {
                status.paused = *paused;
            }
        }
        Link::Down => *queue = shared::QueueState { link: LinkState::Down, ..Default::default() },
        Link::Trouble(sentence) => {
            queue.link = LinkState::Trouble(sentence.clone());
            queue.status = None;
            shared.say_bad(sentence.clone());
        }
        Link::Event(..) => {}
    }
    false
}
