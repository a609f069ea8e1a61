//! Charts in braille and blocks: curves with a band, a confusion matrix, strips. What a colour says, a name or a sign says
//! too.

use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::symbols::Marker;
use ratatui::text::{Line, Span};
use ratatui::widgets::canvas::{Canvas as Plane, Line as Stroke, Points};

use super::{Canvas, text};
use crate::theme::Theme;

/// A curve, perhaps with a band around it.
#[derive(Clone, Debug, Default)]
pub struct Curve {
    /// Its name, shown in the legend.
    pub name: String,
    /// Points, by x.
    pub points: Vec<(f64, f64)>,
    /// Lower and upper end of the band at each x.
    pub band: Vec<(f64, f64, f64)>,
    /// Which colour of the series.
    pub color: usize,
    /// What stands beside its name; its last value when none.
    pub figure: Option<f64>,
}

/// What a chart of curves shows besides them.
#[derive(Clone, Debug, Default)]
pub struct Axes {
    /// Name of the x axis.
    pub x: String,
    /// Fixed ends of x, else those of the curves.
    pub x_range: Option<(f64, f64)>,
    /// Fixed ends of y, else those of the curves.
    pub y_range: Option<(f64, f64)>,
    /// Draws the line y = x, which reliability and chance are read against.
    pub diagonal: bool,
    /// Draws points instead of lines.
    pub points: bool,
}

/// Ends of finite values; none when there are none. Equal ends are parted, so that a flat curve is seen.
fn ends(values: impl Iterator<Item = f64>) -> Option<(f64, f64)> {
    let (low, high) = values
        .filter(|v| v.is_finite())
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), v| (low.min(v), high.max(v)));
    match low.partial_cmp(&high)? {
        std::cmp::Ordering::Less => Some((low, high)),
        std::cmp::Ordering::Equal => Some((low - low.abs().max(1.0) * 0.05, high + high.abs().max(1.0) * 0.05)),
        std::cmp::Ordering::Greater => None,
    }
}

/// Strokes of a band from end to end of a chart: a dot in each second column of braille on a wide screen.
const BAND_STROKES: f64 = 120.0;

/// The band between its points too, in steps of `step`.
fn filled(band: &[(f64, f64, f64)], step: f64) -> Vec<(f64, f64, f64)> {
    let mut all: Vec<(f64, f64, f64)> = band.to_vec();
    for pair in band.windows(2) {
        let [a, b] = [pair[0], pair[1]];
        let steps = if step > 0.0 { ((b.0 - a.0) / step).clamp(1.0, BAND_STROKES) as usize } else { 1 };
        all.extend((1..steps).map(|i| {
            let part = i as f64 / steps as f64;
            (a.0 + (b.0 - a.0) * part, a.1 + (b.1 - a.1) * part, a.2 + (b.2 - a.2) * part)
        }));
    }
    all
}

/// Draws curves with axes and a legend.
pub fn curves(canvas: &mut Canvas<'_, '_>, area: Rect, curves: &[Curve], axes: &Axes, theme: &Theme) {
    let xs = || curves.iter().flat_map(|c| c.points.iter().map(|p| p.0).chain(c.band.iter().map(|b| b.0)));
    let ys = || curves.iter().flat_map(|c| c.points.iter().map(|p| p.1).chain(c.band.iter().flat_map(|b| [b.1, b.2])));
    let (Some(x), Some(y)) = (axes.x_range.or_else(|| ends(xs())), axes.y_range.or_else(|| ends(ys()))) else {
        canvas.line(Line::styled("nothing to draw yet", theme.dim), area);
        return;
    };
    if area.height < 4 || area.width < 16 {
        return;
    }
    let labels = [tick(y.1), tick((y.0 + y.1) / 2.0), tick(y.0)];
    let left = labels.iter().map(|l| text::width(l)).max().unwrap_or(0) as u16 + 1;
    let legend_lines = legend(curves, usize::from(area.width), theme);
    let legend = (legend_lines.len() as u16).min((area.height / 4).max(1));
    let plot = Rect {
        x: area.x + left,
        y: area.y + legend,
        width: area.width.saturating_sub(left),
        height: area.height.saturating_sub(1 + legend),
    };
    for (i, line) in (0..legend).zip(legend_lines) {
        canvas.line(line, Rect { y: area.y + i, height: 1, ..area });
    }
    for (label, row) in labels.iter().zip([plot.y, plot.y + plot.height / 2, plot.bottom().saturating_sub(1)]) {
        canvas.line(Line::styled(label.clone(), theme.dim), Rect { x: area.x, y: row, width: left, height: 1 });
    }
    draw_x_axis(canvas, Rect { y: plot.bottom(), height: 1, ..plot }, x, &axes.x, theme);
    draw_plane(canvas, plot, curves, axes, (x, y), theme);
}

