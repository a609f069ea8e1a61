//! The table of explanation methods on one dataset: every method against the baseline, by group, folds as strata.

use std::collections::{BTreeMap, BTreeSet};

use lightbox_stats::{
    Comparison as Tested, Correction, Direction, ExplanationTest, Groups, Kind, MetricId, Outcome, Setting,
    adjust_family, compare_explanations,
};
use lightbox_store::run::ExplainScore;
use serde::Serialize;

use crate::ReportError;
use crate::cell::{column, count, from_comparison, moments};
use crate::collect::{ExplainedRun, Score, scores};
use crate::notes::{Figures, Shown, without_value};
use crate::table::{Cell, Column, Comparison, Row, Table};

/// Which images a table is about.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Selection {
    /// All.
    #[default]
    All,
    /// Those that the network classified rightly, or wrongly.
    Correct(bool),
    /// Those of one true class.
    Class(String),
}

impl Selection {
    /// Whether a score is of one of these images.
    pub fn admits(&self, score: &ExplainScore<'_>) -> bool {
        match self {
            Self::All => true,
            Self::Correct(wanted) => (score.truth == score.predicted) == *wanted,
            Self::Class(class) => score.truth == *class,
        }
    }

    /// The images in words, as titles and tabs say them.
    pub fn words(&self) -> String {
        match self {
            Self::All => "all images".to_owned(),
            Self::Correct(true) => "correctly classified images".to_owned(),
            Self::Correct(false) => "misclassified images".to_owned(),
            Self::Class(class) => format!("images of class {class}"),
        }
    }
}

/// How methods are tested; fixed before results are seen.
#[derive(Clone, Debug)]
pub struct MethodDesign {
    /// The method that the others are compared with.
    pub baseline: String,
    /// The confirmatory metric.
    pub primary: Option<MetricId>,
    /// Adjustment within a family.
    pub correction: Correction,
    /// Level.
    pub alpha: f64,
    /// Methods planned.
    pub methods: Vec<String>,
    /// Metrics planned.
    pub metrics: Vec<MetricId>,
    /// Seed of resampling.
    pub seed: u64,
}

/// A value of one method for one image, or none with its status.
type Keyed<'a> = BTreeMap<(usize, &'a str), Score<'a>>;

/// Builds the table of methods for a selection of images.
///
/// The family of each metric is all pairs of methods, as fixed by the study; the table shows the pairs with the baseline.
///
/// # Errors
/// When scores are not sound, for example a yes-or-no metric with other values.
pub fn methods_table(
    runs: &[ExplainedRun],
    selection: &Selection,
    design: &MethodDesign,
) -> Result<Table, ReportError> {
    let Some(first) = runs.first() else {
        return Err(ReportError::Input("no finished explanation run".into()));
    };
    let mut columns = Vec::new();
    let mut rows: Vec<Row> =
        design.methods.iter().map(|m| Row { name: m.clone(), group: None, cells: Vec::new() }).collect();
    let mut families: Vec<(Vec<Tested>, BTreeMap<String, usize>)> = Vec::new();
    let mut images: BTreeMap<(usize, &str), &str> = BTreeMap::new();
    for &metric in &design.metrics {
        let by_method = keyed(runs, metric.id(), selection);
        images.extend(by_method.values().flatten().map(|(key, score)| (*key, score.row.group)));
        let mut family = Vec::new();
        let mut of_baseline = BTreeMap::new();
        for (i, a) in design.methods.iter().enumerate() {
            for b in &design.methods[..i] {
                let (candidate, baseline) = if *a == design.baseline { (b, a) } else { (a, b) };
                if let Some(mut comparison) = compare(&by_method, candidate, baseline, metric, first.grouped, design)? {
                    if are_identical(runs, candidate, baseline) {
                        // Scores of equal maps may differ by rounding that a rank or a threshold amplifies: the maps decide.
                        comparison.outcome = Outcome::Identical;
                        comparison.direction = Direction::Neither;
                    }
                    if *baseline == design.baseline {
                        of_baseline.insert(candidate.clone(), family.len());
                    }
                    family.push(comparison);
                }
            }
        }
        adjust_family(&mut family, design.planned(), design.correction);
        for row in &mut rows {
            let comparison = of_baseline.get(&row.name).map(|at| from_comparison(&family[*at]));
            row.cells.push(cell(by_method.get(row.name.as_str()), comparison));
        }
        columns.push(column(metric, design.primary == Some(metric)));
        families.push((family, of_baseline));
    }
    add_time(runs, selection, &mut columns, &mut rows);
    let mut notes = vec![format!("figures: mean ± sd over images; family: all {} pairs of methods", design.planned())];
    let shown: Vec<Vec<Shown<'_>>> = families.iter().map(|(family, places)| shown(family, places, design)).collect();
    notes.extend(means_of_groups(&shown));
    notes.extend(crate::notes::notes(&shown, design));
    notes.extend(status_notes(runs, selection));
    notes.extend(without_value(&columns, &rows));
    notes.extend(networks(runs));
    if !first.grouped {
        notes.push("split by image: no patient or lesion is known".to_owned());
    }
    let explained = distinct(runs.iter().map(|r| r.network.as_str()));
    Ok(Table {
        title: format!(
            "{} · explanations of {explained} · {} · {} · baseline {}",
            first.dataset,
            selection.words(),
            sizes(&images, first.grouped),
            design.baseline
        ),
        dataset: first.dataset.clone(),
        row_kind: "method".into(),
        explained: Some(explained),
        baseline: design.baseline.clone(),
        runs: runs.iter().map(|r| r.id.0.clone()).collect(),
        images: selection.clone(),
        columns,
        rows,
        notes,
    })
}

