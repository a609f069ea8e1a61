//! A home in trouble: a full disk, one that cannot be written, a damaged index, events torn by a crash, a clock that jumped.
//! Each is survived, or a sentence says what to do; `store rebuild` brings the index back.

#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::path::{Path, PathBuf};
use std::process::Command;

use lightbox_tests::{class_folders, lightbox, said};
use serde_json::Value;

fn ok(home: &Path, arguments: &[&str]) -> String {
    let output = lightbox(home, arguments);
    assert!(output.status.success(), "{arguments:?}: {}", said(&output));
    String::from_utf8(output.stdout).unwrap()
}

fn json(home: &Path, arguments: &[&str]) -> Value {
    serde_json::from_str(&ok(home, &[&["--json", "--quiet"], arguments].concat())).unwrap()
}

/// A dataset that a network of two epochs is trained on in a second.
fn with_data(home: &Path, images: &Path) {
    class_folders(images, &["a", "b"], 12);
    ok(home, &["data", "add", &images.display().to_string(), "--name", "tiny"]);
}

const TRAIN: &[&str] = &[
    "train",
    "--data",
    "tiny",
    "--model",
    "small-cnn",
    "--folds",
    "2",
    "--epochs",
    "2",
    "--image-size",
    "32",
    "--threads",
    "1",
];

/// A file system of this size that goes away with the value.
struct Small(PathBuf);

impl Small {
    /// None where this user may not mount one.
    fn mount(folder: &Path, size: &str) -> Option<Self> {
        std::fs::create_dir_all(folder).unwrap();
        let options = format!("size={size},mode=0700");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(folder).output();
        mounted.is_ok_and(|output| output.status.success()).then(|| Self(folder.to_path_buf()))
    }

    fn remount(&self, options: &str) {
        let status = Command::new("mount").args(["-o", &format!("remount,{options}")]).arg(&self.0).status().unwrap();
        assert!(status.success());
    }
}

impl Drop for Small {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[test]
fn a_disk_that_is_full_and_then_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("home");
    let Some(small) = Small::mount(&home, "24m") else {
        eprintln!("this user may not mount a small file system: not tested");
        return;
    };
    with_data(&home, &folder.path().join("images"));
    let filler = home.join("filler");
    let group = ok(&home, TRAIN).lines().next().unwrap().to_owned();
    // All that is left is taken away while the jobs run.
    let _ = std::fs::write(&filler, vec![0_u8; 24 << 20]);
    let outcome = lightbox(&home, &["queue", "watch", &group]);
    let text = said(&outcome);
    assert!(!text.contains("panicked"), "{text}");
    if !outcome.status.success() {
        let named = ["No space left", "full", "cannot", "SIGBUS"].iter().any(|word| text.contains(word));
        assert!(named, "{text}");
    }
    // No command panics or hangs, and each says what it cannot do.
    for arguments in [&["queue", "list", "--all"][..], &["runs", "list"], &["daemon", "status"], &["store", "rebuild"]]
    {
        let text = said(&lightbox(&home, arguments));
        assert!(!text.contains("panicked"), "{arguments:?}: {text}");
    }
    std::fs::remove_file(&filler).unwrap();
    ok(&home, &["store", "rebuild"]);
    let _ = lightbox(&home, &["queue", "retry", &group]);
    ok(&home, &["queue", "watch", &group]);
    ok(&home, &["results"]);
    ok(&home, &["daemon", "stop"]);
    drop(small);
}

#[test]
fn a_home_that_cannot_be_written() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("home");
    let Some(small) = Small::mount(&home, "64m") else {
        eprintln!("this user may not mount a small file system: not tested");
        return;
    };
    with_data(&home, &folder.path().join("images"));
    ok(&home, &[TRAIN, &["--wait"]].concat());
    ok(&home, &["daemon", "stop"]);
    small.remount("ro");
    let listed = lightbox(&home, &["runs", "list"]);
    assert!(listed.status.success(), "what is there can be read: {}", said(&listed));
    for arguments in [TRAIN, &["queue", "list"], &["store", "rebuild"]] {
        let output = lightbox(&home, arguments);
        let text = said(&output);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {text}");
        assert!(text.contains("Read-only file system") && !text.contains("panicked"), "{arguments:?}: {text}");
    }
    small.remount("rw");
    ok(&home, &["queue", "list"]);
    ok(&home, &["daemon", "stop"]);
}

