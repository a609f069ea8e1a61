//! The table of models on one dataset: estimates over folds, seeds or one test set, each model tested against the baseline.

use std::collections::BTreeSet;

use lightbox_stats::{
    Comparison as Tested, Correction, FoldSizes, FoldTest, Groups, MetricId, PredictionTest, Predictions, Setting,
    adjust_family, compare_folds, compare_predictions, compare_seeds, evaluate_metric, interval_of_metric,
};

use crate::ReportError;
use crate::cell::{column, count, from_comparison, moments};
use crate::collect::{ModelRuns, TrainedRun, incomparable, initialisation};
use crate::methods::Selection;
use crate::notes::{Figures, Shown, notes, without_value};
use crate::table::{Cell, Column, Row, Table};

/// How results are tested; fixed before they are seen.
#[derive(Clone, Debug)]
pub struct Design {
    /// The row that the others are compared with: its label or group, or a model's id where only one row has it.
    pub baseline: String,
    /// True when the baseline was moved after the fact.
    pub post_hoc: bool,
    /// The confirmatory metric; none when all are exploratory.
    pub primary: Option<MetricId>,
    /// Test between models over folds.
    pub test: FoldTest,
    /// Adjustment within a family.
    pub correction: Correction,
    /// Level.
    pub alpha: f64,
    /// Metrics shown.
    pub metrics: Vec<MetricId>,
    /// Models planned, of which those not finished keep their place in the family.
    pub planned_models: usize,
    /// Seed of bootstrap and permutations.
    pub seed: u64,
}

/// What the runs of a model are: the kind of repetition decides the test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Repetition {
    /// Several folds or repeated splits.
    Folds,
    /// One test set, several seeds.
    Seeds,
    /// One test set, one network each.
    Single,
}

impl Repetition {
    fn of(runs: &[TrainedRun]) -> Self {
        let folds: BTreeSet<usize> = runs.iter().map(|r| r.config.split.fold).collect();
        match (folds.len(), runs.len()) {
            (0 | 1, 0 | 1) => Self::Single,
            (0 | 1, _) => Self::Seeds,
            _ => Self::Folds,
        }
    }
}

/// Metrics of a table when none are asked for.
pub fn default_metrics(binary_with_positive: bool) -> Vec<MetricId> {
    use MetricId::*;
    let mut metrics = vec![Accuracy, BalancedAccuracy, F1Macro, Mcc, Auroc, Brier, Ece];
    if binary_with_positive {
        metrics.extend([Sensitivity, Specificity, SensitivityTuned, SpecificityTuned]);
    }
    metrics
}

/// Builds the table.
///
/// # Errors
/// When the baseline is not among the models, the models' splits differ, or predictions are not sound.
pub fn models_table(dataset: &str, models: &[ModelRuns], design: &Design) -> Result<Table, ReportError> {
    let baseline = named(dataset, models, &design.baseline)?;
    let design = &Design { baseline: baseline.label.clone(), ..design.clone() };
    if let Some(why) = incomparable(models) {
        return Err(ReportError::Input(format!("{dataset}: {why}; such models cannot be compared")));
    }
    let repetition = Repetition::of(&baseline.runs);
    let mut columns = Vec::new();
    let row = |m: &ModelRuns| Row { name: m.label.clone(), group: Some(m.group.0.clone()), cells: Vec::new() };
    let mut rows: Vec<Row> = models.iter().map(row).collect();
    let others: Vec<&ModelRuns> = models.iter().filter(|m| m.label != baseline.label).collect();
    let mut families = Vec::new();
    for &metric in &design.metrics {
        let Some(figures) = figures(models, metric, repetition, design)? else { continue };
        let compared: Result<Vec<Tested>, ReportError> =
            others.iter().map(|model| compare(model, baseline, metric, repetition, design)).collect();
        let mut family = compared?;
        adjust_family(&mut family, design.planned(), design.correction);
        let mut tested = family.iter();
        for ((row, model), cell) in rows.iter_mut().zip(models).zip(figures) {
            let comparison = if model.label == baseline.label { None } else { tested.next().map(from_comparison) };
            row.cells.push(Cell { comparison, ..cell });
        }
        columns.push(column(metric, design.primary == Some(metric)));
        families.push(family);
    }
    add_costs(models, &mut columns, &mut rows);
    let shown: Vec<Vec<Shown<'_>>> = families.iter().map(|family| shown(&others, family)).collect();
    let mut notes = notes(&shown, design);
    notes.extend(notes_of_runs(baseline, models, repetition));
    notes.extend(fewer_folds(&columns, &rows, models, repetition));
    notes.extend(without_value(&columns, &rows));
    Ok(Table {
        title: title(dataset, baseline, repetition),
        dataset: dataset.to_owned(),
        row_kind: "model".into(),
        explained: None,
        baseline: baseline.label.clone(),
        runs: models.iter().flat_map(|m| &m.runs).map(|r| r.id.0.clone()).collect(),
        images: Selection::All,
        columns,
        rows,
        notes,
    })
}

