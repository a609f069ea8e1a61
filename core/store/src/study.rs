//! A study file: datasets x models x folds, then explanations, then tests. Strictly read: an unknown key is refused
//! with its line and the nearest name.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::error::{Result, StoreError};
use crate::names;
use crate::run::{Augmentation, ClassWeights, OptimizerChoice, Precision, Schedule, Target};
use crate::toml_error;

/// A study as its file describes it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StudyFile {
    /// Name of the study.
    pub name: String,
    /// Registered datasets.
    pub datasets: Vec<String>,
    /// Model ids.
    pub models: Vec<String>,
    /// The model that the others are compared with.
    pub baseline: String,
    /// How images are split.
    #[serde(default)]
    pub split: SplitSection,
    /// How networks are trained.
    #[serde(default)]
    pub train: TrainSection,
    /// What is explained, if anything.
    pub explain: Option<ExplainSection>,
    /// How it is tested.
    #[serde(default)]
    pub statistics: StatisticsSection,
}

/// How images are split.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SplitSection {
    /// Folds of a k-fold cross-validation.
    pub folds: Option<usize>,
    /// Repeats of the k folds with other seeds; with `folds = 2` and 5 repeats this is the 5x2 design.
    pub repeats: usize,
    /// Use each dataset's own test part, once per seed.
    pub own_test: bool,
    /// Seeds of the runs when the dataset's own test part is used.
    pub seeds: Vec<u64>,
    /// Seed of the split.
    pub seed: u64,
    /// Leave out the training copies of test images first, where `data check --dedup` was not run yet.
    pub dedup: bool,
    /// Use at most this many images of each dataset, by whole groups and stratified by class.
    pub limit: Option<usize>,
}

impl Default for SplitSection {
    fn default() -> Self {
        Self { folds: None, repeats: 1, own_test: false, seeds: Vec::new(), seed: 0, dedup: false, limit: None }
    }
}

/// How networks are trained; the same keys as the flags of `lightbox train`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TrainSection {
    /// Epochs at most.
    pub epochs: usize,
    /// Images per optimizer step.
    pub batch_size: usize,
    /// Side of the square input.
    pub image_size: usize,
    /// Channels of the input; the dataset's own when left out.
    pub channels: Option<usize>,
    /// Optimizer.
    pub optimizer: OptimizerChoice,
    /// Peak learning rate.
    pub lr: f64,
    /// Weight decay.
    pub weight_decay: f64,
    /// Schedule.
    pub schedule: Schedule,
    /// Epochs of warm-up.
    pub warmup_epochs: f64,
    /// Label smoothing.
    pub label_smoothing: f64,
    /// Class weights as in `--class-weights`: `none`, `balanced`, or a number a class joined by commas.
    pub class_weights: String,
    /// Largest gradient norm.
    pub clip_norm: Option<f64>,
    /// Epochs without improvement before stopping.
    pub patience: Option<usize>,
    /// Augmentation as in `--augment`: names joined by commas, or `none`.
    pub augment: String,
    /// Share of the training part that becomes the validation part.
    pub val_fraction: f64,
    /// Seed.
    pub seed: u64,
    /// Precision.
    pub precision: Precision,
    /// `auto`, `cpu` or `cuda:I`.
    pub device: String,
    /// Threads; the number of cores when left out.
    pub threads: Option<usize>,
    /// Weights to start from by model id.
    pub pretrained: BTreeMap<String, PathBuf>,
    /// Allow that some models start from weights and others from scratch.
    pub allow_mixed_init: bool,
    /// Architecture options by model id.
    pub options: BTreeMap<String, BTreeMap<String, String>>,
}

impl Default for TrainSection {
    fn default() -> Self {
        Self {
            epochs: 20,
            batch_size: 32,
            image_size: 224,
            channels: None,
            optimizer: OptimizerChoice::Adamw,
            lr: 1e-4,
            weight_decay: 0.01,
            schedule: Schedule::Cosine,
            warmup_epochs: 0.0,
            label_smoothing: 0.0,
            class_weights: "none".into(),
            clip_norm: None,
            patience: None,
            augment: "none".into(),
            val_fraction: 0.1,
            seed: 0,
            precision: Precision::Fp32,
            device: "auto".into(),
            threads: None,
            pretrained: BTreeMap::new(),
            allow_mixed_init: false,
            options: BTreeMap::new(),
        }
    }
}

