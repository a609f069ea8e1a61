//! What `lightbox plugins new` writes builds by itself, passes its own tests, and is what the guide shows.

#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

/// `lightbox plugins new ARGUMENTS` in a folder.
fn new(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lightbox"));
    command.current_dir(folder).arg("--home").arg(folder.join("home")).args(["plugins", "new"]).args(arguments);
    command.output().unwrap()
}

/// A new project, `my-cam` or another name.
fn project(folder: &Path, name: &str, kind: &str, language: &str) -> PathBuf {
    let output = new(folder, &[name, "--kind", kind, "--lang", language]);
    assert!(output.status.success(), "{output:?}");
    folder.join(name)
}

fn ok(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{command:?}: {}{said}", String::from_utf8_lossy(&output.stdout));
    String::from_utf8_lossy(&output.stdout).into_owned() + &said
}

/// Cargo as an author runs it: nothing of this test's surroundings, and no network.
fn cargo(project: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO"));
    command.current_dir(project).args(arguments).arg("--offline");
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        if ["CARGO_TARGET_DIR", "CARGO_BUILD_TARGET_DIR", "RUSTFLAGS"].contains(&name.as_str())
            || name.starts_with("CARGO_PKG_")
            || name.starts_with("CARGO_PROFILE_")
        {
            command.env_remove(name);
        }
    }
    command
}

#[test]
fn a_cam_in_rust_builds_small_and_without_a_warning_and_passes_its_tests() {
    let folder = tempfile::tempdir().unwrap();
    let project = project(folder.path(), "my-cam", "cam", "rust");
    // The tests of a release profile share what the library is built of.
    let said = ok(&mut cargo(&project, &["test", "--release"]));
    assert!(said.contains("2 passed") && !said.contains("warning"), "{said}");
    let said = ok(&mut cargo(&project, &["build", "--release"]));
    assert!(!said.contains("warning"), "{said}");
    let library = project.join("target/release/libmy_cam.so");
    let size = std::fs::metadata(&library).unwrap().len();
    assert!(size < 1 << 20, "{size} bytes");
    let lock: toml::Table = std::fs::read_to_string(project.join("Cargo.lock")).unwrap().parse().unwrap();
    let packages = lock["package"].as_array().unwrap();
    assert!(packages.iter().all(|package| package.get("source").is_none()), "{packages:?}");
}

#[test]
fn a_cam_in_c_builds_without_a_warning_and_its_header_serves_cpp() {
    let folder = tempfile::tempdir().unwrap();
    let project = project(folder.path(), "tiny-2", "cam", "c");
    ok(Command::new("make").current_dir(&project));
    assert!(project.join("tiny-2.so").exists());
    let strict = ["-Wall", "-Wextra", "-Werror", "-pedantic"];
    ok(Command::new("cc").current_dir(&project).arg("-std=c99").args(strict).args([
        "-fPIC",
        "-shared",
        "-o",
        "strict.so",
        "tiny-2.c",
    ]));
    let source = "#include \"lightbox_plugin.h\"\nint main() { return sizeof(lightbox_entry) == 0; }\n";
    std::fs::write(project.join("uses.cpp"), source).unwrap();
    ok(Command::new("c++").current_dir(&project).arg("-std=c++17").args(strict).args(["-o", "uses", "uses.cpp"]));
    ok(&mut Command::new(project.join("uses")));
}

#[test]
fn a_model_in_rust_needs_only_torch_from_elsewhere() {
    let folder = tempfile::tempdir().unwrap();
    let project = project(folder.path(), "tiny-net", "model", "rust");
    // Building it takes libtorch; that every file it names is there does not.
    let manifests = ["", "vendor/lightbox-abi", "vendor/lightbox-plugin", "vendor/lightbox-plugin-torch"];
    let mut elsewhere = Vec::new();
    for crate_folder in manifests.map(|path| project.join(path)) {
        let manifest: toml::Table = std::fs::read_to_string(crate_folder.join("Cargo.toml")).unwrap().parse().unwrap();
        assert!(crate_folder.join("src/lib.rs").exists(), "{}", crate_folder.display());
        for (name, needed) in manifest["dependencies"].as_table().unwrap() {
            match needed.get("path").and_then(|path| path.as_str()) {
                Some(path) => assert!(crate_folder.join(path).join("Cargo.toml").exists(), "{name}: {path}"),
                None => elsewhere.push(name.clone()),
            }
        }
    }
    elsewhere.sort();
    elsewhere.dedup();
    assert_eq!(elsewhere, ["tch", "torch-sys"]);
    assert!(std::fs::read_to_string(project.join("README.md")).unwrap().contains("LIBTORCH"));
}

#[test]
fn what_cannot_be_begun_is_refused_with_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("here"), "").unwrap();
    let cases: [(&[&str], &str); 5] = [
        (&["here", "--kind", "cam", "--lang", "c"], "here exists already"),
        (&["My-Cam", "--kind", "cam", "--lang", "rust"], "lower-case letters, digits and dashes"),
        (&["../up", "--kind", "cam", "--lang", "rust"], "lower-case letters, digits and dashes"),
        (&["std", "--kind", "cam", "--lang", "rust"], "choose another one"),
        (&["net", "--kind", "model", "--lang", "c"], "use `--lang rust`"),
    ];
    for (arguments, words) in cases {
        let output = new(folder.path(), arguments);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.starts_with("error: ") && said.contains(words) && output.stdout.is_empty(), "{said}");
    }
    let left: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    let others: Vec<_> = left.iter().filter(|name| *name != "home").collect();
    assert_eq!(others, ["here"]);
}

#[test]
fn the_next_commands_are_said_and_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let output = new(folder.path(), &["my-cam", "--kind", "cam", "--lang", "rust"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("lightbox plugins install target/release/libmy_cam.so"), "{said}");
    let output = new(folder.path(), &["other", "--kind", "cam", "--lang", "c", "--json"]);
    let record: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(record["next"][1], "make");
    for file in record["files"].as_array().unwrap() {
        assert!(folder.path().join("other").join(file.as_str().unwrap()).exists(), "{file}");
    }
}

/// The guide shows the method in Rust whole: one block is the file up to its tests, another one the tests.
#[test]
fn the_guide_shows_what_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let project = project(folder.path(), "my-cam", "cam", "rust");
    let written = std::fs::read_to_string(project.join("src/lib.rs")).unwrap();
    let guide = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("docs/plugins.md");
    let guide = std::fs::read_to_string(guide).unwrap();
    let blocks: Vec<&str> = guide.split("```rust\n").skip(1).filter_map(|part| part.split("\n```\n").next()).collect();
    let tests = blocks.iter().find(|block| block.starts_with("#[cfg(test)]")).unwrap();
    let own_comment = written.find("use ").unwrap();
    assert_eq!(format!("{}\n\n{tests}\n", blocks[0]), written[own_comment..]);
}
