//! The C of the author's guide compiles without a warning, each block by itself, and the header serves C++ too.

#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::path::Path;
use std::process::Command;

#[test]
fn the_c_of_the_guide_compiles() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let guide = std::fs::read_to_string(here.join("../../docs/plugins.md")).unwrap();
    let blocks: Vec<&str> = guide.split("```c\n").skip(1).filter_map(|part| part.split("```").next()).collect();
    assert!(blocks.len() >= 3, "only {} blocks were found", blocks.len());
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("block.c");
    for block in blocks {
        std::fs::write(&source, block).unwrap();
        let output = Command::new("cc")
            .args(["-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", "-fsyntax-only", "-I"])
            .args([&here.join("include"), &source])
            .output()
            .unwrap();
        assert!(output.status.success(), "{block}\n{}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn the_header_is_cpp_as_well() {
    let include = Path::new(env!("CARGO_MANIFEST_DIR")).join("include");
    let output = Command::new("c++")
        .args(["-std=c++17", "-Wall", "-Wextra", "-Werror", "-pedantic", "-fsyntax-only", "-x", "c++"])
        .arg(include.join("lightbox_plugin.h"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
