//! Groups of runs become rows: the latest that finished, told apart by their settings.

#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use lightbox_report::collect::{ByDataset, explained, trained};
use lightbox_report::latest::{Latest, latest};
use lightbox_report::methods::{MethodDesign, Selection, methods_table};
use lightbox_report::models::{Design, models_table, named};
use lightbox_report::settings::settings;
use lightbox_report::{Cell, Table, render};
use lightbox_stats::{Correction, FoldTest, MetricId};
use lightbox_store::run::{
    EventKind, ExplainRow, FailureCause, NewRun, Part, PredictionRow, Predictions, QueueEntry, SplitRows,
    write_explain, write_predictions,
};
use lightbox_store::{GroupId, Home, JobConfig, JobKind, RunDir, RunId};
use serde_json::{Value, json};

const FOLDS: usize = 3;
const IMAGES: usize = 60;

/// A home with runs.
struct Runs {
    _folder: tempfile::TempDir,
    home: Home,
    all: Vec<RunDir>,
}

fn dataset() -> Value {
    json!({"name": "skin", "fingerprint": "f", "classes": ["a", "b"], "positive": null, "grouped": true})
}

/// Two images of a group, but for the first six, which are one group.
fn group_of(image: usize) -> String {
    format!("p{:02}", if image < 6 { 0 } else { image / 2 })
}

