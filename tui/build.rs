//! Gathers the sources of the SDK crates, for `lightbox plugins new`: its projects build without Lightbox's own tree and
//! without a network. `include_str!` needs each file by name, and this finds the names; a crate for it would embed what
//! projects do not need as well.

use std::fmt::Write as _;
use std::io::{Error, Result};
use std::path::{Path, PathBuf};

/// The crates: name of their constant, and folder.
const CRATES: [(&str, &str); 3] = [("ABI", "core/abi"), ("SDK", "core/sdk"), ("SDK_TORCH", "core/sdk-torch")];

/// What no plugin needs: the host's side, with its dependency, and the compiled guide.
const LEFT_OUT: [&str; 2] = ["core/abi/src/metadata", "core/sdk/src/guide.rs"];

fn main() -> Result<()> {
    println!("cargo:rerun-if-changed=build.rs");
    let variable = |name| std::env::var_os(name).map(PathBuf::from).ok_or_else(|| Error::other("cargo runs this"));
    let (here, out) = (variable("CARGO_MANIFEST_DIR")?, variable("OUT_DIR")?);
    let root = here.parent().ok_or_else(|| Error::other("tui/ lies in the project"))?;
    let mut text = String::new();
    for (constant, folder) in CRATES {
        let folder = root.join(folder);
        let mut files = Vec::new();
        gather(root, &folder.join("src"), &mut files)?;
        let build = folder.join("build.rs");
        if build.exists() {
            println!("cargo:rerun-if-changed={}", build.display());
            files.push(build);
        }
        files.sort();
        let _ = writeln!(text, "pub const {constant}: &[(&str, &str)] = &[");
        for file in files {
            let name = file.strip_prefix(&folder).map_err(Error::other)?.display().to_string();
            let _ = writeln!(text, "    ({name:?}, include_str!({:?})),", file.display().to_string());
        }
        text.push_str("];\n");
    }
    std::fs::write(out.join("sdk_sources.rs"), text)
}

/// The files below a folder, apart from what is left out.
fn gather(root: &Path, folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    println!("cargo:rerun-if-changed={}", folder.display());
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if LEFT_OUT.iter().any(|left_out| path == root.join(left_out)) {
            continue;
        }
        if path.is_dir() {
            gather(root, &path, files)?;
        } else {
            files.push(path);
        }
    }
    Ok(())
}
