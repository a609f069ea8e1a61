//! The interface on a pseudo-terminal: whole journeys by keyboard, and what must never leave a broken terminal.

#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::io::Write;
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use lightbox_tests::home::Home;
use lightbox_tests::pty::Kind;
use lightbox_tests::{lightbox, said};
use rustix::process::{Pid, Signal, kill_process};

const SIZE: (u16, u16) = (150, 44);

fn signal(pid: u32, signal: Signal) {
    kill_process(Pid::from_raw(pid.cast_signed()).unwrap(), signal).unwrap();
}

fn contains(bytes: &[u8], part: &str) -> bool {
    bytes.windows(part.len()).any(|window| window == part.as_bytes())
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
    let mut terminal = home.open(Kind::Kitty, SIZE, &[]);
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
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(terminal.bytes().len(), before, "an idle interface writes nothing");
    terminal.send("Q");
    assert_eq!(terminal.end(), 0);
    terminal.assert_left_as_found();
}

#[test]
fn pictures_by_sixel_go_away_below_a_popup() {
    let home = Home::trained();
    let mut terminal = home.open(Kind::Sixel, SIZE, &[]);
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
    terminal.assert_left_as_found();
}

#[test]
fn a_job_is_queued_cancelled_and_retried() {
    let home = Home::trained();
    let train =
        "train --data skin --model small-cnn --folds 2 --epochs 2000 --batch-size 8 --image-size 64 --threads 1";
    let queued = lightbox(&home.path(), &train.split_whitespace().collect::<Vec<_>>());
    assert!(queued.status.success(), "{}", said(&queued));
    let mut terminal = home.open(Kind::Plain, SIZE, &[]);
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
    terminal.assert_left_as_found();
}

#[test]
fn a_newcomer_sees_the_welcome_and_reaches_a_heatmap() {
    let home = Home::empty();
    let mut terminal = home.open(Kind::Kitty, SIZE, &[]);
    terminal.wait_for("Welcome to Lightbox");
    terminal.send("d");
    terminal.wait_for("lightbox demo --quick");
    terminal.wait_for("[1/9] phantom-skin small-cnn fold 1/3 done");
    terminal.send("\r4");
    terminal.wait_for("raw peak");
    terminal.send("Q");
    assert_eq!(terminal.end(), 0);
    terminal.assert_left_as_found();
}

/// The figure that the viewer shows beside a heatmap.
fn raw_peak(screen: &str) -> String {
    screen.lines().find_map(|line| line.split("raw peak").nth(1)).unwrap_or_default().trim().to_owned()
}

#[test]
fn a_daemon_and_a_worker_that_die_are_said_and_survived() {
    let home = Home::trained();
    let mut terminal = home.open(Kind::Plain, SIZE, &[]);
    terminal.wait_for("1 Studies");
    terminal.send("4");
    terminal.wait_for("raw peak");
    let before = raw_peak(&terminal.screen());
    // It dies with the request in its hands, of which it has read nothing: nothing that was asked killed it.
    let warm = processes_of(&home.path(), "serve");
    warm.iter().for_each(|pid| signal(*pid, Signal::STOP));
    terminal.send("]");
    std::thread::sleep(Duration::from_millis(500));
    warm.iter().for_each(|pid| signal(*pid, Signal::KILL));
    // The other image's: a map that is still awaited when the daemon dies would start another one.
    terminal.wait_until("another raw peak", |screen| !raw_peak(screen).is_empty() && raw_peak(screen) != before);
    terminal.send("2");
    // The interface began without a daemon, has seen this one, and sees it go.
    terminal.wait_for("0 running, 0 waiting");
    for pid in processes_of(&home.path(), "daemon run") {
        signal(pid, Signal::KILL);
    }
    terminal.wait_for("no daemon; it starts with the next job");
    terminal.send("4]");
    terminal.wait_for("raw peak");
    terminal.send("q");
    assert_eq!(terminal.end(), 0);
}

/// A daemon of a later version answers at the socket of a home, until it is dropped.
struct LaterDaemon(Arc<AtomicBool>, Option<JoinHandle<()>>);

impl LaterDaemon {
    fn start(home: &Path) -> Self {
        let ended = Arc::new(AtomicBool::new(false));
        let socket = home.join("daemon.sock");
        let listener = UnixListener::bind(&socket).unwrap();
        listener.set_nonblocking(true).unwrap();
        let stop = Arc::clone(&ended);
        let thread = std::thread::spawn(move || {
            while !stop.load(Ordering::SeqCst) {
                if let Ok((mut stream, _)) = listener.accept() {
                    let _ = stream.write_all(b"{\"protocol\":7,\"lightbox\":\"3.1.0\",\"pid\":77}\n");
                }
                std::thread::sleep(Duration::from_millis(20));
            }
            std::fs::remove_file(socket).unwrap();
        });
        Self(ended, Some(thread))
    }
}

impl Drop for LaterDaemon {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
        self.1.take().map(JoinHandle::join);
    }
}

