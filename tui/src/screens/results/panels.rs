//! The page behind a cell: panels, as many side by side as the terminal has room for.

use lightbox_report::{Comparison, Table};
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::details::Details;
use crate::theme::Theme;
use crate::widgets::charts::{self, Axes, Curve, Strip};
use crate::widgets::{Canvas, text};

/// Panels behind a row of models.
pub const MODEL_PANELS: [&str; 6] = [
    "Against the baseline",
    "Folds",
    "Confusion",
    "Reliability",
    "ROC, with AUROC over all folds",
    "Learning, mean and range",
];

/// Draws the panels behind a row of models, the first of them being `first`.
pub fn draw_model(
    canvas: &mut Canvas<'_, '_>,
    area: Rect,
    details: &Details,
    table: &Table,
    column: usize,
    first: usize,
    theme: &Theme,
) {
    for (i, cell) in cells(area).into_iter().enumerate() {
        let panel = (first + i) % MODEL_PANELS.len();
        let title = format!(" {} {}/{} ", MODEL_PANELS[panel], panel + 1, MODEL_PANELS.len());
        let inside = canvas.panel(cell, Line::styled(title, theme.heading), i == 0, theme);
        match panel {
            0 => comparison(canvas, inside, table, &details.name, column, theme),
            1 => folds(canvas, inside, details, theme),
            2 => charts::confusion(canvas, inside, &details.classes, &details.confusion, theme),
            3 => draw_reliability(canvas, inside, details, theme),
            4 => {
                let unit = Some((0.0, 1.0));
                let axes =
                    Axes { x: "false positives".into(), x_range: unit, y_range: unit, diagonal: true, points: false };
                charts::curves(canvas, inside, &details.roc, &axes, theme);
            }
            _ => {
                charts::curves(canvas, inside, &details.learning, &Axes { x: "epoch".into(), ..Axes::default() }, theme)
            }
        }
    }
}

/// Draws the distribution of a metric over images, a line a method.
pub fn draw_methods(
    canvas: &mut Canvas<'_, '_>,
    area: Rect,
    strips: &[Strip],
    table: &Table,
    row: &str,
    column: usize,
    theme: &Theme,
) {
    let upper = Rect { height: area.height / 2, ..area };
    let lower = Rect { y: upper.bottom(), height: area.height - upper.height, ..area };
    let name = table.columns.get(column).map(|c| c.name.clone()).unwrap_or_default();
    let title = format!(" {name} over images: median, quartiles, range ");
    let inside = canvas.panel(upper, Line::styled(title, theme.heading), true, theme);
    charts::strips(canvas, inside, strips, &name, theme);
    let inside = canvas.panel(lower, Line::styled(" Against the baseline ", theme.heading), false, theme);
    comparison(canvas, inside, table, row, column, theme);
}

/// One, two or four cells.
fn cells(area: Rect) -> Vec<Rect> {
    let columns = if area.width >= 110 { 2 } else { 1 };
    let rows = if area.height >= 30 { 2 } else { 1 };
    let (width, height) = (area.width / columns, area.height / rows);
    let cell = |i: u16| Rect { x: area.x + i % columns * width, y: area.y + i / columns * height, width, height };
    (0..columns * rows).map(cell).collect()
}

/// Every figure of the test of a cell, and of the same metric's other rows.
fn comparison(canvas: &mut Canvas<'_, '_>, area: Rect, table: &Table, row: &str, column: usize, theme: &Theme) {
    let Some(heading) = table.columns.get(column) else { return };
    let mut lines: Vec<Line<'static>> =
        vec![Line::styled(format!("{} against {}", heading.name, table.baseline), theme.accent)];
    for line in &table.rows {
        let Some(cell) = line.cells.get(column) else { continue };
        let style = if line.name == row { theme.accent } else { theme.text };
        let figure = cell.figure(heading.decimals);
        lines.push(Line::from(vec![
            Span::styled(format!("{:<24} ", text::cut(&line.name, 24)), style),
            Span::styled(figure, theme.text),
        ]));
        match &cell.comparison {
            Some(comparison) => lines.extend(figures(comparison, usize::from(area.width), theme)),
            None if line.name == table.baseline => lines.push(Line::styled("  the baseline", theme.dim)),
            None => {}
        }
    }
    for (i, line) in lines.into_iter().take(usize::from(area.height)).enumerate() {
        canvas.line(line, Rect { y: area.y + i as u16, height: 1, ..area });
    }
}

fn figures(comparison: &Comparison, width: usize, theme: &Theme) -> Vec<Line<'static>> {
    if let Some(reason) = &comparison.reason {
        let said = text::wrap(&format!("{} {reason}", comparison.marker), width.saturating_sub(2));
        return said.into_iter().map(|part| Line::styled(format!("  {part}"), theme.dim)).collect();
    }
    let mut parts = vec![comparison.mark()];
    if let Some(difference) = comparison.difference {
        parts.push(format!("difference {}", text::figure(difference, 4)));
    }
    if let Some((low, high)) = comparison.interval {
        parts.push(format!("95 % [{}, {}]", text::figure(low, 4), text::figure(high, 4)));
    }
    let p = |p: f64| lightbox_stats::format_p(p);
    if let Some(value) = comparison.p {
        parts.push(format!("p {}", p(value)));
    }
    if let Some(value) = comparison.p_adjusted {
        parts.push(format!("adjusted {}", p(value)));
    }
    // Where the effect is the difference itself, it stands there already.
    if let Some(effect) = comparison.effect.filter(|_| comparison.effect_name != "difference") {
        parts.push(format!("{} {}", comparison.effect_name, text::figure(effect, 2)));
    }
    parts.push(format!("n = {}", comparison.counts));
    let said = text::wrap(&parts.join(" · "), width.saturating_sub(2));
    said.into_iter().map(|part| Line::styled(format!("  {part}"), theme.dim)).collect()
}

fn folds(canvas: &mut Canvas<'_, '_>, area: Rect, details: &Details, theme: &Theme) {
    const WIDTH: usize = 10;
    let room = usize::from(area.width).saturating_sub(12) / (WIDTH + 1);
    let cells = |cells: Vec<String>| cells.iter().map(|cell| format!("{cell:>WIDTH$}")).collect::<Vec<_>>().join(" ");
    let mut lines = Vec::new();
    // Metrics that do not fit beside the others follow below them.
    for first in (0..details.metrics.len()).step_by(room.max(1)) {
        let names = details.metrics.iter().skip(first).take(room).map(|m| text::cut(m.name(), WIDTH));
        lines.push(Line::styled(format!("{:<12}{}", "", cells(names.collect())), theme.heading));
        for (name, values) in &details.folds {
            let figures =
                values.iter().skip(first).take(room).map(|v| v.map_or("–".to_owned(), |v| text::figure(v, 3)));
            lines.push(Line::styled(format!("{name:<12}{}", cells(figures.collect())), theme.text));
        }
    }
    for (y, line) in (area.y..area.bottom()).zip(lines) {
        canvas.line(line, Rect { y, height: 1, ..area });
    }
}

fn draw_reliability(canvas: &mut Canvas<'_, '_>, area: Rect, details: &Details, theme: &Theme) {
    let curve = Curve { name: String::new(), points: details.reliability.clone(), ..Curve::default() };
    let unit = Some((0.0, 1.0));
    let axes = Axes {
        x: "confidence (bins of 5 or more)".into(),
        x_range: unit,
        y_range: unit,
        diagonal: true,
        points: false,
    };
    charts::curves(canvas, area, &[curve], &axes, theme);
}
