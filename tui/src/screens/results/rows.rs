//! A table of results as rows: each cell with its figure and, where it was tested, its marker.

use std::borrow::Cow;
use std::sync::Arc;

use lightbox_report::Table;
use ratatui::style::Style;

use crate::theme::Theme;
use crate::widgets::order::Rows;
use crate::widgets::table::Column;

/// A table of results.
pub struct Cells(pub Arc<Table>);

/// Its columns.
pub fn columns(table: &Table) -> Vec<Column> {
    let first = Column::text(table.row_kind.clone(), 34);
    let metric = |c: &lightbox_report::Column| {
        // In words, for triangles mark what is better than the baseline, and arrows how the rows are sorted.
        let direction = if c.higher_is_better == Some(false) { " (lower)" } else { "" };
        Column::figure(format!("{}{direction}{}", c.name, if c.primary { " †" } else { "" }), 30).on_the_left()
    };
    std::iter::once(first).chain(table.columns.iter().map(metric)).collect()
}

impl Rows for Cells {
    fn len(&self) -> usize {
        self.0.rows.len()
    }

    fn text(&self, row: usize, column: usize) -> Cow<'_, str> {
        let line = &self.0.rows[row];
        let Some(metric) = column.checked_sub(1) else {
            let baseline = if line.name == self.0.baseline { " (baseline)" } else { "" };
            return format!("{}{baseline}", line.name).into();
        };
        let (Some(cell), Some(heading)) = (line.cells.get(metric), self.0.columns.get(metric)) else {
            return "".into();
        };
        let figure = cell.figure(heading.decimals);
        match &cell.comparison {
            Some(comparison) => format!("{figure} {:<5}", comparison.mark()).into(),
            None => format!("{figure}      ").into(),
        }
    }

    fn is_numeric(&self, column: usize) -> bool {
        column > 0
    }

    fn number(&self, row: usize, column: usize) -> Option<f64> {
        self.0.rows[row].cells.get(column.checked_sub(1)?)?.estimate
    }

    fn id(&self, row: usize) -> Cow<'_, str> {
        self.0.rows[row].name.as_str().into()
    }
}

/// How a cell is drawn: better and worse than the baseline by colour too, the sign says it already.
pub fn cell_style(rows: &dyn Rows, row: usize, column: usize, theme: &Theme) -> Style {
    if column == 0 {
        return theme.text;
    }
    let text = rows.text(row, column);
    let text = text.trim_end();
    if text.contains('*') {
        if text.ends_with('▲') {
            return theme.good;
        }
        if text.ends_with('▼') {
            return theme.bad;
        }
    }
    if text == "–" || text.ends_with("ns") { theme.dim } else { theme.text }
}