/// What is explained.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExplainSection {
    /// The model whose predictions are explained.
    pub model: String,
    /// Method ids.
    pub methods: Vec<String>,
    /// The method that the others are compared with.
    #[serde(default = "gradcam")]
    pub baseline: String,
    /// Metric ids.
    pub metrics: Vec<String>,
    /// Class explained.
    #[serde(default = "predicted")]
    pub target: Target,
    /// Also a table per true class.
    #[serde(default)]
    pub per_class: bool,
    /// Layers; the model's default when empty.
    #[serde(default)]
    pub layers: Vec<String>,
    /// At most this many test images of each fold.
    pub limit: Option<usize>,
    /// Percentiles of ROAD.
    #[serde(default = "nine_percentiles")]
    pub road_percentiles: Vec<f64>,
    /// `rank` or `strict`.
    #[serde(default = "rank")]
    pub road_ties: String,
    /// Parameters by method id, then name.
    #[serde(default)]
    pub parameters: BTreeMap<String, BTreeMap<String, String>>,
    /// Images per batch.
    #[serde(default = "eight")]
    pub batch_size: usize,
    /// Keep every map as a NumPy file.
    #[serde(default)]
    pub keep_maps: bool,
}

/// How results are tested.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StatisticsSection {
    /// The confirmatory metric; the others are exploratory.
    pub primary: String,
    /// The test between models over folds: `nadeau-bengio`, `paired-t`, `wilcoxon` or `5x2cv`.
    pub test: String,
    /// `holm`, `bonferroni`, `benjamini-hochberg` or `none`.
    pub correction: String,
    /// Level of the tests.
    pub alpha: f64,
    /// Metrics shown; all when empty.
    pub metrics: Vec<String>,
}

impl Default for StatisticsSection {
    fn default() -> Self {
        Self {
            primary: "balanced-accuracy".into(),
            test: "nadeau-bengio".into(),
            correction: "holm".into(),
            alpha: 0.05,
            metrics: Vec::new(),
        }
    }
}

fn gradcam() -> String {
    "gradcam".into()
}

fn predicted() -> Target {
    Target::Predicted
}

fn nine_percentiles() -> Vec<f64> {
    (1..=9).map(|p| f64::from(p) * 10.0).collect()
}

fn rank() -> String {
    "rank".into()
}

fn eight() -> usize {
    8
}

