//! What the end-to-end tests share: where the programs are, a home that goes away, and a call of `lightbox`.

pub mod home;
pub mod pixels;
pub mod pty;

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
    command.env_remove("LIGHTBOX_HOME").env_remove("LD_LIBRARY_PATH");
    // The user's own configuration is none of a test's business, and the daemon that a command starts inherits this.
    command.env("XDG_CONFIG_HOME", home.join("config"));
    command
}

/// Runs a command that must be refused: exit code 2, one sentence on standard error that begins with `error: `, and these
/// words; gives all that was said.
///
/// # Panics
/// When it was not.
pub fn refused(home: &Path, arguments: &[&str], words: &[&str]) -> String {
    let output = lightbox(home, arguments);
    let text = said(&output);
    assert_eq!(output.status.code(), Some(2), "{arguments:?}: {text}");
    let error = String::from_utf8_lossy(&output.stderr);
    let lines = error.trim().lines().filter(|l| l.starts_with("error: ")).count();
    assert_eq!(lines, 1, "{arguments:?}: {text}");
    for word in words {
        assert!(text.contains(word), "{arguments:?}: {word:?} is not in: {text}");
    }
    assert!(!text.contains("panicked"), "{text}");
    text
}

/// A dataset of tiny pictures in class folders, `each` in every class; equal where class index and number are equal.
///
/// # Panics
/// When a file cannot be written.
pub fn class_folders(root: &Path, classes: &[&str], each: usize) {
    for class in classes {
        for n in 0..each {
            write(&root.join(class).join(format!("{n}.bmp")), &bmp(24, n as u8));
        }
    }
}

/// Writes a file, making its folders.
///
/// # Panics
/// When that fails.
pub fn write(path: &Path, bytes: &[u8]) {
    let folder = path.parent().expect("a file lies in a folder");
    std::fs::create_dir_all(folder).expect("the folder can be made");
    std::fs::write(path, bytes).expect("the file can be written");
}

/// An uncompressed 24-bit BMP, `side` pixels square, that differs with `salt`.
pub fn bmp(side: u32, salt: u8) -> Vec<u8> {
    let row = (side * 3).div_ceil(4) * 4;
    let mut bytes = bmp_head(side, row * side);
    for y in 0..side {
        for x in 0..row {
            bytes.push(((x * 7 + y * 13) as u8).wrapping_mul(salt.wrapping_add(3)));
        }
    }
    bytes
}

/// The head of such a BMP, which may promise more pixels than follow.
pub fn bmp_head(side: u32, pixels: u32) -> Vec<u8> {
    let mut bytes = b"BM".to_vec();
    for field in [54_u32.wrapping_add(pixels), 0, 54, 40, side, side] {
        bytes.extend(field.to_le_bytes());
    }
    bytes.extend([1, 0, 24, 0]);
    bytes.extend([0; 24]);
    bytes
}

/// Standard output and error of a call as text, for messages.
pub fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}