fn draw_plane(
    canvas: &mut Canvas<'_, '_>,
    plot: Rect,
    curves: &[Curve],
    axes: &Axes,
    (x, y): ((f64, f64), (f64, f64)),
    theme: &Theme,
) {
    let dim = theme.border.fg.unwrap_or_default();
    let plane = Plane::default()
        .marker(if theme.ascii { Marker::Dot } else { Marker::Braille })
        .x_bounds([x.0, x.1])
        .y_bounds([y.0, y.1])
        .paint(|context| {
            if axes.diagonal {
                context.draw(&Stroke { x1: x.0, y1: x.0, x2: x.1, y2: x.1, color: dim });
            }
            for curve in curves {
                for (at, low, high) in filled(&curve.band, (x.1 - x.0) / BAND_STROKES) {
                    context.draw(&Stroke { x1: at, y1: low, x2: at, y2: high, color: dim });
                }
            }
            context.layer();
            for curve in curves {
                let color = theme.series[curve.color % theme.series.len()];
                if axes.points || curve.points.len() == 1 {
                    context.draw(&Points { coords: &curve.points, color });
                    continue;
                }
                for pair in curve.points.windows(2) {
                    let [(x1, y1), (x2, y2)] = [pair[0], pair[1]];
                    if y1.is_finite() && y2.is_finite() {
                        context.draw(&Stroke { x1, y1, x2, y2, color });
                    }
                }
            }
        });
    canvas.put(plane, plot);
}

/// The curves' names, each with its figure, on as many lines as they take.
fn legend(curves: &[Curve], room: usize, theme: &Theme) -> Vec<Line<'static>> {
    let (mut lines, mut line, mut used) = (Vec::new(), Vec::new(), 0);
    for curve in curves.iter().filter(|c| !c.name.is_empty()) {
        let style = Style::new().fg(theme.series[curve.color % theme.series.len()]);
        let figure = curve.figure.or_else(|| curve.points.last().map(|p| p.1));
        let last = figure.map(|v| format!(" {}", text::figure(v, 3))).unwrap_or_default();
        let said = format!("{}{last}", curve.name);
        let width = text::width(&said) + 2;
        if used > 0 && used + width > room {
            lines.push(Line::from(std::mem::take(&mut line)));
            used = 0;
        }
        line.extend([Span::styled(theme.sign("━ ", "- "), style), Span::styled(format!("{said}   "), theme.text)]);
        used += width + 3;
    }
    if !line.is_empty() {
        lines.push(Line::from(line));
    }
    lines
}

fn draw_x_axis(canvas: &mut Canvas<'_, '_>, area: Rect, (low, high): (f64, f64), name: &str, theme: &Theme) {
    let (first, last) = (tick(low), tick(high));
    let room = usize::from(area.width).saturating_sub(text::width(&first) + text::width(&last));
    let middle = text::cut(name, room.saturating_sub(2));
    let pad = room.saturating_sub(text::width(&middle));
    let line = format!("{first}{}{middle}{}{last}", " ".repeat(pad / 2), " ".repeat(pad - pad / 2));
    canvas.line(Line::styled(line, theme.dim), area);
}

