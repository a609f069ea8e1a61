//! The first line (screens and what the machine does) and the last (keys, remarks).

use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use super::SMALLEST;
use super::keys::{Entry, shown};
use super::shared::{LinkState, Shared};
use crate::screens::Screen;
use crate::widgets::{Canvas, Hit, text};

/// Draws the first line; returns the room for the screen.
pub fn draw(
    canvas: &mut Canvas<'_, '_>,
    area: Rect,
    screens: &[Box<dyn Screen>],
    current: usize,
    shared: &Shared,
) -> Rect {
    let theme = &shared.theme;
    let wide = area.width >= 90;
    let mut x = area.x + 1;
    let mut put = |canvas: &mut Canvas<'_, '_>, span: Span<'static>, hit: Option<Hit>| {
        let place = Rect { x, y: area.y, width: span.width() as u16, height: 1 };
        canvas.line(Line::from(span), place.intersection(area));
        if let Some(hit) = hit {
            canvas.hit(place, hit);
        }
        x += place.width;
    };
    if wide {
        put(canvas, Span::styled("Lightbox  ", theme.accent), None);
    }
    for (i, screen) in screens.iter().enumerate() {
        let badge = match i {
            crate::screens::QUEUE if shared.queue.running() > 0 => {
                format!(" {}{}", theme.sign("●", "*"), shared.queue.running())
            }
            _ => String::new(),
        };
        let style = if i == current { theme.selected.patch(theme.accent) } else { theme.dim };
        put(canvas, Span::styled(format!(" {} {}{badge} ", i + 1, screen.name()), style), Some(Hit::Screen(i)));
    }
    // Two columns between them.
    let room = usize::from(area.right().saturating_sub(x + 3));
    let said = fitting(&machine(shared), room);
    let width = text::width(&said) as u16;
    let place = Rect { x: area.right().saturating_sub(width + 1), y: area.y, width, height: 1 };
    canvas.line(Line::styled(said, theme.dim), place);
    Rect { y: area.y + 1, height: area.height.saturating_sub(2), ..area }
}

/// As many of the parts between dots as fit, for half a word says nothing.
fn fitting(parts: &str, room: usize) -> String {
    let mut left = parts;
    while text::width(left) > room {
        let Some((before, _)) = left.rsplit_once(" · ") else { return String::new() };
        left = before;
    }
    left.to_owned()
}

/// What the queue and the machine do, in a few words.
fn machine(shared: &Shared) -> String {
    let queue = &shared.queue;
    match (&queue.link, &queue.status) {
        (LinkState::Trouble(_), _) => "daemon: see queue".to_owned(),
        (LinkState::Up, Some(status)) => {
            let slots = status.slots.iter().filter(|s| s.job.is_some()).count();
            let paused = if status.paused { "paused · " } else { "" };
            if let Some(gauge) = shared.gauges.first() {
                let more =
                    if shared.gauges.len() > 1 { format!(" +{}", shared.gauges.len() - 1) } else { String::new() };
                return format!("{paused}{} waiting · {}{more}", queue.waiting(), gauge.line(0, 6, shared.theme.ascii));
            }
            format!("{paused}{slots}/{} slots · {} waiting · {}", status.slots.len(), queue.waiting(), status.host)
        }
        _ if shared.readonly => "read only".to_owned(),
        _ => String::new(),
    }
}

/// Draws the last line: a remark, or the keys that matter here.
pub fn footer(canvas: &mut Canvas<'_, '_>, area: Rect, entries: &[Entry], shared: &Shared) {
    let theme = &shared.theme;
    let line = Rect { x: area.x + 1, y: area.bottom() - 1, width: area.width.saturating_sub(2), height: 1 };
    if let Some(remark) = shared.remark() {
        let (sign, style) =
            if remark.bad { (theme.sign("✗ ", "! "), theme.bad) } else { (theme.sign("• ", "- "), theme.text) };
        canvas.line(Line::styled(text::cut(&format!("{sign}{}", remark.text), usize::from(line.width)), style), line);
        return;
    }
    let key_of = |entry: &Entry| entry.keys.first().map(|k| shown(k, theme.ascii)).unwrap_or_default();
    let width_of = |entry: &Entry| (text::width(&key_of(entry)) + text::width(entry.name) + 3) as u16;
    // The way to all other keys is never cut off.
    let (always, rest): (Vec<&Entry>, Vec<&Entry>) =
        entries.iter().filter(|e| e.footer).partition(|e| ["help", "back", "leave"].contains(&e.name));
    let mut room = line.width.saturating_sub(always.iter().map(|e| width_of(e)).sum());
    let fitting = rest.into_iter().take_while(|entry| {
        let fits = width_of(entry) <= room;
        room = room.saturating_sub(width_of(entry));
        fits
    });
    let mut x = line.x;
    for entry in fitting.collect::<Vec<_>>().into_iter().chain(always) {
        let (key, width) = (key_of(entry), width_of(entry));
        let name_style = if entry.disabled.is_some() { theme.border } else { theme.dim };
        let key_style = if entry.disabled.is_some() { theme.border } else { theme.accent };
        let spans = vec![Span::styled(key, key_style), Span::styled(format!(" {}  ", entry.name), name_style)];
        let place = Rect { x, width, ..line };
        canvas.line(Line::from(spans), place);
        canvas.hit(place, Hit::Command(entry.name));
        x += width;
    }
}

/// Says that the terminal is too small, in a terminal of any size.
pub fn too_small(canvas: &mut Canvas<'_, '_>, area: Rect, shared: &Shared) {
    let (columns, rows) = SMALLEST;
    let whole = format!("Lightbox needs {columns}x{rows}; this is {}x{}. q leaves.", area.width, area.height);
    let short = format!("Needs {columns}x{rows}. q leaves.");
    let (width, height) = (usize::from(area.width).max(1), usize::from(area.height));
    let parts = Some(text::wrap(&whole, width)).filter(|parts| parts.len() <= height);
    for (i, part) in parts.unwrap_or_else(|| text::wrap(&short, width)).into_iter().take(height).enumerate() {
        let row = Rect { y: area.y + i as u16, height: 1, ..area };
        canvas.line(Line::styled(part, shared.theme.text), row);
    }
}

#[cfg(test)]
mod tests {
    use super::fitting;

    #[test]
    fn parts_that_do_not_fit_are_left_out() {
        assert_eq!(fitting("0/1 slots · 2 waiting · host", 40), "0/1 slots · 2 waiting · host");
        assert_eq!(fitting("0/1 slots · 2 waiting · host", 22), "0/1 slots · 2 waiting");
        assert_eq!(fitting("0/1 slots · 2 waiting · host", 20), "0/1 slots");
        assert_eq!(fitting("0/1 slots · 2 waiting · host", 8), "");
    }
}
