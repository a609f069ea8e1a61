//! Reads finished runs: predictions of each model's folds and seeds, and scores of each explanation method.

use std::collections::{BTreeMap, BTreeSet};

use lightbox_store::run::{ExplainScore, ExplainScores, PredictionRow, TrainConfig};
use lightbox_store::{GroupId, JobKind, RunDir, RunId, RunStatus, StoreError};
use serde_json::Value;

use crate::settings::{Training, described, explain_options, labels, settings};

/// A finished training run with its test predictions.
#[derive(Clone, Debug)]
pub struct TrainedRun {
    /// Its name.
    pub id: RunId,
    /// Its configuration.
    pub config: TrainConfig,
    /// `metrics.json`.
    pub metrics: Value,
    /// Test rows of `predictions.csv`.
    pub test: Vec<PredictionRow>,
    /// Images that the network learnt from.
    pub n_train: usize,
}

/// The finished runs of one group: a model with its settings on one dataset, ordered by seed and fold.
#[derive(Clone, Debug)]
pub struct ModelRuns {
    /// What it is called among the others: the model's id, and what differs where one model is there several times.
    pub label: String,
    /// Model id.
    pub model: String,
    /// Their group.
    pub group: GroupId,
    /// Its runs.
    pub runs: Vec<TrainedRun>,
}

/// The scores of one explanation run.
#[derive(Clone, Debug)]
pub struct ExplainedRun {
    /// Its name.
    pub id: RunId,
    /// The trained run whose network was explained.
    pub parent: RunId,
    /// Its group.
    pub group: GroupId,
    /// What the network whose predictions were explained is called: its model and options.
    pub network: String,
    /// The group of that network's training.
    pub trained: GroupId,
    /// What was explained and how: target, part, layers, parameters.
    pub options: String,
    /// Fold of that network, the stratum of its images.
    pub fold: usize,
    /// Whether a patient or lesion is known.
    pub grouped: bool,
    /// The dataset.
    pub dataset: String,
    /// Class names.
    pub classes: Vec<String>,
    /// `explain.csv`.
    pub rows: ExplainScores,
    /// Pairs of methods whose maps were equal up to rounding on every image.
    pub identical: Vec<(String, String)>,
}

/// Groups by dataset, both in the order of first appearance.
pub type ByDataset = Vec<(String, Vec<ModelRuns>)>;

/// A run that is not finished, for a note under its dataset's table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unfinished {
    /// The dataset.
    pub dataset: String,
    /// Which run, and its state.
    pub what: String,
}

/// Reads the finished training runs among `runs`, by dataset and group in the order of first appearance.
///
/// # Errors
/// When a finished run's file cannot be read.
pub fn trained(runs: &[RunDir]) -> Result<(ByDataset, Vec<Unfinished>), StoreError> {
    let mut datasets: ByDataset = Vec::new();
    let mut unfinished = Vec::new();
    for run in runs {
        let config = run.config()?;
        let JobKind::Train(train) = config.job else { continue };
        let dataset = train.dataset.name.clone();
        let status = run.status()?;
        if status != RunStatus::Finished {
            unfinished.push(Unfinished { dataset, what: format!("{} is {}", config.run, status.word()) });
            continue;
        }
        let (model, group) = (train.model.id.clone(), config.group);
        let loaded = load(run, config.run, *train)?;
        let models = entry(&mut datasets, |(name, _)| *name == dataset, || (dataset.clone(), Vec::new()));
        let make = || ModelRuns { label: String::new(), model: model.clone(), group: group.clone(), runs: Vec::new() };
        entry(&mut models.1, |m| m.model == model && m.group == group, make).runs.push(loaded);
    }
    for (_, models) in &mut datasets {
        for model in models.iter_mut() {
            model.runs.sort_by_key(|r| (r.config.seed, r.config.split.fold));
        }
        label(models);
    }
    Ok((datasets, unfinished))
}

/// Gives every group of a table a label of its own.
fn label(models: &mut [ModelRuns]) {
    let training = |m: &ModelRuns| {
        let mut of_group = m.runs.first().map(|r| settings(&r.config)).unwrap_or_default();
        let seeds: BTreeSet<u64> = m.runs.iter().map(|r| r.config.seed).collect();
        of_group.insert("seed".into(), seeds.iter().map(u64::to_string).collect::<Vec<_>>().join("+"));
        of_group
    };
    let trainings: Vec<Training<'_>> =
        models.iter().map(|m| Training { model: &m.model, settings: training(m), group: &m.group }).collect();
    let labels = labels(&trainings);
    for (model, label) in models.iter_mut().zip(labels) {
        model.label = label;
    }
}

fn entry<T>(list: &mut Vec<T>, fits: impl Fn(&T) -> bool, make: impl FnOnce() -> T) -> &mut T {
    let at = list.iter().position(fits).unwrap_or_else(|| {
        list.push(make());
        list.len() - 1
    });
    &mut list[at]
}

