//! `lightbox show` where no terminal is.

#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

fn picture(folder: &Path) -> PathBuf {
    let path = folder.join("picture.png");
    let image = image::RgbImage::from_fn(64, 64, |x, y| image::Rgb([if x > y { 230 } else { 20 }; 3]));
    image.save(&path).unwrap();
    path
}

fn show(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lightbox"));
    command.arg("--home").arg(folder).arg("show").arg(picture(folder)).args(arguments);
    command.env("TERM", "xterm-kitty").env("COLORTERM", "truecolor").env_remove("TMUX").stdin(Stdio::null());
    command
}

fn text(output: &Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn a_pipe_gets_plain_blocks_without_escapes() {
    let folder = tempfile::tempdir().unwrap();
    let shown = text(&show(folder.path(), &[]).output().unwrap());
    assert!(!shown.contains('\x1b'), "{shown:?}");
    let lines: Vec<&str> = shown.lines().collect();
    assert_eq!(lines.len(), 40);
    // Light above the diagonal, dark below it.
    assert!(lines[5].trim_start().ends_with('█') && lines[5].starts_with(' '), "{:?}", lines[5]);
}

#[test]
fn pictures_that_are_off_are_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    let shown = text(&show(folder.path(), &["--graphics", "off"]).output().unwrap());
    assert_eq!(shown.trim_end(), "64 x 64 pixels; pictures are off");
}

#[test]
fn a_chosen_way_is_taken_without_a_terminal_too() {
    let folder = tempfile::tempdir().unwrap();
    for (way, begins) in [("kitty", "\x1b_Ga=T"), ("sixel", "\x1bP0;1;0q"), ("iterm2", "\x1b]1337;File=")] {
        let shown = text(&show(folder.path(), &["--graphics", way]).output().unwrap());
        assert!(shown.starts_with(begins), "{way}: {:?}", &shown[..40]);
    }
}

#[test]
fn an_unknown_way_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let output = show(folder.path(), &["--graphics", "crayons"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("sixel"), "{output:?}");
}

#[test]
fn a_closed_pipe_ends_it_quietly() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = show(folder.path(), &[]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
}
