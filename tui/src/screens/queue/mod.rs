//! The queue: what runs, waits and is done, with live curves and the log of the job under the cursor.

mod details;
pub mod rows;

use std::sync::Arc;

use lightbox_scheduler::daemon::without_time;
use lightbox_scheduler::protocol::{Action, Place};
use ratatui::crossterm::event::KeyEvent;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::movement::{HasTable, Movement, Words, take_words};
use super::{Screen, results, viewer};
use crate::app::keys::{self, Binding, Entry};
use crate::app::message::{Link, Update as AppUpdate};
use crate::app::popup::{Ask, Confirm, Page};
use crate::app::shared::{LinkState, Shared};
use crate::app::tasks::Purpose;
use crate::widgets::{Canvas, DataTable, Hit, charts, text};
use details::Details;
use rows::Jobs;

/// Something for the queue to show or do.
#[derive(Clone, Debug, PartialEq)]
pub enum Goal {
    /// A job.
    Run(String),
    /// Words for the table.
    Words(Words, String),
}

/// What came of reading beside the loop.
pub enum Update {
    /// Curves and log of a job.
    Details(Box<Details>),
}

/// The screen.
pub struct Queue {
    table: DataTable,
    details: Option<Details>,
    asked: Option<String>,
    seen: Option<u64>,
    from_daemon: bool,
    wanted: Option<String>,
    /// Whether the user put the cursor somewhere; until then it is on the job that runs.
    moved: bool,
    /// Jobs that wait while there is no daemon.
    stranded: usize,
}

fn job_known(screen: &Queue, _: &Shared) -> Result<(), String> {
    if screen.table.selected().is_some() { Ok(()) } else { Err("no job".to_owned()) }
}

fn state_is<const N: usize>(screen: &Queue, states: [&str; N]) -> Result<(), String> {
    let state = screen.state().ok_or("no job")?;
    if screen.table.marked() > 0 || states.contains(&state.as_str()) { Ok(()) } else { Err(format!("it is {state}")) }
}

type Bind = Binding<Queue>;

const BINDINGS: &[Bind] = &[
    Bind::new(&["p"], "pause", "Hold jobs back; running ones write a checkpoint and stop.", |q, s| {
        s.ask_daemon(Action::Pause { jobs: q.table.chosen_ids() }, "paused");
    })
    .footer()
    .writes()
    .when(|q, _| state_is(q, ["running", "queued", "waiting"])),
    Bind::new(&["u"], "resume", "Let paused jobs go on.", |q, s| {
        s.ask_daemon(Action::Resume { jobs: q.table.chosen_ids() }, "resumed");
    })
    .footer()
    .writes()
    .when(|q, _| state_is(q, ["paused", "stopping"])),
    Bind::new(&["c"], "cancel", "Take jobs out of the queue, running ones after a checkpoint.", |q, s| {
        let jobs = q.table.chosen_ids();
        let what = if jobs.len() == 1 { jobs[0].clone() } else { format!("{} jobs", jobs.len()) };
        s.open(Confirm::new(
            format!("Cancel {what}? What it has done so far is kept, and t queues it again."),
            "cancel it",
            move |s| s.ask_daemon(Action::Cancel { jobs }, "cancelled"),
        ));
    })
    .footer()
    .writes()
    .when(|q, _| state_is(q, ["running", "queued", "waiting", "paused", "blocked"])),
    Bind::new(&["t"], "retry", "Queue failed or cancelled jobs again; they go on from their checkpoint.", |q, s| {
        s.ask_daemon(Action::Retry { jobs: q.table.chosen_ids() }, "queued again");
    })
    .footer()
    .writes()
    .when(|q, _| state_is(q, ["failed", "cancelled", "blocked", "interrupted"])),
    Bind::new(&["<"], "first", "Put jobs before all others of their priority.", |q, s| {
        s.ask_daemon(Action::Move { jobs: q.table.chosen_ids(), to: Place::First }, "moved");
    })
    .writes()
    .when(job_known),
    Bind::new(&[">"], "last", "Put jobs behind all others of their priority.", |q, s| {
        s.ask_daemon(Action::Move { jobs: q.table.chosen_ids(), to: Place::Last }, "moved");
    })
    .writes()
    .when(job_known),
    Bind::new(&["+"], "priority", "Give jobs another priority; larger goes first.", |q, s| {
        let jobs = q.table.chosen_ids();
        s.open(Ask::new("Priority", "A whole number; 0 to begin with, larger goes first.", "1", move |text, s| {
            let priority = text.trim().parse().map_err(|_| format!("{text:?} is not a whole number"))?;
            s.ask_daemon(Action::Move { jobs: jobs.clone(), to: Place::Priority { priority } }, "moved");
            Ok(())
        }));
    })
    .writes()
    .when(job_known),
    Bind::new(&["P"], "pause queue", "Start nothing new, or go on.", |_, s| {
        let paused = s.queue.status.as_ref().is_some_and(|s| s.paused);
        let action = if paused { Action::Resume { jobs: Vec::new() } } else { Action::Pause { jobs: Vec::new() } };
        s.ask_daemon(action, if paused { "the queue goes on" } else { "the queue starts nothing new" });
    })
    .writes(),
    Bind::new(&["S"], "start daemon", "Start the daemon that ended, so that the waiting jobs go on.", |_, s| {
        s.run_command(vec!["daemon".into(), "start".into()], "the daemon runs; the jobs go on", Purpose::Runs);
    })
    .writes()
    .when(|_, s| if s.queue.link == LinkState::Up { Err("it runs".to_owned()) } else { Ok(()) }),
    Bind::new(&["l"], "log", "What the job's worker wrote, in full.", |q, s| {
        let Some(details) = &q.details else { return };
        let mut page = details.said.clone();
        page.extend(details.log.iter().cloned());
        let text = if page.is_empty() { "its worker wrote nothing".to_owned() } else { page.join("\n") };
        s.open(Page::at_end(format!("Log of {}", details.run), text));
    })
    .footer()
    .when(job_known),
    Bind::new(
        &["enter"],
        "results",
        "The results that the job belongs to; of a finished training, its images.",
        |q, s| {
            let Some(job) = q.job() else { return };
            match (job.study.is_empty(), job.state == "finished" && job.label.starts_with("train")) {
                (_, true) => s.go(super::Goal::Viewer(viewer::Goal::Run(job.run))),
                (false, _) => s.go(super::Goal::Results(results::Goal::Study(job.study))),
                (true, _) => s.go(super::Goal::Results(results::Goal::Loose)),
            }
        },
    )
    .when(job_known),
];

