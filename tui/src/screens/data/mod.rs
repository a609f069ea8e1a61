//! Datasets: class balance, splits, thumbnails, what is wrong with them, and the rules by which they are read.

mod edit;
mod rows;

use std::sync::Arc;

use lightbox_store::Home;
use lightbox_terminal::graphics::Picture;
use ratatui::crossterm::event::KeyEvent;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::movement::{HasTable, Movement, Words, take_words};
use super::{Goal as AnyGoal, Screen, viewer};
use crate::app::keys::{self, Binding, Entry};
use crate::app::message::Update as AppUpdate;
use crate::app::popup::{Confirm, Field, Form, Page};
use crate::app::shared::Shared;
use crate::app::tasks::Purpose;
use crate::screens::viewer::photo;
use crate::theme::Theme;
use crate::widgets::order::Rows;
use crate::widgets::{Canvas, DataTable, Hit, text};
use rows::{Details, Lines};

/// Something for the datasets.
#[derive(Clone, Debug, PartialEq)]
pub enum Goal {
    /// The form that adds one.
    Add,
    /// A dataset whose rules changed.
    Reread(String),
    /// Words for the table.
    Words(Words, String),
}

/// What came of reading beside the loop.
pub enum Update {
    /// The list.
    List(Result<Vec<rows::Line>, String>),
    /// One dataset.
    Details(String, Result<Details, String>),
    /// Thumbnails of a dataset, each with its class.
    Thumbnails(String, Vec<(String, Arc<Picture>)>),
    /// A dataset as it would be by other rules.
    Preview(edit::Preview),
    /// What `data check` says.
    Checked(String, Result<String, String>),
}

/// The screen.
pub struct Data {
    table: DataTable,
    asked: Option<String>,
    /// With the dataset's name.
    details: Option<(String, Result<Details, String>)>,
    thumbnails: Vec<(String, Arc<Picture>)>,
    trouble: Option<String>,
}

fn chosen(screen: &Data, _: &Shared) -> Result<(), String> {
    screen.table.selected().map(|_| ()).ok_or_else(|| "no dataset".to_owned())
}

fn read(screen: &Data, _: &Shared) -> Result<(), String> {
    match screen.details() {
        Some(Ok(_)) => Ok(()),
        Some(Err(_)) => Err("it cannot be read".to_owned()),
        None => Err("no dataset is read yet".to_owned()),
    }
}

type Bind = Binding<Data>;

const BINDINGS: &[Bind] = &[
    Bind::new(&["enter"], "look at images", "The dataset's images in the viewer.", |d, s| {
        if let Some(name) = d.table.selected_id() {
            s.go(AnyGoal::Viewer(viewer::Goal::Dataset(name)));
        }
    })
    .footer()
    .when(read),
    Bind::new(&["a"], "add", "Register a folder or table of images, where it lies.", |_, s| add(s)).footer().writes(),
    Bind::new(&["e"], "rules", "Group rule, intensity and positive class; their effect is shown before they are kept.", |d, s| {
        if let Some(Ok(details)) = d.details() {
            edit::open(s, details);
        }
    })
    .footer()
    .writes()
    .when(read),
    Bind::new(&["c"], "check", "Read every image and look for damaged ones, copies and leakage.", |d, s| d.check(s))
        .footer()
        .when(chosen),
    Bind::new(&["D"], "drop copies", "Leave out the training copies of test images.", |d, s| {
        let Some(name) = d.table.selected_id() else { return };
        let question = format!(
            "Leave out the training images of {name} that are copies of test images?\nThe files stay; the list is kept with \
             the dataset, and future trainings go without them."
        );
        s.open(Confirm::new(question, "leave them out", move |s| {
            let arguments = ["data", "check", &name, "--dedup"].map(str::to_owned).to_vec();
            s.run_command(arguments, "the copies are left out", Purpose::Data);
        }));
    })
    .writes()
    .when(chosen),
];