#[test]
fn a_daemon_of_another_version_is_said_with_what_to_do() {
    let home = Home::trained();
    let mut terminal = home.open(Kind::Plain, SIZE, &[]);
    terminal.wait_for("1 Studies");
    let daemon = LaterDaemon::start(&home.path());
    terminal.send("2");
    terminal.wait_for("speaks protocol 7");
    terminal.wait_for("lightbox daemon stop");
    terminal.send("4");
    terminal.wait_for("speaks protocol 7");
    drop(daemon);
    terminal.send("]");
    terminal.wait_for("raw peak");
    terminal.send("Q");
    assert_eq!(terminal.end(), 0);
    terminal.assert_left_as_found();
}

#[test]
fn terminals_that_say_nothing_or_nonsense_work_in_text() {
    for kind in [Kind::Silent, Kind::Garbage, Kind::Plain] {
        let home = Home::trained();
        let mut terminal = home.open(kind, SIZE, &[]);
        terminal.wait_for("1 Studies");
        // Typed before the terminal would have answered: no key is lost.
        terminal.send("6");
        terminal.wait_for("group rule");
        // An answer that comes minutes later is no key: q would leave.
        terminal.send("\x1b_Gi=31;q\x1b\\\x1b[?62;4c");
        terminal.send("5");
        terminal.wait_for("gradcam++");
        terminal.resize(10, 3);
        terminal.wait_for("leaves.");
        terminal.resize(SIZE.0, SIZE.1);
        terminal.wait_for("5 Plugins");
        terminal.send("q");
        assert_eq!(terminal.end(), 0, "{kind:?}");
        terminal.assert_left_as_found();
    }
}

#[test]
fn signals_leave_the_terminal_as_it_was() {
    for (word, code) in [(Signal::TERM, 143), (Signal::HUP, 129), (Signal::INT, 130)] {
        let home = Home::trained();
        let mut terminal = home.open(Kind::Kitty, SIZE, &[]);
        terminal.wait_for("1 Studies");
        terminal.rest(0);
        signal(terminal.process(), word);
        assert_eq!(terminal.end(), code);
        terminal.assert_left_as_found();
    }
}

#[test]
fn a_store_of_a_newer_version_is_read_from_its_directories() {
    let home = Home::trained();
    std::fs::write(home.path().join("index.sqlite"), b"SQLite format 9, of the year 2040").unwrap();
    let mut terminal = home.open(Kind::Plain, SIZE, &["--readonly"]);
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
    let images = home.images();
    let copy = home.folder.path().join("images");
    assert!(Command::new("cp").arg("-r").arg(&images).arg(&copy).status().unwrap().success());
    let moved = manifest.replace(&images.display().to_string(), &copy.display().to_string());
    std::fs::write(home.path().join("datasets/skin/manifest.toml"), moved).unwrap();
    let mut terminal = home.open(Kind::Plain, SIZE, &[]);
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

#[test]
fn a_study_from_a_form_runs_and_its_tables_and_pictures_are_written() {
    let home = Home::trained();
    let mut terminal = home.open(Kind::Kitty, SIZE, &[]);
    terminal.wait_for("1 Studies");
    terminal.send("n");
    terminal.wait_for("New study");
    // Every field is checked as it is typed; what is wrong is said at once and cannot be written.
    let mut field = |text: &str| terminal.send(&format!("\x15{text}\x1b[B"));
    for text in ["form", "skin", "small-cnn", "small-cnn", "1"] {
        field(text);
    }
    terminal.send("\x1b[A");
    terminal.wait_for("a whole number from 2 to 100");
    let mut field = |text: &str| terminal.send(&format!("\x15{text}\x1b[B"));
    for text in ["2", "1", "8", "64", "1e-3", "small-cnn", "gradcam, layercam"] {
        field(text);
    }
    terminal.send("\x13");
    terminal.wait_for("The study is written");
    terminal.send("\r");
    terminal.wait_for("4/4");
    terminal.send("3");
    terminal.wait_for(" small-cnn · all images ");
    terminal.send("e");
    terminal.wait_for("Write all tables as");
    terminal.send("csv\r");
    terminal.wait_for("an existing one is not overwritten");
    let tables = home.folder.path().join("tables.csv");
    terminal.send(&format!("\x15{}\r", tables.display()));
    terminal.wait_for("written:");
    let written = std::fs::read_to_string(&tables).unwrap();
    assert!(written.contains("balanced-accuracy") && written.contains("layercam"), "{written}");
    // Side by side: all methods on one image, then one method on several images.
    terminal.send("4");
    terminal.wait_for("raw peak");
    terminal.send("vv");
    terminal.wait_for("xgradcam");
    terminal.send("v");
    terminal.rest(0);
    let picture = home.folder.path().join("picture.png");
    terminal.send("e");
    terminal.wait_for("Write the picture");
    terminal.send(&format!("\x15{}\r", picture.display()));
    terminal.wait_for("written:");
    assert!(std::fs::read(&picture).unwrap().starts_with(b"\x89PNG"));
    terminal.send("Q");
    assert_eq!(terminal.end(), 0);
    terminal.assert_left_as_found();
}
