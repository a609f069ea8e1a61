//! The terminal interface: the real program on a pseudo-terminal, over a home with 200 rows of runs and a million figures.
//!
//! `interface [NAME]` measures all, or one of `start`, `idle`, `cursor`, `rows`, `pictures`; a home that was made before is taken from
//! `LIGHTBOX_BENCH_HOME` (made there when it is missing).

mod figure;
mod home;
mod pictures;
mod process;
mod terminal;

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Result, bail};
use figure::{Figure, figure};
use lightbox_store::Home;
use terminal::{KITTY, Terminal};

/// Rows enough that all 200 are on the screen at once.
const TALL: (u16, u16) = (160, 225);

/// A large window.
const SIZE: (u16, u16) = (160, 50);

/// Starts of the program.
const STARTS: usize = 15;

/// Keys in the table of a million rows.
const KEYS: usize = 500;

/// Each of them changes something, wherever the others led.
const ROUND: [&str; 10] = ["j", "j", "j", "\x04", "k", "\x04", "j", "G", "k", "g"];

/// Between keys: quicker than any keyboard repeats.
const PAUSE: Duration = Duration::from_millis(15);

/// After a step of the cursor in any table.
const MOMENT: Duration = Duration::from_millis(40);

/// How long an idle program is watched.
const IDLE: Duration = Duration::from_secs(10);

/// Nothing drawn for so long: the program rests.
const QUIET: Duration = Duration::from_millis(1500);

fn main() -> Result<()> {
    let only = std::env::args().nth(1);
    let wants = |name: &str| only.as_deref().is_none_or(|only| only == name);
    let temporary = tempfile::tempdir()?;
    let kept = std::env::var_os("LIGHTBOX_BENCH_HOME").map(PathBuf::from);
    let folder = kept.as_deref().unwrap_or(temporary.path());
    let program = beside("lightbox")?;
    let mut figures = Vec::new();
    let made = folder.join("home/studies");
    let home = if made.exists() { Home::at(&folder.join("home"))? } else { home::make(folder)? };
    if wants("start") {
        figures.extend(starts(&program, &home)?);
    }
    if wants("idle") {
        figures.extend(idle(&program, &home)?);
    }
    if wants("cursor") {
        figures.extend(cursors(&program, &home)?);
    }
    if wants("rows") {
        figures.extend(million(&program, &home)?);
    }
    if wants("pictures") {
        figures.extend(pictures::measure(&program, folder)?);
    }
    if figures.is_empty() {
        bail!("nothing is called {:?}; there are start, idle, cursor, rows and pictures", only.unwrap_or_default());
    }
    let missed = figures.iter().filter(|f| f.is_missed()).count();
    println!("{} figures, {missed} beyond their limit", figures.len());
    Ok(())
}

/// Whether a screen shows the groups of all runs.
fn has_all_rows(screen: &str) -> bool {
    (0..home::ROWS - 1).all(|number| screen.contains(&home::group(number)))
}

/// Whether a screen shows the group of any run.
fn has_any_row(screen: &str) -> bool {
    (0..home::ROWS - 1).any(|number| screen.contains(&home::group(number)))
}

/// From the start of the program to a frame with all rows.
fn starts(program: &Path, home: &Home) -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    let start = |delay: u64| -> Result<f64> {
        let terminal =
            Terminal::start(program, home.root(), TALL, (KITTY, Duration::from_millis(delay)), has_all_rows)?;
        let seen = terminal.first_frame()?;
        // The question about plugins starts a process beside it, which is none of the next start's business.
        terminal.rest(QUIET);
        Ok(milliseconds(seen.after))
    };
    // Without an index, which is then made; every other start has one.
    for name in ["index.sqlite", "index.sqlite-wal", "index.sqlite-shm"] {
        // It is not there the first time.
        let _ = std::fs::remove_file(home.root().join(name));
    }
    let without = start(0)?;
    for (delay, said) in [(0, "at once"), (200, "after 200 ms")] {
        let mut times = (0..STARTS).map(|_| start(delay)).collect::<Result<Vec<_>>>()?;
        times.sort_by(f64::total_cmp);
        let what = format!("start to a frame with all {} rows, terminal answers {said}, median", home::ROWS);
        figures.push(figure(what, times[STARTS / 2], "ms", 50.0));
        figures.push(figure(format!("  the slowest of {STARTS}"), times[STARTS - 1], "ms", None));
    }
    figures.push(figure("  the very first one, which makes the index", without, "ms", None));
    Ok(figures)
}

/// What the program costs while nothing happens.
fn idle(program: &Path, home: &Home) -> Result<Vec<Figure>> {
    let terminal = open(program, home, SIZE)?;
    let pid = terminal.process();
    Ok([
        watch_idle(&terminal, "", Some(150.0))?,
        vec![figure("  the most resident memory so far", process::most_resident_megabytes(pid)?, "MB", None)],
    ]
    .into_iter()
    .flatten()
    .collect())
}

