//! A home with made-up runs, and an interface without a terminal: what tests press keys on and look at.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use lightbox_data::Dataset;
use lightbox_data::dataset::AddRequest;
use lightbox_phantom::{Kind, generate};
use lightbox_store::run::{
    EventKind, ExplainRow, JobKind, NewRun, Part, PredictionRow, Predictions, QueueEntry, SplitRows, write_explain,
    write_predictions,
};
use lightbox_store::{GroupId, Home, JobConfig, RunDir, RunId, StudyFile};
use lightbox_terminal::graphics::Shown;
use lightbox_terminal::probe::{Colours, Graphics, Protocol};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};
use serde_json::json;

use super::App;
use super::message::{Message, Update};
use super::shared::Shared;
use super::tasks::Tasks;
use crate::theme::{Depth, Theme, ThemeChoice};

/// Folds of the made-up runs.
const FOLDS: usize = 3;

/// An interface without a terminal.
pub struct Driver {
    /// The interface.
    pub app: App,
    /// Pictures of the last frame.
    pub pictures: Vec<Shown>,
    messages: Receiver<Message>,
    terminal: Terminal<TestBackend>,
    _folder: tempfile::TempDir,
}

/// A home with a dataset, a study of two models and an explanation, and a failed run.
pub fn filled() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let home = Home::at(&folder.path().join("home")).unwrap();
    let images = folder.path().join("images");
    generate(Kind::Skin, 36, 32, 7, &images).unwrap();
    let manifest = Some(images.join("manifest.toml"));
    let request = AddRequest { path: images, name: "skin".into(), manifest, ..AddRequest::default() };
    Dataset::add(home.root(), &request).unwrap();
    let dataset = Dataset::open(home.root(), "skin").unwrap();
    for (m, model) in ["resnet50", "vgg16"].iter().enumerate() {
        for fold in 0..FOLDS {
            train(&home, &dataset, model, fold, 1 + m as u64);
        }
    }
    explain(&home, &dataset);
    failed(&home, &dataset);
    study(&home);
    folder
}

fn config(dataset: &Dataset, run: &str, group: &str, study: Option<&str>, model: &str, fold: usize) -> JobConfig {
    let job = json!({
        "kind": "train",
        "dataset": reference(dataset),
        "split": {"kind": "k-fold", "folds": FOLDS, "fold": fold, "seed": 0, "hash": "abc"},
        "model": {"id": model, "options": {}},
        "pretrained": null, "channels": 3, "image_size": 32, "epochs": 4, "batch_size": 8, "optimizer": "adamw", "lr": 1e-3,
        "weight_decay": 0.01, "schedule": "cosine", "warmup_epochs": 0.0, "label_smoothing": 0.0, "class_weights": "none",
        "clip_norm": null, "patience": null,
        "augment": {"horizontal_flip": false, "vertical_flip": false, "rotation_degrees": 0.0, "crop_scale": 1.0, "brightness": 0.0},
        "seed": 1, "threads": 1, "device": "cpu", "precision": "fp32", "channels_last": true, "deterministic": false,
        "max_bad_fraction": 0.01,
    });
    JobConfig {
        format: 1,
        run: RunId(run.to_owned()),
        group: GroupId(group.to_owned()),
        study: study.map(str::to_owned),
        job: serde_json::from_value::<JobKind>(job).unwrap(),
    }
}

fn reference(dataset: &Dataset) -> serde_json::Value {
    json!({"name": "skin", "fingerprint": "f", "classes": dataset.classes(), "positive": null, "grouped": true})
}

fn started() -> EventKind {
    EventKind::Started { pid: 1, pid_start: 1, host: "node".into() }
}

