//! The table of models on one dataset: estimates over folds, seeds or one test set, each model tested against the baseline.

use lightbox_stats::{
    Comparison as Tested, Correction, FoldSizes, FoldTest, Groups, MetricId, Outcome, PredictionTest, Predictions,
    Setting, adjust_family, compare_folds, compare_predictions, compare_seeds, evaluate_metric, interval_of_metric,
};

use crate::ReportError;
use crate::cell::{Figures, column, from_comparison, moments, notes_of_family};
use crate::collect::{ModelRuns, TrainedRun, incomparable, initialisation};
use crate::methods::Selection;
use crate::table::{Cell, Row, Table};

/// How results are tested; fixed before they are seen.
#[derive(Clone, Debug)]
pub struct Design {
    /// The model that the others are compared with.
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
        let folds: std::collections::BTreeSet<usize> = runs.iter().map(|r| r.config.split.fold).collect();
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
    let Some(baseline) = models.iter().find(|m| m.model == design.baseline) else {
        let known: Vec<&str> = models.iter().map(|m| m.model.as_str()).collect();
        let message = format!(
            "baseline {:?} has no finished runs on {dataset}; there are: {}",
            design.baseline,
            known.join(", ")
        );
        return Err(ReportError::Input(message));
    };
    if let Some(why) = incomparable(models) {
        return Err(ReportError::Input(format!("{dataset}: {why}; such models cannot be compared")));
    }
    let repetition = Repetition::of(&baseline.runs);
    let mut columns = Vec::new();
    let mut rows: Vec<Row> = models.iter().map(|m| Row { name: m.model.clone(), cells: Vec::new() }).collect();
    let mut comparisons = Vec::new();
    for &metric in &design.metrics {
        let Some(figures) = figures(models, metric, repetition, design)? else { continue };
        let mut family = Vec::new();
        for model in models.iter().filter(|m| m.model != baseline.model) {
            family.push(compare(model, baseline, metric, repetition, design)?);
        }
        adjust_family(&mut family, design.planned_models.saturating_sub(1), design.correction);
        let mut tested = family.iter();
        for ((row, model), cell) in rows.iter_mut().zip(models).zip(figures) {
            let comparison = if model.model == baseline.model { None } else { tested.next().map(from_comparison) };
            row.cells.push(Cell { comparison, ..cell });
        }
        columns.push(column(metric, design.primary == Some(metric)));
        comparisons.push(family);
    }
    add_costs(models, &mut columns, &mut rows);
    let mut notes = notes_of_family(&comparisons, design);
    notes.extend(notes_of_runs(baseline, models, repetition));
    Ok(Table {
        title: title(dataset, baseline, repetition),
        dataset: dataset.to_owned(),
        row_kind: "model".into(),
        baseline: baseline.model.clone(),
        runs: models.iter().flat_map(|m| &m.runs).map(|r| r.id.0.clone()).collect(),
        images: Selection::All,
        columns,
        rows,
        notes,
    })
}

fn title(dataset: &str, baseline: &ModelRuns, repetition: Repetition) -> String {
    let design = match repetition {
        Repetition::Folds => format!("{} folds", baseline.runs.len()),
        Repetition::Seeds => format!("one test set, {} seeds", baseline.runs.len()),
        Repetition::Single => "one test set".to_owned(),
    };
    format!("{dataset} · {design} · baseline {}", baseline.model)
}

fn notes_of_runs(baseline: &ModelRuns, models: &[ModelRuns], repetition: Repetition) -> Vec<String> {
    let grouped = baseline.runs.iter().all(|r| r.config.dataset.grouped);
    let units = if grouped { "groups" } else { "images" };
    let mut notes = vec![match repetition {
        Repetition::Folds => "figures: mean ± sd over folds".to_owned(),
        Repetition::Seeds => "figures: mean ± sd over seeds".to_owned(),
        Repetition::Single => format!("figures: value [95 % BCa bootstrap interval over {units}]"),
    }];
    notes.push(format!("models {}", initialisation(models)));
    if !grouped {
        notes.push("split by image: no patient or lesion is known".to_owned());
    }
    notes
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
fn add_costs(models: &[ModelRuns], columns: &mut Vec<crate::table::Column>, rows: &mut [Row]) {
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
}

/// Whether a comparison found both sides the same by construction; used by the pairwise listing.
pub(crate) fn is_identical(comparison: &Tested) -> bool {
    matches!(comparison.outcome, Outcome::Identical)
}