fn load(run: &RunDir, id: RunId, config: TrainConfig) -> Result<TrainedRun, StoreError> {
    let predictions = run.predictions()?;
    if predictions.classes != config.dataset.classes {
        return Err(StoreError::content(&run.file("predictions.csv"), "its classes are not those of config.json"));
    }
    let test = predictions.rows.into_iter().filter(|r| r.split == "test").collect();
    let n_train = run.split()?.part(lightbox_store::run::Part::Train).count();
    Ok(TrainedRun { id, config, metrics: run.read_json("metrics.json")?, test, n_train })
}

/// Reads the finished explanation runs among `runs`; `parents` resolves a training run by its id.
///
/// # Errors
/// When a finished run's file cannot be read, or its parent is gone.
pub fn explained(
    runs: &[RunDir],
    parents: impl Fn(&RunId) -> Result<RunDir, StoreError>,
) -> Result<(Vec<ExplainedRun>, Vec<Unfinished>), StoreError> {
    let mut loaded = Vec::new();
    let mut unfinished = Vec::new();
    for run in runs {
        let config = run.config()?;
        let JobKind::ExplainEval(explain) = config.job else { continue };
        let status = run.status()?;
        if status != RunStatus::Finished {
            let what = format!("{} is {}", config.run, status.word());
            unfinished.push(Unfinished { dataset: explain.dataset.name.clone(), what });
            continue;
        }
        let parent = parents(&explain.parent)?.config()?;
        let JobKind::Train(train) = parent.job else {
            return Err(StoreError::Invalid(format!("{} is not a training run", explain.parent)));
        };
        loaded.push(ExplainedRun {
            id: config.run,
            group: config.group,
            network: described(&train),
            trained: parent.group,
            options: explain_options(&explain),
            parent: explain.parent,
            fold: train.split.fold,
            grouped: explain.dataset.grouped,
            dataset: explain.dataset.name.clone(),
            classes: explain.dataset.classes.clone(),
            rows: run.explanations()?,
            identical: identical(&run.read_json("metrics.json")?),
        });
    }
    Ok((loaded, unfinished))
}

fn identical(metrics: &Value) -> Vec<(String, String)> {
    let pair = |v: &Value| Some((v.get(0)?.as_str()?.to_owned(), v.get(1)?.as_str()?.to_owned()));
    metrics["identical"].as_array().into_iter().flatten().filter_map(pair).collect()
}

/// Says why these models cannot be compared, if they cannot: other splits, datasets or folds.
pub fn incomparable(models: &[ModelRuns]) -> Option<String> {
    let first = models.first()?;
    let design = |m: &ModelRuns| -> Vec<(String, usize, u64)> {
        m.runs.iter().map(|r| (r.config.split.hash.clone(), r.config.split.fold, r.config.seed)).collect()
    };
    let fingerprint = |m: &ModelRuns| m.runs.first().map(|r| r.config.dataset.fingerprint.clone());
    models.iter().skip(1).find_map(|other| {
        if fingerprint(other) != fingerprint(first) {
            return Some(format!("{} and {} saw different versions of the dataset", first.label, other.label));
        }
        let (a, b) = (design(first), design(other));
        let hashes = |d: &[(String, usize, u64)]| d.iter().map(|x| x.0.clone()).collect::<BTreeSet<_>>();
        if hashes(&a) != hashes(&b) {
            return Some(format!("{} and {} were trained on different splits", first.label, other.label));
        }
        (a != b).then(|| format!("{} and {} do not have the same finished folds and seeds", first.label, other.label))
    })
}

/// Says what the initialisation of these models was: all from scratch, all pretrained, or mixed.
pub fn initialisation(models: &[ModelRuns]) -> &'static str {
    let pretrained = |m: &ModelRuns| m.runs.iter().any(|r| r.config.pretrained.is_some());
    match (models.iter().any(pretrained), models.iter().all(pretrained)) {
        (false, _) => "all from scratch",
        (true, true) => "all from pretrained weights",
        (true, false) => "MIXED INITIALISATION: some from scratch, some from pretrained weights",
    }
}

/// Scores of one metric by method, one value per image of all folds: (method, (fold, image, group, value, correct)).
pub fn scores<'a>(runs: &'a [ExplainedRun], metric: &str) -> BTreeMap<&'a str, Vec<Score<'a>>> {
    let mut by_method: BTreeMap<&str, Vec<Score<'a>>> = BTreeMap::new();
    for run in runs {
        for row in run.rows.iter().filter(|r| r.metric == metric) {
            by_method.entry(row.method).or_default().push(Score { fold: run.fold, row });
        }
    }
    by_method
}

/// One row of `explain.csv` with its fold.
#[derive(Clone, Copy, Debug)]
pub struct Score<'a> {
    /// Fold of the network.
    pub fold: usize,
    /// The row.
    pub row: ExplainScore<'a>,
}

impl<'a> Score<'a> {
    /// What pairs this score with another method's.
    pub fn key(&self) -> (usize, &'a str) {
        (self.fold, self.row.image)
    }
}