fn train(home: &Home, dataset: &Dataset, model: &str, fold: usize, seed: u64) {
    let run = format!("20261101-12000{fold}-{model}-f{fold}-aaaa");
    let config = config(dataset, &run, &format!("g-20261101-120000-{model}-aaaa"), Some("small"), model, fold);
    let part = |i: usize| if i % FOLDS == fold { Part::Test } else { Part::Train };
    let rows = dataset.images().iter().enumerate().map(|(i, image)| (image.id.clone(), part(i))).collect();
    let split = SplitRows { rows };
    let dir = RunDir::create(home, &NewRun { config, split: Some(&split), entry: QueueEntry::now(fold) }).unwrap();
    let mut events = dir.next_attempt().unwrap();
    events.append(0, started()).unwrap();
    for epoch in 0..4_usize {
        let loss = 1.0 / (epoch as f64 + 1.5) + 0.02 * fold as f64;
        let metrics = BTreeMap::from([
            ("train/loss".to_owned(), loss),
            ("validation/loss".to_owned(), loss + 0.1),
            ("validation/balanced-accuracy".to_owned(), 0.9 - loss / 2.0),
        ]);
        events.append((epoch as u64 + 1) * 3, EventKind::Epoch { epoch, metrics }).unwrap();
    }
    events.append(12, EventKind::Finished).unwrap();
    let classes = dataset.classes().to_vec();
    let tests = dataset.images().iter().enumerate().filter(|(i, _)| i % FOLDS == fold);
    let rows = tests.map(|(i, image)| {
        // One in five is wrong, others for each model.
        let wrong = (i as u64 * 7 + seed * 3).is_multiple_of(5);
        let predicted = if wrong { (image.label + 1) % classes.len() } else { image.label };
        let logits: Vec<f32> =
            (0..classes.len()).map(|k| if k == predicted { 1.5 + i as f32 / 36.0 } else { 0.0 }).collect();
        let sum: f32 = logits.iter().map(|l| l.exp()).sum();
        PredictionRow {
            image: image.id.clone(),
            group: image.group.clone().unwrap_or_default(),
            split: "test".into(),
            fold,
            seed: 1,
            truth: image.label,
            probabilities: logits.iter().map(|l| l.exp() / sum).collect(),
            logits,
        }
    });
    let predictions = Predictions { classes: classes.clone(), rows: rows.collect() };
    write_predictions(&dir.file("predictions.csv"), &predictions).unwrap();
    dir.write_json("metrics.json", &json!({"parameters": 23_500_000.0, "images_per_second": 100.0})).unwrap();
}

fn explain(home: &Home, dataset: &Dataset) {
    let parent = "20261101-120000-resnet50-f0-aaaa";
    let job = json!({
        "kind": "explain-eval", "parent": parent, "dataset": reference(dataset), "methods": ["gradcam", "random"],
        "parameters": {}, "metrics": ["road", "energy"], "layers": [], "target": "predicted", "part": "test", "limit": null,
        "road_percentiles": [50.0], "road_ties": "rank", "keep_maps": false, "seed": 0, "batch_size": 8, "threads": 1,
        "device": "cpu",
    });
    let config = JobConfig {
        format: 1,
        run: RunId("20261101-130000-explain-resnet50-f0-aaaa".into()),
        group: GroupId("g-20261101-130000-explain-aaaa".into()),
        study: Some("small".into()),
        job: serde_json::from_value(job).unwrap(),
    };
    let dir = RunDir::create(home, &NewRun { config, split: None, entry: QueueEntry::now(9) }).unwrap();
    let mut events = dir.next_attempt().unwrap();
    events.append(0, started()).unwrap();
    events.append(1, EventKind::Finished).unwrap();
    let mut rows = Vec::new();
    for (i, image) in dataset.images().iter().enumerate().filter(|(i, _)| i % FOLDS == 0) {
        for (m, method) in ["gradcam", "random"].iter().enumerate() {
            for (k, metric) in ["road", "energy"].iter().enumerate() {
                let class = dataset.classes()[image.label].clone();
                rows.push(ExplainRow {
                    image: image.id.clone(),
                    group: image.group.clone().unwrap_or_default(),
                    method: (*method).to_owned(),
                    params: String::new(),
                    layer: "layer4".into(),
                    target: class.clone(),
                    metric: (*metric).to_owned(),
                    value: Some(0.4 - 0.3 * m as f64 + 0.1 * k as f64 + (i % 7) as f64 / 50.0),
                    status: "ok".into(),
                    truth: class.clone(),
                    predicted: class,
                });
            }
        }
    }
    write_explain(&dir.file("explain.csv"), &rows).unwrap();
    dir.write_json("metrics.json", &json!({"identical": []})).unwrap();
}

