//! The plugins of `plugins/examples` in users' hands: installed, two of them trained, and all asked to explain.

#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use lightbox_tests::{build_folder, lightbox, project_root, said};

fn ok(output: Output) -> String {
    assert!(output.status.success(), "{}", said(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// Runs a command line whose words hold no blanks.
fn run(home: &Path, line: &str) -> String {
    ok(lightbox(home, &line.split_whitespace().collect::<Vec<_>>()))
}

/// The libraries: those in Rust as cargo built them, those in C and C++ by the command that their READMEs give.
fn libraries(folder: &Path) -> Vec<PathBuf> {
    let rust = ["cam_rust", "cam_torch", "contrastive", "lime", "model_rust"];
    let mut all: Vec<PathBuf> = rust.iter().map(|name| build_folder().join(format!("libexample_{name}.so"))).collect();
    for (name, compiler) in [("cam-c", "cc "), ("model-cpp", "c++ ")] {
        let place = project_root().join("plugins/examples").join(name);
        let readme = std::fs::read_to_string(place.join("README.md")).unwrap();
        let line = readme.lines().find(|line| line.starts_with(compiler)).unwrap();
        let library = folder.join(format!("{name}.so"));
        let line = line.replace(&format!("-o {name}.so"), &format!("-o '{}'", library.display()));
        // The build's own LIBTORCH, from cargo's settings or the environment.
        let done = Command::new("sh").args(["-c", &line]).current_dir(&place).output().unwrap();
        assert!(done.status.success(), "{line}: {}", String::from_utf8_lossy(&done.stderr));
        all.push(library);
    }
    all
}

/// Four bytes each of an array file of f32.
fn floats(file: &Path) -> Vec<f32> {
    let bytes = std::fs::read(file).unwrap();
    let start = bytes.iter().position(|b| *b == b'\n').unwrap() + 1;
    bytes[start..].chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect()
}

/// A group of two folds, one epoch each.
fn train(home: &Path, model: &str) -> String {
    let group = run(
        home,
        &format!(
            "--quiet train --wait --data skin {model} --folds 2 --epochs 1 --batch-size 8 --image-size 32 --threads 1"
        ),
    );
    group.lines().next().unwrap().to_owned()
}

#[test]
fn examples_install_train_and_explain_at_any_layer() {
    let place = tempfile::tempdir().unwrap();
    let (home, out) = (place.path().join("home"), place.path().join("out"));
    std::fs::create_dir_all(&home).unwrap();
    for library in libraries(place.path()) {
        run(&home, &format!("plugins install {}", library.display()));
    }
    let list = run(&home, "plugins list");
    let methods = ["gradcam-c", "recipro-cam", "eigengradcam-torch", "contrastive", "lime-grid"];
    for id in methods.iter().chain(&["small-resnet", "small-cnn-cpp"]) {
        assert!(list.contains(id), "{id}: {list}");
    }

    let phantoms = home.join("phantoms");
    run(&home, &format!("data phantom skin --out {} --images 24 --size 32 --seed 1", phantoms.display()));
    run(&home, &format!("data add {} --name skin", phantoms.display()));
    let image = phantoms.join("images/skin_00000.png");
    let groups = [
        (train(&home, "--model small-resnet --option shortcut=average --option width=4"), "layer2"),
        (train(&home, "--model small-cnn-cpp --option dropout=0.1"), "features.1"),
        // Images of one channel.
        (train(&home, "--model small-resnet --channels 1"), "layer2"),
    ];
    for (place, (group, layer)) in groups.iter().enumerate() {
        let folder = out.join(place.to_string());
        let explain = |layer: &str, methods: &str, folder: &Path| {
            let (image, folder) = (image.display(), folder.display());
            run(&home, &format!("explain {image} --run {group} --raw --out {folder} {layer} --method {methods}"));
        };
        explain(&format!("--layer {layer}"), &format!("gradcam,{}", methods.join(",")), &folder);
        let map = |folder: &Path, method: &str| floats(&folder.join(format!("skin_00000.{method}.npy")));
        for method in methods {
            let map = map(&folder, method);
            assert!(map.len() >= 64 && map.iter().all(|value| value.is_finite()), "{method} at {layer}");
        }
        // Grad-CAM in C is the shipped one, summed in another order.
        let apart = map(&folder, "gradcam").into_iter().zip(map(&folder, "gradcam-c")).map(|(a, b)| (a - b).abs());
        assert!(apart.fold(0.0, f32::max) < 1e-4, "{layer}");
        // The layer was heeded: the default one gives another map.
        let default = folder.join("default");
        explain("", "gradcam", &default);
        assert_ne!(map(&folder, "gradcam"), map(&default, "gradcam"), "{layer}");
    }
    run(&home, "daemon stop");
}
