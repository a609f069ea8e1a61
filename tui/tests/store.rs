//! Runs are listed the same from the index, after it was damaged, and without one.

#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

/// What a call of the program printed: standard output and error.
fn lightbox(home: &Path, arguments: &[&str]) -> (String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lightbox"));
    let output = command.args(arguments).arg("--home").arg(home).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    let (out, error) = (text(output.stdout), text(output.stderr));
    assert!(output.status.success(), "{arguments:?}: {out}{error}");
    (out, error)
}

/// Makes the directory of an explanation in `folder`.
fn make(folder: &Path, run: &str) -> PathBuf {
    let path = folder.join(run);
    fs::create_dir_all(&path).unwrap();
    let config = json!({
        "format": 1, "run": run, "group": "g-one", "study": null,
        "job": {
            "kind": "explain-eval", "parent": "parent", "methods": ["gradcam"], "parameters": {}, "metrics": ["road"],
            "dataset": {"name": "brain", "fingerprint": "f", "classes": ["a"], "positive": null, "grouped": true},
            "layers": [], "target": "predicted", "part": "test", "limit": null, "road_percentiles": [10.0],
            "road_ties": "rank", "keep_maps": false, "seed": 3, "batch_size": 8, "threads": 1, "device": "cpu",
        },
    });
    fs::write(path.join("config.json"), config.to_string()).unwrap();
    path
}

fn event(run: &Path, fields: &str) {
    use std::io::Write;
    let mut file = fs::OpenOptions::new().create(true).append(true).open(run.join("events.jsonl")).unwrap();
    writeln!(file, "{{\"time\":1.5,\"attempt\":1,\"step\":0,{fields}}}").unwrap();
}

#[test]
fn the_list_is_the_same_with_a_fresh_a_damaged_and_no_index() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().canonicalize().unwrap();
    let runs = home.join("runs");
    let (first, second) = (make(&runs, "20260101-000000-a-abcd"), make(&runs, "20260101-000001-b-abcd"));
    event(&first, r#""event":"failed","error":"no memory""#);
    let list = || serde_json::from_str::<Value>(&lightbox(&home, &["runs", "list", "--json"]).0).unwrap();
    let row = |path: &Path, status: &str, error: Option<&str>| {
        json!({
            "run": path.file_name().unwrap().to_str(), "group": "g-one", "study": null, "kind": "explain-eval",
            "model": "parent", "dataset": "brain", "fold": null, "status": status, "error": error, "path": path,
        })
    };
    assert_eq!(list(), json!([row(&first, "failed", Some("no memory")), row(&second, "queued", None)]));
    assert!(home.join("index.sqlite").is_file());

    // What happened since the last look is seen, also to a run that had failed.
    event(&first, r#""event":"finished""#);
    event(&second, r#""event":"interrupted""#);
    let third = make(&runs, "20260101-000002-c-abcd");
    let expected =
        json!([row(&first, "finished", None), row(&second, "interrupted", None), row(&third, "queued", None)]);
    assert_eq!(list(), expected);

    fs::write(home.join("index.sqlite"), "this was a database, before the disk broke").unwrap();
    let (table, notes) = lightbox(&home, &["runs", "list"]);
    assert!(notes.contains("damaged") && table.lines().count() == 4, "{table}{notes}");
    assert!(home.join("index.sqlite.damaged-1").is_file());
    assert_eq!(list(), expected);

    // No index can be made where a folder stands.
    fs::remove_file(home.join("index.sqlite")).unwrap();
    fs::create_dir(home.join("index.sqlite")).unwrap();
    let (again, notes) = lightbox(&home, &["runs", "list"]);
    assert!(again == table && notes.contains("reading the run directories"), "{again}{notes}");
    fs::remove_dir(home.join("index.sqlite")).unwrap();

    // Directories that came or went.
    let copied = make(&home.join("elsewhere"), "20260101-000003-d-abcd");
    lightbox(&home, &["runs", "import", copied.to_str().unwrap()]);
    lightbox(&home, &["runs", "remove", "20260101-000000-a-abcd", "--yes"]);
    assert_eq!(lightbox(&home, &["runs", "list"]).0.lines().count(), 4);
}

#[test]
fn a_rebuild_counts_the_runs_and_names_what_it_passed_over() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().canonicalize().unwrap();
    make(&home.join("runs"), "20260101-000000-a-abcd");
    let bad = make(&home.join("runs"), "20260101-000001-b-abcd");
    fs::write(bad.join("config.json"), "{\"format\": 7").unwrap();
    let (out, notes) = lightbox(&home, &["store", "rebuild"]);
    assert_eq!(out, "1 run\n");
    assert!(notes.contains(&format!("passed over {}: ", bad.display())), "{notes}");
    let (out, _) = lightbox(&home, &["store", "rebuild", "--json"]);
    let record: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(record["runs"], 1);
    assert_eq!(record["passed_over"][0]["path"], json!(bad));
    assert!(!record["passed_over"][0]["reason"].as_str().unwrap().is_empty());
}