#[test]
fn a_damaged_index_torn_events_and_a_clock_that_jumped_back() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("home");
    std::fs::create_dir_all(&home).unwrap();
    with_data(&home, &folder.path().join("images"));
    let group = ok(&home, &[TRAIN, &["--wait"]].concat()).lines().next().unwrap().to_owned();
    let runs = json(&home, &["runs", "list"]);
    ok(&home, &["daemon", "stop"]);

    // An index of noise: the daemon mends it, and no run is lost.
    std::fs::write(home.join("index.sqlite"), [7_u8; 9000]).unwrap();
    ok(&home, &["daemon", "start"]);
    assert_eq!(json(&home, &["runs", "list"]), runs);
    ok(&home, &["daemon", "stop"]);
    std::fs::write(home.join("index.sqlite"), b"SQLite format 3\0 and then nothing").unwrap();
    ok(&home, &["store", "rebuild"]);
    assert_eq!(json(&home, &["runs", "list"]), runs);

    // The last event is torn: the run counts as not finished, and is finished again with the same bits.
    let run = PathBuf::from(runs[0]["path"].as_str().unwrap());
    let predictions = std::fs::read(run.join("predictions.csv")).unwrap();
    let events = std::fs::read_to_string(run.join("events.jsonl")).unwrap();
    let torn = &events[..events.trim_end().len() - 9];
    std::fs::write(run.join("events.jsonl"), torn).unwrap();
    // The clock was far ahead when the job was queued, and is right again now.
    let entry = std::fs::read_to_string(run.join("queue.json")).unwrap();
    let mut entry: Value = serde_json::from_str(&entry).unwrap();
    entry["order"] = (entry["order"].as_i64().unwrap() * 2).into();
    std::fs::write(run.join("queue.json"), entry.to_string()).unwrap();
    ok(&home, &["store", "rebuild"]);
    ok(&home, &["queue", "watch", &group]);
    assert_eq!(std::fs::read(run.join("predictions.csv")).unwrap(), predictions);
    let whole = std::fs::read_to_string(run.join("events.jsonl")).unwrap();
    assert!(whole.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()), "{whole}");

    // A queue entry of noise is named, and the other jobs go on.
    std::fs::write(run.join("queue.json"), "{ not json").unwrap();
    ok(&home, &["daemon", "stop"]);
    let rebuilt = said(&lightbox(&home, &["store", "rebuild"]));
    assert!(rebuilt.contains("queue.json"), "{rebuilt}");
    ok(&home, &[TRAIN, &["--wait"]].concat());
    let status = ok(&home, &["daemon", "status"]);
    assert!(status.contains("queue.json"), "{status}");
    ok(&home, &["daemon", "stop"]);
}

#[test]
fn two_clients_and_a_script_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("home");
    std::fs::create_dir_all(&home).unwrap();
    with_data(&home, &folder.path().join("images"));
    ok(&home, &["queue", "pause"]);
    let groups: Vec<String> = (0..3).map(|_| ok(&home, TRAIN).lines().next().unwrap().to_owned()).collect();
    std::thread::scope(|scope| {
        for turn in 0..3 {
            let (home, groups) = (&home, &groups);
            scope.spawn(move || {
                for step in 0..4_usize {
                    let group = groups[(turn + step) % 3].as_str();
                    let call: &[&str] = match (turn + step) % 4 {
                        0 => &["queue", "move", group, "--first"],
                        1 => &["queue", "move", group, "--priority", "2"],
                        2 => &["queue", "pause", group],
                        _ => &["queue", "resume", group],
                    };
                    ok(home, call);
                }
            });
        }
    });
    let jobs = json(&home, &["queue", "list"]);
    let names: std::collections::BTreeSet<&str> =
        jobs.as_array().unwrap().iter().map(|job| job["run"].as_str().unwrap()).collect();
    assert_eq!((jobs.as_array().unwrap().len(), names.len()), (6, 6), "each job is there once: {jobs}");
    let (first, rest) = groups.split_first().unwrap();
    ok(&home, &["queue", "cancel", first]);
    for group in rest {
        ok(&home, &["queue", "resume", group]);
    }
    ok(&home, &["queue", "resume"]);
    for group in rest {
        ok(&home, &["queue", "watch", group]);
    }
    let cancelled = json(&home, &["queue", "list", first]);
    assert!(cancelled.as_array().unwrap().iter().all(|job| job["state"] == "cancelled"), "{cancelled}");
    ok(&home, &["daemon", "stop"]);
}

#[test]
fn runs_that_are_removed_or_brought_from_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let (home, other) = (folder.path().join("home"), folder.path().join("other"));
    std::fs::create_dir_all(&home).unwrap();
    with_data(&home, &folder.path().join("images"));
    ok(&home, &["queue", "pause"]);
    let group = ok(&home, TRAIN).lines().next().unwrap().to_owned();
    let runs = json(&home, &["runs", "list"]);
    let path = |at: usize| runs[at]["path"].as_str().unwrap().to_owned();
    let name = |at: usize| runs[at]["run"].as_str().unwrap().to_owned();

    // A queued run that was copied elsewhere does not start there by itself.
    ok(&other, &["runs", "import", &path(0)]);
    ok(&other, &["daemon", "start"]);
    assert_eq!(json(&other, &["queue", "list", "--all"]).as_array().unwrap().len(), 0);
    assert_eq!(json(&other, &["runs", "list"])[0]["run"], name(0).as_str());
    ok(&other, &["daemon", "stop"]);

    // One that is removed leaves the queue, and one that runs is not removed.
    ok(&home, &["runs", "remove", &name(0), "--yes"]);
    assert_eq!(json(&home, &["queue", "list"]).as_array().unwrap().len(), 1);
    ok(&home, &["queue", "resume"]);
    ok(&home, &["queue", "watch", &group]);
    assert_eq!(json(&home, &["runs", "list"]).as_array().unwrap().len(), 1);
    ok(&home, &["daemon", "stop"]);
}