/// A value beside an axis.
fn tick(value: f64) -> String {
    match value.abs() {
        0.0 => "0".to_owned(),
        v if v.fract() == 0.0 && v < 1e6 => format!("{value:.0}"),
        v if (0.01..1000.0).contains(&v) => format!("{value:.2}"),
        v if (1000.0..1e6).contains(&v) => format!("{value:.0}"),
        _ => format!("{value:.1e}"),
    }
}

/// Draws a confusion matrix: truth down, prediction across, counts, with a background by the share of the true class.
pub fn confusion(canvas: &mut Canvas<'_, '_>, area: Rect, classes: &[String], counts: &[Vec<usize>], theme: &Theme) {
    let label = classes.iter().map(|c| text::width(c)).max().unwrap_or(0).min(16) as u16;
    let widest = counts.iter().flatten().max().map_or(1, |n| n.to_string().len());
    // Names are cut before a class is left out, and a class that is left out is counted.
    let room = area.width.saturating_sub(label + 9);
    let cell = (widest as u16 + 2).max((label + 1).min(room / (classes.len() as u16).max(1)));
    let fits = |room: u16| usize::from(room / cell).min(classes.len());
    let shown = if fits(room) < classes.len() { fits(room.saturating_sub(4)) } else { classes.len() };
    let left_out = classes.len() - shown;
    let mut heading = vec![Span::styled(format!("{:<w$}", "true \\ predicted", w = usize::from(label) + 1), theme.dim)];
    heading[0].content = text::cut(&heading[0].content, usize::from(label)).into();
    let x0 = area.x + label + 1;
    canvas.line(Line::from(heading), Rect { height: 1, ..area });
    for (j, class) in classes.iter().take(shown).enumerate() {
        let at = Rect { x: x0 + j as u16 * cell, y: area.y, width: cell - 1, height: 1 };
        let name = text::cut(class, usize::from(cell - 1));
        canvas.line(Line::styled(format!("{name:>w$}", w = usize::from(cell - 1)), theme.heading), at);
    }
    let more = if left_out > 0 { 4 } else { 0 };
    let end = x0 + shown as u16 * cell;
    canvas.line(
        Line::styled(if left_out > 0 { format!("+{left_out}") } else { String::new() }, theme.warn),
        Rect { x: end, y: area.y, width: more, height: 1 },
    );
    let recall = Rect { x: end + more + 1, y: area.y, width: 7, height: 1 };
    canvas.line(Line::styled("recall", theme.heading), recall);
    for (i, row) in counts.iter().enumerate().take(usize::from(area.height.saturating_sub(1))) {
        let y = area.y + 1 + i as u16;
        canvas.line(
            Line::styled(text::cut(&classes[i], usize::from(label)), theme.text),
            Rect { x: area.x, y, width: label, height: 1 },
        );
        let total: usize = row.iter().sum();
        for (j, count) in row.iter().take(shown).enumerate() {
            let share = if total > 0 { *count as f64 / total as f64 } else { 0.0 };
            let mut style = match (i == j, *count) {
                (_, 0) => theme.dim,
                (true, _) => theme.good,
                (false, _) => theme.bad,
            };
            if share >= 0.5 {
                style = style.add_modifier(Modifier::BOLD | Modifier::REVERSED);
            } else if share >= 0.1 {
                style = style.add_modifier(Modifier::BOLD);
            }
            let at = Rect { x: x0 + j as u16 * cell, y, width: cell - 1, height: 1 };
            canvas.line(Line::styled(format!("{count:>w$}", w = usize::from(cell - 1)), style), at);
        }
        let share = if total > 0 { format!("{:.3}", row[i] as f64 / total as f64) } else { "–".to_owned() };
        canvas.line(Line::styled(share, theme.text), Rect { x: recall.x, y, ..recall });
    }
}

