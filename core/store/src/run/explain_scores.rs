//! A million rows of `explain.csv` in memory: words that come again and again are kept once.

use std::collections::HashMap;
use std::path::Path;

use csv::StringRecord;

use crate::error::{Result, StoreError};

/// Columns of words that are kept, in the order of [`Word`].
const WORDS: [&str; 7] = ["image", "group", "method", "metric", "status", "truth", "predicted"];

/// A column of words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// Image id.
    Image,
    /// Patient or lesion; empty when unknown.
    Group,
    /// Method id.
    Method,
    /// Metric id.
    Metric,
    /// `ok`, or why there is no figure.
    Status,
    /// True class.
    Truth,
    /// Predicted class.
    Predicted,
}

/// One figure of one explanation of one image, as [`ExplainRow`](super::ExplainRow) without what it was made with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ExplainScore<'a> {
    /// Image id.
    pub image: &'a str,
    /// Patient or lesion; empty when unknown.
    pub group: &'a str,
    /// Method id.
    pub method: &'a str,
    /// Metric id.
    pub metric: &'a str,
    /// The figure; none when the status says why.
    pub value: Option<f64>,
    /// `ok`, or why there is no figure.
    pub status: &'a str,
    /// True class, by name.
    pub truth: &'a str,
    /// Predicted class, by name.
    pub predicted: &'a str,
}

/// A row: places of its words, and its figure.
#[derive(Clone, Copy, Debug)]
struct Packed {
    words: [u32; WORDS.len()],
    has_value: bool,
    value: f64,
}

/// The figures of an `explain.csv`.
#[derive(Clone, Debug, Default)]
pub struct ExplainScores {
    words: Vec<Box<str>>,
    rows: Vec<Packed>,
}

impl ExplainScores {
    /// Reads what [`write_explain`](super::write_explain) wrote.
    ///
    /// # Errors
    /// When the file cannot be read, a column is missing or a figure is none.
    pub fn read(path: &Path) -> Result<Self> {
        let bad = |message: String| StoreError::content(path, message);
        let mut csv = csv::Reader::from_path(path).map_err(|e| bad(e.to_string()))?;
        let header = csv.headers().map_err(|e| bad(e.to_string()))?;
        if header.is_empty() {
            // Without rows it has no header either.
            return Ok(Self::default());
        }
        let column = |name: &str| {
            header.iter().position(|c| c == name).ok_or_else(|| bad(format!("there is no column {name:?}")))
        };
        let columns = WORDS.iter().map(|name| column(name)).collect::<Result<Vec<_>>>()?;
        let value = column("value")?;
        let mut scores = Self::default();
        let mut known: HashMap<Box<str>, u32> = HashMap::new();
        let mut record = StringRecord::new();
        while csv.read_record(&mut record).map_err(|e| bad(e.to_string()))? {
            let figure = figure(&record, value).map_err(bad)?;
            let mut row =
                Packed { words: [0; WORDS.len()], has_value: figure.is_some(), value: figure.unwrap_or(f64::NAN) };
            for (place, column) in row.words.iter_mut().zip(&columns) {
                let word = record.get(*column).unwrap_or_default();
                *place = scores.place_of(word, &mut known).ok_or_else(|| bad("it has too many words".into()))?;
            }
            scores.rows.push(row);
        }
        scores.rows.shrink_to_fit();
        Ok(scores)
    }

    fn place_of(&mut self, word: &str, known: &mut HashMap<Box<str>, u32>) -> Option<u32> {
        if let Some(place) = known.get(word) {
            return Some(*place);
        }
        let place = u32::try_from(self.words.len()).ok()?;
        self.words.push(word.into());
        known.insert(word.into(), place);
        Some(place)
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// A row.
    pub fn get(&self, row: usize) -> Option<ExplainScore<'_>> {
        self.rows.get(row).map(|row| self.unpack(row))
    }

    /// All rows.
    pub fn iter(&self) -> impl Iterator<Item = ExplainScore<'_>> {
        self.rows.iter().map(|row| self.unpack(row))
    }

    /// The figure of a row.
    pub fn value(&self, row: usize) -> Option<f64> {
        self.rows.get(row).filter(|row| row.has_value).map(|row| row.value)
    }

    /// Each different word, in the order of first appearance.
    pub fn words(&self) -> &[Box<str>] {
        &self.words
    }

    /// The place of a row's word among [`words`](Self::words).
    pub fn place(&self, row: usize, word: Word) -> Option<usize> {
        self.rows.get(row).map(|row| row.words[word as usize] as usize)
    }

    fn unpack(&self, row: &Packed) -> ExplainScore<'_> {
        let [image, group, method, metric, status, truth, predicted] =
            row.words.map(|place| &*self.words[place as usize]);
        let value = row.has_value.then_some(row.value);
        ExplainScore { image, group, method, metric, value, status, truth, predicted }
    }
}

fn figure(record: &StringRecord, column: usize) -> std::result::Result<Option<f64>, String> {
    let text = record.get(column).unwrap_or_default();
    if text.is_empty() {
        return Ok(None);
    }
    let line = record.position().map_or(0, |p| p.line());
    text.parse().map(Some).map_err(|_| format!("line {line}: {text:?} is not a number"))
}

#[cfg(test)]
mod tests {
    use super::super::{ExplainRow, write_explain};
    use super::*;
    use proptest::prelude::*;

    fn row(words: [&str; 7], value: Option<f64>) -> ExplainRow {
        let [image, group, method, metric, status, truth, predicted] = words.map(str::to_owned);
        let (params, layer, target) = ("eps=0.1;k=2".to_owned(), "a+b".to_owned(), predicted.clone());
        ExplainRow { image, group, method, params, layer, target, metric, value, status, truth, predicted }
    }

    proptest! {
        #[test]
        fn it_says_what_the_rows_say(
            rows in proptest::collection::vec((proptest::collection::vec("[a-cé, \"]{0,3}", 7), proptest::option::of(proptest::num::f64::NORMAL)), 0..20),
        ) {
            let rows: Vec<ExplainRow> = rows
                .iter()
                .map(|(words, value)| row(std::array::from_fn(|i| words[i].as_str()), *value))
                .collect();
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("explain.csv");
            write_explain(&path, &rows).unwrap();
            let scores = ExplainScores::read(&path).unwrap();
            prop_assert_eq!(scores.len(), rows.len());
            for (i, (row, score)) in rows.iter().zip(scores.iter()).enumerate() {
                let of_row = [&row.image, &row.group, &row.method, &row.metric, &row.status, &row.truth, &row.predicted];
                let words = [score.image, score.group, score.method, score.metric, score.status, score.truth, score.predicted];
                prop_assert_eq!(of_row, words);
                prop_assert_eq!(row.value, score.value);
                prop_assert_eq!(scores.get(i), Some(score));
                prop_assert_eq!(scores.value(i), score.value);
                prop_assert_eq!(&*scores.words()[scores.place(i, Word::Truth).unwrap()], score.truth);
            }
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("explain.csv");
            std::fs::write(&path, &bytes).unwrap();
            if let Err(error) = ExplainScores::read(&path) {
                prop_assert!(error.to_string().contains("explain.csv"));
            }
        }
    }

    #[test]
    fn a_wrong_figure_is_named_with_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("explain.csv");
        let header = "image,group,method,params,layer,target,metric,value,status,truth,predicted";
        std::fs::write(&path, format!("{header}\na,,m,,l,t,road,half,ok,t,t\n")).unwrap();
        let message = ExplainScores::read(&path).unwrap_err().to_string();
        assert!(message.contains("line 2") && message.contains("half"), "{message}");
    }
}
