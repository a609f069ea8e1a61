//! Plugins: models and attribution methods, where they come from, their parameters, and what is wrong with broken ones.

use std::borrow::Cow;
use std::sync::Arc;

use ratatui::crossterm::event::KeyEvent;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::movement::{HasTable, Movement, Words, take_words};
use super::{Goal as AnyGoal, Screen, viewer};
use crate::app::catalogue::{Catalogue, Source};
use crate::app::keys::{self, Binding, Entry};
use crate::app::message::Update as AppUpdate;
use crate::app::popup::Page;
use crate::app::shared::{Loaded, Shared};
use crate::theme::Theme;
use crate::widgets::order::Rows;
use crate::widgets::table::Column;
use crate::widgets::{Canvas, DataTable, Hit, text};

/// A line of the table.
struct Plugin {
    kind: &'static str,
    source: Source,
    status: String,
}

struct Lines(Vec<Plugin>);

impl Lines {
    fn of(catalogue: &Catalogue) -> Self {
        let line = |kind, source: &Source| Plugin { kind, source: source.clone(), status: "ok".into() };
        let models = catalogue.models.iter().map(|m| line("model", &m.source));
        let methods = catalogue.attributions.iter().map(|m| line("method", &m.source));
        let broken = catalogue.problems.iter().map(|sentence| Plugin {
            kind: "broken",
            source: Source { id: file_in(sentence), ..Source::default() },
            status: sentence.clone(),
        });
        Self(broken.chain(models).chain(methods).collect())
    }
}

/// The file name that a sentence about a broken plugin begins with, for the table; the sentence stands beside it.
fn file_in(sentence: &str) -> String {
    let word = sentence.split_whitespace().find(|w| w.contains(".so")).unwrap_or("a plugin");
    let word = word.trim_matches(|c: char| !c.is_alphanumeric() && c != '/' && c != '.');
    word.rsplit('/').next().unwrap_or(word).to_owned()
}

impl Rows for Lines {
    fn len(&self) -> usize {
        self.0.len()
    }
    fn text(&self, row: usize, column: usize) -> Cow<'_, str> {
        let line = &self.0[row];
        match column {
            0 => line.source.id.as_str().into(),
            1 => line.kind.into(),
            2 => line.source.name.as_str().into(),
            3 if line.kind == "broken" => format!("✗ {}", line.status).into(),
            3 => format!("✓ {}", line.status).into(),
            4 => line.source.library.as_str().into(),
            5 => line.source.version.as_str().into(),
            _ => line.source.file.as_str().into(),
        }
    }
}

fn cell_style(rows: &dyn Rows, row: usize, column: usize, theme: &Theme) -> Style {
    match column {
        0 => theme.text,
        3 if rows.text(row, 3).starts_with('✗') => theme.bad,
        3 => theme.good,
        _ => theme.dim,
    }
}

/// The screen.
pub struct Plugins {
    table: DataTable,
    known: Option<Arc<Catalogue>>,
}

type Bind = Binding<Plugins>;

const BINDINGS: &[Bind] = &[
    Bind::new(&["enter"], "details", "Everything about the plugin: parameters, layers, reference, file.", |p, s| {
        let text = p.details(s).iter().map(ToString::to_string).collect::<Vec<_>>().join("\n");
        let title = p.table.selected_id().unwrap_or_default();
        s.open(Page::new(title, text));
    })
    .footer()
    .when(|p, _| p.table.selected().map(|_| ()).ok_or_else(|| "no plugin".to_owned())),
    Bind::new(&["v"], "use in viewer", "Explain the viewer's image with this method.", |p, s| {
        if let Some(id) = p.table.selected_id() {
            s.go(AnyGoal::Viewer(viewer::Goal::Method(id)));
        }
    })
    .footer()
    .when(|p, _| match p.table.selected() {
        Some(row) if p.table.rows().text(row, 1) == "method" => Ok(()),
        _ => Err("it is no method".to_owned()),
    }),
    Bind::new(&["f5"], "read again", "Ask a worker again which plugins there are.", |_, s| {
        s.catalogue = Loaded::No;
        s.need_catalogue();
    }),
];

impl HasTable for Plugins {
    fn table(&self) -> &DataTable {
        &self.table
    }
    fn table_mut(&mut self) -> &mut DataTable {
        &mut self.table
    }
    fn words(kind: Words, text: String) -> AnyGoal {
        AnyGoal::Plugins(kind, text)
    }
}

