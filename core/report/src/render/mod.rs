//! Tables as text: for the terminal, CSV, Markdown and LaTeX (JSON is the table itself).

mod csv;
mod latex;
mod markdown;
mod terminal;

pub use self::csv::csv;
pub use latex::latex;
pub use markdown::markdown;
pub use terminal::terminal;

use crate::table::{Column, Row, Table};

/// The heading of a column with the arrow of its good direction; the confirmatory metric carries a dagger.
fn heading(column: &Column) -> String {
    let arrow = match column.higher_is_better {
        Some(true) => " ↑",
        Some(false) => " ↓",
        None => "",
    };
    let dagger = if column.primary { "†" } else { "" };
    format!("{}{dagger}{arrow}", column.name)
}

/// A row's cells as text, figure and mark.
fn texts<'a>(table: &'a Table, row: &'a Row) -> impl Iterator<Item = (String, String)> + 'a {
    table.columns.iter().zip(&row.cells).map(|(column, cell)| {
        let mark = cell.comparison.as_ref().map(|c| c.mark()).unwrap_or_default();
        (cell.figure(column.decimals), mark)
    })
}

#[cfg(test)]
pub(crate) mod example {
    use crate::methods::Selection;
    use crate::table::{Cell, Column, Comparison, Row, Table};

    /// A small table with every kind of cell.
    pub fn table() -> Table {
        let column = |id: &str, higher, primary| Column {
            id: id.into(),
            name: id.into(),
            higher_is_better: higher,
            decimals: 3,
            primary,
        };
        let cell = |estimate: f64| Cell { estimate: Some(estimate), sd: Some(0.01), n: 5, ..Cell::default() };
        let worse = Comparison {
            marker: "**".into(),
            direction: "▼".into(),
            difference: Some(-0.05),
            interval: Some((-0.08, -0.02)),
            p: Some(0.002),
            p_adjusted: Some(0.004),
            effect: Some(-1.2),
            effect_name: "difference".into(),
            test: "Nadeau-Bengio".into(),
            n_images: 100,
            n_groups: 5,
            counts: "5 folds, 100 images".into(),
            reason: None,
        };
        let untested = Comparison {
            marker: "–".into(),
            direction: String::new(),
            difference: None,
            interval: None,
            p: None,
            p_adjusted: None,
            effect: None,
            effect_name: String::new(),
            test: "Nadeau-Bengio".into(),
            n_images: 0,
            n_groups: 0,
            counts: String::new(),
            reason: Some("zero variance".into()),
        };
        Table {
            title: "brain 100% · 5 folds".into(),
            dataset: "brain_1".into(),
            row_kind: "model".into(),
            explained: None,
            runs: Vec::new(),
            images: Selection::All,
            baseline: "resnet50".into(),
            columns: vec![column("accuracy", Some(true), true), column("ece", Some(false), false)],
            rows: vec![
                Row { name: "resnet50".into(), group: None, cells: vec![cell(0.9), cell(0.04)] },
                Row {
                    name: "vgg16".into(),
                    group: None,
                    cells: vec![
                        Cell { comparison: Some(worse), ..cell(0.85) },
                        Cell { comparison: Some(untested), ..Cell::default() },
                    ],
                },
            ],
            notes: vec!["Holm over 1 & more".into()],
        }
    }
}