fn study(home: &Home) {
    let text = "name = \"small\"\ndatasets = [\"skin\"]\nmodels = [\"resnet50\", \"vgg16\"]\nbaseline = \"resnet50\"\n[split]\nfolds = 3\n\
                [explain]\nmodel = \"resnet50\"\nmethods = [\"gradcam\", \"random\"]\nmetrics = [\"road\", \"energy\"]\n";
    let study = StudyFile::parse(Path::new("small.toml"), text).unwrap();
    let folder = home.studies_dir().join("small");
    std::fs::create_dir(&folder).unwrap();
    std::fs::write(folder.join("study.json"), serde_json::to_vec(&study).unwrap()).unwrap();
    let group = |m: &str| json!({"dataset": "skin", "model": m, "group": format!("g-20261101-120000-{m}-aaaa")});
    let queued = json!({
        "train": [group("resnet50"), group("vgg16")],
        "explain": [["skin", "g-20261101-130000-explain-aaaa"]],
    });
    std::fs::write(folder.join("queued.json"), queued.to_string()).unwrap();
}

fn failed(home: &Home, dataset: &Dataset) {
    let config = config(
        dataset,
        "20261102-090000-densenet121-f0-bbbb",
        "g-20261102-090000-densenet121-bbbb",
        None,
        "densenet121",
        0,
    );
    let dir = RunDir::create(home, &NewRun { config, split: None, entry: QueueEntry::now(0) }).unwrap();
    let mut events = dir.next_attempt().unwrap();
    events.append(0, started()).unwrap();
    let error = "the GPU ran out of memory; a smaller --batch-size needs less".to_owned();
    events.append(0, EventKind::Failed { error, cause: lightbox_store::run::FailureCause::OutOfMemory }).unwrap();
}

/// What a terminal without graphics is.
fn plain() -> Graphics {
    Graphics {
        protocol: Protocol::HalfBlocks,
        cell: (8, 16),
        tmux: false,
        colours: Colours::TrueColour,
        dark: None,
        reasons: Vec::new(),
    }
}

impl Driver {
    /// An interface over a home, in a terminal of this size.
    pub fn new(folder: tempfile::TempDir, columns: u16, rows: u16) -> Self {
        Self::with(folder, columns, rows, |_| {})
    }

    /// The same, changed before the first frame.
    pub fn with(folder: tempfile::TempDir, columns: u16, rows: u16, change: impl FnOnce(&mut Shared)) -> Self {
        let home = Home::at(&folder.path().join("home")).unwrap();
        let (send, messages) = channel();
        let theme = Theme::pick(ThemeChoice::Auto, Depth::True, None);
        let program = Path::new("lightbox-is-not-started-by-tests").to_path_buf();
        let mut shared = Shared::new(home, program, false, theme, plain(), Tasks::start(send));
        // No worker: what plugins there are is told below.
        shared.catalogue = super::shared::Loaded::Here(std::sync::Arc::new(catalogue()));
        change(&mut shared);
        let terminal = Terminal::new(TestBackend::new(columns, rows)).unwrap();
        let mut driver = Self { app: App::new(shared), pictures: Vec::new(), messages, terminal, _folder: folder };
        driver.settle();
        driver
    }

    /// Presses keys by name, parted by spaces.
    pub fn press(&mut self, keys: &str) -> &mut Self {
        for name in keys.split(' ').filter(|k| !k.is_empty()) {
            self.app.event(&Event::Key(key(name)));
            self.settle();
        }
        self
    }