impl Plugins {
    /// The screen before the plugins are known.
    pub fn new() -> Self {
        let columns = vec![
            Column::text("id", 34),
            Column::text("kind", 8),
            Column::text("name", 34),
            Column::text("status", 50),
            Column::text("library", 28),
            Column::text("version", 10),
            Column::text("file", 70),
        ];
        Self { table: DataTable::new(columns).styled(cell_style), known: None }
    }

    fn take(&mut self, shared: &Shared) {
        if let Some(catalogue) = shared.catalogue.get()
            && self.known.as_ref().is_none_or(|known| !Arc::ptr_eq(known, catalogue))
        {
            self.known = Some(Arc::clone(catalogue));
            self.table.set_rows(Arc::new(Lines::of(catalogue)), shared);
        }
    }

    fn details(&self, shared: &Shared) -> Vec<Line<'static>> {
        let theme = &shared.theme;
        let (Some(catalogue), Some(row)) = (&self.known, self.table.selected()) else { return Vec::new() };
        let id = self.table.rows().id(row).into_owned();
        let facts = match self.table.rows().text(row, 1).as_ref() {
            "broken" => vec![("problem", self.table.rows().text(row, 3).into_owned())],
            _ => catalogue.facts(&id),
        };
        let line = |(name, value)| {
            Line::from(vec![Span::styled(format!("{name:<12}"), theme.dim), Span::styled(value, theme.text)])
        };
        facts.into_iter().map(line).collect()
    }
}

impl Screen for Plugins {
    fn name(&self) -> &'static str {
        "Plugins"
    }

    fn about(&self) -> &'static str {
        "Models and explanation methods come out of dynamic libraries. Their code runs in workers only, so that one that \
         crashes costs one job."
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
        self.take(shared);
    }

    fn go(&mut self, goal: AnyGoal, shared: &mut Shared) {
        if let AnyGoal::Plugins(kind, text) = goal {
            take_words(self, kind, &text, shared);
        }
    }

    fn update(&mut self, update: &AppUpdate, shared: &mut Shared) {
        self.table.update(update);
        if matches!(update, AppUpdate::Catalogue(_)) {
            self.take(shared);
        }
    }

    fn click(&mut self, hit: &Hit, again: bool, shared: &mut Shared) {
        match hit {
            Hit::Row { table, row } if *table == self.table.id => {
                self.table.select_position(*row);
                if again {
                    self.invoke("details", shared);
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
        let below = if area.height >= 22 { area.height * 2 / 5 } else { 0 };
        let upper = Rect { height: area.height - below, ..area };
        let inside = canvas.panel(upper, Line::styled(" Plugins ", theme.accent), true, theme);
        match &shared.catalogue {
            Loaded::Here(_) => self.table.draw(canvas, inside, true, theme),
            Loaded::Failed(sentence) => {
                for (i, part) in text::wrap(sentence, usize::from(inside.width)).into_iter().enumerate() {
                    let row = Rect { y: inside.y + i as u16, height: 1, ..inside };
                    canvas.line(Line::styled(part, theme.bad), row.intersection(inside));
                }
            }
            Loaded::No | Loaded::Coming => canvas.line(Line::styled("asking a worker …", theme.dim), inside),
        }
        if below > 0 {
            let lower = Rect { y: upper.bottom(), height: below, ..area };
            let title = self.table.selected_id().unwrap_or_default();
            let inside = canvas.panel(lower, Line::styled(format!(" {title} "), theme.heading), false, theme);
            let mut y = inside.y;
            for line in self.details(shared) {
                let name = line.spans.first().map(|s| s.content.to_string()).unwrap_or_default();
                let value = line.spans.get(1).map(|s| s.content.to_string()).unwrap_or_default();
                let room = usize::from(inside.width).saturating_sub(text::width(&name));
                for (i, part) in text::wrap(&value, room).into_iter().enumerate() {
                    let head = if i == 0 { name.clone() } else { " ".repeat(text::width(&name)) };
                    let spans = vec![Span::styled(head, theme.dim), Span::styled(part, theme.text)];
                    canvas.line(Line::from(spans), Rect { y, height: 1, ..inside }.intersection(inside));
                    y += 1;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_plugin_is_listed_by_its_file_with_its_sentence() {
        let catalogue = Catalogue {
            problems: vec!["/home/x/plugins/liblightbox_mine.so: its ABI is 2.0".into()],
            ..Catalogue::default()
        };
        let lines = Lines::of(&catalogue);
        assert_eq!(lines.text(0, 0), "liblightbox_mine.so");
        assert_eq!(lines.text(0, 3), "✗ /home/x/plugins/liblightbox_mine.so: its ABI is 2.0");
    }
}
