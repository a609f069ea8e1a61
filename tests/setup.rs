//! Set-up fails in one clear sentence, and changes nothing when it fails.

#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::path::Path;
use std::process::{Command, Output};

use lightbox_tests::{project_root, said};

/// `scripts/setup.py` as it is called by the recipes, with a cache of its own.
fn setup(what: &str, cache: &Path, libtorch: &Path) -> Output {
    let mut command = Command::new("python3");
    command
        .arg(project_root().join("scripts/setup.py"))
        .arg(what)
        .env("XDG_CACHE_HOME", cache)
        .env("LIBTORCH", libtorch);
    command.output().unwrap()
}

/// Calls functions of `scripts/setup.py`; `m` holds them.
fn in_setup(cache: &Path, code: &str) -> Output {
    let path = project_root().join("scripts/setup.py").display().to_string();
    let code =
        format!("import runpy; m = runpy.run_path({path:?}); m['CACHE'].mkdir(parents=True, exist_ok=True)\n{code}");
    Command::new("python3").args(["-c", &code]).env("XDG_CACHE_HOME", cache).output().unwrap()
}

fn fails_with(output: &Output, part: &str) {
    let text = said(output);
    assert!(!output.status.success() && text.contains(part), "{text}");
    assert!(text.starts_with("error: ") && !text.contains("Traceback"), "{text}");
    assert_eq!(text.trim().lines().count(), 1, "{text}");
}

#[test]
fn an_unusable_libtorch_is_named_with_what_it_lacks() {
    let folder = tempfile::tempdir().unwrap();
    let with = |libtorch: &Path| setup("libtorch", folder.path(), libtorch);
    fails_with(&with(Path::new("/nowhere/libtorch")), "LIBTORCH is /nowhere/libtorch, which is not a folder");
    fails_with(&with(folder.path()), "has no lib/libtorch_cpu.so");
    let old = folder.path().join("old");
    for file in ["lib/libtorch_cpu.so", "lib/libc10.so", "include/torch/csrc/api/include/torch/torch.h"] {
        let path = old.join(file);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, "").unwrap();
    }
    std::fs::write(old.join("build-version"), "2.4.1+cpu\n").unwrap();
    fails_with(&with(&old), "which is libtorch 2.4.1; 2.11 is needed");
}

#[test]
fn a_missing_compiler_is_one_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let recorded = std::fs::read_to_string(project_root().join(".cargo/config.toml")).unwrap_or_default();
    let Some(libtorch) = recorded.split("value = \"").nth(1).and_then(|r| r.split('"').next()) else {
        panic!("run ./justw setup first");
    };
    let bin = folder.path().join("bin");
    std::fs::create_dir_all(&bin).unwrap();
    let output = Command::new("sh").args(["-c", "command -v python3"]).output().unwrap();
    let python = String::from_utf8(output.stdout).unwrap();
    let real = Command::new(python.trim()).args(["-c", "import sys; print(sys.executable)"]).output().unwrap();
    let real = String::from_utf8(real.stdout).unwrap();
    let output = Command::new(real.trim())
        .arg(project_root().join("scripts/setup.py"))
        .arg("libtorch")
        .env("LIBTORCH", libtorch)
        .env("PATH", &bin)
        .env_remove("CXX")
        .env("XDG_CACHE_HOME", folder.path())
        .output()
        .unwrap();
    fails_with(&output, "no C++ compiler is on the PATH");
}

#[test]
fn without_a_network_the_sentence_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let code = "m['run']([*m['pip'](), '--index-url', 'http://127.0.0.1:9/simple', '--retries', '0', 'torch==2.11.0'], \
                'installing libtorch')";
    let output = in_setup(folder.path(), code);
    let text = said(&output);
    assert!(text.contains("installing libtorch failed: the package index cannot be reached (no network?)"), "{text}");
}

#[test]
fn a_full_disk_is_said_before_anything_is_fetched() {
    let folder = tempfile::tempdir().unwrap();
    let code = "import shutil, collections\n\
                shutil.disk_usage = lambda p: collections.namedtuple('u', 'free')(100_000_000)\n\
                m['enough_space']('cpu')";
    let output = in_setup(folder.path(), code);
    let text = said(&output);
    assert!(text.contains("has 0.1 GB free and 3 GB are needed"), "{text}");
}
