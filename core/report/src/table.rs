//! A table of results before it is drawn: every cell with its estimate, interval, test and marker, or the reason why
//! there is none.

use serde::Serialize;

use crate::methods::Selection;
use crate::number::readable;

/// A table: models or methods down, metrics across.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Table {
    /// What the table shows, for its heading: dataset, design, baseline.
    pub title: String,
    /// The dataset.
    pub dataset: String,
    /// What the rows are: "model" or "method".
    pub row_kind: String,
    /// The networks that are explained, in tables of methods.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub explained: Option<String>,
    /// Name of the baseline row.
    pub baseline: String,
    /// Ids of the runs whose figures it holds.
    pub runs: Vec<String>,
    /// Which images of these runs.
    pub images: Selection,
    /// Columns.
    pub columns: Vec<Column>,
    /// Rows in their order.
    pub rows: Vec<Row>,
    /// What stands under the table: test, family, conditions, detectable difference, what was left out.
    pub notes: Vec<String>,
}

/// A column: one metric.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Column {
    /// Metric id.
    pub id: String,
    /// Name for the heading.
    pub name: String,
    /// Whether a larger value is better; none for values that are neither.
    pub higher_is_better: Option<bool>,
    /// Decimals shown.
    pub decimals: usize,
    /// Whether this is the confirmatory metric of the study.
    pub primary: bool,
}

/// A row: one model or method.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Row {
    /// Model or method: its id, and what tells it apart where a model is there several times.
    pub name: String,
    /// Group of the model's runs; none for methods.
    pub group: Option<String>,
    /// One cell a column.
    pub cells: Vec<Cell>,
}

/// The figure of one row and column.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Cell {
    /// Mean over folds, or over images.
    pub estimate: Option<f64>,
    /// Standard deviation over folds, seeds or images.
    pub sd: Option<f64>,
    /// 95 % interval of the estimate itself, where there is one test set.
    pub interval: Option<(f64, f64)>,
    /// How many values the estimate is the mean of.
    pub n: usize,
    /// How many groups (patients, lesions) they come from, where known.
    pub n_groups: Option<usize>,
    /// How it compares with the baseline; none on the baseline's own row and for figures that are not tested.
    pub comparison: Option<Comparison>,
}

/// A cell against the baseline's.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// `*`, `**`, `***`, `ns`, `≡` or `–`.
    pub marker: String,
    /// ▲ better, ▼ worse than the baseline, or empty.
    pub direction: String,
    /// Estimated difference from the baseline.
    pub difference: Option<f64>,
    /// Unadjusted 95 % interval of the same test.
    pub interval: Option<(f64, f64)>,
    /// Unadjusted p.
    pub p: Option<f64>,
    /// p after adjustment within its family.
    pub p_adjusted: Option<f64>,
    /// Effect size.
    pub effect: Option<f64>,
    /// Its name, for example `d_z`.
    pub effect_name: String,
    /// Name of the test.
    pub test: String,
    /// Images behind the test.
    pub n_images: usize,
    /// Independent units behind it: groups where known, else images; folds where folds are compared.
    pub n_groups: usize,
    /// All that is behind it in words, for example `3 folds, 360 images`.
    pub counts: String,
    /// Why there is no p, or that there is nothing to test.
    pub reason: Option<String>,
}

impl Comparison {
    /// The marker and the direction as they stand in a table, for example `** ▼`.
    pub fn mark(&self) -> String {
        if self.direction.is_empty() { self.marker.clone() } else { format!("{} {}", self.marker, self.direction) }
    }
}

impl Cell {
    /// The estimate and its spread as text, for example `0.851 ±0.010`; empty when there is none.
    pub fn figure(&self, decimals: usize) -> String {
        match (self.estimate, self.sd, self.interval) {
            (Some(e), Some(sd), _) => format!("{} ±{}", readable(e, decimals), readable(sd, decimals)),
            (Some(e), None, Some(ends)) => format!("{} {}", readable(e, decimals), bracketed(ends, decimals)),
            (Some(e), None, None) => readable(e, decimals),
            (None, ..) => "–".to_owned(),
        }
    }
}

/// An interval as text.
pub fn bracketed((low, high): (f64, f64), decimals: usize) -> String {
    format!("[{}, {}]", readable(low, decimals), readable(high, decimals))
}