/// The pairs with the baseline, in the order of the rows.
fn shown<'a>(family: &'a [Tested], places: &BTreeMap<String, usize>, design: &'a MethodDesign) -> Vec<Shown<'a>> {
    let pair = |row: &'a String| Some(Shown { row, tested: &family[*places.get(row)?] });
    design.methods.iter().filter_map(pair).collect()
}

/// Said where the difference of two figures is not the tested one: figures are means over images, tests of values over
/// groups, each of which counts once.
fn means_of_groups(columns: &[Vec<Shown<'_>>]) -> Option<String> {
    let by_group =
        |s: &&Shown<'_>| s.tested.metric.kind() == Kind::Explanation && s.tested.n_groups < s.tested.n_images;
    columns.iter().flatten().find(by_group)?;
    Some("differences and tests of values: on group means, each group once; figures count each image once".to_owned())
}

/// What the table rests on, for example `3 folds, 360 images of 120 groups`.
fn sizes(images: &BTreeMap<(usize, &str), &str>, grouped: bool) -> String {
    let folds: BTreeSet<usize> = images.keys().map(|(fold, _)| *fold).collect();
    let folds = if folds.len() > 1 { format!("{}, ", count(folds.len(), "fold")) } else { String::new() };
    let n = count(images.len(), "image");
    if !grouped {
        return format!("{folds}{n}");
    }
    // An image without a group stands alone.
    let groups: BTreeSet<(bool, &str)> = images
        .iter()
        .map(|((_, image), group)| if group.is_empty() { (false, *image) } else { (true, *group) })
        .collect();
    format!("{folds}{n} of {}", count(groups.len(), "group"))
}

/// Where the explanations and their networks are, and with which options they were made.
fn networks(runs: &[ExplainedRun]) -> Option<String> {
    let explanations = distinct(runs.iter().map(|r| r.group.0.as_str()));
    let networks = distinct(runs.iter().map(|r| r.trained.0.as_str()));
    let options = distinct(runs.iter().map(|r| r.options.as_str()));
    let n = count(runs.len(), "network");
    (!runs.is_empty()).then(|| format!("explanations {explanations} ({options}) of {n} of {networks}"))
}

/// Texts, each once, in their order.
fn distinct<'a>(texts: impl Iterator<Item = &'a str>) -> String {
    let mut seen: Vec<&str> = Vec::new();
    for text in texts {
        if !seen.contains(&text) {
            seen.push(text);
        }
    }
    seen.join(", ")
}

fn keyed<'a>(runs: &'a [ExplainedRun], metric: &str, selection: &Selection) -> BTreeMap<&'a str, Keyed<'a>> {
    let by_method = scores(runs, metric);
    by_method
        .into_iter()
        .map(|(method, list)| {
            let admitted = list.into_iter().filter(|s| selection.admits(&s.row));
            (method, admitted.map(|s| (s.key(), s)).collect())
        })
        .collect()
}

