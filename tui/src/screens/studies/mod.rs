//! Studies and groups of runs: how far they are, what needs attention, and starting new ones.

mod form;
mod rows;
mod welcome;

pub use welcome::run_demo;

use std::collections::HashSet;
use std::sync::Arc;

use lightbox_scheduler::protocol::{Action, JobState};
use ratatui::crossterm::event::KeyEvent;
use ratatui::layout::Rect;
use ratatui::text::{Line as TextLine, Span};

use super::movement::{HasTable, Movement, Words, take_words};
use super::{Screen, data, results};
use crate::app::keys::{self, Binding, Entry};
use crate::app::message::Update as AppUpdate;
use crate::app::popup::Confirm;
use crate::app::shared::{Shared, Wish};
use crate::app::tasks::Purpose;
use crate::widgets::{Canvas, DataTable, Hit, text};
use rows::{Line, Lines};

/// Something for the studies.
#[derive(Clone, Debug, PartialEq)]
pub enum Goal {
    /// Words for the table.
    Words(Words, String),
    /// A study.
    Study(String),
}

/// What came of reading beside the loop.
pub enum Update {
    /// The lines, read anew.
    Lines(Vec<Line>),
    /// Names of the datasets.
    Datasets(Vec<String>),
}

/// The screen.
pub struct Studies {
    table: DataTable,
    lines: Arc<Lines>,
    datasets: Option<Vec<String>>,
}

fn chosen(screen: &Studies, _: &Shared) -> Result<(), String> {
    screen.line().map(|_| ()).ok_or_else(|| "no study".to_owned())
}

fn with_file(screen: &Studies, shared: &Shared) -> Result<(), String> {
    match screen.file(shared) {
        Some(_) => Ok(()),
        None => Err("it was not written here; `lightbox study run FILE` goes on with it".to_owned()),
    }
}

fn with_failures(screen: &Studies, _: &Shared) -> Result<(), String> {
    match screen.line() {
        Some(line) if line.failed > 0 => Ok(()),
        _ => Err("nothing failed".to_owned()),
    }
}

type Bind = Binding<Studies>;

const BINDINGS: &[Bind] = &[
    Bind::new(&["enter"], "results", "The tables of the study, or of all runs outside studies.", |t, s| {
        let Some(line) = t.line() else { return };
        let goal = if line.is_study { results::Goal::Study(line.name.clone()) } else { results::Goal::Loose };
        s.go(super::Goal::Results(goal));
    })
    .footer()
    .when(chosen),
    Bind::new(&["n"], "new study", "Fill in a form; it writes a study file that can be edited.", |t, s| {
        form::open(s, t.datasets.clone().unwrap_or_default());
    })
    .footer()
    .writes(),
    Bind::new(&["s"], "start", "Start the study by its file; what is finished is not run again.", |t, s| {
        if let Some(path) = t.file(s) {
            form::start(s, &path);
        }
    })
    .footer()
    .writes()
    .when(with_file),
    Bind::new(&["e"], "edit file", "Open the study's file in $EDITOR.", |t, s| {
        if let Some(path) = t.file(s) {
            s.wishes.push(Wish::Edit(path));
        }
    })
    .writes()
    .when(with_file),
    Bind::new(&["t"], "retry failed", "Queue its failed runs again; they go on from their checkpoint.", |t, s| {
        if let Some(line) = t.line() {
            s.ask_daemon(Action::Retry { jobs: vec![line.name.clone()] }, "queued again");
        }
    })
    .writes()
    .when(with_failures),
    Bind::new(&["c"], "cancel", "Take all its waiting and running jobs out of the queue.", |t, s| {
        let Some(name) = t.line().map(|l| l.name.clone()) else { return };
        let question = format!("Cancel all jobs of {name}? What is finished is kept.");
        s.open(Confirm::new(question, "cancel them", move |s| {
            s.ask_daemon(Action::Cancel { jobs: vec![name] }, "cancelled");
        }));
    })
    .writes()
    .when(chosen),
    Bind::new(&["l"], "jobs", "Its jobs in the queue, the first that is not done.", |t, s| {
        let Some(line) = t.line() else { return };
        let mine = |r: &&lightbox_store::RunRow| r.study.as_ref() == Some(&line.name) || r.group.0 == line.name;
        let open = s.runs.iter().filter(mine).find(|r| r.status != "finished");
        if let Some(run) = open.or_else(|| s.runs.iter().find(mine)).map(|r| r.run.0.clone()) {
            s.go(super::Goal::Queue(super::queue::Goal::Run(run)));
        }
    })
    .when(chosen),
    Bind::new(&["d"], "demo", "The whole job on synthetic images, in about two minutes.", |_, s| welcome::demo(s))
        .writes()
        .when(|_, s| if s.demo_of.is_some() { Err("this is the demo".to_owned()) } else { Ok(()) }),
    Bind::new(&["a"], "add dataset", "Register a folder or table of images.", |_, s| {
        s.go(super::Goal::Data(data::Goal::Add));
    })
    .writes(),
];

