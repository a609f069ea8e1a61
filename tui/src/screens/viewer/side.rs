//! What is known of the image: classes and scores, the explanation and how far to trust it.

use lightbox_terminal::probe::Protocol;
use ratatui::layout::Rect;
use ratatui::style::{Color, Style};
use ratatui::text::{Line, Span};

use super::Viewer;
use super::source::Entry;
use crate::app::shared::Shared;
use crate::theme::Theme;
use crate::widgets::{Canvas, text};

/// Classes whose probability is shown.
const MOST_CLASSES: usize = 6;

/// Draws the side panel.
pub fn draw(viewer: &Viewer, canvas: &mut Canvas<'_, '_>, area: Rect, shared: &Shared) {
    let theme = &shared.theme;
    let Some(entry) = viewer.entry() else { return };
    let mut lines: Vec<Line<'static>> = Vec::new();
    let width = usize::from(area.width);
    let name = text::cut_start(&entry.id, width);
    lines.push(Line::styled(name, theme.accent));
    image_lines(viewer, entry, &mut lines, shared);
    lines.push(Line::default());
    probability_lines(viewer, entry, &mut lines, width, theme);
    lines.push(Line::default());
    explanation_lines(viewer, entry, &mut lines, width, theme);
    score_lines(viewer, entry, &mut lines, theme);
    if let Some(remark) = &viewer.remark {
        lines.push(Line::default());
        lines.extend(text::wrap(remark, width).into_iter().map(|part| Line::styled(part, theme.warn)));
    }
    let legend = 2;
    for (i, line) in lines.into_iter().take(usize::from(area.height.saturating_sub(legend))).enumerate() {
        canvas.line(line, Rect { y: area.y + i as u16, height: 1, ..area });
    }
    if !viewer.original && !shared.theme.ascii && theme.text.fg.is_some() {
        draw_legend(viewer, canvas, Rect { y: area.bottom().saturating_sub(legend), height: legend, ..area }, theme);
    }
}

/// Columns of a fact's name.
const NAME: usize = 11;

fn fact(name: &str, value: String, style: Style, theme: &Theme) -> Line<'static> {
    Line::from(vec![Span::styled(format!("{name:<NAME$}"), theme.dim), Span::styled(value, style)])
}

fn image_lines(viewer: &Viewer, entry: &Entry, lines: &mut Vec<Line<'static>>, shared: &Shared) {
    let theme = &shared.theme;
    let Some(source) = viewer.source.get() else { return };
    let class = |k: usize| source.classes.get(k).cloned().unwrap_or_else(|| k.to_string());
    lines.push(fact("true", class(entry.truth), theme.text, theme));
    if let (Some(k), Some(correct)) = (entry.predicted(), entry.is_correct()) {
        let (sign, style) = if correct { ("✓", theme.good) } else { ("✗", theme.bad) };
        lines.push(fact("predicted", format!("{} {sign}", class(k)), style, theme));
    }
    if let Some(group) = &entry.record.group {
        lines.push(fact("group", group.clone(), theme.text, theme));
    }
    if let Some(Some(Ok(photo))) = viewer.photos.get(&entry.record.path) {
        lines.push(fact("size", format!("{} x {}", photo.size.0, photo.size.1), theme.text, theme));
        if let Some(share) = photo.lesion_share {
            // A line of a pixel is lost between half-blocks.
            let line = if shared.graphics.protocol == Protocol::HalfBlocks { "" } else { " (white line)" };
            lines.push(fact("lesion", format!("{:.1} %{line}", 100.0 * share), theme.text, theme));
        }
    }
    if let Some(network) = entry.network.and_then(|n| source.networks.get(n)) {
        let fold = format!("{} fold {}/{}", network.model, network.fold.0 + 1, network.fold.1.max(1));
        lines.push(fact("network", fold, theme.text, theme));
    }
}