/// The row that a name stands for: a label, a group, or a model's id that one row alone has.
///
/// # Errors
/// When no row has the name or several do; the sentence says which there are.
pub fn named<'a>(dataset: &str, models: &'a [ModelRuns], name: &str) -> Result<&'a ModelRuns, ReportError> {
    if let Some(exact) = models.iter().find(|m| m.label == name || m.group.0 == name) {
        return Ok(exact);
    }
    let labels = |models: &[&ModelRuns]| models.iter().map(|m| m.label.as_str()).collect::<Vec<_>>().join(", ");
    let of_model: Vec<&ModelRuns> = models.iter().filter(|m| m.model == name).collect();
    match of_model.as_slice() {
        [only] => Ok(only),
        [] => {
            let known = labels(&models.iter().collect::<Vec<_>>());
            Err(ReportError::Input(format!("baseline {name:?} has no finished runs on {dataset}; there are: {known}")))
        }
        several => Err(ReportError::Input(format!(
            "baseline {name:?} stands for several rows on {dataset}; name one: {}",
            labels(several)
        ))),
    }
}

fn shown<'a>(others: &[&'a ModelRuns], family: &'a [Tested]) -> Vec<Shown<'a>> {
    others.iter().zip(family).map(|(model, tested)| Shown { row: &model.label, tested }).collect()
}

fn title(dataset: &str, baseline: &ModelRuns, repetition: Repetition) -> String {
    let design = match repetition {
        Repetition::Folds => format!("{} folds", baseline.runs.len()),
        Repetition::Seeds => format!("one test set, {} seeds", baseline.runs.len()),
        Repetition::Single => "one test set".to_owned(),
    };
    format!("{dataset} · {design} · baseline {}", baseline.label)
}

fn notes_of_runs(baseline: &ModelRuns, models: &[ModelRuns], repetition: Repetition) -> Vec<String> {
    let grouped = baseline.runs.iter().all(|r| r.config.dataset.grouped);
    let units = if grouped { "groups" } else { "images" };
    let on = images_and_groups(baseline);
    let mut notes = vec![match repetition {
        Repetition::Folds => format!("figures: mean ± sd over {}; {on}", count(baseline.runs.len(), "fold")),
        Repetition::Seeds => format!("figures: mean ± sd over {}; {on}", count(baseline.runs.len(), "seed")),
        Repetition::Single => format!("figures: value [95 % BCa bootstrap interval over {units}]; {on}"),
    }];
    notes.push(format!("models {}", initialisation(models)));
    if !grouped {
        notes.push("split by image: no patient or lesion is known".to_owned());
    }
    notes
}

/// What the figures rest on, for example `360 test images of 120 groups`.
fn images_and_groups(model: &ModelRuns) -> String {
    let rows = || model.runs.iter().flat_map(|r| &r.test);
    let images: BTreeSet<&str> = rows().map(|r| r.image.as_str()).collect();
    let images = count(images.len(), "test image");
    if model.runs.iter().any(|r| !r.config.dataset.grouped) {
        return images;
    }
    // An image without a group stands alone.
    let groups: BTreeSet<(bool, &str)> =
        rows().map(|r| if r.group.is_empty() { (false, &*r.image) } else { (true, &*r.group) }).collect();
    format!("{images} of {}", count(groups.len(), "group"))
}

/// Which figures rest on fewer folds or seeds than there are: a metric may be undefined in some, as AUROC is where a class
/// is missing.
fn fewer_folds(columns: &[Column], rows: &[Row], models: &[ModelRuns], repetition: Repetition) -> Vec<String> {
    let unit = match repetition {
        Repetition::Folds => "folds",
        Repetition::Seeds => "seeds",
        Repetition::Single => return Vec::new(),
    };
    let mut lines = Vec::new();
    for (at, column) in columns.iter().enumerate() {
        let fewer = rows.iter().zip(models).filter_map(|(row, model)| {
            let n = row.cells.get(at)?.n;
            (n > 0 && n < model.runs.len()).then(|| format!("{n} of {} {unit} for {}", model.runs.len(), row.name))
        });
        let fewer: Vec<String> = fewer.collect();
        if !fewer.is_empty() {
            lines.push(format!("{}: undefined in some {unit}; figures from {}", column.name, fewer.join(", ")));
        }
    }
    lines
}

/// Cells of one metric for all models; none when the metric does not apply to these runs.
fn figures(
    models: &[ModelRuns],
    metric: MetricId,
    repetition: Repetition,
    design: &Design,
) -> Result<Option<Vec<Cell>>, ReportError> {
    let mut cells = Vec::new();
    for model in models {
        let pools = pools(&model.runs)?;
        let values: Result<Vec<Option<f64>>, lightbox_stats::Error> =
            pools.iter().map(|(p, _)| evaluate_metric(metric, p)).collect();
        let Ok(values) = values else { return Ok(None) };
        let defined: Vec<f64> = values.iter().flatten().copied().collect();
        let (mean, sd) = moments(&defined);
        let n_groups = pools.iter().map(|(_, g)| g.n_groups()).sum();
        let mut cell = Cell { estimate: mean, sd, n: defined.len(), n_groups: Some(n_groups), ..Cell::default() };
        if repetition == Repetition::Single
            && let Some((predictions, groups)) = pools.first()
            && metric != MetricId::Ece
        {
            let setting = setting(design, models.len());
            cell.interval = interval_of_metric(metric, predictions, groups, &setting)?.ok().map(|i| (i.low, i.high));
            cell.n = predictions.len();
        }
        cells.push(cell);
    }
    Ok(Some(cells))
}

