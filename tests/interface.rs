//! The interface on a pseudo-terminal: whole journeys by keyboard, and what must never leave a broken terminal.

#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

use lightbox_tests::pty::{Kind, Terminal};
use lightbox_tests::{build_folder, lightbox, said};
use rustix::process::{Pid, Signal, kill_process};

const SIZE: (u16, u16) = (150, 44);

/// A home with a dataset and a trained network, made once; each test works on a copy.
static TRAINED: LazyLock<tempfile::TempDir> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("home");
    let images = folder.path().join("images").display().to_string();
    let ok = |arguments: &[&str]| {
        let output = lightbox(&home, arguments);
        assert!(output.status.success(), "{arguments:?}: {}", said(&output));
    };
    ok(&["data", "phantom", "skin", "--out", &images, "--images", "60", "--size", "64", "--seed", "3"]);
    ok(&["data", "add", &images, "--name", "skin", "--manifest", &format!("{images}/manifest.toml")]);
    let train = "train --wait --data skin --model small-cnn --folds 2 --epochs 2 --batch-size 8 --image-size 64 --lr 1e-3 \
                 --threads 1";
    ok(&train.split_whitespace().collect::<Vec<_>>());
    ok(&["daemon", "stop"]);
    folder
});

struct Home {
    folder: tempfile::TempDir,
}

impl Home {
    fn empty() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    fn trained() -> Self {
        let home = Self::empty();
        let from = TRAINED.path().join("home");
        let copied = Command::new("cp").arg("-r").arg(from).arg(home.path()).status().unwrap();
        assert!(copied.success());
        home
    }

    fn path(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    fn open(&self, kind: Kind, arguments: &[&str]) -> Terminal {
        let home = self.path().display().to_string();
        Terminal::start(kind, SIZE, &program(), &[&["--home", &home], arguments].concat())
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        for home in [self.path(), self.path().join("demo")] {
            if home.exists() {
                lightbox(&home, &["daemon", "stop", "--jobs"]);
            }
        }
    }
}

fn program() -> PathBuf {
    build_folder().join("lightbox")
}

fn signal(pid: u32, signal: Signal) {
    kill_process(Pid::from_raw(pid.cast_signed()).unwrap(), signal).unwrap();
}

fn contains(bytes: &[u8], part: &str) -> bool {
    bytes.windows(part.len()).any(|window| window == part.as_bytes())
}

/// Leaving writes these, in this order, and nothing for the screen after them.
fn assert_left_as_found(terminal: &Terminal) {
    let bytes = terminal.bytes();
    let text = String::from_utf8_lossy(&bytes);
    let left = text.rfind("\x1b[?1049l").unwrap_or_else(|| panic!("the alternate screen was not left"));
    let entered = text.rfind("\x1b[?1049h").unwrap();
    assert!(left > entered, "the alternate screen was entered again");
    for mode in ["\x1b[?25h", "\x1b[?2004l"] {
        assert!(text.rfind(mode).is_some_and(|at| at > entered), "{mode:?} was not written");
    }
}

fn processes_of(home: &Path, word: &str) -> Vec<u32> {
    let home = home.canonicalize().unwrap().display().to_string();
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = entries.filter_map(|e| e.file_name().to_str()?.parse::<u32>().ok());
    pids.filter(|pid| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let line = String::from_utf8_lossy(&line).replace('\0', " ");
        line.contains(&home) && line.contains(word)
    })
    .collect()
}

#[test]
fn from_results_to_a_heatmap_by_layered_kitty_graphics() {
    let home = Home::trained();
    let mut terminal = home.open(Kind::Kitty, &[]);
    terminal.wait_for("1 Studies");
    terminal.send("3");
    terminal.wait_for("small-cnn (baseline)");
    terminal.send("\r");
    terminal.wait_for("Confusion");
    terminal.send("v");
    terminal.wait_for("raw peak");
    terminal.wait_for_bytes("a picture", |bytes| contains(bytes, "\x1b_G"));
    terminal.rest(0);
    // Another colormap, opacity and method cost a small heatmap, not the image.
    for key in ["c", "o", "]"] {
        let before = terminal.bytes().len();
        terminal.send(key);
        terminal.wait_for_bytes("another heatmap", |bytes| contains(&bytes[before..], "\x1b_G"));
        let sent = terminal.rest(before).len();
        assert!(sent <= 8 << 10, "{key} sent {sent} bytes");
    }
    let before = terminal.bytes().len();
    std::thread::sleep(std::time::Duration::from_secs(2));
    assert_eq!(terminal.bytes().len(), before, "an idle interface writes nothing");
    terminal.send("Q");
    assert_eq!(terminal.end(), 0);
    assert_left_as_found(&terminal);
}

#[test]
fn pictures_by_sixel_go_away_below_a_popup() {
    let home = Home::trained();
    let mut terminal = home.open(Kind::Sixel, &[]);
    terminal.wait_for("1 Studies");
    terminal.send("4");
    terminal.wait_for("raw peak");
    terminal.wait_for_bytes("a picture", |bytes| contains(bytes, "\x1bP0;1;0q") || contains(bytes, "q\"1;1;"));
    terminal.rest(0);
    let before = terminal.bytes().len();
    terminal.send("c");
    terminal.wait_for_bytes("another picture", |bytes| contains(&bytes[before..], "q\"1;1;"));
    let sent = terminal.rest(before).len();
    assert!(sent <= 130 << 10, "another colormap sent {sent} bytes");
    terminal.send("?");
    terminal.wait_for("Help: Viewer");
    terminal.send("\x1b");
    terminal.wait_until_gone("Help: Viewer");
    terminal.send("q");
    assert_eq!(terminal.end(), 0);
    assert_left_as_found(&terminal);
}

