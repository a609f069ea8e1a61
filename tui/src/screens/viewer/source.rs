//! Which images the viewer shows: the test images of trained runs with what the networks said of them, or the images of
//! a dataset.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;

use lightbox_data::Dataset;
use lightbox_data::dataset::ImageRecord;
use lightbox_data::manifest::Manifest;
use lightbox_store::index::RunRow;
use lightbox_store::run::{ExplainScores, read_predictions};
use lightbox_store::{Home, JobKind, RunDir};

use crate::widgets::order::Rows;
use crate::widgets::table::Column;

/// One image.
#[derive(Clone, Debug)]
pub struct Entry {
    /// Its id in the dataset.
    pub id: String,
    /// Its record: file, boxes, mask.
    pub record: Arc<ImageRecord>,
    /// Class by the dataset.
    pub truth: usize,
    /// Which network predicted it: index into [`Source::networks`].
    pub network: Option<usize>,
    /// Probability of each class.
    pub probabilities: Vec<f32>,
}

impl Entry {
    /// The class with the largest probability.
    pub fn predicted(&self) -> Option<usize> {
        let best = |a: &usize, b: &usize| self.probabilities[*a].total_cmp(&self.probabilities[*b]);
        (0..self.probabilities.len()).max_by(best)
    }

    /// Probability of the predicted class.
    pub fn confidence(&self) -> Option<f64> {
        self.predicted().map(|k| f64::from(self.probabilities[k]))
    }

    /// Whether the network was right.
    pub fn is_correct(&self) -> Option<bool> {
        self.predicted().map(|k| k == self.truth)
    }
}

/// A trained run that can explain.
#[derive(Clone, Debug)]
pub struct TrainedNetwork {
    /// Its directory.
    pub path: PathBuf,
    /// Its run.
    pub run: String,
    /// Model id.
    pub model: String,
    /// Fold, counted from 0, of how many.
    pub fold: (usize, usize),
}

/// Scores of one explanation: metric and value.
pub type Scores = Vec<(String, Option<f64>)>;

/// All images.
#[derive(Clone, Debug, Default)]
pub struct Source {
    /// What they are, for the title.
    pub title: String,
    /// The images.
    pub entries: Vec<Entry>,
    /// Classes by number.
    pub classes: Vec<String>,
    /// Networks that can explain them.
    pub networks: Vec<TrainedNetwork>,
    /// How the dataset is read.
    pub manifest: Option<Manifest>,
    /// Scores by network, image and method, where explanations were scored.
    pub scores: HashMap<(usize, String, String), Scores>,
    /// What could not be read.
    pub remarks: Vec<String>,
}

/// What to show.
#[derive(Clone, Debug, PartialEq)]
pub enum Wanted {
    /// The test images of these finished training runs.
    Runs(Vec<String>),
    /// All images of a dataset, explained by the latest network that was trained on it.
    Dataset(String),
    /// Some images of these runs, by id: what lies behind a cell of results.
    Some {
        /// What they are.
        title: String,
        /// The runs.
        runs: Vec<String>,
        /// The ids.
        images: Vec<String>,
    },
}

/// Reads what is wanted.
pub fn read(home: &Home, runs: &[RunRow], wanted: &Wanted) -> Result<Source, String> {
    match wanted {
        Wanted::Runs(names) => {
            let mut source = of_runs(home, names)?;
            read_scores(&mut source, runs);
            Ok(source)
        }
        Wanted::Some { title, runs: names, images } => {
            let mut source = of_runs(home, names)?;
            let kept: HashSet<&str> = images.iter().map(String::as_str).collect();
            source.entries.retain(|e| kept.contains(e.id.as_str()));
            source.title.clone_from(title);
            read_scores(&mut source, runs);
            Ok(source)
        }
        Wanted::Dataset(name) => of_dataset(home, runs, name),
    }
}

/// The finished training run that was made last; all folds of its group.
pub fn latest(runs: &[RunRow]) -> Option<Wanted> {
    let last = runs.iter().rev().find(|r| r.kind == "train" && r.status == "finished")?;
    let group = runs.iter().filter(|r| r.group == last.group && r.kind == "train" && r.status == "finished");
    Some(Wanted::Runs(group.map(|r| r.run.0.clone()).collect()))
}

