//! Results: tables with significance markers, and what lies behind each figure, down to the images.

mod details;
mod draw;
mod export;
mod images;
pub mod load;
mod panels;
mod rows;

use std::sync::Arc;

use lightbox_report::Table;
use lightbox_stats::MetricId;
use ratatui::crossterm::event::KeyEvent;
use ratatui::layout::Rect;

use super::movement::{HasTable, Movement, Words, take_words};
use super::viewer::source::Wanted;
use super::{Goal as AnyGoal, Screen, viewer};
use crate::app::keys::{self, Binding, Entry};
use crate::app::message::Update as AppUpdate;
use crate::app::popup::{Choice, Choose, Page};
use crate::app::shared::{Loaded, Shared};
use crate::widgets::charts::Strip;
use crate::widgets::{Canvas, DataTable, Hit};
use details::Details;
use images::{Figures, Images};
use load::{Tables, Whose};
use rows::Cells;

/// Something for the results.
#[derive(Clone, Debug, PartialEq)]
pub enum Goal {
    /// A study's tables.
    Study(String),
    /// Tables of runs outside studies.
    Loose,
    /// Write the tables here, in this format.
    Export(String, std::path::PathBuf),
    /// Write the figures of the images here.
    ExportFigures(std::path::PathBuf),
    /// Words for the table.
    Words(Words, String),
}

/// What came of reading beside the loop.
pub enum Update {
    /// Tables.
    Tables(Whose, Option<String>, Result<Arc<Tables>, String>),
    /// What lies behind a row.
    Details(Result<Details, String>),
    /// The figures of a page of images, by the page's table.
    Figures(u64, Arc<Figures>),
}

/// The screen.
pub struct Results {
    table: DataTable,
    whose: Option<Whose>,
    baseline: Option<String>,
    tables: Loaded<Arc<Tables>>,
    current: usize,
    column: usize,
    inside: Option<Inside>,
    images: Option<Images>,
    stale: bool,
}

/// The page behind a row.
struct Inside {
    details: Loaded<Details>,
    panel: usize,
}

fn with_table(screen: &Results, _: &Shared) -> Result<(), String> {
    screen.shown().map(|_| ()).ok_or_else(|| "no table".to_owned())
}

fn with_other_tables(screen: &Results, _: &Shared) -> Result<(), String> {
    match screen.tables.get().map_or(0, |tables| tables.tables.len()) {
        0 => Err("no table".to_owned()),
        1 => Err("it is the only table".to_owned()),
        _ => Ok(()),
    }
}

fn of_models(screen: &Results, _: &Shared) -> Result<(), String> {
    match screen.shown() {
        Some(table) if table.row_kind == "model" => Ok(()),
        _ => Err("this is no table of models".to_owned()),
    }
}

fn of_methods(screen: &Results, _: &Shared) -> Result<(), String> {
    match screen.shown() {
        Some(table) if table.row_kind == "method" => Ok(()),
        _ => Err("this is no table of methods".to_owned()),
    }
}

type Bind = Binding<Results>;

const BINDINGS: &[Bind] = &[
    Bind::new(&["enter"], "look behind", "Folds, tests, confusion, calibration; then the images.", Results::enter_row)
        .footer()
        .when(with_table),
    Bind::new(&["b"], "baseline", "Test all rows against the one under the cursor.", |r, s| {
        if let Some(name) = r.table.selected_id() {
            r.baseline = Some(name);
            r.read(s);
        }
    })
    .footer()
    .when(of_models),
    Bind::new(&["]", "space"], "next table", "The next table.", |r, s| r.turn(1, s)).footer().when(with_other_tables),
    Bind::new(&["["], "previous table", "The previous table.", |r, s| r.turn(-1, s)).when(with_other_tables),
    Bind::new(&["right", "l"], "next metric", "The next metric.", |r, _| r.turn_column(1)).when(with_table),
    Bind::new(&["left", "h"], "previous metric", "The previous metric.", |r, _| r.turn_column(-1)).when(with_table),
    Bind::new(&["s"], "sort by metric", "Sort by the metric under the cursor; again turns the order round.", |r, s| {
        let column = r.column + 1;
        r.table.sort_by(column, s);
    })
    .footer()
    .when(with_table),
    Bind::new(&["d"], "disagreements", "Images on which this model and the baseline disagree.", |r, s| {
        r.show_images(true, s);
    })
    .when(of_models),
    Bind::new(&["v"], "images", "The test images of this row in the viewer.", |r, s| r.show_images(false, s))
        .footer()
        .when(of_models),
    Bind::new(&["i"], "images", "Every figure of every image behind this table of methods.", images::open)
        .footer()
        .when(of_methods),
    Bind::new(&["w"], "study", "Choose whose tables are shown.", Results::choose).footer(),
    Bind::new(&["N"], "notes", "All notes under the table: tests, families, conditions.", |r, s| {
        if let Some(table) = r.shown() {
            s.open(Page::new("Notes", table.notes.join("\n")));
        }
    })
    .when(with_table),
    Bind::new(&["e"], "export", "Write the tables as Markdown, CSV, LaTeX or JSON.", export::choose)
        .footer()
        .when(with_table),
];

