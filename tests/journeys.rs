//! The way of a researcher through the program, on phantoms: data, training, comparison, explanation, tables.
//!
//! One home serves all steps, since each stands on the one before, as for a user.

#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::path::Path;
use std::process::Output;
use std::time::{Duration, Instant};

use lightbox_tests::{command, lightbox, project_root, said};
use serde_json::Value;

fn ok(output: Output) -> String {
    assert!(output.status.success(), "{}", said(&output));
    String::from_utf8(output.stdout).unwrap()
}

fn json(home: &Path, arguments: &[&str]) -> Value {
    let text = ok(lightbox(home, &[&["--json", "--quiet"], arguments].concat()));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{arguments:?}: {e}: {text}"))
}

/// A dataset of phantoms, registered as `brain`.
fn with_phantoms(home: &Path, images: &str) -> std::path::PathBuf {
    let folder = home.join("phantoms");
    let path = folder.display().to_string();
    ok(lightbox(
        home,
        &["data", "phantom", "brain", "--out", &path, "--images", images, "--size", "64", "--seed", "7"],
    ));
    ok(lightbox(home, &["data", "add", &path, "--name", "brain", "--manifest", &format!("{path}/manifest.toml")]));
    folder
}

const TRAIN: &[&str] = &[
    "train",
    "--wait",
    "--data",
    "brain",
    "--model",
    "small-cnn",
    "--folds",
    "2",
    "--epochs",
    "2",
    "--batch-size",
    "8",
    "--image-size",
    "32",
    "--lr",
    "1e-3",
    "--threads",
    "1",
    "--seed",
    "3",
    "--augment",
    "flip,crop=0.9",
];

#[test]
fn from_a_folder_of_images_to_tables() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path();
    let images = with_phantoms(home, "48");

    let shown = json(home, &["data", "show", "brain"]);
    assert_eq!(shown["summary"]["total"]["images"], 48);
    assert!(shown["summary"]["groups"]["with_several_images"].as_u64().unwrap() > 0);
    json(home, &["data", "check", "brain"]);

    let group = ok(lightbox(home, TRAIN)).lines().next().unwrap().to_owned();
    let other = ok(lightbox(home, &[TRAIN, &["--optimizer", "sgd"]].concat()));
    let other = other.lines().next().unwrap().to_owned();
    let compared = json(home, &["compare", &group, &other]);
    assert_eq!(compared["rows"].as_array().unwrap().len(), 2);

    let runs = json(home, &["runs", "show", &group]);
    let run = runs[0]["path"].as_str().unwrap().to_owned();
    for file in ["config.json", "provenance.json", "metrics.json", "predictions.csv", "events.jsonl", "split.csv"] {
        assert!(Path::new(&run).join(file).is_file(), "{file}");
    }
    reads_with_pandas(&run);

    explains(home, &group, &images);
    let metrics = "road,average-drop,increase,energy,pointing,iou,auprc,confidence-change";
    let methods = "gradcam,gradcam++,hirescam,random,center";
    let scored = ok(lightbox(
        home,
        &["explain-eval", &group, "--methods", methods, "--metrics", metrics, "--limit", "4", "--wait"],
    ));
    let words = ["explanations of small-cnn", "all images", "misclassified images", "≡"];
    assert!(words.iter().all(|word| scored.contains(word)), "{scored}");
    let tables = json(home, &["results", "--metric", "accuracy,energy"]);
    assert!(tables.as_array().unwrap().iter().any(|table| table["row_kind"] == "method"), "{tables}");
    evaluates(home, &group);
}

