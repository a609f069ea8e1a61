//! `data check --dedup`: the training copies of test images go, the rest stays, and what comes later keeps to it.

#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::path::Path;

use lightbox_tests::{bmp, class_folders, lightbox, refused, said, write};
use serde_json::Value;

fn json(home: &Path, arguments: &[&str]) -> Value {
    let output = lightbox(home, &[&["--json", "--quiet"], arguments].concat());
    assert!(output.status.success(), "{arguments:?}: {}", said(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Pictures 0 to 9 of each class in training, 100 to 103 in test, and of class b copies of two test images in training.
fn with_copies(root: &Path) {
    for (class, salt) in [("a", 0), ("b", 50)] {
        for n in 0..10 {
            write(&root.join(format!("train/{class}/{n}.bmp")), &bmp(24, salt + n));
        }
        for n in 0..4 {
            write(&root.join(format!("test/{class}/{n}.bmp")), &bmp(24, 100 + salt + n));
        }
    }
    for (copy, of) in [("x", 0), ("y", 0), ("z", 1)] {
        std::fs::copy(root.join(format!("test/b/{of}.bmp")), root.join(format!("train/b/{copy}.bmp"))).unwrap();
    }
}

#[test]
fn training_copies_are_dropped_and_stay_dropped() {
    let (home, data) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (home, root) = (home.path(), data.path());
    with_copies(root);
    json(home, &["data", "add", &root.display().to_string(), "--name", "d"]);
    let before = json(home, &["data", "check", "d"]);
    let crossing = &before["report"]["crossings"][0];
    assert_eq!((crossing["exact"].as_array().unwrap().len(), &crossing["copied"]), (2, &Value::from(3)));

    let output = lightbox(home, &["data", "check", "d", "--dedup", "--quiet"]);
    let text = said(&output);
    assert!(output.status.success(), "{text}");
    for part in [
        "LEAKAGE: 2 of 8 test images decode to the same pixels as a training image (2 are byte-identical files); 3 training \
         images are such copies",
        "dropped 3 copies of test images",
        "13 → 10",
        "23 → 20",
        "datasets/d/dedup.json",
    ] {
        assert!(text.contains(part), "{part:?} is not in: {text}");
    }

    // What comes later works on the list without the copies.
    let shown = json(home, &["data", "show", "d"]);
    assert_eq!(shown["dropped"], 3);
    assert_eq!(shown["summary"]["total"]["train"], 20);
    assert_eq!(shown["summary"]["total"]["test"], 8);
    let after = json(home, &["data", "check", "d"]);
    assert_eq!(after["report"]["crossings"][0]["exact"], serde_json::json!([]));
    assert_eq!(after["left_out"], 3);
    let file = home.join("split.csv");
    json(home, &["data", "split", "d", "--folds", "2", "--out", &file.display().to_string()]);
    let split = std::fs::read_to_string(file).unwrap();
    assert_eq!(split.lines().count(), 1 + 2 * 28);
    assert!(!split.contains("train/b/x.bmp") && split.contains("test/b/0.bmp"), "{split}");

    // Again is the same, and without the record all are back.
    json(home, &["data", "check", "d", "--dedup"]);
    assert_eq!(json(home, &["data", "show", "d"])["dropped"], 3);
    std::fs::remove_file(home.join("datasets/d/dedup.json")).unwrap();
    assert_eq!(json(home, &["data", "show", "d"])["summary"]["total"]["train"], 23);
}

#[test]
fn training_uses_the_list_without_the_copies() {
    let (home, data) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (home, root) = (home.path(), data.path());
    with_copies(root);
    json(home, &["data", "add", &root.display().to_string(), "--name", "d"]);
    json(home, &["data", "check", "d", "--dedup"]);
    let train = "train --data d --model small-cnn --epochs 1 --batch-size 8 --image-size 32 --threads 1 --device cpu";
    let output = lightbox(home, &train.split(' ').collect::<Vec<_>>());
    assert!(output.status.success(), "{}", said(&output));
    let group = String::from_utf8(output.stdout).unwrap().lines().next().unwrap().to_owned();
    let run = json(home, &["runs", "show", &group])[0]["path"].as_str().unwrap().to_owned();
    let split = std::fs::read_to_string(Path::new(&run).join("split.csv")).unwrap();
    assert_eq!(split.lines().count(), 1 + 28, "{split}");
    for copy in ["x", "y", "z"] {
        assert!(!split.contains(&format!("train/b/{copy}.bmp")), "{split}");
    }
}

#[test]
fn a_class_that_would_end_empty_is_an_error() {
    let (home, data) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (home, root) = (home.path(), data.path());
    class_folders(&root.join("train"), &["a"], 4);
    for n in 0..3 {
        write(&root.join(format!("train/b/{n}.bmp")), &bmp(24, 50 + n));
        write(&root.join(format!("test/b/{n}.bmp")), &bmp(24, 50 + n));
        write(&root.join(format!("test/a/{n}.bmp")), &bmp(24, 90 + n));
    }
    json(home, &["data", "add", &root.display().to_string(), "--name", "d"]);
    let words = ["class \"b\" of \"d\" without training images", "all 3 of them are copies"];
    refused(home, &["data", "check", "d", "--dedup", "--quiet"], &words);
    assert_eq!(json(home, &["data", "show", "d"])["dropped"], 0);
}

#[test]
fn a_dataset_without_a_test_part_is_refused() {
    let (home, data) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    class_folders(data.path(), &["a", "b"], 4);
    json(home.path(), &["data", "add", &data.path().display().to_string(), "--name", "d"]);
    refused(home.path(), &["data", "check", "d", "--dedup"], &["no test part"]);
}