/// Keys of the page behind a row.
const BEHIND: &[Bind] = &[
    Bind::new(&["enter", "v"], "images", "The test images of this row in the viewer.", |r, s| r.show_images(false, s))
        .footer()
        .when(with_table),
    Bind::new(&["tab", "]", "space"], "next panel", "Move all panels on by one.", |r, s| r.turn(1, s)).footer(),
    Bind::new(&["backtab", "["], "previous panel", "Move all panels back by one.", |r, s| r.turn(-1, s)),
    Bind::new(&["right", "l"], "next metric", "The next metric.", |r, _| r.turn_column(1)).footer().when(with_table),
    Bind::new(&["left", "h"], "previous metric", "The previous metric.", |r, _| r.turn_column(-1)).when(with_table),
    Bind::new(&["d"], "disagreements", "Images on which this model and the baseline disagree.", |r, s| {
        r.show_images(true, s);
    })
    .footer()
    .when(of_models),
];

impl HasTable for Results {
    fn table(&self) -> &DataTable {
        self.images.as_ref().map_or(&self.table, |images| &images.table)
    }
    fn table_mut(&mut self) -> &mut DataTable {
        self.images.as_mut().map_or(&mut self.table, |images| &mut images.table)
    }
    fn words(kind: Words, text: String) -> AnyGoal {
        AnyGoal::Results(Goal::Words(kind, text))
    }
}

impl Results {
    /// The screen before anything is read.
    pub fn new() -> Self {
        Self {
            table: DataTable::new(Vec::new()).styled(rows::cell_style),
            whose: None,
            baseline: None,
            tables: Loaded::No,
            current: 0,
            column: 0,
            inside: None,
            images: None,
            stale: false,
        }
    }

    /// The table that is shown.
    fn shown(&self) -> Option<&Table> {
        self.tables.get()?.tables.get(self.current)
    }

    fn read(&mut self, shared: &Shared) {
        let Some(whose) = self.whose.clone() else { return };
        self.stale = false;
        if self.tables.get().is_none() {
            self.tables = Loaded::Coming;
        }
        let (home, baseline) = (shared.home.clone(), self.baseline.clone());
        shared.tasks.spawn(move || {
            let tables = load::read(&home, &whose, baseline.as_deref()).map(Arc::new);
            AppUpdate::Results(Box::new(Update::Tables(whose, baseline, tables)))
        });
    }

    fn show_table(&mut self, shared: &Shared) {
        let Some(table) = self.shown().cloned().map(Arc::new) else {
            self.table.set_columns(Vec::new());
            return;
        };
        self.column = self.column.min(table.columns.len().saturating_sub(1));
        self.table.set_columns(rows::columns(&table));
        self.table.set_rows(Arc::new(Cells(table)), shared);
        self.table.set_chosen(self.column + 1);
    }

    fn turn(&mut self, by: isize, shared: &Shared) {
        if let Some(inside) = &mut self.inside {
            let count = panels::MODEL_PANELS.len() as isize;
            inside.panel = (inside.panel as isize + by).rem_euclid(count) as usize;
            return;
        }
        let count = self.tables.get().map_or(0, |t| t.tables.len()).max(1);
        self.current = (self.current as isize + by).rem_euclid(count as isize) as usize;
        self.show_table(shared);
    }

    fn turn_column(&mut self, by: isize) {
        let last = self.shown().map_or(0, |t| t.columns.len().saturating_sub(1));
        self.column = self.column.saturating_add_signed(by).min(last);
        self.table.set_chosen(self.column + 1);
    }

