//! How fast the index is: `cargo run --release -p lightbox-store --example index_speed [RUNS]`. Makes that many finished
//! runs and a thousand queued ones in a temporary folder and prints seconds.

use std::error::Error;
use std::fs;
use std::time::Instant;

use lightbox_store::index::{Index, RunFilter, read_rows};
use lightbox_store::{Home, RunDir};
use serde_json::{Value, json};

/// Runs that are queued at once.
const QUEUED: usize = 1000;

fn main() -> Result<(), Box<dyn Error>> {
    let finished: usize = std::env::args().nth(1).map_or(Ok(10_000), |n| n.parse())?;
    let folder = std::env::temp_dir().join(format!("lightbox-index-speed-{}", std::process::id()));
    let outcome = measure(&Home::at(&folder)?, finished);
    fs::remove_dir_all(&folder)?;
    outcome
}

fn measure(home: &Home, finished: usize) -> Result<(), Box<dyn Error>> {
    for n in 0..finished {
        let dir = make(home, n)?;
        let started =
            json!({"time": 1.0, "attempt": 1, "step": 0, "event": "started", "pid": 1, "pid_start": 1, "host": "h"});
        let ended = json!({"time": 2.0, "attempt": 1, "step": 9, "event": "finished"});
        fs::write(dir.file("events.jsonl"), format!("{started}\n{ended}\n"))?;
        fs::write(dir.file("metrics.json"), metrics().to_string())?;
    }
    let rebuilt = time("rebuild", || Index::rebuild(home))?;
    println!("  {} runs, {} passed over", rebuilt.runs, rebuilt.passed_over.len());
    println!("  {} MB", fs::metadata(lightbox_store::index::path(home))?.len() / 1_000_000);
    let queued = (finished..finished + QUEUED).map(|n| make(home, n)).collect::<Result<Vec<_>, _>>()?;
    let mut index = time("open", || Index::open(home))?;
    time("unknown", || index.unknown(home))?;
    time(&format!("ingest of {QUEUED} queued runs"), || index.ingest(&queued))?;
    time("vanished", || index.vanished(home))?;
    time("runs, all", || index.runs(&RunFilter::default()))?;
    time("runs, all, again", || index.runs(&RunFilter::default()))?;
    time("runs, unsettled", || index.runs(&RunFilter { unsettled: true, ..RunFilter::default() }))?;
    time("refresh, nothing new", || index.refresh(home))?;
    drop(index);
    time("open_or_rebuild, every page checked", || Index::open_or_rebuild(home))?;
    time("the same rows from directories", || read_rows(home))?;
    Ok(())
}

fn time<T, E>(what: &str, work: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
    let start = Instant::now();
    let value = work()?;
    println!("{what}: {:.4} s", start.elapsed().as_secs_f64());
    Ok(value)
}

/// A training run's directory.
fn make(home: &Home, n: usize) -> Result<RunDir, Box<dyn Error>> {
    let run = format!("20260101-{n:06}-resnet50-f{}-abcd", n % 5);
    let path = home.runs_dir().join(&run);
    fs::create_dir(&path)?;
    let config = json!({
        "format": 1, "run": run, "group": format!("g-{}", n / 5), "study": "chaddad",
        "job": {
            "kind": "train",
            "dataset": {"name": "d", "fingerprint": "f", "classes": ["a", "b"], "positive": null, "grouped": true},
            "split": {"kind": "k-fold", "folds": 5, "fold": n % 5, "seed": 1, "hash": "h"},
            "model": {"id": "resnet50", "options": {}}, "pretrained": null, "channels": 3, "image_size": 64,
            "epochs": 1, "batch_size": 2, "optimizer": "sgd", "lr": 0.1, "weight_decay": 0.0, "schedule": "cosine",
            "warmup_epochs": 0.0, "label_smoothing": 0.0, "class_weights": "none", "clip_norm": null,
            "patience": null, "seed": 0, "threads": 1, "device": "cpu", "precision": "fp32", "channels_last": false,
            "deterministic": true, "max_bad_fraction": 0.0,
            "augment": {
                "horizontal_flip": false, "vertical_flip": false, "rotation_degrees": 0.0, "crop_scale": 1.0,
                "brightness": 0.0,
            },
        },
    });
    fs::write(path.join("config.json"), serde_json::to_vec_pretty(&config)?)?;
    fs::write(path.join("queue.json"), json!({"priority": 0, "order": n}).to_string())?;
    Ok(RunDir::open(&path)?)
}

/// About as many figures as a run on four classes has.
fn metrics() -> Value {
    let names = ["accuracy", "balanced-accuracy", "precision", "recall", "f1", "mcc", "kappa", "auroc", "brier", "ece"];
    let metrics: Vec<Value> = names.iter().map(|m| json!({"metric": m, "value": 0.875})).collect();
    let class = |k: usize| json!({"class": k, "support": 50, "sensitivity": 0.5, "specificity": 0.75, "f1": 0.6});
    let bin = |k: usize| json!({"low": k, "high": k + 1, "count": 3, "confidence": 0.5, "accuracy": 0.5});
    let part = json!({
        "n_images": 200, "metrics": metrics, "per_class": (0..4).map(class).collect::<Vec<_>>(),
        "confusion": {"classes": 4, "counts": vec![5; 16]}, "reliability": (0..15).map(bin).collect::<Vec<_>>(),
    });
    json!({"format": 1, "validation": part, "test": part})
}
