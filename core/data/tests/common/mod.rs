//! What the tests share: datasets made of records, and folders made of empty files (reading a layout opens no image).

#![allow(dead_code, clippy::unwrap_used)]

use std::path::{Path, PathBuf};

use lightbox_data::{Dataset, ImageRecord};

/// A dataset of one image per entry of (label, group); group 0 means none.
pub fn records(classes: usize, images: &[(usize, usize)]) -> Dataset {
    let images = images
        .iter()
        .enumerate()
        .map(|(index, (label, group))| ImageRecord {
            id: format!("image-{index:05}.png"),
            path: PathBuf::new(),
            label: *label,
            group: (*group > 0).then(|| format!("group-{group}")),
            split: None,
            boxes: Vec::new(),
            mask: None,
        })
        .collect();
    Dataset::from_records("test", (0..classes).map(|class| format!("class-{class}")).collect(), images).unwrap()
}

/// Makes empty files below a folder.
pub fn touch(root: &Path, files: &[&str]) {
    for file in files {
        write(root, file, "");
    }
}

/// Makes one file below a folder.
pub fn write(root: &Path, file: &str, text: &str) {
    let path = root.join(file);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

/// Asks a script of `tests/oracles`: JSON in, JSON out.
pub fn ask(script: &str, question: &serde_json::Value) -> serde_json::Value {
    let python =
        std::env::var_os("LIGHTBOX_ORACLE_PYTHON").expect("run ./justw test, which sets LIGHTBOX_ORACLE_PYTHON");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/oracles").join(script);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("question.json");
    std::fs::write(&file, question.to_string()).unwrap();
    let output = std::process::Command::new(python).arg(script).arg(file).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}