impl StudyFile {
    /// Reads and checks a study file.
    ///
    /// # Errors
    /// A sentence with file, line and field for an unknown key, a wrong type or an impossible value.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|e| StoreError::io("read", path, e))?;
        Self::parse(path, &text)
    }

    /// As [`StudyFile::read`], from text; `path` is for messages.
    ///
    /// # Errors
    /// Those of [`StudyFile::read`].
    pub fn parse(path: &Path, text: &str) -> Result<Self> {
        let study: Self = toml::from_str(text).map_err(|e| toml_error::describe(path, text, &e))?;
        study.check().map_err(|(field, message)| {
            let last = field.rsplit('.').next().unwrap_or(field);
            let line = text.lines().position(|l| l.split('=').next().is_some_and(|k| k.trim() == last));
            let place = line.map_or(String::new(), |l| format!("line {}: ", l + 1));
            StoreError::content(path, format!("{place}{field}: {message}"))
        })?;
        Ok(study)
    }

    fn check(&self) -> std::result::Result<(), (&'static str, String)> {
        names::check("study", &self.name).map_err(|e| ("name", e.to_string()))?;
        not_empty_nor_twice("datasets", &self.datasets)?;
        not_empty_nor_twice("models", &self.models)?;
        if !self.models.contains(&self.baseline) {
            return Err(("baseline", format!("{:?} is not among models = {:?}", self.baseline, self.models)));
        }
        self.check_split()?;
        self.check_train()?;
        if let Some(explain) = &self.explain {
            explain.check(&self.models)?;
        }
        self.statistics.check()
    }

    fn check_split(&self) -> std::result::Result<(), (&'static str, String)> {
        let split = &self.split;
        match (split.folds, split.own_test) {
            (None, false) => return Err(("split", "give folds = K, or own_test = true with seeds".into())),
            (Some(_), true) => return Err(("split.folds", "folds and own_test exclude each other".into())),
            (Some(k), false) if !(2..=100).contains(&k) => return Err(("split.folds", format!("{k} is not 2 to 100"))),
            _ => {}
        }
        if split.repeats == 0 || split.repeats > 100 {
            return Err(("split.repeats", format!("{} is not 1 to 100", split.repeats)));
        }
        not_twice("split.seeds", &split.seeds.iter().map(u64::to_string).collect::<Vec<_>>())
    }

    fn check_train(&self) -> std::result::Result<(), (&'static str, String)> {
        let t = &self.train;
        let whole = |field, value: usize, most: usize| {
            if value == 0 || value > most { Err((field, format!("{value} is not 1 to {most}"))) } else { Ok(()) }
        };
        whole("train.epochs", t.epochs, 100_000)?;
        whole("train.batch_size", t.batch_size, 65_536)?;
        if !(16..=4096).contains(&t.image_size) {
            return Err(("train.image_size", format!("{} is not 16 to 4096", t.image_size)));
        }
        if t.channels.is_some_and(|c| c != 1 && c != 3) {
            return Err(("train.channels", "1 or 3".into()));
        }
        if !(t.lr.is_finite() && t.lr > 0.0) {
            return Err(("train.lr", format!("{} is not a positive number", t.lr)));
        }
        if !(t.val_fraction > 0.0 && t.val_fraction < 0.9) {
            return Err(("train.val_fraction", format!("{} is not between 0 and 0.9", t.val_fraction)));
        }
        if !(0.0..1.0).contains(&t.label_smoothing) {
            return Err(("train.label_smoothing", format!("{} is not 0 to 1", t.label_smoothing)));
        }
        ClassWeights::parse(&t.class_weights).map_err(|e| ("train.class_weights", e))?;
        Augmentation::parse(&t.augment).map_err(|e| ("train.augment", e))?;
        let known = |m: &String| self.models.contains(m);
        if let Some(stranger) = t.pretrained.keys().chain(t.options.keys()).find(|m| !known(m)) {
            return Err(("train.pretrained", format!("{stranger:?} is not among models = {:?}", self.models)));
        }
        let mixed = !t.pretrained.is_empty() && self.models.iter().any(|m| !t.pretrained.contains_key(m));
        if mixed && !t.allow_mixed_init {
            let without: Vec<&String> = self.models.iter().filter(|m| !t.pretrained.contains_key(*m)).collect();
            let message = format!(
                "compared models must share their initialisation, and {without:?} have no weights; give all or none, or set \
                 allow_mixed_init = true, which every table will then say"
            );
            return Err(("train.pretrained", message));
        }
        Ok(())
    }
}

impl ExplainSection {
    fn check(&self, models: &[String]) -> std::result::Result<(), (&'static str, String)> {
        if !models.contains(&self.model) {
            return Err(("explain.model", format!("{:?} is not among models = {models:?}", self.model)));
        }
        not_empty_nor_twice("explain.methods", &self.methods)?;
        not_empty_nor_twice("explain.metrics", &self.metrics)?;
        if !self.methods.contains(&self.baseline) {
            return Err(("explain.baseline", format!("{:?} is not among methods = {:?}", self.baseline, self.methods)));
        }
        if self.road_percentiles.is_empty() || self.road_percentiles.iter().any(|p| !(*p > 0.0 && *p < 100.0)) {
            return Err(("explain.road_percentiles", "percentiles must lie between 0 and 100".into()));
        }
        one_of("explain.road_ties", &self.road_ties, &["rank", "strict"])
    }
}

impl StatisticsSection {
    fn check(&self) -> std::result::Result<(), (&'static str, String)> {
        one_of("statistics.test", &self.test, &["nadeau-bengio", "paired-t", "wilcoxon", "5x2cv"])?;
        one_of("statistics.correction", &self.correction, &["holm", "bonferroni", "benjamini-hochberg", "none"])?;
        if !(self.alpha > 0.0 && self.alpha < 0.5) {
            return Err(("statistics.alpha", format!("{} is not between 0 and 0.5", self.alpha)));
        }
        Ok(())
    }
}

fn one_of(field: &'static str, value: &str, known: &[&str]) -> std::result::Result<(), (&'static str, String)> {
    if known.contains(&value) {
        return Ok(());
    }
    let hint = names::nearest(value, known.iter().copied()).map(|n| format!("; did you mean {n:?}?"));
    Err((field, format!("{value:?} is not one of {}{}", known.join(", "), hint.unwrap_or_default())))
}

