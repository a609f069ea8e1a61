//! The page of single figures: a row for each image, method and metric behind a table of methods.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

use lightbox_report::methods::Selection;
use lightbox_store::run::{ExplainScore, Word};
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::Line;

use super::load::Tables;
use super::{Results, Update, export};
use crate::app::keys::Binding;
use crate::app::message::Update as AppUpdate;
use crate::app::shared::{Loaded, Shared};
use crate::screens::viewer::{self, source::Wanted};
use crate::screens::{Goal as AnyGoal, movement::HasTable};
use crate::theme::Theme;
use crate::widgets::order::Rows;
use crate::widgets::table::Column;
use crate::widgets::{Canvas, DataTable, text};

/// The column of the figures.
const VALUE: usize = 4;

/// What the columns of words hold.
const WORDS: [(usize, Word); 7] = [
    (0, Word::Image),
    (1, Word::Group),
    (2, Word::Method),
    (3, Word::Metric),
    (5, Word::Truth),
    (6, Word::Predicted),
    (7, Word::Status),
];

/// The page.
pub struct Images {
    /// Its table.
    pub table: DataTable,
    figures: Loaded<Arc<Figures>>,
}

/// Every figure of the images that a table is about.
pub struct Figures {
    tables: Arc<Tables>,
    /// The rows that are of these images; none when all are.
    picked: Option<Vec<u32>>,
    /// Each run: its place among the explained ones, and its first row among those of all runs.
    runs: Vec<(usize, usize)>,
    /// How many rows all runs have.
    count: usize,
    /// For each run, the place of each of its words among the words of all runs in order.
    ranks: Vec<Vec<u32>>,
}

impl Figures {
    /// The figures behind a table, with its words in order.
    pub fn read(tables: Arc<Tables>, table: usize) -> Self {
        let mut runs = Vec::new();
        let mut count = 0;
        let shown = tables.tables.get(table);
        for at in shown.map(|table| tables.behind(table)).unwrap_or_default() {
            runs.push((at, count));
            count += tables.explained[at].rows.len();
        }
        let words = |at: usize| tables.explained[at].rows.words();
        let mut all: Vec<&str> = runs.iter().flat_map(|(at, _)| words(*at)).map(|word| &**word).collect();
        all.sort_unstable();
        all.dedup();
        let place: HashMap<&str, u32> = all.into_iter().zip(0..).collect();
        let rank = |word: &str| place.get(word).copied().unwrap_or(u32::MAX);
        let ranks = runs.iter().map(|(at, _)| words(*at).iter().map(|word| rank(word)).collect()).collect();
        let selection = shown.map(|table| table.images.clone()).unwrap_or_default();
        let mut figures = Self { tables, picked: None, runs, count, ranks };
        if selection != Selection::All {
            let all = 0..u32::try_from(count).unwrap_or(u32::MAX);
            let admitted = |row: &u32| figures.score(*row as usize).is_some_and(|score| selection.admits(&score));
            figures.picked = Some(all.filter(admitted).collect());
        }
        figures
    }

    /// The run of a row, by its place here, and the row within it.
    fn place(&self, row: usize) -> (usize, usize) {
        let row = self.picked.as_ref().map_or(row, |picked| picked[row] as usize);
        let run = self.runs.partition_point(|(_, first)| *first <= row).saturating_sub(1);
        (run, row - self.runs[run].1)
    }

    fn score(&self, row: usize) -> Option<ExplainScore<'_>> {
        let (run, row) = self.place(row);
        self.tables.explained[self.runs[run].0].rows.get(row)
    }

    fn wanted(&self, row: usize, image: &str) -> Option<Wanted> {
        let run = &self.tables.explained.get(self.runs.get(self.place(row).0)?.0)?;
        let title = format!("{} · {} fold {} · {image}", run.dataset, run.network, run.fold + 1);
        Some(Wanted::Some { title, runs: vec![run.parent.0.clone()], images: vec![image.to_owned()] })
    }
}

impl Rows for Figures {
    fn len(&self) -> usize {
        self.picked.as_ref().map_or(self.count, Vec::len)
    }