fn of_runs(home: &Home, names: &[String]) -> Result<Source, String> {
    let mut source = Source::default();
    let mut records: HashMap<String, Arc<ImageRecord>> = HashMap::new();
    let mut dataset_name = String::new();
    for name in names {
        let dir = RunDir::open(&home.runs_dir().join(name)).map_err(|e| e.to_string())?;
        let config = dir.config().map_err(|e| e.to_string())?;
        let JobKind::Train(train) = config.job else { continue };
        if source.networks.is_empty() {
            dataset_name.clone_from(&train.dataset.name);
            source.classes.clone_from(&train.dataset.classes);
            match Dataset::open(home.root(), &train.dataset.name) {
                Ok(dataset) => {
                    source.manifest = Some(dataset.manifest().clone());
                    records = dataset.images().iter().map(|i| (i.id.clone(), Arc::new(i.clone()))).collect();
                }
                Err(error) => source.remarks.push(error.to_string()),
            }
        }
        let network = source.networks.len();
        source.networks.push(TrainedNetwork {
            path: dir.path().to_path_buf(),
            run: name.clone(),
            model: train.model.id.clone(),
            fold: (train.split.fold, train.split.folds),
        });
        let predictions = read_predictions(&dir.file("predictions.csv")).map_err(|e| e.to_string())?;
        for row in predictions.rows.into_iter().filter(|r| r.split == "test") {
            let Some(record) = records.get(&row.image) else { continue };
            source.entries.push(Entry {
                id: row.image,
                record: Arc::clone(record),
                truth: row.truth,
                network: Some(network),
                probabilities: row.probabilities,
            });
        }
    }
    let Some(first) = source.networks.first() else { return Err("there is no finished training run".to_owned()) };
    source.title = match names.len() {
        1 => format!("{dataset_name} · {} fold {}/{}", first.model, first.fold.0 + 1, first.fold.1.max(1)),
        n => format!("{dataset_name} · {} · {n} folds", first.model),
    };
    if source.entries.is_empty() && source.remarks.is_empty() {
        source.remarks.push(format!("no image of {dataset_name} is where it was when the run was made"));
    }
    Ok(source)
}

/// Scores that finished explanation runs gave the images that are shown, by these networks.
fn read_scores(source: &mut Source, runs: &[RunRow]) {
    let shown: HashSet<&str> = source.entries.iter().map(|e| e.id.as_str()).collect();
    let networks: HashMap<&str, usize> = source.networks.iter().enumerate().map(|(i, n)| (n.run.as_str(), i)).collect();
    let mut found = HashMap::new();
    for run in runs.iter().filter(|r| r.kind == "explain-eval" && r.status == "finished") {
        let Some(network) = run.parent.as_ref().and_then(|p| networks.get(p.0.as_str())) else { continue };
        let Ok(rows) = ExplainScores::read(&run.path.join("explain.csv")) else { continue };
        for row in rows.iter().filter(|row| shown.contains(row.image)) {
            let key = (*network, row.image.to_owned(), row.method.to_owned());
            let scores: &mut Scores = found.entry(key).or_default();
            scores.retain(|(metric, _)| metric != row.metric);
            scores.push((row.metric.to_owned(), row.value));
        }
    }
    source.scores = found;
}

fn of_dataset(home: &Home, runs: &[RunRow], name: &str) -> Result<Source, String> {
    let dataset = Dataset::open(home.root(), name).map_err(|e| e.to_string())?;
    let trained =
        runs.iter().rev().find(|r| r.kind == "train" && r.status == "finished" && r.dataset == name).map(|r| {
            TrainedNetwork {
                path: r.path.clone(),
                run: r.run.0.clone(),
                model: r.model.clone().unwrap_or_default(),
                fold: (r.fold.unwrap_or(0) as usize, r.folds.unwrap_or(1) as usize),
            }
        });
    let network = trained.as_ref().map(|_| 0);
    let entry = |image: &ImageRecord| Entry {
        id: image.id.clone(),
        record: Arc::new(image.clone()),
        truth: image.label,
        network,
        probabilities: Vec::new(),
    };
    Ok(Source {
        title: match &trained {
            Some(network) => format!("{name} · all images · {}", network.model),
            None => format!("{name} · all images · no network is trained on it yet"),
        },
        entries: dataset.images().iter().map(entry).collect(),
        classes: dataset.classes().to_vec(),
        networks: trained.into_iter().collect(),
        manifest: Some(dataset.manifest().clone()),
        ..Source::default()
    })
}

