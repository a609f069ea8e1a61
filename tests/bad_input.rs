//! Bad input gets one clear sentence that names file and field, and exit code 2.

#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::path::Path;

use lightbox_tests::{lightbox, said};

/// Runs a command that must be refused: exit code 2, at most two lines on standard error, and these words.
fn refused(home: &Path, arguments: &[&str], words: &[&str]) {
    let output = lightbox(home, arguments);
    let text = said(&output);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {text}");
    let error = String::from_utf8_lossy(&output.stderr);
    let lines = error.trim().lines().filter(|l| l.starts_with("error: ")).count();
    assert_eq!(lines, 1, "{arguments:?}: {text}");
    for word in words {
        assert!(text.contains(word), "{arguments:?}: {word:?} is not in: {text}");
    }
    assert!(!text.contains("panicked"), "{text}");
}

/// A dataset of tiny grey pictures in class folders.
fn class_folders(root: &Path, classes: &[&str], each: usize) {
    for class in classes {
        let folder = root.join(class);
        std::fs::create_dir_all(&folder).unwrap();
        for n in 0..each {
            std::fs::write(folder.join(format!("{n}.bmp")), bmp(24, n as u8)).unwrap();
        }
    }
}

/// An uncompressed 24-bit BMP, `side` pixels square, that differs with `salt`.
fn bmp(side: u32, salt: u8) -> Vec<u8> {
    let row = (side * 3).div_ceil(4) * 4;
    let size = 54 + row * side;
    let mut bytes = b"BM".to_vec();
    for field in [size, 0, 54, 40, side, side] {
        bytes.extend(field.to_le_bytes());
    }
    bytes.extend([1, 0, 24, 0]);
    bytes.extend([0; 24]);
    for y in 0..side {
        for x in 0..row {
            bytes.push(((x * 7 + y * 13) as u8).wrapping_mul(salt.wrapping_add(3)));
        }
    }
    bytes
}

#[test]
fn names_and_folders_that_do_not_exist() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    refused(home, &["data", "show", "nothing"], &["there is no dataset \"nothing\"", "data add"]);
    refused(home, &["data", "add", "/nowhere/at/all", "--name", "x"], &["/nowhere/at/all"]);
    refused(home, &["data", "add", "/tmp", "--name", "../x"], &["cannot be the name of a dataset"]);
    refused(home, &["train", "--model", "resnet50", "--data", "nothing"], &["nothing"]);
    refused(home, &["runs", "show", "abc"], &["no run or group is called \"abc\""]);
    refused(home, &["study", "show", "abc"], &["no study is called \"abc\""]);
}

#[test]
fn a_study_file_with_mistakes() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("s.toml");
    let study = |extra: &str| {
        let text = format!(
            "name = 's'\ndatasets = ['d']\nmodels = ['small-cnn']\nbaseline = 'small-cnn'\n[split]\nfolds = 3\n[train]\n{extra}\n"
        );
        std::fs::write(&file, text).unwrap();
    };
    let path = file.display().to_string();
    study("epcohs = 3");
    refused(
        home.path(),
        &["study", "run", &path],
        &["s.toml: line 8: unknown key \"epcohs\"; did you mean \"epochs\"?"],
    );
    study("epochs = 'three'");
    refused(home.path(), &["study", "run", &path], &["s.toml: line 8: epochs:", "string"]);
    study("lr = -1.0");
    refused(home.path(), &["study", "run", &path], &["line 8: train.lr: -1 is not a positive number"]);
    study("augment = 'flop'");
    refused(home.path(), &["study", "run", &path], &["train.augment", "flop"]);
    refused(home.path(), &["study", "run", "/nowhere.toml"], &["/nowhere.toml"]);
}

#[test]
fn a_csv_that_names_missing_files() {
    let home = tempfile::tempdir().unwrap();
    let root = tempfile::tempdir().unwrap();
    class_folders(root.path(), &["images"], 2);
    let csv = root.path().join("labels.csv");
    std::fs::write(&csv, "image,label\nimages/0.bmp,a\nimages/9.bmp,b\n").unwrap();
    let csv = csv.display().to_string();
    refused(
        home.path(),
        &["data", "add", &csv, "--name", "x", "--image-col", "image", "--label-col", "label"],
        &["labels.csv", "images/9.bmp"],
    );
    refused(
        home.path(),
        &["data", "add", &csv, "--name", "x", "--image-col", "imag", "--label-col", "label"],
        &["imag"],
    );
}

#[test]
fn flags_that_make_no_sense() {
    let home = tempfile::tempdir().unwrap();
    let root = tempfile::tempdir().unwrap();
    class_folders(root.path(), &["a", "b"], 12);
    let path = root.path().display().to_string();
    let added = lightbox(home.path(), &["data", "add", &path, "--name", "tiny"]);
    assert!(added.status.success(), "{}", said(&added));
    let train = |flags: &[&'static str]| [&["train", "--data", "tiny", "--model", "small-cnn"], flags].concat();
    refused(home.path(), &train(&["--folds", "1"]), &["fold"]);
    refused(home.path(), &train(&["--folds", "50"]), &["fold"]);
    refused(home.path(), &train(&["--lr", "0"]), &["--lr 0"]);
    refused(home.path(), &train(&["--image-size", "4"]), &["--image-size 4"]);
    refused(home.path(), &train(&["--augment", "spin"]), &["spin"]);
    refused(home.path(), &train(&["--class-weights", "1,2,3"]), &["class"]);
    refused(home.path(), &train(&["--pretrained", "/nowhere.pth"]), &["/nowhere.pth"]);
    refused(home.path(), &["train", "--data", "tiny", "--model", "resnet5"], &["did you mean \"resnet50\"?"]);
    refused(home.path(), &train(&["--folds", "2", "--split-file", "x.csv"]), &["--folds"]);
}