/// Runs that the daemon says are running.
fn running(shared: &Shared) -> HashSet<String> {
    let running = shared.queue.jobs.iter().filter(|j| j.state == JobState::Running);
    running.map(|j| j.run.0.clone()).collect()
}

impl HasTable for Studies {
    fn table(&self) -> &DataTable {
        &self.table
    }
    fn table_mut(&mut self) -> &mut DataTable {
        &mut self.table
    }
    fn words(kind: Words, text: String) -> super::Goal {
        super::Goal::Studies(Goal::Words(kind, text))
    }
}

impl Studies {
    /// The screen before anything is read.
    pub fn new() -> Self {
        let table = DataTable::new(rows::columns()).styled(rows::cell_style);
        Self { table, lines: Arc::new(Lines(Vec::new())), datasets: None }
    }

    fn line(&self) -> Option<&Line> {
        self.lines.0.get(self.table.selected()?)
    }

    /// The file that the form wrote for the study under the cursor.
    fn file(&self, shared: &Shared) -> Option<std::path::PathBuf> {
        let line = self.line().filter(|l| l.is_study)?;
        let path = shared.home.studies_dir().join(format!("{}.toml", line.name));
        path.exists().then_some(path)
    }

    fn take(&mut self, lines: Lines, shared: &Shared) {
        self.lines = Arc::new(lines);
        let rows: Arc<Lines> = Arc::clone(&self.lines);
        self.table.set_rows(rows, shared);
    }

    fn read_datasets(shared: &Shared) {
        let home = shared.home.clone();
        shared.tasks.spawn(move || AppUpdate::Studies(Update::Datasets(data::dataset_names(&home))));
    }

    fn is_new_here(&self) -> bool {
        self.lines.0.is_empty() && self.datasets.as_ref().is_some_and(Vec::is_empty)
    }

    fn draw_details(&self, canvas: &mut Canvas<'_, '_>, area: Rect, shared: &Shared) {
        let theme = &shared.theme;
        let Some(line) = self.line() else { return };
        let inside = canvas.panel(area, TextLine::styled(format!(" {} ", line.name), theme.heading), false, theme);
        let mut lines = vec![
            format!("models    {}", line.models.join(", ")),
            format!("datasets  {}", line.datasets.join(", ")),
            format!(
                "runs      {} of {} finished, {} running, {} failed, {} interrupted",
                line.finished, line.total, line.running, line.failed, line.interrupted
            ),
        ];
        let jobs: Vec<&lightbox_scheduler::protocol::JobView> = shared
            .queue
            .jobs
            .iter()
            .filter(|j| j.study.as_ref() == Some(&line.name) || j.group.0 == line.name)
            .collect();
        let left: f64 = jobs.iter().filter_map(|j| j.eta_seconds).sum();
        if left > 0.0 {
            lines.push(format!("left      {} for the jobs that run now", text::duration(left)));
        }
        for (i, said) in lines.iter().enumerate() {
            canvas
                .line(TextLine::styled(said.clone(), theme.text), Rect { y: inside.y + i as u16, height: 1, ..inside });
        }
        if !line.trouble.is_empty() {
            let at = inside.y + lines.len() as u16;
            for (i, part) in text::wrap(&line.trouble, usize::from(inside.width)).into_iter().enumerate() {
                if at + (i as u16) < inside.bottom() {
                    canvas.line(TextLine::styled(part, theme.bad), Rect { y: at + i as u16, height: 1, ..inside });
                }
            }
        }
    }
}