fn watch_idle(terminal: &Terminal, with: &str, memory: Option<f64>) -> Result<Vec<Figure>> {
    let pid = terminal.process();
    terminal.rest(QUIET);
    let (before, sent, written) = (process::processor_seconds(pid)?, terminal.bytes(), process::bytes_to_disk(pid)?);
    std::thread::sleep(IDLE);
    let share = (process::processor_seconds(pid)? - before) / IDLE.as_secs_f64() * 100.0;
    let (sent, written) = (terminal.bytes() - sent, process::bytes_to_disk(pid)? - written);
    Ok(vec![
        figure(format!("idle for {} s{with}, share of a core", IDLE.as_secs()), share, "%", 1.0),
        figure(format!("idle{with}, bytes to the terminal"), sent as f64, "B", 0.0),
        figure(format!("idle{with}, bytes to the disk"), written as f64, "B", 0.0),
        figure(format!("resident memory{with}"), process::resident_megabytes(pid)?, "MB", memory),
    ])
}

/// Opens the program and waits until it rests.
fn open(program: &Path, home: &Home, size: (u16, u16)) -> Result<Terminal> {
    let terminal = Terminal::start(program, home.root(), size, (KITTY, Duration::ZERO), has_any_row)?;
    terminal.first_frame()?;
    terminal.rest(QUIET);
    Ok(terminal)
}

/// The most bytes that a step of the cursor takes, in each table, down to its end and back.
fn cursors(program: &Path, home: &Home) -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for size in [(80, 24), SIZE, (240, 70)] {
        let mut terminal = open(program, home, size)?;
        // The program opens on the first screen: another comes first, since a key that changes nothing draws nothing.
        for (key, name) in [("2", "queue"), ("1", "studies"), ("5", "plugins")] {
            terminal.press(key, |_| true)?;
            terminal.rest(QUIET);
            figures.push(steps(&mut terminal, name, size)?);
        }
        drop(terminal);
        // The pictures beside a dataset follow when the cursor rests; they are no part of the step.
        let mut terminal = Terminal::start_with(program, home.root(), size, &["--graphics", "off"], has_any_row)?;
        terminal.first_frame()?;
        terminal.press("6", |_| true)?;
        terminal.rest(QUIET);
        figures.push(steps(&mut terminal, "data without its pictures", size)?);
    }
    Ok(figures)
}

fn steps(terminal: &mut Terminal, name: &str, (columns, rows): (u16, u16)) -> Result<Figure> {
    let mut most = 0;
    for key in ["j", "k"] {
        for _ in 0..rows {
            most = most.max(terminal.step(key, MOMENT)?);
        }
    }
    Ok(figure(format!("a step of the cursor, {name}, {columns} x {rows}"), most as f64 / 1000.0, "KB", 4.0))
}

/// The table of a million rows: opening, moving, sorting.
fn million(program: &Path, home: &Home) -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    let mut terminal = open(program, home, SIZE)?;
    let read = terminal.press("3", |screen| screen.contains("resnet50 (baseline)"))?;
    figures.push(figure("results with a million figures, read and tested", read.after.as_secs_f64(), "s", None));
    terminal.press("]", |screen| screen.contains("gradcam++"))?;
    let listed = terminal.press("i", |screen| screen.contains("of 1 000 000"))?;
    figures.push(figure("opening the table of a million rows", milliseconds(listed.after), "ms", None));
    terminal.rest(QUIET);
    let (mut times, mut most) = (Vec::new(), 0);
    for key in ROUND.iter().cycle().take(KEYS) {
        let seen = terminal.key(key)?;
        times.push(milliseconds(seen.after));
        most = most.max(seen.bytes);
        std::thread::sleep(PAUSE);
    }
    times.sort_by(f64::total_cmp);
    let rank = |share: f64| times[((times.len() as f64 * share).ceil() as usize).clamp(1, times.len()) - 1];
    figures.push(figure(format!("key to frame in a million rows, p99 of {KEYS}"), rank(0.99), "ms", 16.0));
    figures.push(figure("  the median", rank(0.5), "ms", None));
    figures.push(figure("  the slowest", rank(1.0), "ms", None));
    figures.push(steps(&mut terminal, "a million rows", SIZE)?);
    for column in ["group", "method", "metric", "value", "truth", "predicted", "status", "image"] {
        let mark = format!("{column} ");
        let sorted = terminal.press("K", move |screen| {
            !screen.contains("sorting …")
                && [" ↓", " ↑"].iter().any(|a| screen.contains(&format!("{}{a}", mark.trim())))
        })?;
        figures.push(figure(format!("sorting a million rows by {column}"), milliseconds(sorted.after), "ms", 300.0));
        std::thread::sleep(PAUSE);
    }
    figures.extend(watch_idle(&terminal, ", with the million rows", Some(150.0))?);
    figures.push(figure("  the most so far", process::most_resident_megabytes(terminal.process())?, "MB", None));
    Ok(figures)
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

fn beside(name: &str) -> Result<PathBuf> {
    let path = std::env::current_exe()?.with_file_name(name);
    if !path.exists() {
        bail!("{} is not built; run ./justw bench interface", path.display());
    }
    Ok(path)
}
