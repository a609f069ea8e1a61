//! The C of the author's guide compiles without a warning, each block by itself.

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