fn compare(
    by_method: &BTreeMap<&str, Keyed<'_>>,
    candidate: &str,
    baseline: &str,
    metric: MetricId,
    grouped: bool,
    design: &MethodDesign,
) -> Result<Option<Tested>, ReportError> {
    let (Some(a), Some(b)) = (by_method.get(candidate), by_method.get(baseline)) else { return Ok(None) };
    let keys: Vec<&(usize, &str)> = a.keys().filter(|k| b.contains_key(*k)).collect();
    if keys.is_empty() {
        return Ok(None);
    }
    let values =
        |side: &Keyed<'_>| -> Vec<f64> { keys.iter().map(|k| side[*k].row.value.unwrap_or(f64::NAN)).collect() };
    let group_keys: Vec<(bool, &str)> =
        keys.iter().map(|k| if a[*k].row.group.is_empty() { (false, k.1) } else { (true, a[*k].row.group) }).collect();
    let groups = if grouped { Groups::from_keys(&group_keys) } else { Groups::by_image(keys.len()) };
    let folds: Vec<usize> = keys.iter().map(|k| k.0).collect();
    let setting =
        Setting { alpha: design.alpha, family_size: design.planned().max(1), seed: design.seed, ..Setting::default() };
    let compared = compare_explanations(
        metric,
        &values(a),
        &values(b),
        &groups,
        Some(&folds),
        ExplanationTest::Default,
        &setting,
    )?;
    Ok(Some(compared))
}

/// Whether two methods gave the same maps, up to rounding, in every run.
fn are_identical(runs: &[ExplainedRun], a: &str, b: &str) -> bool {
    runs.iter().all(|run| run.identical.iter().any(|(x, y)| (x == a && y == b) || (x == b && y == a)))
}

fn cell(scores: Option<&Keyed<'_>>, comparison: Option<Comparison>) -> Cell {
    let values: Vec<f64> = scores.into_iter().flat_map(|s| s.values()).filter_map(|s| s.row.value).collect();
    let groups: BTreeSet<&str> = scores.into_iter().flat_map(|s| s.values()).map(|s| s.row.group).collect();
    let (estimate, sd) = moments(&values);
    let n_groups = (!groups.contains("")).then_some(groups.len());
    Cell { estimate, sd, interval: None, n: values.len(), n_groups, comparison }
}

/// The time of each method stands beside its scores, untested, as in the study.
fn add_time(runs: &[ExplainedRun], selection: &Selection, columns: &mut Vec<Column>, rows: &mut [Row]) {
    let by_method = keyed(runs, "seconds", selection);
    columns.push(column(MetricId::SecondsPerImage, false));
    for row in rows {
        row.cells.push(cell(by_method.get(row.name.as_str()), None));
    }
}

/// How many maps were constant or not finite, and how many images had no mask, by method where it depends on it.
fn status_notes(runs: &[ExplainedRun], selection: &Selection) -> Vec<String> {
    let mut maps: BTreeMap<(&str, &str), BTreeSet<(usize, &str)>> = BTreeMap::new();
    let mut images: BTreeMap<&str, BTreeSet<(usize, &str)>> = BTreeMap::new();
    for run in runs {
        for row in run.rows.iter().filter(|r| r.status != "ok") {
            if !selection.admits(&row) {
                continue;
            }
            let key = (run.fold, row.image);
            if row.status.ends_with("-map") {
                maps.entry((row.method, row.status)).or_default().insert(key);
            } else {
                images.entry(row.status).or_default().insert(key);
            }
        }
    }
    let maps = maps.iter().map(|((method, status), set)| format!("{method}: {} {status}, not scored", set.len()));
    let images = images.iter().map(|(status, set)| format!("{}: {}", status, count(set.len(), "image")));
    maps.chain(images).collect()
}

impl Figures for MethodDesign {
    fn correction(&self) -> Correction {
        self.correction
    }
    fn post_hoc(&self) -> bool {
        false
    }
    fn primary(&self) -> Option<MetricId> {
        self.primary
    }
    fn planned(&self) -> usize {
        self.methods.len() * self.methods.len().saturating_sub(1) / 2
    }
    fn baseline(&self) -> &str {
        &self.baseline
    }
}
