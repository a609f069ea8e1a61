//! Tests of the index as a whole, and the run directories that they work on.

mod damage;
mod processes;
mod questions;
mod same_rows;

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::{Index, RunFilter, RunRow};
use crate::home::Home;
use crate::run::{RunDir, RunId};

/// A home in a folder that goes with it.
pub(super) struct Place {
    pub(super) home: Home,
    _folder: tempfile::TempDir,
}

impl Place {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { home: Home::at(folder.path()).unwrap(), _folder: folder }
    }

    /// A training run in no queue, without events.
    pub(super) fn train(&self, run: &str) -> RunDir {
        self.put(run, &train_config(run))
    }

    /// An explanation of another run.
    pub(super) fn explain(&self, run: &str, parent: &str) -> RunDir {
        let mut config = train_config(run);
        config["job"] = json!({
            "kind": "explain-eval", "parent": parent, "dataset": config["job"]["dataset"], "methods": ["gradcam"],
            "parameters": {}, "metrics": ["road"], "layers": [], "target": "predicted", "part": "test", "limit": null,
            "road_percentiles": [10.0], "road_ties": "rank", "keep_maps": false, "seed": 3, "batch_size": 8,
            "threads": 1, "device": "cpu",
        });
        self.put(run, &config)
    }

    /// A run directory with this `config.json`, written plainly: synced files would make the tests slow.
    pub(super) fn put(&self, folder: &str, config: &Value) -> RunDir {
        let path = self.home.runs_dir().join(folder);
        fs::create_dir_all(&path).unwrap();
        fs::write(path.join("config.json"), config.to_string()).unwrap();
        RunDir::open(&path).unwrap()
    }
}

/// A training run's `config.json`.
pub(super) fn train_config(run: &str) -> Value {
    json!({
        "format": 1, "run": run, "group": format!("g-{}", run.len()), "study": "s",
        "job": {
            "kind": "train",
            "dataset": {"name": "d", "fingerprint": "f", "classes": ["a", "b"], "positive": null, "grouped": true},
            "split": {"kind": "k-fold", "folds": 5, "fold": 2, "seed": 1, "hash": "h"},
            "model": {"id": "resnet50", "options": {}}, "pretrained": null, "channels": 3, "image_size": 64,
            "epochs": 1, "batch_size": 2, "optimizer": "sgd", "lr": 0.1, "weight_decay": 0.0, "schedule": "cosine",
            "warmup_epochs": 0.0, "label_smoothing": 0.0, "class_weights": "none", "clip_norm": null,
            "patience": null, "seed": u64::MAX, "threads": 1, "device": "cpu", "precision": "fp32",
            "channels_last": false, "deterministic": true, "max_bad_fraction": 0.0,
            "augment": {
                "horizontal_flip": false, "vertical_flip": false, "rotation_degrees": 0.0, "crop_scale": 1.0,
                "brightness": 0.0,
            },
        },
    })
}

/// Appends an event's fields to a run's `events.jsonl`.
pub(super) fn event(dir: &RunDir, time: u32, attempt: u32, fields: Value) {
    let mut line = json!({"time": f64::from(time), "attempt": attempt, "step": 0});
    line.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    append(&dir.file("events.jsonl"), format!("{line}\n").as_bytes());
}

pub(super) fn append(path: &Path, bytes: &[u8]) {
    use std::io::Write;
    fs::OpenOptions::new().create(true).append(true).open(path).unwrap().write_all(bytes).unwrap();
}

/// All that an index holds.
pub(super) fn everything(index: &Index) -> Vec<RunRow> {
    index.runs(&RunFilter::default()).unwrap()
}

/// Names of runs.
pub(super) fn ids(names: &[&str]) -> Vec<RunId> {
    names.iter().map(|n| RunId((*n).to_owned())).collect()
}