fn setting(design: &Design, models: usize) -> Setting {
    let family_size = design.planned_models.max(models).saturating_sub(1).max(1);
    Setting { alpha: design.alpha, family_size, seed: design.seed, ..Setting::default() }
}

fn compare(
    model: &ModelRuns,
    baseline: &ModelRuns,
    metric: MetricId,
    repetition: Repetition,
    design: &Design,
) -> Result<Tested, ReportError> {
    let setting = setting(design, design.planned_models);
    let (a, b) = (pools(&model.runs)?, pools(&baseline.runs)?);
    let compared = match repetition {
        Repetition::Folds => {
            let values = |pools: &[(Predictions, Groups)]| -> Result<Vec<f64>, lightbox_stats::Error> {
                pools.iter().map(|(p, _)| Ok(evaluate_metric(metric, p)?.unwrap_or(f64::NAN))).collect()
            };
            let size = |r: &TrainedRun| FoldSizes { n_train: r.n_train, n_test: r.test.len() };
            let sizes: Vec<FoldSizes> = baseline.runs.iter().map(size).collect();
            compare_folds(metric, &values(&a)?, &values(&b)?, &sizes, design.test, &setting)?
        }
        Repetition::Seeds => {
            let only = |pools: &[(Predictions, Groups)]| pools.iter().map(|(p, _)| p.clone()).collect::<Vec<_>>();
            compare_seeds(metric, &only(&a), &only(&b), &b[0].1, &setting)?
        }
        Repetition::Single => {
            compare_predictions(metric, &a[0].0, &b[0].0, &b[0].1, PredictionTest::Default, &setting)?
        }
    };
    Ok(compared)
}

/// Predictions and groups of each run's test part.
pub(crate) fn pools(runs: &[TrainedRun]) -> Result<Vec<(Predictions, Groups)>, ReportError> {
    runs.iter().map(|run| Ok((predictions(run)?, groups(run)))).collect()
}

/// The test predictions of a run, as all metrics are computed from them.
///
/// # Errors
/// When its predictions are no distributions.
pub fn predictions(run: &TrainedRun) -> Result<Predictions, ReportError> {
    let truth: Vec<usize> = run.test.iter().map(|r| r.truth).collect();
    // Softmax in double precision from the logits: rows of single-precision probabilities need not add up to 1.
    let logits: Vec<f64> = run.test.iter().flat_map(|r| r.logits.iter().map(|v| f64::from(*v))).collect();
    let mut predictions = Predictions::from_logits(run.config.dataset.classes.len(), &truth, &logits, 1.0)
        .map_err(|e| ReportError::Input(format!("{}: predictions.csv: {e}", run.id)))?;
    if let Some(positive) = run.config.dataset.positive {
        predictions = predictions.with_positive_class(positive)?;
        if let Some(threshold) = run.metrics["threshold"].as_f64() {
            predictions = predictions.with_threshold(threshold);
        }
    }
    Ok(predictions)
}

fn groups(run: &TrainedRun) -> Groups {
    if !run.config.dataset.grouped {
        return Groups::by_image(run.test.len());
    }
    // An image without a group stands alone.
    let keys: Vec<(bool, &str)> = run
        .test
        .iter()
        .map(|r| if r.group.is_empty() { (false, r.image.as_str()) } else { (true, r.group.as_str()) })
        .collect();
    Groups::from_keys(&keys)
}

/// Parameters and throughput stand beside the metrics, untested.
fn add_costs(models: &[ModelRuns], columns: &mut Vec<Column>, rows: &mut [Row]) {
    for (metric, key) in [(MetricId::Parameters, "parameters"), (MetricId::ImagesPerSecond, "images_per_second")] {
        let values: Vec<Vec<f64>> =
            models.iter().map(|m| m.runs.iter().filter_map(|r| r.metrics[key].as_f64()).collect()).collect();
        if values.iter().all(Vec::is_empty) {
            continue;
        }
        columns.push(column(metric, false));
        for (row, values) in rows.iter_mut().zip(&values) {
            let (mean, _) = moments(values);
            row.cells.push(Cell { estimate: mean, n: values.len(), ..Cell::default() });
        }
    }
}

impl Figures for Design {
    fn correction(&self) -> Correction {
        self.correction
    }
    fn post_hoc(&self) -> bool {
        self.post_hoc
    }
    fn primary(&self) -> Option<MetricId> {
        self.primary
    }
    fn planned(&self) -> usize {
        self.planned_models.saturating_sub(1)
    }
    fn baseline(&self) -> &str {
        &self.baseline
    }
}