fn not_twice(field: &'static str, values: &[String]) -> std::result::Result<(), (&'static str, String)> {
    match values.iter().enumerate().find(|(i, v)| values[..*i].contains(v)) {
        Some((_, twice)) => Err((field, format!("{twice:?} is there twice"))),
        None => Ok(()),
    }
}

fn not_empty_nor_twice(field: &'static str, values: &[String]) -> std::result::Result<(), (&'static str, String)> {
    if values.is_empty() {
        return Err((field, "is empty".into()));
    }
    not_twice(field, values)
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str =
        "name = 's'\ndatasets = ['a']\nmodels = ['m', 'n']\nbaseline = 'm'\n[split]\nfolds = 5\n[train]\n";

    fn message(text: &str) -> String {
        StudyFile::parse(Path::new("s.toml"), text).unwrap_err().to_string()
    }

    #[test]
    fn an_unknown_key_is_refused_with_line_and_nearest_name() {
        let said = message(&format!("{GOOD}epcohs = 3\n"));
        assert_eq!(said, "s.toml: line 8: unknown key \"epcohs\"; did you mean \"epochs\"?");
    }

    #[test]
    fn wrong_types_and_impossible_values_name_line_and_field() {
        let said = message(&format!("{GOOD}epochs = 'three'\n"));
        assert!(said.starts_with("s.toml: line 8: epochs: invalid type"), "{said}");
        let said = message(&format!("{GOOD}epochs = 0\n"));
        assert_eq!(said, "s.toml: line 8: train.epochs: 0 is not 1 to 100000");
        let said = message(&GOOD.replace("baseline = 'm'", "baseline = 'x'"));
        assert!(said.contains("line 4: baseline: \"x\" is not among models"), "{said}");
    }

    #[test]
    fn a_mixture_of_initialisations_is_refused_unless_allowed() {
        let mixed = format!("{GOOD}pretrained = {{ m = 'w.pth' }}\n");
        assert!(message(&mixed).contains("share their initialisation"));
        StudyFile::parse(Path::new("s"), &format!("{mixed}allow_mixed_init = true\n")).unwrap();
    }

    /// The blocks of TOML in `docs/studies.md`.
    fn documented() -> Vec<String> {
        let page = include_str!("../../../docs/studies.md");
        let blocks = page.split("```toml\n").skip(1);
        blocks.map(|block| block.split("```").next().unwrap().to_owned()).collect()
    }

    /// All keys of a table, with those of the tables in it, and their values.
    fn leaves(table: &toml::Table) -> BTreeMap<String, toml::Value> {
        let mut found = BTreeMap::new();
        for (key, value) in table {
            match value {
                toml::Value::Table(inner) if ["split", "train", "explain", "statistics"].contains(&key.as_str()) => {
                    found.extend(leaves(inner).into_iter().map(|(name, value)| (format!("{key}.{name}"), value)));
                }
                value => drop(found.insert(key.clone(), value.clone())),
            }
        }
        found
    }

    #[test]
    fn the_documentation_has_every_key_with_its_default() {
        let [least, full] = documented().try_into().unwrap();
        let defaults = StudyFile::parse(Path::new("least"), &least).unwrap();
        let full = leaves(&toml::from_str(&full).unwrap());
        let read = StudyFile::parse(Path::new("full"), &documented()[1]).unwrap();
        assert_eq!(
            full.keys().collect::<Vec<_>>(),
            leaves(&toml::Table::try_from(&read).unwrap()).keys().collect::<Vec<_>>()
        );
        // An explanation has no default, but its keys have.
        let explain = "[explain]\nmodel = 'resnet50'\nmethods = ['gradcam']\nmetrics = ['road']\n";
        let explained = StudyFile::parse(Path::new("least"), &format!("{least}{explain}")).unwrap();
        assert_eq!(defaults.explain, None);
        for (key, value) in leaves(&toml::Table::try_from(&explained).unwrap()) {
            let line =
                documented()[1].lines().find(|l| l.split(" =").next() == key.rsplit('.').next()).unwrap().to_owned();
            let has_default = key.contains('.') && !line.contains("no default");
            if has_default {
                assert_eq!(full[&key], value, "{line}");
            }
        }
    }
}
