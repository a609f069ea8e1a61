//! The project keeps its shape: dependencies point one way, and the terminal program links no libtorch.

#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use lightbox_tests::{build_folder, project_root};
use serde_json::Value;

/// What each crate may depend on within the project. A crate that is not listed here fails the test.
const ALLOWED: &[(&str, &[&str])] = &[
    ("lightbox-abi", &[]),
    ("lightbox-plugin", &["lightbox-abi"]),
    ("lightbox-plugin-torch", &["lightbox-abi", "lightbox-plugin"]),
    ("lightbox-stats", &[]),
    ("lightbox-data", &[]),
    ("lightbox-store", &[]),
    ("lightbox-phantom", &[]),
    ("lightbox-picture", &[]),
    ("lightbox-engine", &["lightbox-abi", "lightbox-data", "lightbox-picture", "lightbox-stats"]),
    ("lightbox-worker", &["lightbox-engine", "lightbox-store", "lightbox-data", "lightbox-stats"]),
    ("lightbox-scheduler", &["lightbox-store"]),
    ("lightbox-terminal", &[]),
    ("lightbox-report", &["lightbox-stats", "lightbox-store"]),
    (
        "lightbox",
        &[
            "lightbox-abi",
            "lightbox-store",
            "lightbox-scheduler",
            "lightbox-report",
            "lightbox-data",
            "lightbox-stats",
            "lightbox-phantom",
            "lightbox-picture",
            "lightbox-terminal",
        ],
    ),
    ("lightbox-models", &["lightbox-plugin", "lightbox-plugin-torch"]),
    ("lightbox-cam-math", &[]),
    ("lightbox-cams", &["lightbox-plugin", "lightbox-cam-math"]),
    ("lightbox-perturbation", &["lightbox-plugin", "lightbox-cam-math"]),
    ("lightbox-baselines", &["lightbox-plugin"]),
    ("lightbox-gradients", &["lightbox-plugin"]),
    ("lightbox-example-cam-rust", &["lightbox-plugin"]),
    ("lightbox-example-cam-torch", &["lightbox-plugin-torch"]),
    ("lightbox-example-contrastive", &["lightbox-plugin"]),
    ("lightbox-example-lime", &["lightbox-plugin"]),
    ("lightbox-example-model-rust", &["lightbox-plugin-torch"]),
];

/// Crates that only test or measure may depend on anything.
const FREE: &[&str] = &["lightbox-tests", "lightbox-benches", "lightbox-bench-interface"];

fn dependencies() -> BTreeMap<String, BTreeSet<String>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(project_root())
        .output()
        .unwrap();
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let mut all = BTreeMap::new();
    for package in metadata["packages"].as_array().unwrap() {
        let normal = package["dependencies"].as_array().unwrap().iter().filter(|d| d["kind"] != "dev");
        let names = normal.filter_map(|d| d["name"].as_str()).map(str::to_owned).collect();
        all.insert(package["name"].as_str().unwrap().to_owned(), names);
    }
    all
}

#[test]
fn dependencies_point_one_way() {
    let all = dependencies();
    let ours: BTreeSet<&String> = all.keys().collect();
    for (name, needs) in all.iter().filter(|(n, _)| !FREE.contains(&n.as_str())) {
        let (_, allowed) =
            ALLOWED.iter().find(|(n, _)| n == name).unwrap_or_else(|| panic!("{name} is not listed here"));
        for need in needs.iter().filter(|n| ours.contains(n)) {
            assert!(allowed.contains(&need.as_str()), "{name} must not depend on {need}");
        }
    }
}

#[test]
fn only_the_engine_side_knows_torch() {
    let torch = ["tch", "torch-sys"];
    let may = [
        "lightbox-plugin-torch",
        "lightbox-engine",
        "lightbox-worker",
        "lightbox-models",
        "lightbox-example-cam-torch",
        "lightbox-example-model-rust",
    ];
    for (name, needs) in dependencies().iter().filter(|(n, _)| !FREE.contains(&n.as_str())) {
        if torch.iter().any(|t| needs.contains(*t)) {
            assert!(may.contains(&name.as_str()), "{name} must not know torch");
        }
    }
}

#[test]
fn the_terminal_program_links_no_libtorch() {
    let ldd = |program: &str| {
        let output = Command::new("ldd").arg(build_folder().join(program)).output().unwrap();
        assert!(output.status.success(), "ldd {program}");
        String::from_utf8(output.stdout).unwrap()
    };
    let lightbox = ldd("lightbox");
    assert!(!lightbox.contains("torch") && !lightbox.contains("libc10"), "{lightbox}");
    let worker = ldd("lightbox-worker");
    assert!(worker.contains("libtorch_cpu.so => /") && !worker.contains("not found"), "{worker}");
}
