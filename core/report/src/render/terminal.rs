//! A table for the terminal: marks beside the figures, aligned, with rules above and below.

use super::{heading, texts};
use crate::table::Table;

/// Draws the table; `color` paints marks (better green, worse red) and headings.
pub fn terminal(table: &Table, color: bool) -> String {
    let rows: Vec<Vec<(String, String)>> = table.rows.iter().map(|r| texts(table, r).collect()).collect();
    let name_width = table.rows.iter().map(|r| width(&r.name)).chain([width(&table.row_kind)]).max().unwrap_or(0);
    let widths: Vec<(usize, usize, usize)> = table
        .columns
        .iter()
        .enumerate()
        .map(|(c, column)| {
            let of = |pick: fn(&(String, String)) -> &String| {
                rows.iter().filter_map(|r| r.get(c)).map(|cell| width(pick(cell))).max().unwrap_or(0)
            };
            let (figure, mark) = (of(|c| &c.0), of(|c| &c.1));
            let gap = usize::from(mark > 0);
            (figure, mark, (figure + gap + mark).max(width(&heading(column))))
        })
        .collect();
    let total = name_width + widths.iter().map(|w| w.2 + 3).sum::<usize>();
    let rule = "─".repeat(total);
    let mut out = format!("{}\n{rule}\n", paint(&table.title, "1", color));
    let mut head = pad(&table.row_kind, name_width);
    for (column, w) in table.columns.iter().zip(&widths) {
        head += &format!("   {}", pad(&heading(column), w.2));
    }
    out += &format!("{}\n{rule}\n", paint(head.trim_end(), "1", color));
    for (row, cells) in table.rows.iter().zip(&rows) {
        let mut line = pad(&row.name, name_width);
        for ((figure, mark), w) in cells.iter().zip(&widths) {
            let gap = if w.1 > 0 { " " } else { "" };
            let text = format!("{figure}{}{gap}", " ".repeat(w.0 - width(figure)));
            let rest = w.2.saturating_sub(width(&text) + width(mark));
            line += &format!("   {text}{}{}", paint_mark(mark, color), " ".repeat(rest));
        }
        out += &format!("{}\n", line.trim_end());
    }
    out += &format!("{rule}\n");
    for note in &table.notes {
        out += &format!("{note}\n");
    }
    out
}

fn paint_mark(mark: &str, color: bool) -> String {
    match mark.chars().last() {
        Some('▲') if mark.starts_with('*') => paint(mark, "32", color),
        Some('▼') if mark.starts_with('*') => paint(mark, "31", color),
        _ => mark.to_owned(),
    }
}

fn paint(text: &str, code: &str, color: bool) -> String {
    if color { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
}

fn width(text: &str) -> usize {
    text.chars().count()
}

fn pad(text: &str, to: usize) -> String {
    format!("{text}{}", " ".repeat(to.saturating_sub(width(text))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_under_their_headings() {
        let text = terminal(&super::super::example::table(), false);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "brain 100% · 5 folds");
        assert_eq!(lines[2], "model      accuracy† ↑         ece ↓");
        assert_eq!(lines[4], "resnet50   0.900 ±0.010        0.040 ±0.010");
        assert_eq!(lines[5], "vgg16      0.850 ±0.010 ** ▼   –            –");
        assert_eq!(lines.last(), Some(&"Holm over 1 & more"));
    }
}
