//! The queue's table: jobs as the daemon sees them, or runs by the index while there is no daemon.

use std::borrow::Cow;

use lightbox_scheduler::protocol::JobView;
use lightbox_store::index::RunRow;
use ratatui::style::Style;

use crate::theme::Theme;
use crate::widgets::order::Rows;
use crate::widgets::table::Column;
use crate::widgets::text;

/// A line of the table.
#[derive(Clone, Debug, Default)]
pub struct Job {
    /// The run.
    pub run: String,
    /// Study.
    pub study: String,
    /// State in a word.
    pub state: String,
    /// What it does.
    pub label: String,
    /// Share done.
    pub done: Option<f64>,
    /// Seconds left.
    pub eta: Option<f64>,
    /// Seconds since it was started.
    pub running: Option<f64>,
    /// Priority.
    pub priority: i32,
    /// Where it runs.
    pub place: String,
    /// Phase, or why it failed or waits.
    pub note: String,
}

/// All lines.
pub struct Jobs(pub Vec<Job>);

/// Columns of the table.
pub fn columns() -> Vec<Column> {
    vec![
        Column::text("state", 13),
        Column::text("job", 44),
        Column::text("done", 18),
        Column::figure("left", 11),
        Column::figure("running", 11),
        Column::figure("prio", 6),
        Column::text("study", 20),
        Column::text("where", 22),
        Column::text("note", 60),
        Column::text("run", 48),
    ]
}

/// A sign for a state, so that no colour is needed to tell them apart.
pub fn sign(state: &str, ascii: bool) -> &'static str {
    let (usual, plain) = match state {
        "running" => ("▶", ">"),
        "stopping" => ("◼", "x"),
        "queued" => ("·", "."),
        "waiting" => ("…", ":"),
        "paused" => ("‖", "="),
        "blocked" | "failed" => ("✗", "!"),
        "finished" => ("✓", "+"),
        "cancelled" => ("∅", "0"),
        "interrupted" => ("↯", "~"),
        _ => ("?", "?"),
    };
    if ascii { plain } else { usual }
}

/// The style of a state.
pub fn style(state: &str, theme: &Theme) -> Style {
    match state {
        "running" => theme.accent,
        "failed" | "blocked" => theme.bad,
        "paused" | "stopping" | "interrupted" => theme.warn,
        "finished" => theme.good,
        "queued" | "waiting" => theme.text,
        _ => theme.dim,
    }
}

impl Jobs {
    /// Jobs as the daemon sees them.
    pub fn of_daemon(jobs: &[JobView]) -> Self {
        let line = |j: &JobView| Job {
            run: j.run.0.clone(),
            study: j.study.clone().unwrap_or_default(),
            state: j.state.word().to_owned(),
            label: j.label.clone(),
            done: j.done,
            eta: j.eta_seconds,
            running: j.running_seconds,
            priority: j.priority,
            place: j.place.clone().unwrap_or_default(),
            note: j.reason.clone().or_else(|| j.phase.clone()).unwrap_or_default(),
        };
        Self(jobs.iter().map(line).collect())
    }

    /// Runs by the index: first those that wait for a daemon, in its order, then the others, the latest first.
    pub fn of_index(runs: &[RunRow]) -> Self {
        let line = |r: &RunRow| {
            let fold = r.fold.map(|f| format!(" fold {}/{}", f + 1, r.folds.unwrap_or(f + 1))).unwrap_or_default();
            Job {
                run: r.run.0.clone(),
                study: r.study.clone().unwrap_or_default(),
                state: r.status.clone(),
                label: format!("{}{} {}{fold}", verb(&r.kind), r.dataset, r.model.as_deref().unwrap_or("")),
                done: (r.status == "finished").then_some(1.0),
                eta: None,
                running: r.started.zip(r.ended).map(|(from, to)| to - from),
                priority: r.priority.unwrap_or(0),
                place: String::new(),
                note: r.error.clone().unwrap_or_default(),
            }
        };
        let (mut open, settled): (Vec<_>, Vec<_>) = runs.iter().partition(|r| is_open(&r.status));
        open.sort_by_key(|r| (r.status != "running", -i64::from(r.priority.unwrap_or(0)), r.order.unwrap_or(0)));
        Self(open.into_iter().chain(settled.into_iter().rev()).map(line).collect())
    }

    /// How many are neither done nor given up.
    pub fn open(&self) -> usize {
        self.0.iter().filter(|job| is_open(&job.state)).count()
    }
}

/// Whether a job in this state is neither done nor given up.
pub fn is_open(state: &str) -> bool {
    matches!(state, "running" | "stopping" | "queued" | "waiting" | "paused")
}

/// What a run of a kind does, as the daemon puts it.
fn verb(kind: &str) -> &'static str {
    match kind {
        "evaluate" => "evaluate ",
        "explain-eval" => "explain ",
        _ => "",
    }
}

impl Rows for Jobs {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn text(&self, row: usize, column: usize) -> Cow<'_, str> {
        let job = &self.0[row];
        match column {
            0 => format!("{} {}", sign(&job.state, false), job.state).into(),
            1 => job.label.as_str().into(),
            2 => match job.done {
                Some(done) if job.state != "finished" => {
                    format!("{} {:3.0} %", text::bar(done, 10, false), 100.0 * done).into()
                }
                _ => "".into(),
            },
            3 => job.eta.filter(|_| job.state == "running").map(text::duration).unwrap_or_default().into(),
            4 => job.running.map(text::duration).unwrap_or_default().into(),
            5 if job.priority == 0 => "".into(),
            5 => job.priority.to_string().into(),
            6 => job.study.as_str().into(),
            7 => job.place.as_str().into(),
            8 => job.note.as_str().into(),
            _ => job.run.as_str().into(),
        }
    }

    fn is_numeric(&self, column: usize) -> bool {
        matches!(column, 2..=5)
    }

    fn number(&self, row: usize, column: usize) -> Option<f64> {
        let job = &self.0[row];
        match column {
            2 => job.done,
            3 => job.eta,
            4 => job.running,
            5 => Some(f64::from(job.priority)),
            _ => None,
        }
    }

    fn id(&self, row: usize) -> Cow<'_, str> {
        self.0[row].run.as_str().into()
    }
}

/// How a cell of the table is drawn.
pub fn cell_style(rows: &dyn Rows, row: usize, column: usize, theme: &Theme) -> Style {
    match column {
        0 => style(rows.text(row, 0).split_once(' ').map_or("", |(_, word)| word), theme),
        1 | 2 => theme.text,
        8 if matches!(rows.text(row, 0).split_once(' '), Some((_, "failed" | "blocked"))) => theme.bad,
        _ => theme.dim,
    }
}