/// The form that adds a dataset.
fn add(shared: &mut Shared) {
    let home = shared.home.clone();
    let path_there = |text: &str| match std::path::Path::new(text.trim()).exists() {
        true => Ok(()),
        false if text.trim().is_empty() => Err("a folder of class folders, or a table (.csv)".to_owned()),
        false => Err("there is no such file or folder".to_owned()),
    };
    let free = move |text: &str| {
        lightbox_data::dataset::check_name(text.trim()).map_err(|e| e.to_string())?;
        let taken = home.datasets_dir().join(text.trim()).exists();
        if taken { Err("there is a dataset of this name".to_owned()) } else { Ok(()) }
    };
    let pattern = |text: &str| rows::group_of(text).map(|_| ());
    let fields = vec![
        Field::text("path", "Class folders, train and test folders, or a table. It stays where it is.", "", path_there),
        Field::text("name", "The name under which it is used.", "", free),
        Field::text(
            "group rule",
            "Images of one patient must not be trained and tested on: a regular expression for the patient in a path, or empty.",
            "",
            pattern,
        ),
        Field::text("positive", "Of two classes the one that is looked for; empty: guessed, or none.", "", |_| Ok(())),
    ];
    shared.open(Form::new("Add a dataset", fields, "add it", |values, shared| {
        let mut arguments: Vec<String> = ["data", "add", &values[0], "--name", &values[1]].map(str::to_owned).to_vec();
        for (flag, value) in [("--group-regex", &values[2]), ("--positive", &values[3])] {
            if !value.is_empty() {
                arguments.extend([flag.to_owned(), value.clone()]);
            }
        }
        shared.run_command(arguments, "the dataset is added; c looks for damaged images and copies", Purpose::Data);
        Ok(())
    }));
}

impl HasTable for Data {
    fn table(&self) -> &DataTable {
        &self.table
    }
    fn table_mut(&mut self) -> &mut DataTable {
        &mut self.table
    }
    fn moved(&mut self, shared: &mut Shared) {
        self.ask(shared);
    }
    fn words(kind: Words, text: String) -> AnyGoal {
        AnyGoal::Data(Goal::Words(kind, text))
    }
}

fn cell_style(rows: &dyn Rows, row: usize, column: usize, theme: &Theme) -> Style {
    match column {
        0 => theme.text,
        _ if rows.text(row, 2).starts_with('✗') => theme.bad,
        _ => theme.dim,
    }
}

/// Names of a home's datasets.
pub fn dataset_names(home: &Home) -> Vec<String> {
    rows::list(home).unwrap_or_default().into_iter().map(|l| l.name).collect()
}

impl Data {
    /// The screen before anything is read.
    pub fn new() -> Self {
        let table = DataTable::new(rows::columns()).styled(cell_style);
        Self { table, asked: None, details: None, thumbnails: Vec::new(), trouble: None }
    }

    fn read_list(shared: &Shared) {
        let home = shared.home.clone();
        shared.tasks.spawn(move || AppUpdate::Data(Box::new(Update::List(rows::list(&home)))));
    }

    /// What is known of the dataset under the cursor.
    fn details(&self) -> Option<&Result<Details, String>> {
        self.details.as_ref().filter(|(name, _)| Some(name) == self.asked.as_ref()).map(|(_, details)| details)
    }

    fn ask(&mut self, shared: &Shared) {
        let Some(name) = self.table.selected_id() else {
            self.details = None;
            return;
        };
        if self.asked.as_ref() == Some(&name) {
            return;
        }
        // What is shown of the dataset before stays until this one's is here: a moment, in which nothing should flicker.
        self.asked = Some(name.clone());
        let home = shared.home.clone();
        shared.tasks.spawn(move || {
            let details = rows::details(&home, &name);
            AppUpdate::Data(Box::new(Update::Details(name, details)))
        });
    }

    fn ask_thumbnails(details: &Details, shared: &Shared) {
        let (name, manifest) = (details.name.clone(), details.manifest.clone());
        let samples: Vec<_> = details.samples.iter().take(8).cloned().collect();
        // All at once, so that they find their places once.
        shared.tasks.spawn(move || {
            let thumbnails = samples.into_iter().filter_map(|(class, path)| {
                let picture = photo::thumbnail(&path, &manifest).ok()?;
                Some((class, picture))
            });
            AppUpdate::Data(Box::new(Update::Thumbnails(name, thumbnails.collect())))
        });
    }

    fn check(&self, shared: &mut Shared) {
        let Some(name) = self.table.selected_id() else { return };
        shared.say(format!("reading every image of {name} …"));
        let (program, home) = (shared.program.clone(), shared.home.root().to_path_buf());
        shared.tasks.spawn_long(move |tell| {
            let arguments = ["data", "check", &name].map(str::to_owned);
            let output = crate::app::tasks::command(&program, &home, &arguments).output();
            let said = match output {
                Ok(output) => {
                    let text = String::from_utf8_lossy(&output.stdout).into_owned();
                    if text.trim().is_empty() {
                        Err(String::from_utf8_lossy(&output.stderr).into_owned())
                    } else {
                        Ok(text)
                    }
                }
                Err(error) => Err(error.to_string()),
            };
            tell.update(AppUpdate::Data(Box::new(Update::Checked(name, said))));
        });
    }

