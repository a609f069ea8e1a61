//! How the viewer is laid out: the list, the pictures, what is known of the image.

use std::sync::Arc;

use lightbox_terminal::graphics::Overlay;
use ratatui::layout::Rect;
use ratatui::style::Style;
use ratatui::text::{Line, Span};

use super::heat::{self, Heat};
use super::source::Entry;
use super::{View, Viewer, side};
use crate::app::shared::{Loaded, Shared};
use crate::theme::Theme;
use crate::widgets::order::Rows;
use crate::widgets::{Canvas, text};

/// Images side by side in the view of several images.
pub const STRIP: usize = 6;

/// Least room for one of many methods: its name above a picture.
const LEAST: (u16, u16) = (20, 9);

/// Columns of the list and of the side panel.
const LIST: u16 = 44;
const SIDE: u16 = 38;

/// How a cell of the list is drawn.
pub fn cell_style(rows: &dyn Rows, row: usize, column: usize, theme: &Theme) -> Style {
    match column {
        1 if rows.text(row, 1).starts_with('✗') => theme.bad,
        1 => theme.good,
        0 => theme.text,
        _ => theme.dim,
    }
}

/// Draws the viewer.
pub fn draw(viewer: &mut Viewer, canvas: &mut Canvas<'_, '_>, area: Rect, shared: &Shared) {
    let theme = &shared.theme;
    let title = title(viewer, shared);
    let inside = canvas.panel(area, title, true, theme);
    match &viewer.source {
        Loaded::Here(_) => {}
        Loaded::Coming => return canvas.line(Line::styled("reading the images …", theme.dim), inside),
        Loaded::Failed(sentence) => return paragraph(canvas, inside, sentence, theme.bad),
        Loaded::No => {
            let said = "No network is trained yet. w shows the images of a dataset; n on screen 1 starts a study.";
            return paragraph(canvas, inside, said, theme.dim);
        }
    }
    let side = if inside.width >= 78 { SIDE } else { 0 };
    let list = match inside.width {
        _ if !viewer.list => 0,
        150.. => LIST + 16,
        118.. => LIST,
        _ => 0,
    };
    let middle = Rect { x: inside.x + list, width: inside.width - list - side, ..inside };
    if list > 0 {
        let place = Rect { width: list - 1, height: inside.height.saturating_sub(1), ..inside };
        viewer.table.draw(canvas, place, true, theme);
        let below = Rect { y: place.bottom(), height: 1, ..place };
        canvas.line(Line::styled(text::cut(&viewer.table.summary(), usize::from(below.width)), theme.dim), below);
    }
    draw_pictures(viewer, canvas, middle, shared);
    if side > 0 {
        side::draw(viewer, canvas, Rect { x: middle.right() + 1, width: side - 1, ..inside }, shared);
    }
}

fn title(viewer: &Viewer, shared: &Shared) -> Line<'static> {
    let theme = &shared.theme;
    let mut spans = vec![Span::styled(" Viewer ", theme.accent)];
    if let Some(source) = viewer.source.get() {
        let position = if viewer.table.shown() == 0 { 0 } else { viewer.table.position() + 1 };
        let words = viewer.filter.words(&source.classes);
        let said = format!(" {} · {words} · {position}/{} ", source.title, viewer.table.shown());
        spans.push(Span::styled(said, theme.dim));
    }
    Line::from(spans)
}

fn paragraph(canvas: &mut Canvas<'_, '_>, area: Rect, said: &str, style: Style) {
    for (i, part) in text::wrap(said, usize::from(area.width)).into_iter().take(usize::from(area.height)).enumerate() {
        canvas.line(Line::styled(part, style), Rect { y: area.y + i as u16, height: 1, ..area });
    }
}

fn draw_pictures(viewer: &Viewer, canvas: &mut Canvas<'_, '_>, area: Rect, shared: &Shared) {
    let Some(entry) = viewer.entry() else {
        let said = viewer.remark.as_deref().unwrap_or("No image fits. f shows others, & changes the filter.");
        return paragraph(canvas, area, said, shared.theme.dim);
    };
    let method = viewer.method.as_str();
    match viewer.view {
        View::One => {
            let heat = if viewer.original { None } else { Some(method) };
            draw_one(viewer, canvas, area, entry, heat, None, shared);
        }
        View::Beside => {
            let cells = grid(area, 2);
            draw_one(viewer, canvas, cells[0], entry, None, Some("original".to_owned()), shared);
            draw_one(viewer, canvas, cells[1], entry, Some(method), Some(method.to_owned()), shared);
        }
        View::Methods => {
            let methods = viewer.methods(shared);
            let current = methods.iter().position(|m| *m == viewer.method).unwrap_or(0);
            let page = page(area, methods.len(), current);
            let cells = grid(area, page.len() + 1);
            let place = if page.len() < methods.len() {
                format!("original  {}–{}/{}", page.start + 1, page.end, methods.len())
            } else {
                "original".to_owned()
            };
            draw_one(viewer, canvas, cells[0], entry, None, Some(place), shared);
            for (cell, method) in cells.iter().skip(1).zip(&methods[page]) {
                let score = main_score(viewer, entry, method).map(|(name, value)| format!("  {name} {value}"));
                let label = format!("{method}{}", score.unwrap_or_default());
                draw_one(viewer, canvas, *cell, entry, Some(method), Some(label), shared);
            }
        }
        View::Images => {
            let places = viewer.places();
            for (cell, place) in grid(area, places.len()).iter().zip(places) {
                let Some(entry) = viewer.entry_at(place) else { continue };
                let sign = match entry.is_correct() {
                    Some(true) => "✓ ",
                    Some(false) => "✗ ",
                    None => "",
                };
                let name = entry.id.rsplit('/').next().unwrap_or(&entry.id);
                let heat = if viewer.original { None } else { Some(method) };
                draw_one(viewer, canvas, *cell, entry, heat, Some(format!("{sign}{name}")), shared);
            }
        }
    }
}

