//! What cannot be shown is refused with a sentence that names what there is.

#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::fs;
use std::path::Path;
use std::process::Command;

/// Exit code, standard output and error of a call.
fn lightbox(home: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lightbox"));
    let output = command.args(arguments).arg("--home").arg(home).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[test]
fn unknown_studies_and_baselines_are_wrong_usage() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path();
    let (code, _, error) = lightbox(home, &["results", "--study", "unknown"]);
    assert_eq!(code, Some(2), "{error}");
    assert!(error.contains("no study is called \"unknown\"; there is none yet"), "{error}");
    for name in ["small", "large"] {
        let study = home.join("studies").join(name);
        fs::create_dir_all(&study).unwrap();
        fs::write(study.join("study.json"), "{}").unwrap();
    }
    let (code, _, error) = lightbox(home, &["study", "show", "unknown"]);
    assert_eq!(code, Some(2), "{error}");
    assert!(error.contains("no study is called \"unknown\"; there are: large, small"), "{error}");
    let (code, _, error) = lightbox(home, &["results", "--baseline", "foo"]);
    assert_eq!(code, Some(2), "{error}");
    assert!(error.contains("baseline \"foo\" has no finished runs"), "{error}");
}

#[test]
fn markdown_is_another_word_for_md() {
    let folder = tempfile::tempdir().unwrap();
    for format in ["md", "markdown"] {
        // Refused for the study, not for the format.
        let (code, _, error) = lightbox(folder.path(), &["study", "export", "none", "--format", format]);
        assert_eq!(code, Some(2), "{error}");
        assert!(error.contains("no study is called"), "{error}");
    }
}