fn probability_lines(viewer: &Viewer, entry: &Entry, lines: &mut Vec<Line<'static>>, width: usize, theme: &Theme) {
    let Some(source) = viewer.source.get() else { return };
    let mut order: Vec<usize> = (0..entry.probabilities.len()).collect();
    order.sort_by(|a, b| entry.probabilities[*b].total_cmp(&entry.probabilities[*a]));
    let names = order.iter().take(MOST_CLASSES).filter_map(|k| source.classes.get(*k)).map(|c| text::width(c));
    let name_width = names.max().unwrap_or(0).min(16);
    for k in order.iter().take(MOST_CLASSES) {
        let p = f64::from(entry.probabilities[*k]);
        let class = source.classes.get(*k).cloned().unwrap_or_default();
        let sign = if *k == entry.truth { theme.sign("◂ true", "< true") } else { "" };
        let bar = text::bar(p, width.saturating_sub(name_width + 16).clamp(4, 12), theme.ascii);
        lines.push(Line::from(vec![
            Span::styled(format!("{:<name_width$} ", text::cut(&class, name_width)), theme.text),
            Span::styled(bar, theme.accent),
            Span::styled(format!(" {p:.3} {sign}"), theme.dim),
        ]));
    }
    if order.len() > MOST_CLASSES {
        lines.push(Line::styled(format!("… and {} more classes", order.len() - MOST_CLASSES), theme.dim));
    }
}

fn explanation_lines(viewer: &Viewer, entry: &Entry, lines: &mut Vec<Line<'static>>, width: usize, theme: &Theme) {
    lines.push(fact("method", viewer.method.clone(), theme.accent, theme));
    for param in &viewer.params {
        lines.push(fact("", param.clone(), theme.text, theme));
    }
    match viewer.heat(entry, &viewer.method) {
        Some(Ok(heat)) => {
            let said = &heat.said;
            let p = said.probability.map(|p| format!("(p = {p:.3})")).unwrap_or_default();
            let whole = format!("{} {p}", said.target);
            if text::width(&whole) + NAME <= width {
                lines.push(fact("explains", whole, theme.text, theme));
            } else {
                lines.push(fact("explains", said.target.clone(), theme.text, theme));
                lines.push(fact("", p, theme.text, theme));
            }
            lines.push(fact("layer", said.layer.clone(), theme.text, theme));
            lines.push(fact("raw peak", said.raw_peak.map_or("–".into(), |v| format!("{v:.3e}")), theme.text, theme));
            lines.push(fact("took", format!("{:.0} ms", 1000.0 * said.seconds), theme.text, theme));
            if said.status == "constant-map" {
                let warning = "the map is the same everywhere: this method finds no evidence here";
                lines.extend(text::wrap(warning, width).into_iter().map(|part| Line::styled(part, theme.warn)));
            }
        }
        Some(Err(sentence)) => {
            lines.extend(text::wrap(sentence, width).into_iter().map(|part| Line::styled(part, theme.bad)));
        }
        None if viewer.asking.is_some() => {
            let before = viewer.shown(entry, &viewer.method).map(|(_, method)| format!(" (still {method})"));
            let said = format!("computing …{}", before.unwrap_or_default());
            lines.push(Line::styled(said, theme.dim));
        }
        None => {}
    }
}

fn score_lines(viewer: &Viewer, entry: &Entry, lines: &mut Vec<Line<'static>>, theme: &Theme) {
    let Some(source) = viewer.source.get() else { return };
    let Some(network) = entry.network else { return };
    if let Some(scores) = source.scores.get(&(network, entry.id.clone(), viewer.method.clone())) {
        lines.push(Line::default());
        for (metric, value) in scores {
            let value = value.map_or("–".to_owned(), |v| text::figure(v, 3));
            lines.push(Line::from(vec![
                Span::styled(format!("{metric:<19}"), theme.dim),
                Span::styled(format!("{value:>8}"), theme.text),
            ]));
        }
    }
}

/// The colours from no evidence to the peak.
fn draw_legend(viewer: &Viewer, canvas: &mut Canvas<'_, '_>, area: Rect, theme: &Theme) {
    let columns = area.width.saturating_sub(1).max(2);
    let spans: Vec<Span<'static>> = (0..columns)
        .map(|i| {
            let [r, g, b] = viewer.colormap.color((255 * u32::from(i) / u32::from(columns - 1)) as u8);
            Span::styled(" ", Style::new().bg(Color::Rgb(r, g, b)))
        })
        .collect();
    canvas.line(Line::from(spans), Rect { height: 1, ..area });
    let said = format!("0 · {} · opacity {:.0} % · peak", viewer.colormap, 100.0 * viewer.opacity);
    canvas.line(Line::styled(said, theme.dim), Rect { y: area.y + 1, height: 1, ..area });
}
