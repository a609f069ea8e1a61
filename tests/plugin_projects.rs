//! A plugin that `plugins new` began is what its README says: it builds, passes the checks, installs, explains, is refused
//! once it was changed, and goes away.

#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use lightbox_tests::home::Home;
use lightbox_tests::pty::Kind;
use lightbox_tests::{command, lightbox, said};
use serde_json::Value;

fn ok(output: Output) -> String {
    assert!(output.status.success(), "{}", said(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// A new project in `work`.
fn begin(home: &Path, work: &Path, name: &str, language: &str) -> PathBuf {
    let arguments = ["plugins", "new", name, "--kind", "cam", "--lang", language];
    ok(command(home, &arguments).current_dir(work).output().unwrap());
    work.join(name)
}

/// The libraries of a method in Rust and one in C.
fn build(home: &Path, work: &Path) -> [PathBuf; 2] {
    let rust = begin(home, work, "strong-cam", "rust");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.current_dir(&rust).args(["build", "--release", "--offline"]).env_remove("CARGO_TARGET_DIR");
    ok(cargo.output().unwrap());
    let c = begin(home, work, "plain-cam", "c");
    ok(Command::new("make").current_dir(&c).output().unwrap());
    [rust.join("target/release/libstrong_cam.so"), c.join("plain-cam.so")]
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

/// A group of networks trained on a few phantoms, and an image.
fn trained(home: &Path) -> (String, String) {
    let folder = text(&home.join("phantoms"));
    ok(lightbox(home, &["data", "phantom", "skin", "--out", &folder, "--images", "24", "--size", "32", "--seed", "1"]));
    ok(lightbox(home, &["data", "add", &folder, "--name", "skin"]));
    let train = "--quiet train --wait --data skin --model small-cnn --folds 2 --epochs 1 --batch-size 8 --threads 1";
    let group = ok(lightbox(home, &train.split(' ').collect::<Vec<_>>()));
    (group.lines().next().unwrap().to_owned(), format!("{folder}/images/skin_00000.png"))
}

#[test]
fn new_cams_pass_the_checks_install_explain_and_go_away() {
    let place = tempfile::tempdir().unwrap();
    let (home, work) = (place.path().join("home"), place.path().join("work"));
    std::fs::create_dir_all(&work).unwrap();
    let libraries = build(&home, &work);
    for library in &libraries {
        let size = std::fs::metadata(library).unwrap().len();
        assert!(size < 1 << 20, "{} has {size} bytes", library.display());
        let checks = lightbox(&home, &["--json", "plugins", "check", &text(library)]);
        let record: Value = serde_json::from_slice(&checks.stdout).unwrap_or_else(|_| panic!("{}", said(&checks)));
        let verdicts = record["report"]["checks"].as_array().unwrap();
        assert!(verdicts.iter().all(|check| check["verdict"] != "error" && check["verdict"] != "warning"), "{record}");
        ok(lightbox(&home, &["plugins", "install", &text(library)]));
    }
    let list = ok(lightbox(&home, &["plugins", "list"]));
    assert!(list.contains("strong-cam") && list.contains("plain-cam"), "{list}");

    let shown = ok(lightbox(&home, &["plugins", "show", "strong-cam"]));
    assert!(shown.contains("parameter  keep = 1.0 (float, 0.01 to 1)"), "{shown}");

    let (group, image) = trained(&home);
    let out = place.path().join("out");
    let explain = ["explain", &image, "--run", &group, "--out", &text(&out), "--raw", "--method"];
    ok(lightbox(&home, &[&explain[..], &["gradcam,strong-cam,plain-cam"]].concat()));
    let map = |method: &str| std::fs::read(out.join(format!("skin_00000.{method}.npy"))).unwrap();
    // With their defaults both are Grad-CAM, summed in another order.
    let floats = |bytes: &[u8]| -> Vec<f32> {
        let start = bytes.iter().position(|b| *b == b'\n').unwrap() + 1;
        bytes[start..].chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect()
    };
    let shipped = floats(&map("gradcam"));
    for method in ["strong-cam", "plain-cam"] {
        let own = floats(&map(method));
        let apart = shipped.iter().zip(&own).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(own.len() == shipped.len() && apart < 1e-4, "{method}: {apart}");
    }
    let refused = lightbox(&home, &[&explain[..], &["strong-cam", "--param", "keep=2"]].concat());
    assert_eq!(refused.status.code(), Some(2), "{}", said(&refused));

    let installed = home.join("plugins/plain-cam.so");
    let mut bytes = std::fs::read(&installed).unwrap();
    bytes.push(0);
    std::fs::write(&installed, bytes).unwrap();
    let list = said(&lightbox(&home, &["plugins", "list"]));
    assert!(list.contains("was changed since") && list.contains("strong-cam"), "{list}");
    for id in ["org.example.plain-cam", "org.example.strong-cam"] {
        ok(lightbox(&home, &["plugins", "remove", id]));
    }
    let list = said(&lightbox(&home, &["plugins", "list"]));
    assert!(!list.contains("strong-cam") && !list.contains("plain-cam"), "{list}");
    ok(lightbox(&home, &["daemon", "stop"]));
}

/// A method whose author chose other flags than the template's: without optimisation, and with panics that end the process.
#[test]
fn a_cam_with_other_flags_passes_the_checks() {
    let place = tempfile::tempdir().unwrap();
    let (home, work) = (place.path().join("home"), place.path().join("work"));
    std::fs::create_dir_all(&work).unwrap();
    let rust = begin(&home, &work, "strong-cam", "rust");
    let flags: [&[(&str, &str)]; 2] = [
        &[("CARGO_PROFILE_RELEASE_OPT_LEVEL", "0"), ("CARGO_PROFILE_RELEASE_LTO", "off")],
        &[("CARGO_PROFILE_RELEASE_PANIC", "abort")],
    ];
    for flags in flags {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.current_dir(&rust).args(["build", "--release", "--offline"]).env_remove("CARGO_TARGET_DIR");
        ok(cargo.envs(flags.iter().copied()).output().unwrap());
        let library = text(&rust.join("target/release/libstrong_cam.so"));
        let checks = ok(lightbox(&home, &["--json", "plugins", "check", &library]));
        let record: Value = serde_json::from_str(&checks).unwrap();
        let verdicts = record["report"]["checks"].as_array().unwrap();
        assert!(
            verdicts.len() > 12 && verdicts.iter().all(|check| check["verdict"] != "warning"),
            "{flags:?}: {record}"
        );
    }
}

#[test]
fn the_parameters_of_a_method_of_a_third_party_are_shown_and_checked_on_the_screen() {
    let home = Home::trained();
    let project = begin(&home.path(), home.folder.path(), "plain-cam", "c");
    ok(Command::new("make").current_dir(&project).output().unwrap());
    ok(lightbox(&home.path(), &["plugins", "install", &text(&project.join("plain-cam.so"))]));
    let mut terminal = home.open(Kind::Kitty, (150, 44), &[]);
    terminal.wait_for("1 Studies");
    terminal.send("5");
    terminal.wait_for("plain-cam");
    terminal.send("4");
    terminal.wait_for("raw peak");
    terminal.send("m");
    terminal.wait_for("Enter choose");
    terminal.send("plain-cam\r");
    terminal.wait_until_gone("Enter choose");
    terminal.wait_for("raw peak");
    terminal.send("P");
    terminal.wait_for("Parameters of plain-cam");
    terminal.send("\x152");
    terminal.wait_for("is not one of: true, false");
    terminal.send("\x13");
    terminal.wait_for("Parameters of plain-cam");
    terminal.send("\x15true\x13");
    terminal.wait_until_gone("Parameters of plain-cam");
    terminal.wait_for("positive=true");
    terminal.wait_for("raw peak");
    terminal.send("Q");
    assert_eq!(terminal.end(), 0);
}
