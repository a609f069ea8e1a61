//! How commands print: plain tables, JSON, colours and progress.

use std::io::{ErrorKind, IsTerminal, Write};
use std::sync::LazyLock;

use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use serde::Serialize;

use crate::failure::{Failure, Result};

/// The progress bars of this program: one terminal shows them all, each on a line of its own below what is printed.
static BARS: LazyLock<MultiProgress> = LazyLock::new(MultiProgress::new);

/// When to colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Color {
    /// On a terminal, unless `NO_COLOR` is set.
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// How this call prints.
#[derive(Clone, Copy, Debug)]
pub struct Output {
    /// JSON instead of tables.
    pub json: bool,
    /// Nothing but results.
    pub quiet: bool,
    /// Colours on standard output.
    pub color: bool,
}

impl Output {
    /// Resolves the global flags.
    pub fn new(json: bool, quiet: bool, color: Color) -> Self {
        let no_color = std::env::var_os("NO_COLOR").is_some_and(|v| !v.is_empty());
        let color = match color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => !no_color && std::io::stdout().is_terminal(),
        };
        Self { json, quiet, color }
    }

    /// Prints a line of result. A closed pipe (`| head`) ends the program quietly, as Unix tools do.
    pub fn line(&self, text: impl std::fmt::Display) {
        write_or_end(format!("{text}\n").as_bytes());
    }

    /// Prints bytes as they are.
    pub fn bytes(&self, bytes: &[u8]) {
        write_or_end(bytes);
    }

    /// Prints a remark on standard error, unless quiet.
    pub fn note(&self, text: impl std::fmt::Display) {
        if !self.quiet {
            say(text);
        }
    }

    /// Prints a record as JSON.
    pub fn record(&self, value: &impl Serialize) -> Result<()> {
        let text = serde_json::to_string_pretty(value).map_err(Failure::failed)?;
        write_or_end(format!("{text}\n").as_bytes());
        Ok(())
    }

    /// Prints a table with aligned columns: text to the left, figures to the right.
    pub fn table(&self, header: &[&str], rows: &[Vec<String>]) {
        write_or_end(align(header, rows, self.color).as_bytes());
    }

    /// A progress bar on a terminal; elsewhere plain lines at every tenth.
    pub fn progress(&self, what: &str, total: usize) -> Progress {
        let terminal = std::io::stderr().is_terminal();
        let bar = (terminal && !self.quiet).then(|| {
            let bar = BARS.add(ProgressBar::new(total as u64));
            let style = "{msg} {wide_bar} {pos}/{len} {eta}";
            bar.set_style(ProgressStyle::with_template(style).unwrap_or_else(|_| ProgressStyle::default_bar()));
            bar.set_message(what.to_owned());
            bar
        });
        Progress { bar, what: what.to_owned(), total, tenth: 0, quiet: self.quiet }
    }
}

/// How far a long piece of work has come.
pub struct Progress {
    bar: Option<ProgressBar>,
    what: String,
    total: usize,
    tenth: usize,
    quiet: bool,
}

impl Progress {
    /// Says that `done` items are done.
    pub fn set(&mut self, done: usize) {
        if let Some(bar) = &self.bar {
            bar.set_position(done as u64);
        } else if !self.quiet && self.total > 0 {
            let tenth = done * 10 / self.total;
            if tenth > self.tenth {
                self.tenth = tenth;
                say(format_args!("{}: {done} of {}", self.what, self.total));
            }
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
            BARS.remove(bar);
        }
    }
}

/// Writes a line to standard error, above the progress bars. Nobody may be listening there any more, which is no reason to
/// stop: what is being done matters more than what is said about it.
pub fn say(text: impl std::fmt::Display) {
    BARS.suspend(|| {
        let _ = writeln!(std::io::stderr().lock(), "{text}");
    });
}

fn write_or_end(bytes: &[u8]) {
    let written = BARS.suspend(|| {
        let mut out = std::io::stdout().lock();
        out.write_all(bytes).and_then(|()| out.flush())
    });
    match written {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::BrokenPipe => std::process::exit(0),
        Err(error) => {
            say(format_args!("error: cannot write to standard output: {error}"));
            std::process::exit(1);
        }
    }
}

/// Columns padded to their widest cell.
fn align(header: &[&str], rows: &[Vec<String>], color: bool) -> String {
    let width = |text: &str| text.chars().count();
    let mut widths: Vec<usize> = header.iter().map(|h| width(h)).collect();
    for row in rows {
        for (w, cell) in widths.iter_mut().zip(row) {
            *w = (*w).max(width(cell));
        }
    }
    let figures: Vec<bool> =
        (0..header.len()).map(|c| rows.iter().all(|r| r.get(c).is_none_or(|t| is_figure(t)))).collect();
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let padded: Vec<String> = cells
            .enumerate()
            .map(|(c, text)| {
                let padding = " ".repeat(widths.get(c).copied().unwrap_or(0).saturating_sub(width(text)));
                if figures.get(c) == Some(&true) { format!("{padding}{text}") } else { format!("{text}{padding}") }
            })
            .collect();
        padded.join("  ").trim_end().to_owned()
    };
    let mut text = line(&mut header.iter().copied());
    if color {
        text = format!("\x1b[1m{text}\x1b[0m");
    }
    for row in rows {
        text.push('\n');
        text += &line(&mut row.iter().map(String::as_str));
    }
    text.push('\n');
    text
}

fn is_figure(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_digit() || matches!(c, '.' | ',' | ' ' | '-' | '+' | '%' | '–'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_stand_to_the_right() {
        let rows = vec![vec!["a".to_owned(), "12".to_owned()], vec!["long".to_owned(), "3".to_owned()]];
        assert_eq!(align(&["name", "n"], &rows, false), "name   n\na     12\nlong   3\n");
    }
}