impl Runs {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::at(folder.path()).unwrap();
        Self { _folder: folder, home, all: Vec::new() }
    }

    fn add(
        &mut self,
        id: &str,
        group: &str,
        job: Value,
        (fold, order): (usize, i64),
        end: Option<EventKind>,
    ) -> RunDir {
        let config = JobConfig {
            format: 1,
            run: RunId(id.into()),
            group: GroupId(group.into()),
            study: None,
            job: serde_json::from_value::<JobKind>(job).unwrap(),
        };
        let rows = (0..IMAGES).map(|i| (format!("i{i:02}"), if i % FOLDS == fold { Part::Test } else { Part::Train }));
        let split = SplitRows { rows: rows.collect() };
        let entry = QueueEntry { order, ..QueueEntry::now(0) };
        let dir = RunDir::create(&self.home, &NewRun { config, split: Some(&split), entry }).unwrap();
        let mut events = dir.next_attempt().unwrap();
        events.append(0, EventKind::Started { pid: 1, pid_start: 1, host: "node".into() }).unwrap();
        if let Some(end) = end {
            events.append(1, end).unwrap();
        }
        self.all.push(dir.clone());
        dir
    }

    /// A group of trainings, a run a fold; `ends[fold]` says whether it finished.
    fn train(&mut self, stamp: &str, letters: &str, change: Value, ends: [bool; FOLDS]) {
        for (fold, finished) in ends.into_iter().enumerate() {
            let mut job = json!({
                "kind": "train", "dataset": dataset(),
                "split": {"kind": "k-fold", "folds": FOLDS, "fold": fold, "seed": 0, "hash": "abc"},
                "model": {"id": "small-cnn", "options": {}},
                "pretrained": null, "channels": 3, "image_size": 32, "epochs": 4, "batch_size": 8,
                "optimizer": "adamw", "lr": 1e-3, "weight_decay": 0.01, "schedule": "cosine", "warmup_epochs": 0.0,
                "label_smoothing": 0.0, "class_weights": "none", "clip_norm": null, "patience": null,
                "augment": {"horizontal_flip": false, "vertical_flip": false, "rotation_degrees": 0.0,
                    "crop_scale": 1.0, "brightness": 0.0},
                "seed": 1, "threads": 1, "device": "cpu", "precision": "fp32", "channels_last": true,
                "deterministic": false, "max_bad_fraction": 0.01,
            });
            for (name, value) in change.as_object().unwrap() {
                job[name] = value.clone();
            }
            let failed = || EventKind::Failed { error: "out of memory".into(), cause: FailureCause::OutOfMemory };
            let end = if finished { EventKind::Finished } else { failed() };
            let id = format!("{stamp}-small-cnn-f{fold}-{letters}");
            let order = self.all.len() as i64;
            let dir = self.add(&id, &format!("g-{stamp}-small-cnn-{letters}"), job, (fold, order), Some(end));
            if finished {
                let shift = letters.bytes().map(usize::from).sum::<usize>();
                write_predictions(&dir.file("predictions.csv"), &predictions(fold, shift)).unwrap();
                dir.write_json("metrics.json", &json!({"parameters": 1000.0})).unwrap();
            }
        }
    }

    fn explain(&mut self, fold: usize, parent: &str) {
        let job = json!({
            "kind": "explain-eval", "parent": parent, "dataset": dataset(), "methods": ["gradcam", "random"],
            "parameters": {}, "metrics": ["road"], "layers": ["layer4"], "target": "truth", "part": "test",
            "limit": null, "road_percentiles": [50.0], "road_ties": "rank", "keep_maps": false, "seed": 0,
            "batch_size": 8, "threads": 1, "device": "cpu",
        });
        let id = format!("20261101-130000-explain-f{fold}-aaaa");
        let dir = self.add(&id, "g-20261101-130000-explain-aaaa", job, (fold, 9), Some(EventKind::Finished));
        let images = (0..IMAGES).filter(|i| i % FOLDS == fold);
        let row = |i: usize, m: usize| ExplainRow {
            image: format!("i{i:02}"),
            group: group_of(i),
            method: ["gradcam", "random"][m].into(),
            params: String::new(),
            layer: "layer4".into(),
            target: "a".into(),
            metric: "road".into(),
            value: Some(0.4 - 0.3 * m as f64 + ((i * 7 + m * 3) % 11) as f64 / 50.0),
            status: "ok".into(),
            truth: "a".into(),
            predicted: "a".into(),
        };
        let rows: Vec<ExplainRow> = images.flat_map(|i| [row(i, 0), row(i, 1)]).collect();
        write_explain(&dir.file("explain.csv"), &rows).unwrap();
        dir.write_json("metrics.json", &json!({"identical": []})).unwrap();
    }

    fn latest(&self) -> Latest<Value> {
        let key = |config: &JobConfig| match &config.job {
            JobKind::Train(train) => Some(json!([train.dataset.name, train.model.id, settings(train), train.seed])),
            _ => None,
        };
        latest(&self.all, key).unwrap()
    }

    fn rows(&self) -> ByDataset {
        let runs: Vec<RunDir> =
            self.latest().shown.iter().flat_map(|g| g.runs().cloned().collect::<Vec<_>>()).collect();
        trained(&runs).unwrap().0
    }
}

fn predictions(fold: usize, shift: usize) -> Predictions {
    let rows = (0..IMAGES).filter(|i| i % FOLDS == fold).map(|i| {
        // In the last fold all images are of one class: no AUROC there.
        let truth = if fold == 2 { 0 } else { i / FOLDS % 2 };
        let right = !(i * i + shift).is_multiple_of(7);
        let sure = 0.6 + (i % 9) as f32 / 30.0;
        let of_one = if (truth == 1) == right { sure } else { 1.0 - sure };
        PredictionRow {
            image: format!("i{i:02}"),
            group: group_of(i),
            split: "test".into(),
            fold,
            seed: 1,
            truth,
            logits: vec![(1.0 - of_one).ln(), of_one.ln()],
            probabilities: vec![1.0 - of_one, of_one],
        }
    });
    Predictions { classes: vec!["a".into(), "b".into()], rows: rows.collect() }
}

fn design(baseline: &str) -> Design {
    Design {
        baseline: baseline.into(),
        post_hoc: false,
        primary: None,
        test: FoldTest::NadeauBengio,
        correction: Correction::Holm,
        alpha: 0.05,
        metrics: vec![MetricId::Accuracy, MetricId::Auroc],
        planned_models: 2,
        seed: 0,
    }
}

