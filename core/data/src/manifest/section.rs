//! Reading one TOML table strictly: each mistake is told with its line, its field and the nearest valid name.

use std::ops::Range;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::error::{Error, Result};
use crate::nearest::suggestion;

/// The text that is read, and where it came from.
pub(super) struct Source<'a> {
    pub path: &'a Path,
    pub text: &'a str,
}

impl Source<'_> {
    /// An error at a place in the text.
    pub fn error(&self, span: Range<usize>, field: &str, problem: impl AsRef<str>, remedy: impl Into<String>) -> Error {
        let start = span.start.min(self.text.len());
        let line = self.text.as_bytes()[..start].iter().filter(|byte| **byte == b'\n').count() + 1;
        let colon = if field.is_empty() { "" } else { ": " };
        Error::content(self.path, format!("line {line}: {field}{colon}{}", problem.as_ref()), remedy)
    }
}

/// One table of the file, its keys already known to be valid.
pub(super) struct Section<'a> {
    source: &'a Source<'a>,
    name: String,
    table: &'a DeTable<'a>,
    span: Range<usize>,
}

impl<'a> Section<'a> {
    /// Takes a table whose keys must all be in `known`.
    pub fn new(
        source: &'a Source<'a>,
        name: &str,
        table: &'a DeTable<'a>,
        span: Range<usize>,
        known: &[&str],
    ) -> Result<Self> {
        let section = Self { source, name: name.to_owned(), table, span };
        for key in table.keys() {
            let text: &str = key.get_ref();
            if !known.contains(&text) {
                let place = if name.is_empty() { String::new() } else { format!("[{name}]") };
                let problem = format!("unknown key {text:?}");
                return Err(source.error(key.span(), &place, problem, suggestion(text, known.iter().copied())));
            }
        }
        Ok(section)
    }

    fn field(&self, key: &str) -> String {
        if self.name.is_empty() { key.to_owned() } else { format!("{}.{key}", self.name) }
    }

    fn get(&self, key: &str) -> Option<&'a Spanned<DeValue<'a>>> {
        self.table.get(key)
    }

    /// True where the key is there.
    pub fn has(&self, key: &str) -> bool {
        self.get(key).is_some()
    }

    /// An error about the value of `key`, or about the whole table where it has none.
    pub fn error(&self, key: &str, problem: impl AsRef<str>, remedy: impl Into<String>) -> Error {
        let span = self.get(key).map_or_else(|| self.span.clone(), Spanned::span);
        self.source.error(span, &self.field(key), problem, remedy)
    }

    fn wrong_type(&self, key: &str, value: &DeValue<'_>, wanted: &str) -> Error {
        self.error(key, format!("expected {wanted}, found {}", value.type_str()), format!("write {wanted}"))
    }

    /// An error unless the key is there.
    pub fn required<T>(&self, key: &str, value: Option<T>, example: &str) -> Result<T> {
        value.ok_or_else(|| self.error(key, "missing", format!("add {key} = {example}")))
    }

    /// A string.
    pub fn text(&self, key: &str) -> Result<Option<String>> {
        match self.get(key).map(Spanned::get_ref) {
            None => Ok(None),
            Some(DeValue::String(text)) => Ok(Some(text.clone().into_owned())),
            Some(other) => Err(self.wrong_type(key, other, "a string")),
        }
    }

    /// A string out of a fixed set.
    pub fn choice<T: Copy>(&self, key: &str, choices: &[(&str, T)]) -> Result<Option<T>> {
        let Some(text) = self.text(key)? else { return Ok(None) };
        match choices.iter().find(|(name, _)| *name == text) {
            Some((_, value)) => Ok(Some(*value)),
            None => {
                let names = choices.iter().map(|(name, _)| *name);
                Err(self.error(key, format!("unknown value {text:?}"), suggestion(&text, names)))
            }
        }
    }

    /// A string, or a list of strings; none where the key is absent.
    pub fn texts(&self, key: &str) -> Result<Vec<String>> {
        match self.get(key).map(Spanned::get_ref) {
            None => Ok(Vec::new()),
            Some(DeValue::String(text)) => Ok(vec![text.clone().into_owned()]),
            Some(DeValue::Array(array)) => {
                let mut texts = Vec::with_capacity(array.len());
                for item in array.iter() {
                    match item.get_ref() {
                        DeValue::String(text) => texts.push(text.clone().into_owned()),
                        other => return Err(self.wrong_type(key, other, "a list of strings")),
                    }
                }
                Ok(texts)
            }
            Some(other) => Err(self.wrong_type(key, other, "a string or a list of strings")),
        }
    }

    /// A finite number, written as an integer or with a point.
    pub fn number(&self, key: &str) -> Result<Option<f64>> {
        let Some(value) = self.get(key) else { return Ok(None) };
        match number_of(value.get_ref()) {
            Some(number) => Ok(Some(number)),
            None => Err(self.wrong_type(key, value.get_ref(), "a finite number")),
        }
    }

    /// A list of exactly two finite numbers.
    pub fn pair(&self, key: &str) -> Result<Option<[f64; 2]>> {
        let Some(value) = self.get(key) else { return Ok(None) };
        if let DeValue::Array(array) = value.get_ref() {
            let numbers: Vec<f64> = array.iter().filter_map(|item| number_of(item.get_ref())).collect();
            if let (2, [first, second]) = (array.len(), numbers.as_slice()) {
                return Ok(Some([*first, *second]));
            }
            return Err(self.error(key, "expected a list of two finite numbers", "write for example [40, 400]"));
        }
        Err(self.wrong_type(key, value.get_ref(), "a list of two numbers"))
    }

    /// An integer.
    pub fn integer(&self, key: &str) -> Result<Option<i64>> {
        match self.get(key).map(Spanned::get_ref) {
            None => Ok(None),
            Some(value @ DeValue::Integer(integer)) => match i64::from_str_radix(integer.as_str(), integer.radix()) {
                Ok(number) => Ok(Some(number)),
                Err(_) => Err(self.wrong_type(key, value, "an integer of 64 bits")),
            },
            Some(other) => Err(self.wrong_type(key, other, "an integer")),
        }
    }

    /// `true` or `false`.
    pub fn boolean(&self, key: &str) -> Result<Option<bool>> {
        match self.get(key).map(Spanned::get_ref) {
            None => Ok(None),
            Some(DeValue::Boolean(boolean)) => Ok(Some(*boolean)),
            Some(other) => Err(self.wrong_type(key, other, "true or false")),
        }
    }

    /// True where the key holds a string.
    pub fn is_text(&self, key: &str) -> bool {
        matches!(self.get(key).map(Spanned::get_ref), Some(DeValue::String(_)))
    }

    /// True where the key holds `true` or `false`.
    pub fn is_boolean(&self, key: &str) -> bool {
        matches!(self.get(key).map(Spanned::get_ref), Some(DeValue::Boolean(_)))
    }

    /// A table below this one.
    pub fn section(&self, key: &str, known: &[&str]) -> Result<Option<Section<'a>>> {
        let Some(value) = self.get(key) else { return Ok(None) };
        match value.get_ref() {
            DeValue::Table(table) => Section::new(self.source, &self.field(key), table, value.span(), known).map(Some),
            other => Err(self.wrong_type(key, other, "a table")),
        }
    }
}

fn number_of(value: &DeValue<'_>) -> Option<f64> {
    let number = match value {
        DeValue::Integer(integer) => i64::from_str_radix(integer.as_str(), integer.radix()).ok()? as f64,
        DeValue::Float(float) => float.as_str().parse().ok()?,
        _ => return None,
    };
    number.is_finite().then_some(number)
}
