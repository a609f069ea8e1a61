//! Workers, the daemon or both are killed at random moments over a running queue; afterwards nothing is missing, nothing is
//! there twice, and what finished has the bits of a run that nobody disturbed.
//!
//! `LIGHTBOX_FAULT_KILLS` says how many kills (CI makes few, `just faults` 200), `LIGHTBOX_FAULT_SEED` at which moments.

#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use lightbox_tests::{lightbox, said};
use serde_json::Value;

const FOLDS: usize = 2;

/// Numbers that depend on the seed alone.
struct Chance(u64);

impl Chance {
    /// From 0 up to `below`.
    fn draw(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }
}

fn ok(home: &Path, arguments: &[&str]) -> String {
    let output = lightbox(home, arguments);
    assert!(output.status.success(), "{arguments:?}: {}\n{}", said(&output), daemon_log(home));
    String::from_utf8(output.stdout).unwrap()
}

fn json(home: &Path, arguments: &[&str]) -> Value {
    serde_json::from_str(&ok(home, &[&["--json", "--quiet"], arguments].concat())).unwrap()
}

fn daemon_log(home: &Path) -> String {
    std::fs::read_to_string(home.join("logs/daemon.log")).unwrap_or_default()
}

/// Processes whose command line names this home: the daemon, and each worker with its run directory.
fn processes(home: &Path) -> (Vec<u32>, Vec<(u32, PathBuf)>) {
    let (mut daemons, mut workers) = (Vec::new(), Vec::new());
    let home = home.to_str().unwrap();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        let Ok(line) = std::fs::read(entry.path().join("cmdline")) else { continue };
        let line = String::from_utf8_lossy(&line).into_owned();
        let words: Vec<&str> = line.split('\0').filter(|word| !word.is_empty()).collect();
        if !words.iter().any(|word| word.starts_with(home)) {
            continue;
        }
        if words.ends_with(&["daemon", "run"]) {
            daemons.push(pid);
        } else if words.first().is_some_and(|word| word.ends_with("lightbox-worker")) && words.contains(&"run") {
            workers.push((pid, PathBuf::from(words.last().unwrap())));
        }
    }
    (daemons, workers)
}

fn kill(pid: u32) {
    std::process::Command::new("kill")
        .args(["-KILL", &pid.to_string()])
        .stderr(std::process::Stdio::null())
        .status()
        .unwrap();
}

/// Trainings of one configuration, and explanations that need them.
fn enqueue(home: &Path) {
    let train = "train --data brain --model small-cnn --folds 2 --epochs 30 --batch-size 8 --image-size 32 --lr 1e-3 \
                 --threads 1 --seed 3";
    let group = ok(home, &train.split(' ').filter(|word| !word.is_empty()).collect::<Vec<_>>());
    let group = group.lines().next().unwrap();
    let explain = ["explain-eval", group, "--methods", "gradcam,random", "--metrics", "energy,road", "--limit", "6"];
    ok(home, &[&explain[..], &["--threads", "1"]].concat());
}

fn unsettled(home: &Path) -> usize {
    json(home, &["queue", "list"]).as_array().unwrap().iter().filter(|job| job["state"] != "blocked").count()
}

#[test]
fn nothing_is_lost_and_nothing_happens_twice() {
    let number = |name: &str, default: u64| std::env::var(name).ok().map_or(default, |n| n.parse().unwrap());
    let (kills, seed) = (number("LIGHTBOX_FAULT_KILLS", 16), number("LIGHTBOX_FAULT_SEED", 1));
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().canonicalize().unwrap();
    std::fs::create_dir_all(home.join("config/lightbox")).unwrap();
    std::fs::write(home.join("config/lightbox/config.toml"), "[slots]\ncpu = 2\n[queue]\nretries = 6\n").unwrap();
    let phantoms = home.join("phantoms").display().to_string();
    ok(&home, &["data", "phantom", "brain", "--out", &phantoms, "--images", "48", "--size", "64", "--seed", "7"]);
    ok(&home, &["data", "add", &phantoms, "--name", "brain", "--manifest", &format!("{phantoms}/manifest.toml")]);

    let mut chance = Chance(seed);
    let mut made = BTreeMap::from([("worker", 0), ("daemon", 0), ("both", 0)]);
    let mut count = 0;
    while count < kills {
        if unsettled(&home) < 3 {
            enqueue(&home);
        }
        std::thread::sleep(Duration::from_millis(chance.draw(700)));
        let (daemons, workers) = processes(&home);
        assert!(daemons.len() <= 1, "two daemons serve one home");
        no_run_has_two_workers(&workers);
        let victim = ["worker", "daemon", "both"][chance.draw(3) as usize];
        let mut hit = 0;
        if victim != "worker" {
            daemons.iter().for_each(|pid| kill(*pid));
            hit += daemons.len();
        }
        if victim != "daemon" && !workers.is_empty() {
            kill(workers[chance.draw(workers.len() as u64) as usize].0);
            hit += 1;
        }
        if hit > 0 {
            count += 1;
            *made.get_mut(victim).unwrap() += 1;
        }
        // Sometimes a command follows at once, sometimes the workers are alone for a while.
        std::thread::sleep(Duration::from_millis(chance.draw(3) * chance.draw(300)));
    }
    let start = Instant::now();
    while unsettled(&home) > 0 {
        let (_, workers) = processes(&home);
        no_run_has_two_workers(&workers);
        assert!(start.elapsed() < Duration::from_secs(300), "{}\n{}", ok(&home, &["queue", "list"]), daemon_log(&home));
        std::thread::sleep(Duration::from_millis(200));
    }
    let summary = check(&home);
    println!("seed {seed}: {made:?}; {summary}");
    ok(&home, &["daemon", "stop"]);
}