    /// Types text.
    pub fn type_text(&mut self, text: &str) -> &mut Self {
        for c in text.chars() {
            self.app.event(&Event::Key(KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE)));
        }
        self.settle();
        self
    }

    /// Takes in what came of work beside the loop, until all of it is done and nothing comes for a moment.
    pub fn settle(&mut self) {
        let until = Instant::now() + Duration::from_secs(60);
        loop {
            match self.messages.recv_timeout(Duration::from_millis(150)) {
                Ok(message) => self.take(message),
                Err(_) if self.app.shared.tasks.are_busy() => {}
                Err(_) => return,
            }
            assert!(Instant::now() < until, "the interface never comes to rest");
        }
    }

    /// Takes in a message.
    pub fn take(&mut self, message: Message) {
        match message {
            Message::Update(update) => self.app.update(update),
            Message::Link(link) => self.app.link(link),
            _ => {}
        }
    }

    /// Takes in what came of work beside the loop.
    pub fn update(&mut self, update: Update) {
        self.app.update(update);
        self.settle();
    }

    /// Another size of terminal.
    pub fn resize(&mut self, columns: u16, rows: u16) {
        self.terminal.backend_mut().resize(columns, rows);
        self.app.event(&Event::Resize(columns, rows));
    }

    /// The frame as text, one line a row. What depends on the time of day or on the folder is left out.
    pub fn frame(&mut self) -> String {
        let (app, pictures) = (&mut self.app, &mut self.pictures);
        self.terminal.draw(|frame| *pictures = app.draw(frame)).unwrap();
        let buffer = self.terminal.backend().buffer();
        let area = *buffer.area();
        let row = |y: u16| -> String {
            let line: String = (0..area.width).map(|x| buffer[(x, y)].symbol()).collect();
            line.trim_end().to_owned()
        };
        let text = (0..area.height).map(row).collect::<Vec<_>>().join("\n");
        let folder = self._folder.path().display().to_string();
        without_ages(&text.replace(&folder, "FOLDER"))
    }
}

/// `12 d ago` without its number.
fn without_ages(text: &str) -> String {
    let pattern = regex::Regex::new(r" *\d+ (min|h|d) ago|just now").unwrap();
    pattern.replace_all(text, |found: &regex::Captures<'_>| format!("{:>w$}", "AGO", w = found[0].len())).into_owned()
}

fn key(name: &str) -> KeyEvent {
    let plain = |code| KeyEvent::new(code, KeyModifiers::NONE);
    match name {
        "enter" => plain(KeyCode::Enter),
        "esc" => plain(KeyCode::Esc),
        "tab" => plain(KeyCode::Tab),
        "backtab" => plain(KeyCode::BackTab),
        "down" => plain(KeyCode::Down),
        "up" => plain(KeyCode::Up),
        "left" => plain(KeyCode::Left),
        "right" => plain(KeyCode::Right),
        "space" => plain(KeyCode::Char(' ')),
        "f1" => plain(KeyCode::F(1)),
        _ => match name.strip_prefix("ctrl-") {
            Some(letter) => KeyEvent::new(KeyCode::Char(letter.chars().next().unwrap()), KeyModifiers::CONTROL),
            None => plain(KeyCode::Char(name.chars().next().unwrap())),
        },
    }
}

fn catalogue() -> super::catalogue::Catalogue {
    let method = |id: &str, name: &str| {
        json!({"id": id, "name": name, "reference": "Someone et al. 2020", "description": "What it does.",
               "needs": {"activations": true, "gradients": true}, "layers": "several",
               "parameters": [{"name": "eps", "help": "Keeps the division sound.", "kind": "float", "default": 1e-6, "min": 0.0}],
               "library": "org.lightbox.cams", "version": "0.1.0", "file": "liblightbox_cams.so"})
    };
    serde_json::from_value(json!({
        "models": [{"id": "resnet50", "name": "ResNet-50", "reference": "He et al. 2016", "description": "torchvision's resnet50",
                    "input_size": [224, 224], "cut_points": ["layer1", "layer4"], "default_layer": "layer4", "options": [],
                    "library": "org.lightbox.models", "version": "0.1.0", "file": "liblightbox_models.so"}],
        "attributions": [method("gradcam", "Grad-CAM"), method("gradcam++", "Grad-CAM++"), method("random", "Random map")],
        "problems": ["plugins/libbroken.so: its ABI is 2.0, and this is 1.0"],
    }))
    .unwrap()
}