/// Which of the images are listed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Filter {
    /// All, in the dataset's order.
    #[default]
    All,
    /// Wrong ones, the most confident first.
    Wrong,
    /// Right ones, the least confident first.
    Right,
    /// Those of a true class.
    Truth(usize),
    /// Those predicted as a class.
    Predicted(usize),
}

impl Filter {
    /// In words.
    pub fn words(&self, classes: &[String]) -> String {
        let class = |k: &usize| classes.get(*k).cloned().unwrap_or_default();
        match self {
            Self::All => "all images".to_owned(),
            Self::Wrong => "misclassified, most confident first".to_owned(),
            Self::Right => "correct, least confident first".to_owned(),
            Self::Truth(k) => format!("true class {}", class(k)),
            Self::Predicted(k) => format!("predicted as {}", class(k)),
        }
    }

    /// The images that fit, in order.
    pub fn choose(&self, entries: &[Entry]) -> Vec<usize> {
        let keep = |e: &Entry| match self {
            Self::All => true,
            Self::Wrong => e.is_correct() == Some(false),
            Self::Right => e.is_correct() == Some(true),
            Self::Truth(k) => e.truth == *k,
            Self::Predicted(k) => e.predicted() == Some(*k),
        };
        let mut chosen: Vec<usize> = (0..entries.len()).filter(|i| keep(&entries[*i])).collect();
        let confidence = |i: &usize| entries[*i].confidence().unwrap_or(0.0);
        match self {
            Self::Wrong | Self::Predicted(_) => chosen.sort_by(|a, b| confidence(b).total_cmp(&confidence(a))),
            Self::Right => chosen.sort_by(|a, b| confidence(a).total_cmp(&confidence(b))),
            Self::All | Self::Truth(_) => {}
        }
        chosen
    }
}

/// The list of images as a table.
pub struct List {
    /// Everything.
    pub source: Arc<Source>,
    /// Which of it.
    pub chosen: Vec<usize>,
}

/// Columns of the list.
pub fn columns() -> Vec<Column> {
    vec![Column::text("image", 22), Column::text("predicted", 16), Column::figure("p", 5), Column::text("true", 14)]
}

impl List {
    /// The image of a row.
    pub fn entry(&self, row: usize) -> Option<&Entry> {
        self.chosen.get(row).and_then(|at| self.source.entries.get(*at))
    }
}

impl Rows for List {
    fn len(&self) -> usize {
        self.chosen.len()
    }

    fn text(&self, row: usize, column: usize) -> Cow<'_, str> {
        let Some(entry) = self.entry(row) else { return "".into() };
        let class = |k: usize| self.source.classes.get(k).map_or("?", String::as_str);
        match column {
            0 => entry.id.rsplit('/').next().unwrap_or(&entry.id).into(),
            3 => class(entry.truth).into(),
            1 => match (entry.predicted(), entry.is_correct()) {
                (Some(k), Some(true)) => format!("✓ {}", class(k)).into(),
                (Some(k), _) => format!("✗ {}", class(k)).into(),
                (None, _) => "".into(),
            },
            _ => entry.confidence().map(|p| format!("{p:.3}")).unwrap_or_default().into(),
        }
    }

    fn is_numeric(&self, column: usize) -> bool {
        column == 2
    }

    fn number(&self, row: usize, _: usize) -> Option<f64> {
        self.entry(row).and_then(Entry::confidence)
    }

    fn id(&self, row: usize) -> Cow<'_, str> {
        self.entry(row).map_or("", |e| e.id.as_str()).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(id: &str, truth: usize, probabilities: &[f32]) -> Entry {
        let record = ImageRecord {
            id: id.into(),
            path: PathBuf::from(id),
            label: truth,
            group: None,
            split: None,
            boxes: Vec::new(),
            mask: None,
        };
        let probabilities = probabilities.to_vec();
        Entry { id: id.into(), record: Arc::new(record), truth, network: Some(0), probabilities }
    }

    #[test]
    fn wrong_images_come_with_the_most_confident_first() {
        let entries =
            [entry("a", 0, &[0.9, 0.1]), entry("b", 0, &[0.4, 0.6]), entry("c", 0, &[0.1, 0.9]), entry("d", 1, &[])];
        assert_eq!(Filter::Wrong.choose(&entries), [2, 1]);
        assert_eq!(Filter::Right.choose(&entries), [0]);
        assert_eq!(Filter::Truth(1).choose(&entries), [3]);
        assert_eq!(Filter::Predicted(1).choose(&entries), [2, 1]);
        assert_eq!(Filter::All.choose(&entries).len(), 4);
    }
}