#[test]
fn a_job_is_queued_cancelled_and_retried() {
    let home = Home::trained();
    let train =
        "train --data skin --model small-cnn --folds 2 --epochs 2000 --batch-size 8 --image-size 64 --threads 1";
    let queued = lightbox(&home.path(), &train.split_whitespace().collect::<Vec<_>>());
    assert!(queued.status.success(), "{}", said(&queued));
    let mut terminal = home.open(Kind::Plain, &[]);
    terminal.send("2");
    terminal.wait_for("▶ running");
    terminal.send("g");
    terminal.send("c");
    terminal.wait_for("Sure?");
    terminal.send("y");
    terminal.wait_for("cancelled");
    terminal.send("/cancelled\r");
    terminal.wait_for("∅ cancelled");
    terminal.send("t");
    terminal.wait_for("queued again");
    terminal.send("q");
    assert_eq!(terminal.end(), 0);
    assert_left_as_found(&terminal);
}

#[test]
fn a_newcomer_sees_the_welcome_and_reaches_a_heatmap() {
    let home = Home::empty();
    let mut terminal = home.open(Kind::Kitty, &[]);
    terminal.wait_for("Welcome to Lightbox");
    terminal.send("d");
    terminal.wait_for("lightbox demo --quick");
    terminal.wait_for("[1/9] phantom-skin small-cnn fold 1/3 done");
    terminal.send("\r4");
    terminal.wait_for("raw peak");
    terminal.send("Q");
    assert_eq!(terminal.end(), 0);
    assert_left_as_found(&terminal);
}

#[test]
fn a_daemon_and_a_worker_that_die_are_said_and_survived() {
    let home = Home::trained();
    let mut terminal = home.open(Kind::Plain, &[]);
    terminal.wait_for("1 Studies");
    terminal.send("4");
    terminal.wait_for("raw peak");
    for pid in processes_of(&home.path(), "serve") {
        signal(pid, Signal::KILL);
    }
    terminal.send("]");
    terminal.wait_for("raw peak");
    for pid in processes_of(&home.path(), "daemon run") {
        signal(pid, Signal::KILL);
    }
    terminal.send("2");
    terminal.wait_for("no daemon; it starts with the next job");
    terminal.send("4]");
    terminal.wait_for("raw peak");
    terminal.send("q");
    assert_eq!(terminal.end(), 0);
}

#[test]
fn terminals_that_say_nothing_or_nonsense_work_in_text() {
    for kind in [Kind::Silent, Kind::Garbage, Kind::Plain] {
        let home = Home::trained();
        let mut terminal = home.open(kind, &[]);
        terminal.wait_for("1 Studies");
        // Typed before the terminal would have answered: no key is lost.
        terminal.send("6");
        terminal.wait_for("group rule");
        // An answer that comes minutes later is no key: q would leave.
        terminal.send("\x1b_Gi=31;q\x1b\\\x1b[?62;4c");
        terminal.send("5");
        terminal.wait_for("gradcam++");
        terminal.resize(10, 3);
        terminal.wait_for("Lightbox");
        terminal.resize(SIZE.0, SIZE.1);
        terminal.wait_for("5 Plugins");
        terminal.send("q");
        assert_eq!(terminal.end(), 0, "{kind:?}");
        assert_left_as_found(&terminal);
    }
}

#[test]
fn signals_leave_the_terminal_as_it_was() {
    for word in [Signal::TERM, Signal::HUP, Signal::INT] {
        let home = Home::trained();
        let mut terminal = home.open(Kind::Kitty, &[]);
        terminal.wait_for("1 Studies");
        terminal.rest(0);
        signal(terminal.process(), word);
        terminal.end();
        assert_left_as_found(&terminal);
    }
}

#[test]
fn a_store_of_a_newer_version_is_read_from_its_directories() {
    let home = Home::trained();
    std::fs::write(home.path().join("index.sqlite"), b"SQLite format 9, of the year 2040").unwrap();
    let mut terminal = home.open(Kind::Plain, &["--readonly"]);
    terminal.wait_for("2 runs");
    terminal.send("3");
    terminal.wait_for("small-cnn (baseline)");
    terminal.send("q");
    assert_eq!(terminal.end(), 0);
}

#[test]
fn an_image_that_vanished_is_said_where_it_would_be() {
    let home = Home::trained();
    let manifest = std::fs::read_to_string(home.path().join("datasets/skin/manifest.toml")).unwrap();
    assert!(manifest.contains("root"), "{manifest}");
    let images = TRAINED.path().join("images");
    let copy = home.folder.path().join("images");
    assert!(Command::new("cp").arg("-r").arg(&images).arg(&copy).status().unwrap().success());
    let moved = manifest.replace(&images.display().to_string(), &copy.display().to_string());
    std::fs::write(home.path().join("datasets/skin/manifest.toml"), moved).unwrap();
    let mut terminal = home.open(Kind::Plain, &[]);
    terminal.wait_for("1 Studies");
    std::fs::rename(copy.join("images"), copy.join("elsewhere")).unwrap();
    terminal.send("4");
    terminal.wait_for("skin");
    terminal.wait_for("images");
    terminal.rest(0);
    let screen = terminal.screen();
    assert!(screen.contains("that do not exist"), "{screen}");
    terminal.send("q");
    assert_eq!(terminal.end(), 0);
}
