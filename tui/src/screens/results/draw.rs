//! How the results are drawn: tabs, the table with its notes, what lies behind a row.

use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::load::Whose;
use super::{Results, panels};
use crate::app::shared::{Loaded, Shared};
use crate::widgets::{Canvas, text};

/// Draws the screen.
pub fn draw(results: &mut Results, canvas: &mut Canvas<'_, '_>, area: Rect, shared: &Shared) {
    let theme = &shared.theme;
    let inside = canvas.panel(area, title(results, shared), true, theme);
    match &results.tables {
        Loaded::No => {
            let said = "Nothing was trained here yet. n on screen 1 starts a study.";
            canvas.line(Line::styled(said, theme.dim), inside);
        }
        Loaded::Coming => canvas.line(Line::styled("reading the runs and testing …", theme.dim), inside),
        Loaded::Failed(sentence) => {
            for (i, part) in text::wrap(sentence, usize::from(inside.width)).into_iter().enumerate() {
                let row = Rect { y: inside.y + i as u16, height: 1, ..inside };
                canvas.line(Line::styled(part, theme.bad), row.intersection(inside));
            }
        }
        Loaded::Here(tables) if tables.tables.is_empty() => {
            canvas.line(Line::styled("No run is finished yet; screen 2 shows how far they are.", theme.dim), inside);
        }
        Loaded::Here(_) => {
            if let Some(images) = &mut results.images {
                images.draw(canvas, inside, theme);
            } else if results.inside.is_some() {
                draw_inside(results, canvas, inside, shared);
            } else {
                draw_tabs(results, canvas, Rect { height: 1, ..inside }, shared);
                let body = Rect { y: inside.y + 1, height: inside.height.saturating_sub(1), ..inside };
                draw_table(results, canvas, body, shared);
            }
        }
    }
}

fn title(results: &Results, shared: &Shared) -> Line<'static> {
    let theme = &shared.theme;
    let whose = match &results.whose {
        Some(Whose::Study(name)) => name.clone(),
        Some(Whose::Loose) => "runs outside studies".to_owned(),
        None => String::new(),
    };
    let mut title = vec![Span::styled(" Results ", theme.accent), Span::styled(format!(" {whose} "), theme.dim)];
    let behind = match (&results.images, &results.inside) {
        (Some(_), _) => Some("images".to_owned()),
        (None, Some(_)) => results.table.selected_id(),
        (None, None) => None,
    };
    title.extend(behind.map(|what| Span::styled(format!(" {} {what} ", theme.sign("›", ">")), theme.text)));
    Line::from(title)
}

fn draw_tabs(results: &Results, canvas: &mut Canvas<'_, '_>, area: Rect, shared: &Shared) {
    let theme = &shared.theme;
    let Some(tables) = results.tables.get() else { return };
    let several_datasets = tables.tables.windows(2).any(|pair| pair[0].dataset != pair[1].dataset);
    let mut spans = Vec::new();
    for (i, table) in tables.tables.iter().enumerate() {
        // The whole title is below: here only what tells tables apart.
        let what = match &table.explained {
            None => table.dataset.clone(),
            Some(networks) if several_datasets => {
                format!("{} · {networks} · {}", table.dataset, table.images.words())
            }
            Some(networks) => format!("{networks} · {}", table.images.words()),
        };
        let style = if i == results.current { theme.selected.patch(theme.accent) } else { theme.dim };
        spans.push((i, Span::styled(format!(" {} ", text::cut(&what, 48)), style)));
    }
    // The tabs around the current one, so that it is always in sight.
    let mut line = vec![Span::styled(format!("{}/{} ", results.current + 1, tables.tables.len()), theme.dim)];
    let first = results.current.saturating_sub(1);
    line.extend(spans.into_iter().filter(|(i, _)| *i >= first).map(|(_, span)| span));
    canvas.line(Line::from(line), area);
}

fn draw_table(results: &mut Results, canvas: &mut Canvas<'_, '_>, area: Rect, shared: &Shared) {
    let theme = &shared.theme;
    let Some(table) = results.shown() else { return };
    let notes: Vec<String> = table.notes.iter().flat_map(|note| text::wrap(note, usize::from(area.width))).collect();
    let title = table.title.clone();
    canvas.line(Line::styled(title, theme.text), Rect { height: 1, ..area });
    let wanted = results.table.shown() as u16 + 1;
    let room = area.height.saturating_sub(2);
    let below = (notes.len() as u16).min(room.saturating_sub(wanted.min(room)).max(room / 4));
    let body = Rect { y: area.y + 1, height: area.height.saturating_sub(2 + below).max(2), ..area };
    results.table.draw(canvas, Rect { height: body.height.min(wanted.max(2)), ..body }, true, theme);
    let y = body.y + body.height.min(wanted.max(2)) + u16::from(room > wanted + below);
    let cut = notes.len() > usize::from(below);
    for (i, note) in notes.into_iter().take(usize::from(below)).enumerate() {
        let last = cut && i + 1 == usize::from(below);
        let said = if last { "… N shows all notes".to_owned() } else { note };
        canvas.line(Line::styled(said, theme.dim), Rect { y: y + i as u16, height: 1, ..area });
    }
}

fn draw_inside(results: &Results, canvas: &mut Canvas<'_, '_>, area: Rect, shared: &Shared) {
    let theme = &shared.theme;
    let (Some(inside), Some(table), Some(row)) = (&results.inside, results.shown(), results.table.selected_id()) else {
        return;
    };
    match &inside.details {
        Loaded::Here(details) => panels::draw_model(canvas, area, details, table, results.column, inside.panel, theme),
        Loaded::Coming => canvas.line(Line::styled("reading the folds …", theme.dim), area),
        Loaded::Failed(sentence) => canvas.line(Line::styled(sentence.clone(), theme.bad), area),
        Loaded::No => panels::draw_methods(canvas, area, results.strips(), table, &row, results.column, theme),
    }
}
