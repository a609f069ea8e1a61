//! Long work on another machine: a study whose terminal, daemon and worker all die, and one that runs on a Slurm cluster, end
//! with the tables of a study that nobody disturbed.

#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use lightbox_tests::{command, lightbox, project_root, said};
use serde_json::Value;

const STUDY: &str = r#"
name = "remote"
datasets = ["brain"]
models = ["small-cnn", "resnet50"]
baseline = "small-cnn"
[split]
folds = 2
[train]
epochs = 3
batch_size = 8
image_size = 32
lr = 1e-3
val_fraction = 0.2
threads = 1
device = "cpu"
[explain]
model = "small-cnn"
methods = ["gradcam", "layercam", "random"]
metrics = ["road", "energy"]
limit = 4
[statistics]
primary = "accuracy"
"#;

fn ok(home: &Path, arguments: &[&str]) -> String {
    let output = lightbox(home, arguments);
    let log = std::fs::read_to_string(home.join("logs/daemon.log")).unwrap_or_default();
    assert!(output.status.success(), "{arguments:?}: {}\n{log}", said(&output));
    String::from_utf8(output.stdout).unwrap()
}

fn json(home: &Path, arguments: &[&str]) -> Value {
    serde_json::from_str(&ok(home, &[&["--json", "--quiet"], arguments].concat())).unwrap()
}

/// A home with phantoms and the study file; the same each time.
fn home(folder: &Path, name: &str, config: &str) -> (PathBuf, String) {
    let home = folder.join(name);
    std::fs::create_dir_all(home.join("config/lightbox")).unwrap();
    std::fs::write(home.join("config/lightbox/config.toml"), config).unwrap();
    let phantoms = folder.join("phantoms").display().to_string();
    if !Path::new(&phantoms).exists() {
        ok(&home, &["data", "phantom", "brain", "--out", &phantoms, "--images", "48", "--size", "64", "--seed", "7"]);
    }
    ok(&home, &["data", "add", &phantoms, "--name", "brain", "--manifest", &format!("{phantoms}/manifest.toml")]);
    let study = folder.join("study.toml");
    std::fs::write(&study, STUDY).unwrap();
    (home, study.display().to_string())
}

/// The study's tables without what a clock says, and without the names of groups, which are made of it.
fn tables(home: &Path) -> String {
    let csv = ok(home, &["study", "export", "remote", "--format", "csv"]);
    let kept: Vec<String> = csv
        .lines()
        .filter(|line| !line.contains("images-per-second") && !line.contains("seconds"))
        .map(|line| line.split(',').filter(|field| !field.starts_with("g-20")).collect::<Vec<_>>().join(","))
        .collect();
    assert!(kept.len() > 10, "{csv}");
    kept.join("\n")
}

fn kill(signal: &str, target: &str) {
    Command::new("kill").args([signal, "--", target]).stderr(Stdio::null()).status().unwrap();
}

/// Waits until a worker of this home is in the middle of a training; its process id.
fn worker_at_work(home: &Path) -> u32 {
    let start = Instant::now();
    loop {
        for entry in std::fs::read_dir(home.join("runs")).into_iter().flatten().flatten() {
            let events = std::fs::read_to_string(entry.path().join("events.jsonl")).unwrap_or_default();
            let began = events.contains("\"checkpoint\"") && !events.contains("\"finished\"");
            let started = events.lines().rfind(|line| line.contains("\"started\""));
            if let (true, Some(started)) = (began, started) {
                let started: Value = serde_json::from_str(started).unwrap();
                return started["pid"].as_u64().unwrap() as u32;
            }
        }
        assert!(start.elapsed() < Duration::from_secs(120), "no checkpoint within two minutes");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[test]
fn a_study_survives_its_terminal_its_daemon_and_its_worker() {
    let folder = tempfile::tempdir().unwrap();
    let (calm, study) = home(folder.path(), "calm", "");
    ok(&calm, &["study", "run", &study, "--wait"]);

    let (stormy, study) = home(folder.path(), "stormy", "");
    let mut terminal = command(&stormy, &["study", "run", &study, "--wait"]);
    let mut terminal = terminal.process_group(0).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let worker = worker_at_work(&stormy);
    kill("-HUP", &format!("-{}", terminal.id()));
    assert!(!terminal.wait().unwrap().success());
    let daemon = json(&stormy, &["daemon", "status"])["pid"].as_u64().expect("the daemon outlives the terminal");
    kill("-KILL", &daemon.to_string());
    kill("-KILL", &worker.to_string());
    ok(&stormy, &["queue", "watch", "remote"]);
    assert_eq!(tables(&calm), tables(&stormy));

    if std::env::var_os("LIGHTBOX_SKIP_SLURM").is_none() {
        on_slurm(folder.path(), &tables(&calm));
    }
    for home in [&calm, &stormy] {
        ok(home, &["daemon", "stop"]);
    }
}

/// A cluster of one machine that is stopped again whatever happens.
struct Cluster(PathBuf);

impl Cluster {
    fn call(&self, verb: &str) -> String {
        let script = project_root().join("scripts/slurm-node");
        let output = Command::new(script).arg(verb).arg(&self.0).output().unwrap();
        assert!(output.status.success(), "{}", said(&output));
        String::from_utf8(output.stdout).unwrap()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let _ = Command::new(project_root().join("scripts/slurm-node")).arg("stop").arg(&self.0).output();
    }
}

fn on_slurm(folder: &Path, expected: &str) {
    let place = tempfile::Builder::new().prefix("lb-remote-").tempdir().unwrap();
    let cluster = Cluster(place.path().join("node"));
    let conf = cluster.call("start");
    let conf = conf.lines().last().unwrap();
    let config = "[queue]\nexecutor = \"slurm\"\n[slurm]\npartition = \"low\"\nmemory = \"1G\"\ntime = \"10\"\n";
    let (home, study) = home(folder, "slurm", config);
    let run = |arguments: &[&str]| {
        let output = command(&home, arguments).env("SLURM_CONF", conf).output().unwrap();
        let log = std::fs::read_to_string(home.join("logs/daemon.log")).unwrap_or_default();
        assert!(output.status.success(), "{arguments:?}: {}\n{log}", said(&output));
    };
    run(&["study", "run", &study]);
    // The cluster takes a running job away and queues it again: it goes on from its checkpoint, under the same number.
    worker_at_work(&home);
    let running = Command::new("squeue").args(["-h", "-t", "R", "-o", "%A"]).env("SLURM_CONF", conf).output().unwrap();
    let running = String::from_utf8(running.stdout).unwrap();
    if let Some(job) = running.lines().next() {
        Command::new("scontrol").args(["requeue", job]).env("SLURM_CONF", conf).status().unwrap();
    }
    run(&["queue", "watch", "remote"]);
    assert_eq!(expected, tables(&home));
    let placed =
        std::fs::read_dir(home.join("runs")).unwrap().flatten().filter(|e| e.path().join("slurm.log").exists());
    assert!(placed.count() >= 6, "each job ran on the cluster");
    run(&["daemon", "stop"]);
}
