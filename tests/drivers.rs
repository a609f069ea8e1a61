//! Every way to draw, on a terminal that decodes what it is sent: heatmaps are where they should be, and nothing stays
//! behind.

#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use lightbox_tests::home::Home;
use lightbox_tests::pixels::Pixels;
use lightbox_tests::pty::{Kind, Terminal};
use lightbox_tests::{build_folder, lightbox, said};

const SIZE: (u16, u16) = (150, 44);

/// How far a drawn picture may be from its file, of 255: the line around the lesion, 64 colours and the means of half-blocks
/// make up to 4 (seen: 3.5); another image or map is 15 or more away.
const NEAR: f64 = 8.0;

/// Pictures of the first two images as files: the first one's overlay by the default method, then both images.
struct Files {
    _folder: tempfile::TempDir,
    overlay: PathBuf,
    first: PathBuf,
    second: PathBuf,
}

static FILES: LazyLock<Files> = LazyLock::new(|| {
    let folder = tempfile::tempdir().unwrap();
    let home = Home::trained();
    let group = std::fs::read_dir(home.path().join("runs")).unwrap().flatten().map(|e| e.path());
    let run = group.filter(|path| path.to_string_lossy().contains("-f0-")).max().unwrap();
    let [first, second] = first_images(&home, &run);
    let out = folder.path().display().to_string();
    let name = run.file_name().unwrap().to_string_lossy().into_owned();
    let made = lightbox(&home.path(), &["explain", &first.display().to_string(), "--run", &name, "--out", &out]);
    assert!(made.status.success(), "{}", said(&made));
    let stem = first.file_stem().unwrap().to_string_lossy().into_owned();
    let overlay = folder.path().join(format!("{stem}.gradcam.png"));
    assert!(overlay.exists(), "{}", said(&made));
    Files { _folder: folder, overlay, first, second }
});

/// The first two images of the viewer's list: those that the first fold was tested on.
fn first_images(home: &Home, run: &Path) -> [PathBuf; 2] {
    let predictions = std::fs::read_to_string(run.join("predictions.csv")).unwrap();
    let root = home.images();
    let mut lines = predictions.lines().filter(|line| line.contains(",test,"));
    [(); 2].map(|()| root.join(lines.next().unwrap().split(',').next().unwrap()))
}

fn shows(pixels: &Pixels, file: &Path) -> bool {
    pixels.picture().is_some_and(|area| pixels.distance(area, file) < NEAR)
}

fn nothing_is_seen(terminal: &Terminal) {
    terminal.rest(0);
    assert_eq!(terminal.pixels().area(), None, "a picture stayed behind");
}

/// The journey that every way to draw makes.
fn journey(kind: Kind, arguments: &[&str]) {
    let files = &*FILES;
    let home = Home::trained();
    let mut terminal = home.open(kind, SIZE, arguments);
    terminal.wait_for("1 Studies");
    terminal.send("4");
    terminal.wait_for("raw peak");
    terminal.wait_for_pixels("the overlay", |pixels| shows(pixels, &files.overlay));
    let first = terminal.pixels();
    assert!(!shows(&first, &files.second), "the check tells images apart");
    let (left, top, width, height) = first.picture().unwrap();
    assert!(width.abs_diff(height) <= 16, "a square image is drawn as {width} x {height}");

    terminal.send("x");
    terminal.wait_for_pixels("the bare image", |pixels| shows(pixels, &files.first));
    terminal.send("n");
    terminal.wait_for_pixels("the next image", |pixels| shows(pixels, &files.second));
    terminal.send("p");
    terminal.wait_for_pixels("the image before", |pixels| shows(pixels, &files.first));
    terminal.send("x");
    terminal.wait_for_pixels("the overlay again", |pixels| shows(pixels, &files.overlay));

    terminal.send("?");
    terminal.wait_for("Help: Viewer");
    terminal.rest(0);
    let below = terminal.pixels();
    let centre = (top + height / 2) * below.width + left + width / 2;
    assert_eq!(below.colours[centre], None, "the picture is drawn over the popup");
    terminal.send("\x1b");
    terminal.wait_for_pixels("the overlay after the popup", |pixels| shows(pixels, &files.overlay));

    terminal.send("6");
    terminal.wait_for("group rule");
    terminal.rest(0);
    assert!(!shows(&terminal.pixels(), &files.overlay), "the overlay stayed on another screen");
    terminal.send("5");
    terminal.wait_for("gradcam++");
    nothing_is_seen(&terminal);

    terminal.send("4");
    terminal.wait_for_pixels("the overlay on coming back", |pixels| shows(pixels, &files.overlay));
    terminal.resize(100, 30);
    terminal.wait_for_pixels("the overlay in a smaller window", |pixels| shows(pixels, &files.overlay));
    terminal.resize(SIZE.0, SIZE.1);
    terminal.wait_for_pixels("the overlay in the old window", |pixels| {
        shows(pixels, &files.overlay) && pixels.picture() == first.picture()
    });
    terminal.send("Q");
    assert_eq!(terminal.end(), 0);
    nothing_is_seen(&terminal);
}