/// The ten lines of pandas in docs/run-directory.md read a run.
fn reads_with_pandas(run: &str) {
    let docs = std::fs::read_to_string(project_root().join("docs/run-directory.md")).unwrap();
    let code = docs.split("```python\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let python = std::env::var("LIGHTBOX_ORACLE_PYTHON").expect("run ./justw test, which sets LIGHTBOX_ORACLE_PYTHON");
    let output = std::process::Command::new(python).args(["-c", code, run]).output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    assert!(String::from_utf8_lossy(&output.stdout).contains("truth"), "{}", said(&output));
}

fn explains(home: &Path, group: &str, images: &Path) {
    let image = std::fs::read_dir(images.join("images")).unwrap().next().unwrap().unwrap().path();
    let image = image.display().to_string();
    let out = home.join("out").display().to_string();
    let method = "gradcam,ablationcam,eigengradcam";
    let explained = json(home, &["explain", &image, "--run", group, "--method", method, "--raw", "--out", &out]);
    let explained = explained.as_array().unwrap();
    assert_eq!(explained.len(), 3);
    for one in explained {
        assert!(Path::new(one["overlay"].as_str().unwrap()).is_file());
        let map = std::fs::read(one["map"].as_str().unwrap()).unwrap();
        let header = String::from_utf8_lossy(&map[..128]);
        assert!(header.contains("'<f4'") && header.contains("(32, 32)"), "{header}");
    }
}

fn evaluates(home: &Path, group: &str) {
    ok(lightbox(home, &["evaluate", group]));
    ok(lightbox(home, &["evaluate", group, "--data", "brain"]));
}

#[test]
fn a_study_from_its_file_to_every_format() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path();
    with_phantoms(home, "48");
    let file = home.join("study.toml");
    std::fs::write(
        &file,
        r#"
name = "tiny"
datasets = ["brain"]
models = ["small-cnn", "resnet50"]
baseline = "small-cnn"
[split]
folds = 2
[train]
epochs = 1
batch_size = 8
image_size = 32
lr = 1e-3
val_fraction = 0.2
[explain]
model = "small-cnn"
methods = ["gradcam", "xgradcam", "layercam", "random"]
metrics = ["road", "energy"]
per_class = true
limit = 4
[statistics]
primary = "accuracy"
"#,
    )
    .unwrap();
    let file = file.display().to_string();
    let table = ok(lightbox(home, &["study", "run", &file, "--wait"]));
    for words in ["small-cnn", "resnet50", "accuracy†", "Nadeau", "detectable", "gradcam", "random", "class"] {
        assert!(table.contains(words), "{words}: {table}");
    }
    // What is finished is not run again.
    let before = json(home, &["runs", "list"]).as_array().unwrap().len();
    ok(lightbox(home, &["study", "run", &file, "--wait"]));
    assert_eq!(json(home, &["runs", "list"]).as_array().unwrap().len(), before);

    let export = |format| ok(lightbox(home, &["study", "export", "tiny", "--format", format]));
    assert!(export("csv").starts_with("dataset,row,baseline,metric,estimate"));
    assert!(export("md").contains("| resnet50 |"));
    assert!(export("latex").contains("\\toprule"));
    assert!(serde_json::from_str::<Value>(&export("json")).unwrap().as_array().unwrap().len() > 3);
    // Another baseline is computed anew and says so.
    assert!(ok(lightbox(home, &["results", "--study", "tiny", "--baseline", "resnet50"])).contains("post hoc"));
}

#[test]
fn a_training_outlives_its_command_its_daemon_and_its_worker() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path();
    with_phantoms(home, "48");
    let mut long = TRAIN.to_vec();
    let epochs = long.iter().position(|a| *a == "--epochs").unwrap();
    long[epochs + 1] = "40";

    let straight = ok(lightbox(home, &long)).lines().next().unwrap().to_owned();
    let mut child = command(home, &long).stdout(std::process::Stdio::piped()).spawn().unwrap();
    let worker = worker_with_an_epoch(home, &straight);
    // SIGINT is what ctrl-c sends: it ends the waiting, not the job.
    kill("-INT", child.id());
    assert_eq!(child.wait().unwrap().code(), Some(130));
    kill("-KILL", json(home, &["daemon", "status"])["pid"].as_u64().unwrap() as u32);
    kill("-KILL", worker);

    let runs = json(home, &["runs", "list"]);
    let killed =
        runs.as_array().unwrap().iter().map(|r| r["group"].as_str().unwrap()).find(|g| *g != straight).unwrap();
    ok(lightbox(home, &["queue", "watch", killed]));
    let of = |group: &str, file: &str| -> Vec<Vec<u8>> {
        let runs = json(home, &["runs", "show", group]);
        let paths = runs.as_array().unwrap().iter().map(|r| r["path"].as_str().unwrap().to_owned());
        paths.map(|p| std::fs::read(Path::new(&p).join(file)).unwrap()).collect()
    };
    let attempts = String::from_utf8(of(killed, "events.jsonl").concat()).unwrap().matches("\"started\"").count();
    assert_eq!(attempts, 3, "two folds, one of them started twice");
    for file in ["predictions.csv", "checkpoints/best/weights.safetensors", "checkpoints/last/weights.safetensors"] {
        assert_eq!(of(&straight, file), of(killed, file), "{file}: a resumed run has the same bits");
    }
    ok(lightbox(home, &["daemon", "stop"]));
}

fn kill(signal: &str, pid: u32) {
    std::process::Command::new("kill").args([signal, &pid.to_string()]).status().unwrap();
}

/// Waits until a run that is not of `not_group` has finished an epoch; the process id of its worker.
fn worker_with_an_epoch(home: &Path, not_group: &str) -> u32 {
    let start = Instant::now();
    loop {
        let runs = json(home, &["runs", "list"]);
        for run in runs.as_array().unwrap().iter().filter(|run| run["group"] != not_group) {
            let events = Path::new(run["path"].as_str().unwrap()).join("events.jsonl");
            let events = std::fs::read_to_string(events).unwrap_or_default();
            if events.contains("\"event\":\"epoch\"") {
                let started: Value = serde_json::from_str(events.lines().next().unwrap()).unwrap();
                return started["pid"].as_u64().unwrap() as u32;
            }
        }
        assert!(start.elapsed() < Duration::from_secs(120), "no epoch within two minutes");
        std::thread::sleep(Duration::from_millis(50));
    }
}