fn no_run_has_two_workers(workers: &[(u32, PathBuf)]) {
    let dirs: BTreeSet<&PathBuf> = workers.iter().map(|(_, dir)| dir).collect();
    assert_eq!(dirs.len(), workers.len(), "a run has two workers: {workers:?}");
}

/// Looks at every run directory.
fn check(home: &Path) -> String {
    let mut states = BTreeMap::<String, usize>::new();
    let mut bits = BTreeMap::<String, (PathBuf, Vec<u8>)>::new();
    for entry in std::fs::read_dir(home.join("runs")).unwrap() {
        let dir = entry.unwrap().path();
        assert!(!dir.file_name().unwrap().to_str().unwrap().starts_with('.'), "{} was left", dir.display());
        let (status, config) = every_file_parses(&dir);
        *states.entry(status.clone()).or_default() += 1;
        if status == "finished" {
            results_are_whole(&dir, &config);
            let kind = config["job"]["kind"].as_str().unwrap();
            let file = if kind == "train" { "predictions.csv" } else { "explain.csv" };
            // Names end in four random letters, which may begin with an f.
            let fold = (0..FOLDS).find(|fold| config["run"].as_str().unwrap().contains(&format!("-f{fold}-"))).unwrap();
            let content = without_timings(&std::fs::read_to_string(dir.join(file)).unwrap());
            let first = bits.entry(format!("{kind} {fold}")).or_insert_with(|| (dir.clone(), content.clone()));
            assert!(first.1 == content, "{} and {} differ in {file}", first.0.display(), dir.display());
        }
    }
    assert!(states.keys().all(|state| state == "finished" || state == "failed"), "{states:?}");
    assert!(states.get("finished").is_some_and(|n| *n >= FOLDS), "{states:?}");
    let listed = json(home, &["queue", "list", "--all"]);
    let listed: BTreeSet<&str> = listed.as_array().unwrap().iter().map(|job| job["run"].as_str().unwrap()).collect();
    assert_eq!(
        listed.len(),
        json(home, &["queue", "list", "--all"]).as_array().unwrap().len(),
        "a job is listed twice"
    );
    format!("{states:?}")
}

/// Every file of a run directory is whole; gives the last word of its events, and its configuration.
fn every_file_parses(dir: &Path) -> (String, Value) {
    let read = |name: &str| std::fs::read_to_string(dir.join(name));
    let mut config = Value::Null;
    for entry in std::fs::read_dir(dir).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if name.ends_with(".json") {
            let value: Value =
                serde_json::from_str(&read(&name).unwrap()).unwrap_or_else(|e| panic!("{}/{name}: {e}", dir.display()));
            if name == "config.json" {
                config = value;
            }
        }
        assert!(!name.ends_with(".tmp"), "{}/{name} was left", dir.display());
    }
    let events = read("events.jsonl").unwrap_or_default();
    let events: Vec<Value> = events
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{}: {e}: {line}", dir.display())))
        .collect();
    let attempts: Vec<u64> = events.iter().map(|event| event["attempt"].as_u64().unwrap()).collect();
    assert!(attempts.is_sorted(), "{}: two workers wrote at once: {attempts:?}", dir.display());
    let last = events.last().map_or("queued", |event| event["event"].as_str().unwrap()).to_owned();
    if last == "failed" {
        assert!(!events.last().unwrap()["error"].as_str().unwrap().is_empty());
    }
    let finished = events.iter().filter(|event| event["event"] == "finished").count();
    assert!(finished <= 1, "{} finished twice", dir.display());
    (last, config)
}

/// No image is missing or there twice.
fn results_are_whole(dir: &Path, config: &Value) {
    let rows = |name: &str| -> Vec<Vec<String>> {
        let text = std::fs::read_to_string(dir.join(name)).unwrap_or_else(|e| panic!("{}/{name}: {e}", dir.display()));
        text.lines().skip(1).map(|line| line.split(',').map(str::to_owned).collect()).collect()
    };
    if config["job"]["kind"] == "train" {
        let tested = rows("split.csv").into_iter().filter(|row| row[1] == "test").count();
        let predicted: Vec<_> = rows("predictions.csv").into_iter().filter(|row| row[2] == "test").collect();
        let images: BTreeSet<_> = predicted.iter().map(|row| row[0].clone()).collect();
        assert_eq!((predicted.len(), images.len()), (tested, tested), "{}", dir.display());
    } else {
        let scored = rows("explain.csv");
        let once: BTreeSet<_> =
            scored.iter().map(|row| [&row[0], &row[2], &row[3], &row[6]].map(String::clone)).collect();
        assert_eq!(scored.len(), once.len(), "{}: a score is there twice", dir.display());
        let images: BTreeSet<_> = scored.iter().map(|row| row[0].clone()).collect();
        assert_eq!(images.len(), 6, "{}", dir.display());
    }
}

/// A method's seconds differ from run to run; all else must not.
fn without_timings(text: &str) -> Vec<u8> {
    let kept = text.lines().filter(|line| !line.contains(",seconds,"));
    kept.flat_map(|line| line.bytes().chain([b'\n'])).collect()
}