fn note<'a>(table: &'a Table, start: &str) -> &'a str {
    table.notes.iter().find(|n| n.starts_with(start)).unwrap_or_else(|| panic!("no {start:?} in {:#?}", table.notes))
}

#[test]
fn a_later_group_that_failed_does_not_hide_an_earlier_one() {
    let mut runs = Runs::new();
    runs.train("20261101-120000", "aaaa", json!({}), [true; FOLDS]);
    runs.train("20261102-120000", "bbbb", json!({}), [true, false, false]);
    let latest = runs.latest();
    let shown: Vec<&str> = latest.shown.iter().map(|g| g.id.0.as_str()).collect();
    assert_eq!(shown, ["g-20261101-120000-small-cnn-aaaa"]);
    assert_eq!(latest.shown[0].runs().count(), FOLDS);
    let [left] = latest.left_out.as_slice() else { panic!("{:?}", latest.left_out) };
    assert_eq!((left.id.0.as_str(), left.shown), ("g-20261102-120000-small-cnn-bbbb", false));
    assert_eq!(left.state, "of 3 runs: 2 failed, 1 finished");
    // Once it is complete, the newest is shown alone.
    runs.train("20261103-120000", "cccc", json!({}), [true; FOLDS]);
    let latest = runs.latest();
    assert_eq!(latest.shown[0].id.0, "g-20261103-120000-small-cnn-cccc");
    assert!(latest.left_out.is_empty());
}

#[test]
fn a_group_that_finished_in_part_is_shown_and_said() {
    let mut runs = Runs::new();
    runs.train("20261101-120000", "aaaa", json!({}), [true, true, false]);
    let latest = runs.latest();
    assert_eq!(latest.shown[0].runs().count(), 2);
    assert!(latest.left_out[0].shown);
    assert_eq!(latest.left_out[0].state, "of 3 runs: 1 failed, 2 finished");
}

#[test]
fn groups_of_the_same_second_stay_apart_and_the_later_queued_is_shown() {
    let mut runs = Runs::new();
    // By name, zzzz comes last; it was queued first.
    runs.train("20261101-120000", "zzzz", json!({}), [true; FOLDS]);
    runs.train("20261101-120000", "aaaa", json!({}), [true; FOLDS]);
    // As a listing by name gives them.
    runs.all.sort_by_key(|run| run.config().unwrap().run.0);
    let latest = runs.latest();
    assert_eq!(latest.shown.len(), 1);
    assert_eq!(latest.shown[0].id.0, "g-20261101-120000-small-cnn-aaaa");
    let groups: Vec<GroupId> = latest.shown[0].runs().map(|run| run.config().unwrap().group).collect();
    assert!(groups.iter().all(|group| *group == latest.shown[0].id), "{groups:?}");
}