/// One line of [`strips`]: the distribution of the values of one method.
#[derive(Clone, Debug, Default)]
pub struct Strip {
    /// Its name.
    pub name: String,
    /// Smallest, quartiles, largest.
    pub figures: Option<[f64; 5]>,
    /// How many values it has.
    pub count: usize,
}

/// Five figures of a distribution: smallest, quartiles, largest (linear interpolation, as NumPy's default).
pub fn five_figures(values: &[f64]) -> Option<[f64; 5]> {
    let mut sorted: Vec<f64> = values.iter().copied().filter(|v| v.is_finite()).collect();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len().checked_sub(1)?;
    Some([0.0, 0.25, 0.5, 0.75, 1.0].map(|share| {
        let at = share * last as f64;
        let (low, part) = (at.floor() as usize, at.fract());
        sorted[low] + (sorted[(low + 1).min(last)] - sorted[low]) * part
    }))
}

/// Draws a box plot per line: `├──▒▒┃▒▒──┤` from the smallest to the largest value, box from quartile to quartile.
pub fn strips(canvas: &mut Canvas<'_, '_>, area: Rect, strips: &[Strip], name: &str, theme: &Theme) {
    let Some((low, high)) = ends(strips.iter().filter_map(|s| s.figures).flatten()) else {
        canvas.line(Line::styled("no values to draw", theme.dim), area);
        return;
    };
    let label = strips.iter().map(|s| text::width(&s.name)).max().unwrap_or(0).min(20) as u16 + 1;
    if area.height < 2 || area.width < label + 24 {
        return;
    }
    let right = 18;
    let plot = Rect { x: area.x + label, width: area.width - label - right, ..area };
    let columns = usize::from(plot.width);
    let place = |v: f64| (((v - low) / (high - low)) * (columns - 1) as f64).round() as usize;
    for (i, strip) in strips.iter().enumerate().take(usize::from(area.height - 1)) {
        let y = area.y + i as u16;
        let at = |x, width| Rect { x, y, width, height: 1 };
        canvas.line(Line::styled(text::cut(&strip.name, usize::from(label) - 1), theme.text), at(area.x, label));
        let Some(figures) = strip.figures else {
            canvas.line(Line::styled("no values", theme.dim), at(plot.x, plot.width));
            continue;
        };
        let [first, q1, median, q3, last] = figures.map(place);
        let signs: Vec<&str> = (0..columns)
            .map(|c| match c {
                c if c == median => theme.sign("┃", "|"),
                c if c >= q1 && c <= q3 => theme.sign("▒", "="),
                c if c == first => theme.sign("├", "["),
                c if c == last => theme.sign("┤", "]"),
                c if c > first && c < last => theme.sign("─", "-"),
                _ => " ",
            })
            .collect();
        let style = Style::new().fg(theme.series[i % theme.series.len()]);
        canvas.line(Line::styled(signs.concat(), style), at(plot.x, plot.width));
        let said = format!(" {} n={}", text::figure(figures[2], 3), strip.count);
        canvas.line(Line::styled(said, theme.dim), at(plot.right(), right));
    }
    let axis = Rect { y: area.y + (strips.len() as u16).min(area.height - 1), height: 1, ..plot };
    draw_x_axis(canvas, axis, (low, high), name, theme);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quartiles_are_numpys() {
        // numpy.percentile([1, 2, 4, 8, 16, 32], [0, 25, 50, 75, 100])
        assert_eq!(five_figures(&[32.0, 1.0, 2.0, 16.0, 4.0, 8.0]), Some([1.0, 2.5, 6.0, 14.0, 32.0]));
        assert_eq!(five_figures(&[f64::NAN, 3.0]), Some([3.0; 5]));
        assert_eq!(five_figures(&[]), None);
    }

    #[test]
    fn a_flat_curve_has_room_around_it() {
        assert_eq!(ends([0.5, 0.5].into_iter()), Some((0.45, 0.55)));
        assert_eq!(ends([f64::NAN].into_iter()), None);
    }
}