impl HasTable for Queue {
    fn table(&self) -> &DataTable {
        &self.table
    }
    fn table_mut(&mut self) -> &mut DataTable {
        &mut self.table
    }
    fn moved(&mut self, shared: &mut Shared) {
        self.moved = true;
        self.ask_details(shared);
    }
    fn words(kind: Words, text: String) -> super::Goal {
        super::Goal::Queue(Goal::Words(kind, text))
    }
}

impl Queue {
    /// An empty queue.
    pub fn new() -> Self {
        Self {
            table: DataTable::new(rows::columns()).styled(rows::cell_style),
            details: None,
            asked: None,
            seen: None,
            from_daemon: false,
            wanted: None,
            moved: false,
            stranded: 0,
        }
    }

    fn job(&self) -> Option<Job> {
        let row = self.table.selected()?;
        let text = |column| self.table.rows().text(row, column).into_owned();
        Some(Job { run: self.table.selected_id()?, study: text(6), state: self.state()?, label: text(1) })
    }

    fn state(&self) -> Option<String> {
        let row = self.table.selected()?;
        self.table.rows().text(row, 0).split_once(' ').map(|(_, word)| word.to_owned())
    }

    /// Takes the rows of now, if they are others than those shown.
    fn refresh(&mut self, shared: &Shared) {
        let daemon = shared.queue.link == LinkState::Up;
        let rows = if daemon { Jobs::of_daemon(&shared.queue.jobs) } else { Jobs::of_index(&shared.runs) };
        self.from_daemon = daemon;
        self.stranded = if daemon { 0 } else { rows.open() };
        let first = rows.0.iter().find(|job| job.state == "running").or(rows.0.first()).map(|job| job.run.clone());
        self.table.set_rows(Arc::new(rows), shared);
        if let Some(run) = first.filter(|_| !self.moved) {
            self.table.select_id(&run);
        }
        if self.wanted.take_if(|run| self.table.select_id(run)).is_some() {
            self.moved = true;
        }
        self.seen = Some(shared.queue.generation);
        self.ask_details(shared);
    }

