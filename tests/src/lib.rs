//! What the end-to-end tests share: where the programs are, a home that goes away, and a call of `lightbox`.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

/// The folder of the release build that the running test belongs to.
///
/// # Panics
/// When the test does not run from a target folder.
pub fn build_folder() -> PathBuf {
    let test = std::env::current_exe().expect("a test knows its own path");
    let deps = test.parent().expect("a test lies in a folder");
    deps.parent().expect("target/PROFILE/deps").to_path_buf()
}

/// The root of the project.
pub fn project_root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ lies in the project").to_path_buf()
}

/// A call of `lightbox` with a home of its own and nothing of the caller's environment that would change it.
///
/// # Panics
/// When `lightbox` was not built: `cargo build --release` comes first, as in `just test`.
pub fn lightbox(home: &Path, arguments: &[&str]) -> Output {
    command(home, arguments).output().expect("lightbox starts")
}

/// The command that [`lightbox`] runs.
///
/// # Panics
/// When `lightbox` was not built.
pub fn command(home: &Path, arguments: &[&str]) -> Command {
    let program = build_folder().join("lightbox");
    assert!(program.exists(), "{} is not built; run ./justw test", program.display());
    let mut command = Command::new(program);
    command.arg("--home").arg(home).args(arguments);
    command.env_remove("LIGHTBOX_HOME").env_remove("LIGHTBOX_PLUGIN_PATH").env_remove("LD_LIBRARY_PATH");
    command
}

/// Standard output and error of a call as text, for messages.
pub fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}
