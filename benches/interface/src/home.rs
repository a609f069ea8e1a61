//! A home as after months of work: two hundred groups of runs, a small dataset with a trained network, and one run of
//! explanations with a million figures.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::Result;
use lightbox_data::Dataset;
use lightbox_data::dataset::AddRequest;
use lightbox_phantom::{Kind, generate};
use lightbox_store::run::{
    EventKind, EventWriter, NewRun, Part, PredictionRow, Predictions, QueueEntry, SplitRows, write_predictions,
};
use lightbox_store::study::StudyFile;
use lightbox_store::{GroupId, Home, JobConfig, RunDir, RunId};
use serde_json::{Value, json};

/// Rows of the table of studies and groups: the study with the explanations is one of them.
pub const ROWS: usize = 200;

/// With the methods and metrics below a million figures.
const IMAGES: usize = 25_000;
const METHODS: [&str; 5] = ["gradcam", "gradcam++", "layercam", "scorecam", "random"];
const METRICS: [&str; 8] =
    ["average-drop", "increase", "road", "insertion", "deletion", "energy", "raw-peak", "seconds"];
const EPOCHS: usize = 20;
const STUDY: &str = "a-million-figures";
const TRAINED: &str = "g-20270601-120000-resnet50-aaaa";
const EXPLAINED: &str = "g-20270601-130000-explain-aaaa";
const MODELS: [&str; 5] = ["resnet50", "densenet121", "vgg16", "efficientnet-b0", "mobilenet-v2"];

/// The name of a group of its own.
pub fn group(number: usize) -> String {
    format!("g-202601{:02}-{:06}-{}-b{number:03}", 1 + number % 28, number * 337, MODELS[number % MODELS.len()])
}

/// Makes all of it.
///
/// # Errors
/// When a file cannot be written.
pub fn make(folder: &Path) -> Result<Home> {
    let home = Home::at(&folder.join("home"))?;
    for (kind, name) in [(Kind::Skin, "skin"), (Kind::Brain, "brain"), (Kind::Chest, "chest")] {
        let images = folder.join(name);
        generate(kind, 60, 448, 7, &images)?;
        let manifest = Some(images.join("manifest.toml"));
        let request = AddRequest { path: images, name: name.into(), manifest, ..AddRequest::default() };
        Dataset::add(home.root(), &request)?;
    }
    let dataset = Dataset::open(home.root(), "skin")?;
    for number in 0..ROWS - 1 {
        loose(&home, &dataset, number)?;
    }
    trained(&home, &dataset)?;
    explained(&home, &dataset)?;
    study(&home)?;
    Ok(home)
}

fn reference(dataset: &Dataset) -> Value {
    json!({"name": "skin", "fingerprint": "f", "classes": dataset.classes(), "positive": null, "grouped": true})
}

fn train_job(dataset: &Dataset, model: &str) -> Value {
    json!({
        "kind": "train", "dataset": reference(dataset),
        "split": {"kind": "k-fold", "folds": 1, "fold": 0, "seed": 0, "hash": "abc"},
        "model": {"id": model, "options": {}},
        "pretrained": null, "channels": 3, "image_size": 224, "epochs": 4, "batch_size": 8, "optimizer": "adamw",
        "lr": 1e-3, "weight_decay": 0.01, "schedule": "cosine", "warmup_epochs": 0.0, "label_smoothing": 0.0,
        "class_weights": "none", "clip_norm": null, "patience": null,
        "augment": {"horizontal_flip": false, "vertical_flip": false, "rotation_degrees": 0.0, "crop_scale": 1.0,
                    "brightness": 0.0},
        "seed": 1, "threads": 1, "device": "cpu", "precision": "fp32", "channels_last": true, "deterministic": false,
        "max_bad_fraction": 0.01,
    })
}

fn config(run: &str, group: &str, study: Option<&str>, job: Value) -> Result<JobConfig> {
    Ok(JobConfig {
        format: 1,
        run: RunId(run.to_owned()),
        group: GroupId(group.to_owned()),
        study: study.map(str::to_owned),
        job: serde_json::from_value(job)?,
    })
}

fn create(
    home: &Home,
    config: JobConfig,
    split: Option<&SplitRows>,
    (number, end): (usize, EventKind),
) -> Result<RunDir> {
    let dir = RunDir::create(home, &NewRun { config, split, entry: QueueEntry::now(0) })?;
    let mut events = dir.next_attempt()?;
    events.append(0, EventKind::Started { pid: 1, pid_start: 1, host: "node".into() })?;
    curves(&dir, &mut events, number)?;
    events.append(12, end)?;
    Ok(dir)
}

/// A group of one run; each eighth failed, since what is not finished is read at every start.
fn loose(home: &Home, dataset: &Dataset, number: usize) -> Result<()> {
    let model = MODELS[number % MODELS.len()];
    let name = group(number);
    let config = config(&name.replacen("g-", "", 1), &name, None, train_job(dataset, model))?;
    let end = if number.is_multiple_of(8) {
        let error = "the GPU ran out of memory; a smaller --batch-size needs less".to_owned();
        EventKind::Failed { error, cause: lightbox_store::run::FailureCause::OutOfMemory }
    } else {
        EventKind::Finished
    };
    let dir = create(home, config, None, (number, end))?;
    let figures = json!({"accuracy": 0.9, "f1-macro": 0.88, "auroc": 0.96, "ece": 0.04});
    Ok(dir.write_json("metrics.json", &json!({"parameters": 2.35e7, "validation": figures, "test": figures}))?)
}