impl Screen for Studies {
    fn name(&self) -> &'static str {
        "Studies"
    }

    fn about(&self) -> &'static str {
        "A study trains each model on each dataset over the same folds, explains one of them, and tests what differs. Groups \
         are runs that were queued by one command outside studies."
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
        shared.need_catalogue();
        self.take(Lines::read(&shared.home, &shared.runs, &running(shared)), shared);
        if self.datasets.is_none() {
            // A few folders: read here, so that the first frame of a new home is its welcome.
            self.datasets = Some(data::dataset_names(&shared.home));
        } else {
            Self::read_datasets(shared);
        }
    }

    fn go(&mut self, goal: super::Goal, shared: &mut Shared) {
        match goal {
            super::Goal::Studies(Goal::Words(kind, text)) => take_words(self, kind, &text, shared),
            super::Goal::Studies(Goal::Study(name)) => {
                self.take(Lines::read(&shared.home, &shared.runs, &running(shared)), shared);
                self.table.select_id(&name);
            }
            _ => {}
        }
    }

    fn update(&mut self, update: &AppUpdate, shared: &mut Shared) {
        self.table.update(update);
        match update {
            AppUpdate::Runs(Ok(runs)) => {
                let (home, runs, running) = (shared.home.clone(), Arc::clone(runs), running(shared));
                shared.tasks.spawn(move || AppUpdate::Studies(Update::Lines(Lines::read(&home, &runs, &running).0)));
            }
            AppUpdate::Studies(Update::Lines(lines)) => self.take(Lines(lines.clone()), shared),
            AppUpdate::Studies(Update::Datasets(names)) => self.datasets = Some(names.clone()),
            AppUpdate::Command(done) if done.run.purpose == Purpose::Data || done.run.purpose == Purpose::Demo => {
                Self::read_datasets(shared);
            }
            _ => {}
        }
    }

    fn click(&mut self, hit: &Hit, again: bool, shared: &mut Shared) {
        match hit {
            Hit::Row { table, row } if *table == self.table.id => {
                self.table.select_position(*row);
                if again {
                    self.invoke("results", shared);
                }
            }
            Hit::Column { table, column } if *table == self.table.id => self.table.sort_by(*column, shared),
            _ => {}
        }
    }

    fn scroll(&mut self, by: isize, _: &mut Shared) {
        self.table.step(by);
    }

    fn draw(&mut self, canvas: &mut Canvas<'_, '_>, area: Rect, shared: &Shared) {
        let theme = &shared.theme;
        if self.is_new_here() {
            welcome::draw(canvas, area, shared);
            return;
        }
        let below = if area.height >= 22 { 8 } else { 0 };
        let upper = Rect { height: area.height - below, ..area };
        let title = match &shared.runs_trouble {
            Some(sentence) => Span::styled(format!(" {sentence} "), theme.bad),
            None => Span::styled(format!(" {} runs ", text::thousands(shared.runs.len() as u64)), theme.dim),
        };
        let inside =
            canvas.panel(upper, TextLine::from(vec![Span::styled(" Studies ", theme.accent), title]), true, theme);
        self.table.draw(canvas, inside, true, theme);
        if self.lines.0.is_empty() {
            let said = "No study yet. n writes one; d runs the demo.";
            canvas.line(TextLine::styled(said, theme.dim), Rect { y: inside.y + 1, height: 1, ..inside });
        }
        let summary = format!(" {} ", self.table.summary());
        let width = text::width(&summary) as u16;
        let x = upper.right().saturating_sub(width + 2);
        canvas.line(TextLine::styled(summary, theme.dim), Rect { x, y: upper.bottom() - 1, width, height: 1 });
        if below > 0 {
            self.draw_details(canvas, Rect { y: upper.bottom(), height: below, ..area }, shared);
        }
    }
}