    fn text(&self, row: usize, column: usize) -> Cow<'_, str> {
        let Some(score) = self.score(row) else { return "".into() };
        match column {
            0 => score.image.into(),
            1 => score.group.into(),
            2 => score.method.into(),
            3 => score.metric.into(),
            VALUE => score.value.map_or("–".into(), |v| text::figure(v, 4).into()),
            5 => score.truth.into(),
            6 => score.predicted.into(),
            _ => score.status.into(),
        }
    }

    fn is_numeric(&self, column: usize) -> bool {
        column == VALUE
    }

    fn number(&self, row: usize, _: usize) -> Option<f64> {
        let (run, row) = self.place(row);
        self.tables.explained[self.runs[run].0].rows.value(row)
    }

    fn rank(&self, row: usize, column: usize) -> Option<u32> {
        let (_, word) = WORDS.iter().find(|(c, _)| *c == column)?;
        let (run, row) = self.place(row);
        let place = self.tables.explained[self.runs[run].0].rows.place(row, *word)?;
        self.ranks[run].get(place).copied()
    }

    fn id(&self, row: usize) -> Cow<'_, str> {
        let Some(score) = self.score(row) else { return "".into() };
        let ExplainScore { image, method, metric, .. } = score;
        format!("{}\t{image}\t{method}\t{metric}", self.place(row).0).into()
    }
}

fn columns() -> Vec<Column> {
    vec![
        Column::text("image", 40),
        Column::text("group", 20),
        Column::text("method", 22),
        Column::text("metric", 20),
        Column::figure("value", 12),
        Column::text("truth", 18),
        Column::text("predicted", 18),
        Column::text("status", 14),
    ]
}

/// A wrong prediction and a figure that is missing stand out.
fn cell_style(rows: &dyn Rows, row: usize, column: usize, theme: &Theme) -> Style {
    match column {
        6 if rows.text(row, 5) != rows.text(row, 6) => theme.bad,
        7 if rows.text(row, 7) != "ok" => theme.warn,
        1 | 7 => theme.dim,
        _ => theme.text,
    }
}

fn with_rows(screen: &Results, _: &Shared) -> Result<(), String> {
    if screen.table().shown() > 0 { Ok(()) } else { Err("no rows".to_owned()) }
}

type Bind = Binding<Results>;

/// Keys of the page, besides those of every table.
pub const BINDINGS: &[Bind] = &[
    Bind::new(&["enter"], "show image", "The image in the viewer, explained by the row's method.", show)
        .footer()
        .when(with_rows),
    Bind::new(&["s"], "sort by value", "Sort by the figure; again turns the order round.", |r, s| {
        r.table_mut().sort_by(VALUE, s);
    })
    .footer()
    .when(with_rows),
    Bind::new(&["e"], "export", "Write the rows that are shown, in their order, as CSV.", export::choose_figures)
        .footer()
        .when(with_rows),
    Bind::new(&["i"], "methods", "Back to the table of methods.", |r, _| r.images = None).footer(),
];

/// Opens the page behind the table that is shown.
pub fn open(results: &mut Results, shared: &mut Shared) {
    let table = DataTable::new(columns()).styled(cell_style);
    results.images = Some(Images { table, figures: Loaded::Coming });
    read(results, shared);
}

/// Reads the figures of an open page, also when the tables were read anew.
pub fn read(results: &Results, shared: &Shared) {
    let (Some(images), Some(tables)) = (&results.images, results.tables.get().map(Arc::clone)) else { return };
    let (id, current) = (images.table.id, results.current);
    shared.tasks.spawn(move || {
        let figures = Arc::new(Figures::read(tables, current));
        AppUpdate::Results(Box::new(Update::Figures(id, figures)))
    });
}

/// Shows the image of the row under the cursor in the viewer, explained by the row's method.
pub fn show(results: &mut Results, shared: &mut Shared) {
    let Some(images) = &results.images else { return };
    let (Some(figures), Some(row)) = (images.figures.get(), images.table.selected()) else { return };
    let Some(score) = figures.score(row) else { return };
    if let Some(wanted) = figures.wanted(row, score.image) {
        let method = score.method.to_owned();
        shared.go(AnyGoal::Viewer(viewer::Goal::Show(wanted)));
        shared.go(AnyGoal::Viewer(viewer::Goal::Method(method)));
    }
}

impl Images {
    /// Takes the figures that were read for a page.
    pub fn take(&mut self, page: u64, figures: &Arc<Figures>, shared: &Shared) {
        if page == self.table.id {
            self.figures = Loaded::Here(Arc::clone(figures));
            let rows: Arc<Figures> = Arc::clone(figures);
            self.table.set_rows(rows, shared);
        }
    }

    /// Draws the page.
    pub fn draw(&mut self, canvas: &mut Canvas<'_, '_>, area: Rect, theme: &Theme) {
        if self.figures.get().is_none() {
            return canvas.line(Line::styled("reading the figures …", theme.dim), area);
        }
        let body = Rect { height: area.height.saturating_sub(1), ..area };
        self.table.draw(canvas, body, true, theme);
        let below = Rect { y: body.bottom(), height: area.height - body.height, ..area };
        canvas.line(Line::styled(text::cut(&self.table.summary(), usize::from(area.width)), theme.dim), below);
    }
}