#[test]
fn groups_of_one_model_are_rows_of_their_own_named_by_what_differs() {
    let mut runs = Runs::new();
    runs.train("20261101-120000", "aaaa", json!({}), [true; FOLDS]);
    runs.train("20261101-130000", "bcda", json!({"lr": 0.1}), [true; FOLDS]);
    let by_dataset = runs.rows();
    let (dataset, models) = &by_dataset[0];
    let table = models_table(dataset, models, &design("small-cnn lr=0.001")).unwrap();
    let rows: Vec<&str> = table.rows.iter().map(|r| r.name.as_str()).collect();
    assert_eq!(rows, ["small-cnn lr=0.001", "small-cnn lr=0.1"]);
    assert_eq!(table.rows[1].group.as_deref(), Some("g-20261101-130000-small-cnn-bcda"));
    assert!(table.rows[1].cells[0].comparison.is_some() && table.rows[0].cells[0].comparison.is_none());
    assert!(render::csv(std::slice::from_ref(&table)).contains("g-20261101-130000-small-cnn-bcda"));
    // AUROC is undefined where a class is missing: two of three folds have it, and the table says so.
    let of_auroc: &Cell = &table.rows[0].cells[1];
    assert_eq!(of_auroc.n, 2);
    let fewer = note(&table, "AUROC");
    assert!(fewer.contains("undefined in some folds; figures from 2 of 3 folds for small-cnn lr=0.001"), "{fewer}");
    assert_eq!(note(&table, "figures"), "figures: mean ± sd over 3 folds; 60 test images of 28 groups");
    assert!(note(&table, "test: ").contains("n = 3 folds, 60 images"), "{:?}", table.notes);
    // The groups differ in their seeds too.
    runs.train("20261101-140000", "abab", json!({"seed": 7}), [true; FOLDS]);
    let labels: Vec<String> = runs.rows()[0].1.iter().map(|m| m.label.clone()).collect();
    assert_eq!(labels, ["small-cnn lr=0.001 seed=1", "small-cnn lr=0.1 seed=1", "small-cnn lr=0.001 seed=7"]);
}

#[test]
fn a_baseline_is_named_by_row_group_or_model_and_else_refused_with_what_there_is() {
    let mut runs = Runs::new();
    runs.train("20261101-120000", "aaaa", json!({}), [true; FOLDS]);
    let one = runs.rows().remove(0).1;
    assert_eq!(named("skin", &one, "small-cnn").unwrap().label, "small-cnn");
    runs.train("20261101-130000", "bcda", json!({"lr": 0.1}), [true; FOLDS]);
    let two = runs.rows().remove(0).1;
    assert_eq!(named("skin", &two, "g-20261101-130000-small-cnn-bcda").unwrap().label, "small-cnn lr=0.1");
    let said = |name: &str| named("skin", &two, name).unwrap_err().to_string();
    let rows = "small-cnn lr=0.001, small-cnn lr=0.1";
    assert_eq!(said("foo"), format!("baseline \"foo\" has no finished runs on skin; there are: {rows}"));
    assert_eq!(said("small-cnn"), format!("baseline \"small-cnn\" stands for several rows on skin; name one: {rows}"));
}

#[test]
fn a_table_of_methods_names_networks_options_and_counts() {
    let mut runs = Runs::new();
    let wide = json!({"model": {"id": "small-cnn", "options": {"width": "16"}}});
    runs.train("20261101-120000", "aaaa", wide, [true; FOLDS]);
    for fold in 0..FOLDS {
        runs.explain(fold, &format!("20261101-120000-small-cnn-f{fold}-aaaa"));
    }
    let open = |id: &RunId| RunDir::open(&runs.home.runs_dir().join(&id.0));
    let (explained, unfinished) = explained(&runs.all, open).unwrap();
    assert!(unfinished.is_empty());
    let design = MethodDesign {
        baseline: "gradcam".into(),
        primary: None,
        correction: Correction::Holm,
        alpha: 0.05,
        methods: vec!["gradcam".into(), "random".into()],
        metrics: vec![MetricId::Road],
        seed: 0,
    };
    let table = methods_table(&explained, &Selection::All, &design).unwrap();
    let title =
        "skin · explanations of small-cnn width=16 · all images · 3 folds, 60 images of 28 groups · baseline gradcam";
    assert_eq!(table.title, title);
    let networks = "explanations g-20261101-130000-explain-aaaa (target truth, layers layer4) of 3 networks of \
                    g-20261101-120000-small-cnn-aaaa";
    assert_eq!(note(&table, "explanations"), networks);
    assert!(note(&table, "differences and tests of values").contains("each group once"));
    // Nothing shows a dash but the time, which these runs have not.
    let dashes: Vec<&String> = table.notes.iter().filter(|n| n.starts_with('–')).collect();
    assert_eq!(dashes, ["–: no value (seconds per image)"]);
}
