//! Reads finished runs: predictions of each model's folds and seeds, and scores of each explanation method.

use std::collections::BTreeMap;

use lightbox_store::run::{ExplainScore, ExplainScores, PredictionRow, TrainConfig};
use lightbox_store::{JobKind, RunDir, RunId, RunStatus, StoreError};
use serde_json::Value;

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

/// The finished runs of one model on one dataset, ordered by seed and fold.
#[derive(Clone, Debug)]
pub struct ModelRuns {
    /// Model id.
    pub model: String,
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
    /// Model whose predictions were explained.
    pub model: String,
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

/// Models by dataset, both in the order of first appearance.
pub type ByDataset = Vec<(String, Vec<ModelRuns>)>;

/// What is not there yet, for a note under the table.
pub type Unfinished = Vec<String>;

/// Reads the finished training runs among `runs`, by dataset and model in the order of first appearance.
///
/// # Errors
/// When a finished run's file cannot be read.
pub fn trained(runs: &[RunDir]) -> Result<(ByDataset, Unfinished), StoreError> {
    let mut datasets: ByDataset = Vec::new();
    let mut unfinished = Vec::new();
    for run in runs {
        let config = run.config()?;
        let JobKind::Train(train) = config.job else { continue };
        let status = run.status()?;
        if status != RunStatus::Finished {
            unfinished.push(format!("{} is {}", config.run, status.word()));
            continue;
        }
        let dataset = train.dataset.name.clone();
        let model = train.model.id.clone();
        let loaded = load(run, config.run, *train)?;
        let models = entry(&mut datasets, |(name, _)| *name == dataset, || (dataset.clone(), Vec::new()));
        let runs = entry(&mut models.1, |m| m.model == model, || ModelRuns { model: model.clone(), runs: Vec::new() });
        runs.runs.push(loaded);
    }
    for (_, models) in &mut datasets {
        for model in models {
            model.runs.sort_by_key(|r| (r.config.seed, r.config.split.fold));
        }
    }
    Ok((datasets, unfinished))
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
) -> Result<(Vec<ExplainedRun>, Unfinished), StoreError> {
    let mut loaded = Vec::new();
    let mut unfinished = Vec::new();
    for run in runs {
        let config = run.config()?;
        let JobKind::ExplainEval(explain) = config.job else { continue };
        let status = run.status()?;
        if status != RunStatus::Finished {
            unfinished.push(format!("{} is {}", config.run, status.word()));
            continue;
        }
        let parent = parents(&explain.parent)?.config()?;
        let JobKind::Train(train) = parent.job else {
            return Err(StoreError::Invalid(format!("{} is not a training run", explain.parent)));
        };
        loaded.push(ExplainedRun {
            id: config.run,
            parent: explain.parent,
            model: train.model.id.clone(),
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
            return Some(format!("{} and {} saw different versions of the dataset", first.model, other.model));
        }
        let (a, b) = (design(first), design(other));
        let hashes =
            |d: &[(String, usize, u64)]| d.iter().map(|x| x.0.clone()).collect::<std::collections::BTreeSet<_>>();
        if hashes(&a) != hashes(&b) {
            return Some(format!("{} and {} were trained on different splits", first.model, other.model));
        }
        (a != b).then(|| format!("{} and {} do not have the same finished folds and seeds", first.model, other.model))
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