    fn enter_row(&mut self, shared: &mut Shared) {
        if self.inside.is_some() {
            self.show_images(false, shared);
            return;
        }
        let (Some(tables), Some(table), Some(row)) = (self.tables.get(), self.shown(), self.table.selected_id()) else {
            return;
        };
        if table.row_kind != "model" {
            self.inside = Some(Inside { details: Loaded::No, panel: 0 });
            return;
        }
        let Some(model) = tables.runs(&table.dataset, &row).cloned() else {
            shared.say_bad("the runs behind this row are gone");
            return;
        };
        let ids: Vec<&str> = table.columns.iter().map(|c| c.id.as_str()).collect();
        let metrics: Vec<MetricId> =
            MetricId::ALL.iter().copied().filter(|m| ids.contains(&m.id()) && m.is_of_predictions()).collect();
        self.inside = Some(Inside { details: Loaded::Coming, panel: 0 });
        let home = shared.home.clone();
        shared
            .tasks
            .spawn(move || AppUpdate::Results(Box::new(Update::Details(details::read(&home, &model, &metrics)))));
    }

    /// Shows the images behind a row in the viewer: all, or those on which it and the baseline disagree.
    fn show_images(&mut self, disagreements: bool, shared: &mut Shared) {
        let (Some(tables), Some(table), Some(row)) = (self.tables.get(), self.shown(), self.table.selected_id()) else {
            return;
        };
        let row = if table.row_kind == "model" { row } else { String::new() };
        let Some(model) = tables.runs(&table.dataset, &row) else {
            shared.say("rows of methods have no images of their own; look at a model's");
            return;
        };
        let runs: Vec<String> = model.runs.iter().map(|r| r.id.0.clone()).collect();
        if !disagreements {
            shared.go(AnyGoal::Viewer(viewer::Goal::Show(Wanted::Runs(runs))));
            return;
        }
        let Some(baseline) = tables.runs(&table.dataset, &table.baseline) else { return };
        let images = details::disagreements(model, baseline);
        if model.label == baseline.label || images.is_empty() {
            shared.say_bad("there is no image on which they disagree");
            return;
        }
        let title = format!("{} · {} and {} disagree", table.dataset, model.label, baseline.label);
        shared.go(AnyGoal::Viewer(viewer::Goal::Show(Wanted::Some { title, runs, images })));
    }

    /// Studies with runs, and the runs outside them.
    fn choose(&mut self, shared: &mut Shared) {
        let mut names: Vec<Whose> = Vec::new();
        for run in shared.runs.iter().rev() {
            let whose = run.study.clone().map_or(Whose::Loose, Whose::Study);
            if !names.contains(&whose) {
                names.push(whose);
            }
        }
        let choice = |w: &Whose| match w {
            Whose::Study(name) => Choice::new(name.clone(), "study"),
            Whose::Loose => Choice::new("runs outside studies", "the last finished group of each model and setting"),
        };
        if names.is_empty() {
            shared.say_bad("nothing was trained here yet");
            return;
        }
        let choices = names.iter().map(|w| Choice { chosen: self.whose.as_ref() == Some(w), ..choice(w) }).collect();
        shared.open(Choose::one("Whose results", choices, move |index, s| {
            let goal = match &names[index] {
                Whose::Study(name) => Goal::Study(name.clone()),
                Whose::Loose => Goal::Loose,
            };
            s.go(AnyGoal::Results(goal));
        }));
    }

    fn set_whose(&mut self, whose: Whose, shared: &Shared) {
        if self.whose.as_ref() != Some(&whose) {
            (self.baseline, self.current, self.column, self.inside, self.images) = (None, 0, 0, None, None);
            self.tables = Loaded::No;
        }
        self.whose = Some(whose);
        self.read(shared);
    }

    /// The distributions of the metric under the cursor, for tables of methods.
    fn strips(&self) -> &[Strip] {
        let strips = self.tables.get().and_then(|tables| tables.strips.get(self.current)?.get(self.column));
        strips.map(Vec::as_slice).unwrap_or_default()
    }

    /// The keys of what is shown.
    fn bindings(&self) -> &'static [Bind] {
        match (&self.images, &self.inside) {
            (Some(_), _) => images::BINDINGS,
            (None, Some(_)) => BEHIND,
            (None, None) => BINDINGS,
        }
    }
}