    fn ask_details(&mut self, shared: &Shared) {
        let Some(run) = self.table.selected_id() else { return };
        if self.asked.as_ref() != Some(&run) {
            self.asked = Some(run.clone());
            let home = shared.home.clone();
            shared.tasks.spawn(move || AppUpdate::Queue(Update::Details(Box::new(Details::read(&home, &run)))));
        }
    }

    fn draw_details(&self, canvas: &mut Canvas<'_, '_>, area: Rect, shared: &Shared) {
        let theme = &shared.theme;
        // Those of the job before stay until the ones asked for are here: a moment, in which nothing should flicker.
        let Some(details) = &self.details else { return };
        let (losses, metrics) = details.curves();
        let halves = if area.width >= 100 && !metrics.is_empty() { 3 } else { 2 };
        // Curves gain nothing from more columns; lines of a log do.
        let width = (area.width / halves).min(52);
        let part = |i: u16| Rect {
            x: area.x + i * width,
            width: if i + 1 == halves { area.width - i * width } else { width },
            ..area
        };
        let whose = without_time(&details.run);
        let title = text::cut(&format!(" Loss of {whose} "), usize::from(part(0).width.saturating_sub(4)));
        let inside = canvas.panel(part(0), Line::styled(title, theme.heading), false, theme);
        let axes =
            charts::Axes { x: if details.epochs.is_empty() { "step" } else { "epoch" }.into(), ..Default::default() };
        charts::curves(canvas, inside, &losses, &axes, theme);
        if halves == 3 {
            let inside = canvas.panel(part(1), Line::styled(" Validation ", theme.heading), false, theme);
            charts::curves(canvas, inside, &metrics, &charts::Axes { x: "epoch".into(), ..Default::default() }, theme);
        }
        let title = Line::styled(" Log ", theme.heading);
        let inside = canvas.panel(part(halves - 1), title, false, theme);
        self.draw_log(canvas, inside, details, shared);
    }

    fn draw_log(&self, canvas: &mut Canvas<'_, '_>, inside: Rect, details: &Details, shared: &Shared) {
        let theme = &shared.theme;
        let gauges = shared.gauges.iter().enumerate();
        let mut lines: Vec<Line<'_>> =
            gauges.map(|(i, g)| Line::styled(g.line(i, 10, theme.ascii), theme.accent)).collect();
        if let (Some(speed), Some(rate)) = (details.speed, details.rate) {
            lines.push(Line::styled(format!("{speed:.0} images/s · learning rate {rate:.2e}"), theme.text));
        }
        if let Some(trouble) = &details.trouble {
            lines.push(Line::styled(trouble.clone(), theme.bad));
        }
        let style = |l: &str| if l.starts_with("failed") { theme.bad } else { theme.warn };
        for said in &details.said {
            let parts = text::wrap(said, usize::from(inside.width));
            lines.extend(parts.into_iter().map(|part| Line::styled(part, style(said))));
        }
        let room = usize::from(inside.height).saturating_sub(lines.len());
        let first = details.log.len().saturating_sub(room);
        lines.extend(details.log.iter().skip(first).map(|l| Line::styled(l.clone(), theme.dim)));
        if lines.is_empty() {
            lines.push(Line::styled("its worker wrote nothing", theme.dim));
        }
        for (i, line) in lines.into_iter().take(usize::from(inside.height)).enumerate() {
            canvas.line(line, Rect { y: inside.y + i as u16, height: 1, ..inside });
        }
    }

    fn headline(&self, shared: &Shared) -> String {
        let jobs = if self.stranded == 1 { "1 job waits" } else { &format!("{} jobs wait", self.stranded) };
        match &shared.queue.link {
            LinkState::Up => {
                let paused = shared.queue.status.as_ref().is_some_and(|s| s.paused);
                let state = if paused { "paused: nothing new is started" } else { "" };
                format!("{} running, {} waiting {state}", shared.queue.running(), shared.queue.waiting())
            }
            LinkState::Unknown => "looking for the daemon …".to_owned(),
            LinkState::Down if self.stranded > 0 => format!("no daemon: {jobs}; S starts it"),
            LinkState::Down => "no daemon; it starts with the next job".to_owned(),
            LinkState::Trouble(sentence) => sentence.clone(),
        }
    }
}