/// The first score of an explanation, for its label.
fn main_score(viewer: &Viewer, entry: &Entry, method: &str) -> Option<(String, String)> {
    let source = viewer.source.get()?;
    let scores = source.scores.get(&(entry.network?, entry.id.clone(), method.to_owned()))?;
    let (name, value) = scores.first()?;
    Some((name.clone(), value.map_or("–".to_owned(), |v| text::figure(v, 3))))
}

/// The methods that are shown beside the original, the current one among them: all, or as many as have room.
fn page(area: Rect, methods: usize, current: usize) -> std::ops::Range<usize> {
    let room = usize::from(area.width / LEAST.0) * usize::from(area.height / LEAST.1);
    let on_page = room.saturating_sub(1).max(1);
    if methods <= on_page {
        return 0..methods;
    }
    let start = current / on_page * on_page;
    start..(start + on_page).min(methods)
}

/// Cells for so many pictures that make each as large as can be; a cell is twice as high as it is wide.
fn grid(area: Rect, count: usize) -> Vec<Rect> {
    let count = count.max(1) as u16;
    let fit = |columns: u16| {
        let rows = count.div_ceil(columns);
        let (width, height) = (area.width / columns, area.height / rows);
        width.min(height.saturating_sub(1) * 2)
    };
    let columns = (1..=count).max_by_key(|c| (fit(*c), std::cmp::Reverse(*c))).unwrap_or(1);
    let rows = count.div_ceil(columns);
    let (width, height) = (area.width / columns, area.height / rows);
    (0..count)
        .map(|i| Rect { x: area.x + i % columns * width, y: area.y + i / columns * height, width, height })
        .collect()
}

/// One picture in its cell: the image, its heatmap when there is one, a label above.
fn draw_one(
    viewer: &Viewer,
    canvas: &mut Canvas<'_, '_>,
    cell: Rect,
    entry: &Entry,
    method: Option<&str>,
    label: Option<String>,
    shared: &Shared,
) {
    let theme = &shared.theme;
    let mut place = cell;
    if let Some(label) = label {
        let style = if method == Some(viewer.method.as_str()) { theme.accent } else { theme.dim };
        let cut = text::cut(&label, usize::from(cell.width.saturating_sub(1)));
        canvas.line(Line::styled(cut, style), Rect { height: 1, ..cell });
        place =
            Rect { y: cell.y + 1, height: cell.height.saturating_sub(1), width: cell.width.saturating_sub(1), ..cell };
    }
    let heat = match (method, viewer.view) {
        (Some(method), View::One) => viewer.shown(entry, method).map(|(heat, _)| heat),
        (method, _) => method.and_then(|m| viewer.heat(entry, m)),
    };
    let photo = match viewer.photos.get(&entry.record.path) {
        Some(Some(Ok(photo))) => photo,
        Some(Some(Err(sentence))) => return paragraph(canvas, place, sentence, theme.bad),
        _ => return paragraph(canvas, place, "reading …", theme.dim),
    };
    if let Some(Err(sentence)) = heat {
        return paragraph(canvas, place, sentence, theme.bad);
    }
    let base = photo.outlined.as_ref().filter(|_| viewer.outlines).unwrap_or(&photo.picture);
    let layer = heat.and_then(|h| h.as_ref().ok()).map(|heat| overlay_of(viewer, heat));
    canvas.picture(place, Arc::clone(base), layer);
}

fn overlay_of(viewer: &Viewer, heat: &Heat) -> Arc<Overlay> {
    heat::overlay(heat, viewer.colormap, viewer.opacity)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_without_room_are_on_other_pages() {
        let area = Rect::new(0, 0, 100, 36);
        assert_eq!(page(area, 19, 18), 0..19);
        assert_eq!(page(Rect { height: 18, ..area }, 19, 0), 0..9);
        assert_eq!(page(Rect { height: 18, ..area }, 19, 9), 9..18);
        assert_eq!(page(Rect { height: 18, ..area }, 19, 18), 18..19);
        assert_eq!(page(Rect::new(0, 0, 10, 4), 3, 2), 2..3);
    }

    #[test]
    fn a_grid_makes_pictures_as_large_as_can_be() {
        let area = Rect::new(0, 0, 120, 40);
        assert_eq!(grid(area, 1), [area]);
        assert_eq!(grid(area, 2)[1], Rect::new(60, 0, 60, 40));
        let ten = grid(area, 10);
        assert_eq!(ten.len(), 10);
        assert!(ten.iter().all(|c| c.right() <= area.right() && c.bottom() <= area.bottom()));
        assert!(ten.iter().all(|c| c.width >= 20 && c.height >= 10), "{ten:?}");
        assert_eq!(grid(Rect::new(0, 0, 3, 1), 9).len(), 9);
    }
}