impl Screen for Results {
    fn name(&self) -> &'static str {
        "Results"
    }

    fn about(&self) -> &'static str {
        "Every row is tested against the baseline, over folds of patients, corrected for the number of comparisons. * p<.05 \
         ** p<.01 *** p<.001, ns not significant, ≡ identical by construction, – not tested; ▲ better, ▼ worse. \
         Higher figures are better, but under a heading that says (lower)."
    }

    fn entries(&self, shared: &Shared) -> Vec<Entry> {
        let own = self.bindings().iter().map(|b| b.entry(self, shared));
        let taken: Vec<&str> = self.bindings().iter().flat_map(|b| b.keys).copied().collect();
        let rest = Movement::<Self>::BINDINGS.iter().filter(|b| !b.keys.iter().any(|k| taken.contains(k)));
        own.chain(rest.map(|b| b.entry(self, shared))).collect()
    }

    fn key(&mut self, key: &KeyEvent, shared: &mut Shared) -> bool {
        keys::press(self.bindings(), self, key, shared) || keys::press(Movement::<Self>::BINDINGS, self, key, shared)
    }

    fn invoke(&mut self, name: &str, shared: &mut Shared) -> bool {
        keys::invoke(self.bindings(), self, name, shared)
            || keys::invoke(Movement::<Self>::BINDINGS, self, name, shared)
    }

    fn enter(&mut self, shared: &mut Shared) {
        if self.whose.is_none() {
            let latest = shared.runs.iter().rev().find(|r| r.status == "finished");
            self.whose = latest.map(|r| r.study.clone().map_or(Whose::Loose, Whose::Study));
        }
        if self.stale || self.tables.get().is_none() {
            self.read(shared);
        }
    }

    fn go(&mut self, goal: AnyGoal, shared: &mut Shared) {
        let AnyGoal::Results(goal) = goal else { return };
        match goal {
            Goal::Study(name) => self.set_whose(Whose::Study(name), shared),
            Goal::Loose => self.set_whose(Whose::Loose, shared),
            Goal::Export(format, path) => export::write(self, &format, &path, shared),
            Goal::ExportFigures(path) => {
                if let Some(images) = &self.images {
                    export::write_rows(&images.table, path, shared);
                }
            }
            Goal::Words(kind, text) => take_words(self, kind, &text, shared),
        }
    }

    fn update(&mut self, update: &AppUpdate, shared: &mut Shared) {
        self.table.update(update);
        if let Some(images) = &mut self.images {
            images.table.update(update);
        }
        match update {
            // Read when they are looked at: a study with a million scores is not read for every job that ends.
            AppUpdate::Runs(_) => self.stale = true,
            AppUpdate::Results(update) => match &**update {
                Update::Tables(whose, baseline, tables)
                    if self.whose.as_ref() == Some(whose) && self.baseline == *baseline =>
                {
                    self.tables = Loaded::of(tables.clone());
                    self.current = self.current.min(self.tables.get().map_or(0, |t| t.tables.len().saturating_sub(1)));
                    self.show_table(shared);
                    if of_methods(self, shared).is_err() {
                        self.images = None;
                    }
                    images::read(self, shared);
                }
                Update::Figures(page, figures) => {
                    if let Some(images) = &mut self.images {
                        images.take(*page, figures, shared);
                    }
                }
                Update::Details(details) => {
                    if let Some(inside) = &mut self.inside {
                        inside.details = Loaded::of(details.clone());
                    }
                }
                Update::Tables(..) => {}
            },
            _ => {}
        }
    }

    fn click(&mut self, hit: &Hit, again: bool, shared: &mut Shared) {
        match hit {
            Hit::Row { table, row } if *table == self.table().id => {
                self.table_mut().select_position(*row);
                if again && self.images.is_some() {
                    images::show(self, shared);
                } else if again {
                    self.enter_row(shared);
                }
            }
            Hit::Column { table, column } if *table == self.table.id => {
                if let Some(metric) = column.checked_sub(1) {
                    self.column = metric;
                    self.table.set_chosen(*column);
                }
                self.table.sort_by(*column, shared);
            }
            Hit::Column { column, .. } if self.images.is_some() => self.table_mut().sort_by(*column, shared),
            _ => {}
        }
    }

    fn scroll(&mut self, by: isize, _: &mut Shared) {
        self.table_mut().step(by);
    }

    fn draw(&mut self, canvas: &mut Canvas<'_, '_>, area: Rect, shared: &Shared) {
        draw::draw(self, canvas, area, shared);
    }

    fn has_back(&self) -> bool {
        self.images.is_some() || self.inside.is_some()
    }

    fn back(&mut self, _: &mut Shared) -> bool {
        self.images.take().is_some() || self.inside.take().is_some()
    }
}