/// The job under the cursor, as far as keys need it.
struct Job {
    run: String,
    study: String,
    state: String,
    label: String,
}

impl Screen for Queue {
    fn name(&self) -> &'static str {
        "Queue"
    }

    fn about(&self) -> &'static str {
        "Jobs in the order in which they will run; settled ones below. They go on when this program is closed and when \
         the connection to the machine is lost. Keys act on the marked jobs, or on the one under the cursor."
    }

    fn entries(&self, shared: &Shared) -> Vec<Entry> {
        let own = BINDINGS.iter().map(|b| b.entry(self, shared));
        own.chain(Movement::<Self>::BINDINGS.iter().map(|b| b.entry(self, shared))).collect()
    }

    fn key(&mut self, key: &KeyEvent, shared: &mut Shared) -> bool {
        keys::press(BINDINGS, self, key, shared) || keys::press(Movement::<Self>::BINDINGS, self, key, shared)
    }

    fn invoke(&mut self, name: &str, shared: &mut Shared) -> bool {
        keys::invoke(BINDINGS, self, name, shared) || keys::invoke(Movement::<Self>::BINDINGS, self, name, shared)
    }

    fn enter(&mut self, shared: &mut Shared) {
        self.refresh(shared);
    }

    fn go(&mut self, goal: super::Goal, shared: &mut Shared) {
        match goal {
            super::Goal::Queue(Goal::Run(run)) => {
                if self.table.select_id(&run) {
                    self.moved = true;
                } else {
                    self.wanted = Some(run);
                }
                self.ask_details(shared);
            }
            super::Goal::Queue(Goal::Words(kind, text)) => take_words(self, kind, &text, shared),
            _ => {}
        }
    }

    fn update(&mut self, update: &AppUpdate, shared: &mut Shared) {
        if self.table.update(update) {
            self.moved(shared);
        }
        match update {
            AppUpdate::Queue(Update::Details(details)) => self.details = Some((**details).clone()),
            AppUpdate::Runs(_) if !self.from_daemon => self.refresh(shared),
            _ => {}
        }
    }

    fn link(&mut self, link: &Link, shared: &mut Shared) {
        match link {
            Link::Event(run, event) => {
                if let Some(details) = self.details.as_mut().filter(|d| d.is_of(run)) {
                    details.take(event);
                }
            }
            _ if self.seen != Some(shared.queue.generation) => self.refresh(shared),
            _ => {}
        }
    }

    fn click(&mut self, hit: &Hit, again: bool, shared: &mut Shared) {
        match hit {
            Hit::Row { table, row } if *table == self.table.id => {
                self.table.select_position(*row);
                self.moved(shared);
                if again {
                    self.invoke("results", shared);
                }
            }
            Hit::Column { table, column } if *table == self.table.id => self.table.sort_by(*column, shared),
            _ => {}
        }
    }

    fn scroll(&mut self, by: isize, shared: &mut Shared) {
        self.table.step(by);
        self.moved(shared);
    }

    fn draw(&mut self, canvas: &mut Canvas<'_, '_>, area: Rect, shared: &Shared) {
        let theme = &shared.theme;
        let below = if area.height >= 24 { (area.height * 2 / 5).min(16) } else { 0 };
        let upper = Rect { height: area.height - below, ..area };
        let title = Line::from(vec![
            Span::styled(" Queue ", theme.accent),
            Span::styled(format!(" {} ", self.headline(shared)), if self.stranded > 0 { theme.bad } else { theme.dim }),
        ]);
        let inside = canvas.panel(upper, title, true, theme);
        if self.table.rows().len() == 0 {
            let said = "Nothing was ever queued here. n on screen 1 starts a study; `lightbox train` queues one model.";
            canvas.line(Line::styled(text::cut(said, usize::from(inside.width)), theme.dim), inside);
        } else {
            self.table.draw(canvas, inside, true, theme);
            let summary = format!(" {} ", self.table.summary());
            let width = text::width(&summary) as u16;
            let x = upper.right().saturating_sub(width + 2);
            canvas.line(Line::styled(summary, theme.dim), Rect { x, y: upper.bottom() - 1, width, height: 1 });
        }
        if below > 0 {
            self.draw_details(canvas, Rect { y: upper.bottom(), height: below, ..area }, shared);
        }
    }

    fn is_alive(&self, shared: &Shared) -> bool {
        shared.queue.running() > 0
    }
}