    fn draw_details(&self, canvas: &mut Canvas<'_, '_>, area: Rect, shared: &Shared) {
        let theme = &shared.theme;
        let (name, details) = self.details.as_ref().map_or((None, None), |(name, details)| (Some(name), Some(details)));
        let title = format!(" {} ", name.or(self.asked.as_ref()).map_or("", String::as_str));
        let inside = canvas.panel(area, Line::styled(title, theme.heading), false, theme);
        match details {
            None => canvas.line(Line::styled("reading …", theme.dim), inside),
            Some(Err(sentence)) => {
                for (i, part) in text::wrap(sentence, usize::from(inside.width)).into_iter().enumerate() {
                    let row = Rect { y: inside.y + i as u16, height: 1, ..inside };
                    canvas.line(Line::styled(part, theme.bad), row.intersection(inside));
                }
            }
            Some(Ok(details)) => {
                let has_some = !details.samples.is_empty();
                let thumbnails = if inside.width >= 100 && has_some { inside.width / 3 } else { 0 };
                let left = Rect { width: inside.width - thumbnails, ..inside };
                draw_facts(canvas, left, details, theme);
                if thumbnails > 0 {
                    self.draw_thumbnails(canvas, Rect { x: left.right(), width: thumbnails, ..inside }, theme);
                }
            }
        }
    }

    fn draw_thumbnails(&self, canvas: &mut Canvas<'_, '_>, area: Rect, theme: &Theme) {
        let columns = 2_u16;
        let rows = (self.thumbnails.len() as u16).div_ceil(columns).max(1);
        let (width, height) = (area.width / columns, (area.height / rows).max(1));
        for (i, (class, picture)) in self.thumbnails.iter().enumerate() {
            let i = i as u16;
            let cell = Rect { x: area.x + i % columns * width, y: area.y + i / columns * height, width, height };
            if height < 4 {
                continue;
            }
            let label = text::cut(class, usize::from(width.saturating_sub(1)));
            canvas.line(Line::styled(label, theme.dim), Rect { height: 1, ..cell });
            // As high as a square of this width, for the label should stand close above.
            let place =
                Rect { y: cell.y + 1, height: (height - 1).min(width / 2), width: width.saturating_sub(1), ..cell };
            canvas.picture(place, Arc::clone(picture), None);
        }
    }
}

/// Counts as bars, rules and findings.
fn draw_facts(canvas: &mut Canvas<'_, '_>, area: Rect, details: &Details, theme: &Theme) {
    let summary = &details.summary;
    let most = summary.classes.iter().map(|c| c.images).max().unwrap_or(1).max(1);
    let names = summary.classes.iter().map(|c| text::width(&c.class)).max().unwrap_or(0).clamp(5, 24);
    let mut lines: Vec<Line<'_>> = Vec::new();
    let split = summary.total.train + summary.total.validation + summary.total.test > 0;
    let head = if split { "  train   val    test" } else { "" };
    let bar_width = usize::from(area.width).saturating_sub(names + 12 + head.len()).clamp(4, 30);
    lines.push(Line::styled(format!("{:<names$} images  {:<bar_width$}{head}", "class", ""), theme.heading));
    for class in &summary.classes {
        let bar = text::bar(class.images as f64 / most as f64, bar_width, theme.ascii);
        let parts =
            if split { format!("{:>7} {:>5} {:>7}", class.train, class.validation, class.test) } else { String::new() };
        let positive = details.manifest.positive.as_ref() == Some(&class.class);
        let name = text::cut(&class.class, names);
        lines.push(Line::from(vec![
            Span::styled(format!("{name:<names$} {:>6}  ", class.images), theme.text),
            Span::styled(bar, theme.accent),
            Span::styled(parts, theme.dim),
            Span::styled(if positive { "  positive" } else { "" }, theme.dim),
        ]));
    }
    let total = &summary.total;
    let groups = match &summary.groups {
        Some(g) => {
            format!("{} groups, {} of them with several images", text::thousands(g.named as u64), g.with_several_images)
        }
        None => "no group rule: every image counts as a patient of its own".to_owned(),
    };
    lines.push(Line::default());
    let images =
        format!("{} images in {} classes; {groups}", text::thousands(total.images as u64), summary.classes.len());
    lines.extend(text::wrap(&images, usize::from(area.width)).into_iter().map(|part| Line::styled(part, theme.text)));
    if total.with_boxes + total.with_masks > 0 {
        lines.push(Line::styled(
            format!(
                "{} with boxes, {} with masks",
                text::thousands(total.with_boxes as u64),
                text::thousands(total.with_masks as u64)
            ),
            theme.text,
        ));
    }
    let rules = format!(
        "intensity {} · group rule {}",
        rows::intensity_text(details.manifest.intensity),
        match rows::group_text(details.manifest.groups.as_ref()) {
            rule if rule.is_empty() => "none".to_owned(),
            rule => rule,
        }
    );
    lines.push(Line::styled(rules, theme.dim));
    for finding in &details.findings {
        let sign = theme.sign("⚠ ", "! ");
        let parts = text::wrap(&format!("{sign}{finding}"), usize::from(area.width));
        lines.extend(parts.into_iter().map(|part| Line::styled(part, theme.warn)));
    }
    for (i, line) in lines.into_iter().take(usize::from(area.height)).enumerate() {
        canvas.line(line, Rect { y: area.y + i as u16, height: 1, ..area });
    }
}