/// Curves and a log of its own for each: what is drawn beside the queue differs from job to job.
fn curves(dir: &RunDir, events: &mut EventWriter, number: usize) -> Result<()> {
    let mut log = String::new();
    for epoch in 0..EPOCHS {
        let wave = ((number * 31 + epoch * 17) % 23) as f64 / 200.0;
        let (loss, accuracy) = (1.4 / (1.0 + epoch as f64 * 0.3) + wave, 0.9 - 0.5 / (1.0 + epoch as f64) - wave);
        let metrics = [
            ("train/loss", loss),
            ("validation/loss", loss + 0.1 + wave),
            ("validation/accuracy", accuracy),
            ("validation/balanced-accuracy", accuracy - 0.02),
            ("validation/auroc", accuracy + 0.05),
        ];
        let metrics = metrics.map(|(name, value)| (name.to_owned(), value)).into();
        events.append(epoch as u64 * 10, EventKind::Epoch { epoch, metrics })?;
        writeln!(log, "epoch {epoch} of {EPOCHS}: loss {loss:.4}, accuracy {accuracy:.4}, run {number}")?;
    }
    Ok(std::fs::write(dir.file("worker.log"), log)?)
}

fn trained(home: &Home, dataset: &Dataset) -> Result<()> {
    let run = "20270601-120000-resnet50-f0-aaaa";
    let config = config(run, TRAINED, Some(STUDY), train_job(dataset, "resnet50"))?;
    let part = |i: usize| if i.is_multiple_of(2) { Part::Test } else { Part::Train };
    let rows = dataset.images().iter().enumerate().map(|(i, image)| (image.id.clone(), part(i))).collect();
    let dir = create(home, config, Some(&SplitRows { rows }), (ROWS, EventKind::Finished))?;
    let classes = dataset.classes().to_vec();
    let row = |image: &lightbox_data::dataset::ImageRecord| PredictionRow {
        image: image.id.clone(),
        group: image.group.clone().unwrap_or_default(),
        split: "test".into(),
        fold: 0,
        seed: 1,
        truth: image.label,
        probabilities: vec![1.0 / classes.len() as f32; classes.len()],
        logits: vec![0.0; classes.len()],
    };
    let rows = dataset.images().iter().step_by(2).map(row).collect();
    write_predictions(&dir.file("predictions.csv"), &Predictions { classes: classes.clone(), rows })?;
    Ok(dir.write_json("metrics.json", &json!({"parameters": 2.35e7, "images_per_second": 100.0}))?)
}

fn explained(home: &Home, dataset: &Dataset) -> Result<()> {
    let job = json!({
        "kind": "explain-eval", "parent": "20270601-120000-resnet50-f0-aaaa", "dataset": reference(dataset),
        "methods": METHODS, "parameters": {}, "metrics": METRICS[..6], "layers": [], "target": "predicted", "part": "test",
        "limit": null, "road_percentiles": [50.0], "road_ties": "rank", "keep_maps": false, "seed": 0, "batch_size": 8,
        "threads": 1, "device": "cpu",
    });
    let config = config("20270601-130000-explain-resnet50-f0-aaaa", EXPLAINED, Some(STUDY), job)?;
    let dir = create(home, config, None, (ROWS, EventKind::Finished))?;
    std::fs::write(dir.file("explain.csv"), figures(dataset)?)?;
    Ok(dir.write_json("metrics.json", &json!({"identical": []}))?)
}

/// `explain.csv`. The first images are the dataset's own, which the viewer can show.
fn figures(dataset: &Dataset) -> Result<String> {
    let mut text = "image,group,method,params,layer,target,metric,value,status,truth,predicted\n".to_owned();
    let mut state = 1_u64;
    for i in 0..IMAGES {
        let known = dataset.images().iter().step_by(2).nth(i);
        let image = known.map_or_else(|| format!("images/skin_{i:06}.png"), |image| image.id.clone());
        let group = known.and_then(|image| image.group.clone()).unwrap_or_else(|| format!("lesion_{:05}", i / 3));
        let class = |at: usize| &dataset.classes()[at % dataset.classes().len()];
        let (truth, predicted) = (class(i), class(i + usize::from(i % 6 == 0)));
        for method in METHODS {
            for metric in METRICS {
                // Knuth's generator of 64 bits: spread, and the same on every machine.
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                let share = (state >> 11) as f64 / (1_u64 << 53) as f64;
                let value = if metric == "increase" { f64::from(u8::from(share > 0.7)) } else { share };
                let (value, status) =
                    if i % 97 == 5 { (String::new(), "constant-map") } else { (value.to_string(), "ok") };
                writeln!(
                    text,
                    "{image},{group},{method},,layer4,{predicted},{metric},{value},{status},{truth},{predicted}"
                )?;
            }
        }
    }
    Ok(text)
}

fn study(home: &Home) -> Result<()> {
    let text = format!(
        "name = \"{STUDY}\"\ndatasets = [\"skin\"]\nmodels = [\"resnet50\"]\nbaseline = \"resnet50\"\n\
         [split]\nfolds = 5\n[explain]\nmodel = \"resnet50\"\nmethods = [\"gradcam\", \"gradcam++\", \"layercam\", \"scorecam\", \"random\"]\n\
         metrics = [\"average-drop\", \"road\"]\n"
    );
    let study = StudyFile::parse(Path::new("study.toml"), &text)?;
    let folder = home.studies_dir().join(STUDY);
    std::fs::create_dir_all(&folder)?;
    std::fs::write(folder.join("study.json"), serde_json::to_vec(&study)?)?;
    let queued = json!({
        "train": [{"dataset": "skin", "model": "resnet50", "group": TRAINED}],
        "explain": [["skin", EXPLAINED]],
    });
    Ok(std::fs::write(folder.join("queued.json"), queued.to_string())?)
}
