//! A CSV file in memory, whose every complaint names the file, the line and the column.

use std::path::{Path, PathBuf};

use crate::error::{Error, Result};
use crate::nearest::suggestion;

/// A table of a million images is about 100 MB; more than this is another kind of file.
const LARGEST: u64 = 1 << 30;

/// A CSV file in memory.
#[derive(Debug, Clone)]
pub(crate) struct CsvFile {
    pub path: PathBuf,
    pub columns: Vec<String>,
    pub rows: Vec<Row>,
}

/// One row.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    /// The line where it begins, from 1.
    pub line: u64,
    /// A value per column, without space around it.
    pub values: csv::StringRecord,
}

impl CsvFile {
    /// Reads a file; commas, semicolons or tabs, whichever its first line has most of.
    pub fn read(path: &Path) -> Result<Self> {
        let size = std::fs::metadata(path).map_err(|source| Error::io("read", path, source))?.len();
        if size > LARGEST {
            return Err(Error::content(path, format!("{size} bytes are too many for a table"), "split the table"));
        }
        let bytes = std::fs::read(path).map_err(|source| Error::io("read", path, source))?;
        let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&bytes);
        if bytes.starts_with(&[0xFF, 0xFE]) || bytes.starts_with(&[0xFE, 0xFF]) {
            return Err(Error::content(path, "is UTF-16", "save the table as UTF-8"));
        }
        let mut reader = csv::ReaderBuilder::new().delimiter(delimiter(bytes)).trim(csv::Trim::All).from_reader(bytes);
        let columns: Vec<String> =
            reader.headers().map_err(|error| broken(path, &error))?.iter().map(str::to_owned).collect();
        if columns.iter().all(String::is_empty) {
            return Err(Error::content(path, "is empty", "its first line must name the columns"));
        }
        let mut rows = Vec::new();
        for record in reader.records() {
            let values = record.map_err(|error| broken(path, &error))?;
            let line = values.position().map_or(0, csv::Position::line);
            rows.push(Row { line, values });
        }
        Ok(Self { path: path.to_path_buf(), columns, rows })
    }

    /// The index of a column that must be there, once.
    pub fn column(&self, name: &str, field: &str) -> Result<usize> {
        let mut found = self.columns.iter().enumerate().filter(|(_, column)| *column == name);
        let Some((index, _)) = found.next() else {
            let known = self.columns.iter().map(String::as_str);
            let problem = format!("has no column {name:?} ({field})");
            return Err(Error::content(&self.path, problem, suggestion(name, known)));
        };
        if found.next().is_some() {
            return Err(Error::content(&self.path, format!("has two columns {name:?}"), "rename one of them"));
        }
        Ok(index)
    }

    /// An error about one row.
    pub fn error(&self, row: &Row, problem: impl AsRef<str>, remedy: impl Into<String>) -> Error {
        Error::content(&self.path, format!("line {}: {}", row.line, problem.as_ref()), remedy)
    }
}

impl Row {
    /// A value; the reader has checked that every row has all columns.
    pub fn get(&self, column: usize) -> &str {
        self.values.get(column).unwrap_or("")
    }
}

fn delimiter(bytes: &[u8]) -> u8 {
    let line = bytes.split(|byte| *byte == b'\n').next().unwrap_or(bytes);
    let count = |wanted: u8| line.iter().filter(|byte| **byte == wanted).count();
    // The comma wins a tie: it comes last, and `max_by_key` keeps the last of equals.
    [b'\t', b';', b','].into_iter().max_by_key(|wanted| count(*wanted)).unwrap_or(b',')
}

fn broken(path: &Path, error: &csv::Error) -> Error {
    let line = error.position().map_or(String::new(), |position| format!("line {}: ", position.line()));
    match error.kind() {
        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => Error::content(
            path,
            format!("{line}{len} values where the first line names {expected_len} columns"),
            "correct that line (a value that holds a comma stands in quotes)",
        ),
        csv::ErrorKind::Utf8 { .. } => Error::content(path, format!("{line}not UTF-8 text"), "save the table as UTF-8"),
        _ => Error::content(path, format!("{line}not a table: {error}"), "correct the file"),
    }
}