impl Screen for Data {
    fn name(&self) -> &'static str {
        "Data"
    }

    fn about(&self) -> &'static str {
        "Datasets stay where they are; Lightbox keeps how they are read. Images of one patient must never be both trained and \
         tested on: set the group rule, and look for copies with c."
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
        Self::read_list(shared);
    }

    fn go(&mut self, goal: AnyGoal, shared: &mut Shared) {
        match goal {
            AnyGoal::Data(Goal::Add) => add(shared),
            AnyGoal::Data(Goal::Reread(name)) => {
                self.asked = None;
                self.table.select_id(&name);
                Self::read_list(shared);
            }
            AnyGoal::Data(Goal::Words(kind, text)) => take_words(self, kind, &text, shared),
            _ => {}
        }
    }

    fn update(&mut self, update: &AppUpdate, shared: &mut Shared) {
        self.table.update(update);
        match update {
            AppUpdate::Command(done) if matches!(done.run.purpose, Purpose::Data | Purpose::Demo) => {
                self.asked = None;
                Self::read_list(shared);
            }
            AppUpdate::Data(update) => match &**update {
                Update::List(Ok(lines)) => {
                    self.trouble = None;
                    self.table.set_rows(Arc::new(Lines(lines.clone())), shared);
                    self.ask(shared);
                }
                Update::List(Err(sentence)) => self.trouble = Some(sentence.clone()),
                Update::Details(name, details) if self.asked.as_ref() == Some(name) => {
                    if let Ok(details) = details {
                        Self::ask_thumbnails(details, shared);
                    }
                    self.details = Some((name.clone(), details.clone()));
                }
                Update::Thumbnails(name, thumbnails) if self.asked.as_ref() == Some(name) => {
                    self.thumbnails.clone_from(thumbnails);
                    self.thumbnails.sort_by(|a, b| a.0.cmp(&b.0));
                }
                Update::Preview(preview) => edit::confirm(shared, preview),
                Update::Checked(name, Ok(said)) => shared.open(Page::new(format!("Check of {name}"), said.clone())),
                Update::Checked(name, Err(said)) => {
                    shared.open(Page::new(format!("Check of {name} failed"), said.clone()))
                }
                Update::Details(..) | Update::Thumbnails(..) => {}
            },
            _ => {}
        }
    }

    fn click(&mut self, hit: &Hit, again: bool, shared: &mut Shared) {
        match hit {
            Hit::Row { table, row } if *table == self.table.id => {
                self.table.select_position(*row);
                self.ask(shared);
                if again {
                    self.invoke("look at images", shared);
                }
            }
            Hit::Column { table, column } if *table == self.table.id => self.table.sort_by(*column, shared),
            _ => {}
        }
    }

    fn scroll(&mut self, by: isize, shared: &mut Shared) {
        self.table.step(by);
        self.ask(shared);
    }

    fn draw(&mut self, canvas: &mut Canvas<'_, '_>, area: Rect, shared: &Shared) {
        let theme = &shared.theme;
        let listed = (self.table.shown() as u16 + 3).clamp(5, (area.height / 3).max(5));
        let upper = Rect { height: listed, ..area };
        let inside = canvas.panel(upper, Line::styled(" Datasets ", theme.accent), true, theme);
        self.table.draw(canvas, inside, true, theme);
        if let Some(sentence) = &self.trouble {
            canvas.line(Line::styled(sentence.clone(), theme.bad), inside);
        } else if self.table.rows().len() == 0 {
            let said = "No dataset yet: a adds a folder or table of images.";
            canvas.line(Line::styled(said, theme.dim), Rect { y: inside.y + 1, height: 1, ..inside });
        }
        if self.table.rows().len() > 0 {
            self.draw_details(canvas, Rect { y: upper.bottom(), height: area.height - listed, ..area }, shared);
        }
    }
}
