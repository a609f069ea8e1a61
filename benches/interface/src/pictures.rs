//! Pictures with heatmaps of a network that was trained for it: bytes on the wire and time to the last of them.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Result, bail};
use lightbox_store::Home;

use crate::figure::{Figure, figure};
use crate::terminal::{KITTY, SIXEL, Seen, Terminal};

/// A window in which the picture has 448 x 448 pixels, at 8 x 16 a cell.
const SIZE: (u16, u16) = (150, 32);

/// More than there are methods.
const METHODS: usize = 24;

/// Presses of each key; opacity has five steps to either side.
const TURNS: usize = 4;

/// Nothing was sent for so long: the heatmap was made and is shown.
const QUIET: Duration = Duration::from_millis(1200);

/// How long nothing may be sent.
const IDLE: Duration = Duration::from_secs(5);

/// Changes what a shown picture is overlaid with, by keys, at a terminal of each kind.
///
/// # Errors
/// When the network cannot be trained, or a picture never comes.
pub fn measure(program: &Path, folder: &Path) -> Result<Vec<Figure>> {
    let home = folder.join("trained");
    if !home.exists() {
        make(program, folder, &home)?;
    }
    let stop = || lightbox(program, &home, &["daemon", "stop", "--jobs"]);
    let mut figures = Vec::new();
    for (script, name, kilobytes) in [(KITTY, "layered kitty", 8.0), (SIXEL, "sixel", 130.0)] {
        let measured = changes(program, &home, script, name, kilobytes);
        if measured.is_err() {
            // The first error is the one to tell of.
            let _ = stop();
        }
        figures.extend(measured?);
    }
    stop()?;
    Ok(figures)
}

fn make(program: &Path, folder: &Path, home: &Path) -> Result<()> {
    let images = folder.join("pictures").display().to_string();
    let manifest = format!("{images}/manifest.toml");
    lightbox(
        program,
        home,
        &["data", "phantom", "skin", "--out", &images, "--images", "60", "--size", "448", "--seed", "3"],
    )?;
    lightbox(program, home, &["data", "add", &images, "--name", "skin", "--manifest", &manifest])?;
    let train =
        "train --wait --data skin --model small-cnn --folds 2 --epochs 1 --batch-size 8 --image-size 224 --lr 1e-3";
    lightbox(program, home, &train.split_whitespace().collect::<Vec<_>>())
}

fn lightbox(program: &Path, home: &Path, arguments: &[&str]) -> Result<()> {
    let output = Command::new(program).arg("--home").arg(home).args(arguments).output()?;
    if !output.status.success() {
        bail!("lightbox {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}

fn changes(program: &Path, home: &Path, script: &'static [u8], name: &str, kilobytes: f64) -> Result<Vec<Figure>> {
    let home = Home::at(home)?;
    let shown = |screen: &str| screen.contains("1 Studies");
    let mut terminal = Terminal::start(program, home.root(), SIZE, (script, Duration::ZERO), shown)?;
    terminal.first_frame()?;
    terminal.rest(QUIET);
    terminal.press("4", |screen| screen.contains("raw peak"))?;
    terminal.rest(QUIET);
    // Every heatmap is made once, all the way round.
    let (first, mut most) = (method(&terminal), 0);
    for _ in 0..METHODS {
        let before = terminal.bytes();
        terminal.press("]", |screen| screen.contains("raw peak"))?;
        terminal.rest(QUIET);
        if method(&terminal) == first {
            break;
        }
        most = most.max(terminal.bytes() - before);
    }
    let what = format!("a method's first heatmap, {name}: the most bytes");
    let mut figures = vec![figure(what, most as f64 / 1000.0, "KB", kilobytes)];
    // Another method's heatmap is made already; another opacity or colormap is composed anew, and has no limit of time.
    let kinds = [(["]", "["], "method", Some(30.0)), (["O", "o"], "opacity", None), (["c", "c"], "colormap", None)];
    for (keys, what, milliseconds) in kinds {
        let mut seen = Vec::new();
        for key in keys {
            for _ in 0..TURNS {
                seen.push(terminal.burst(key)?);
            }
        }
        figures.extend(figures_of(&seen, &format!("another {what}, {name}"), (kilobytes, milliseconds)));
    }
    let before = terminal.bytes();
    std::thread::sleep(IDLE);
    let sent = terminal.bytes() - before;
    figures.push(figure(format!("a picture that is only looked at, {name}"), sent as f64, "B", 0.0));
    Ok(figures)
}

fn figures_of(seen: &[Seen], what: &str, (kilobytes, milliseconds): (f64, Option<f64>)) -> Vec<Figure> {
    let mut times: Vec<f64> = seen.iter().map(|s| s.after.as_secs_f64() * 1000.0).collect();
    times.sort_by(f64::total_cmp);
    let most = seen.iter().map(|s| s.bytes).max().unwrap_or(0);
    vec![
        figure(format!("{what}: the most bytes"), most as f64 / 1000.0, "KB", kilobytes),
        figure(
            format!("{what}: to the last byte, median of {}", times.len()),
            times[times.len() / 2],
            "ms",
            milliseconds,
        ),
        figure("  the slowest", times[times.len() - 1], "ms", None),
    ]
}

/// The method that the side panel names.
fn method(terminal: &Terminal) -> Option<String> {
    let screen = terminal.screen();
    let (_, after) = screen.split_once("method     ")?;
    after.split_whitespace().next().map(str::to_owned)
}