#[test]
fn kitty_in_layers() {
    journey(Kind::Kitty, &[]);
}

#[test]
fn kitty_by_placeholders_through_tmux() {
    journey(Kind::KittyInTmux, &[]);
}

#[test]
fn sixel() {
    journey(Kind::Sixel, &[]);
}

#[test]
fn iterm2() {
    journey(Kind::Iterm2, &[]);
}

#[test]
fn half_blocks() {
    journey(Kind::Plain, &[]);
}

#[test]
fn no_pictures_at_all() {
    let home = Home::trained();
    let mut terminal = home.open(Kind::Kitty, SIZE, &["--graphics", "off"]);
    terminal.wait_for("1 Studies");
    terminal.send("4");
    terminal.wait_for("raw peak");
    nothing_is_seen(&terminal);
    terminal.send("Q");
    assert_eq!(terminal.end(), 0);
}

#[test]
fn ctrl_z_gives_the_shell_its_terminal_and_fg_the_picture_back() {
    let files = &*FILES;
    for kind in [Kind::Kitty, Kind::Sixel] {
        let home = Home::trained();
        let mut terminal = Terminal::start(kind, SIZE, Path::new("bash"), &["--norc", "--noprofile", "-i"]);
        let program = build_folder().join("lightbox");
        terminal.send(&format!("{} --home {}; echo left $?\n", program.display(), home.path().display()));
        terminal.wait_for("1 Studies");
        terminal.send("4");
        terminal.wait_for_pixels("the overlay", |pixels| shows(pixels, &files.overlay));
        terminal.send("\x1a");
        terminal.wait_for("Stopped");
        nothing_is_seen(&terminal);
        // Echo and lines are the shell's again.
        terminal.send("echo $((6*7))\n");
        terminal.wait_for("\n42\n");
        terminal.send("fg\n");
        terminal.wait_for("raw peak");
        terminal.wait_for_pixels("the overlay after fg", |pixels| shows(pixels, &files.overlay));
        terminal.send("Q");
        terminal.wait_until_gone("raw peak");
        terminal.send("exit\n");
        terminal.end();
        nothing_is_seen(&terminal);
    }
}

/// The program itself has no known defect to panic by: the gallery of the same screen and painter does it by a key.
#[test]
fn a_panic_leaves_a_whole_terminal_and_its_sentence() {
    let program = build_folder().join("examples/gallery");
    for kind in [Kind::Kitty, Kind::KittyInTmux, Kind::Sixel, Kind::Iterm2, Kind::Plain] {
        let mut terminal = Terminal::start(kind, SIZE, &program, &[]);
        terminal.wait_for_pixels("a picture", |pixels| pixels.area().is_some());
        terminal.send("!");
        assert_eq!(terminal.end(), 101, "{kind:?}");
        nothing_is_seen(&terminal);
        terminal.assert_left_as_found();
        assert!(terminal.screen().contains("as a defect would"), "{}", terminal.screen());
    }
}
