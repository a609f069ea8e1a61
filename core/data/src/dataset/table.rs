//! Images by a table: a row per image, its label in one column or in one of several.

use std::collections::HashMap;
use std::path::Path;

use super::csv_file::{CsvFile, Row};
use super::lookup::{Found, Lookup};
use super::scan::{Labelled, open_table};
use super::{Notices, Split};
use crate::error::{Error, Result};
use crate::manifest::{LabelColumns, Missing, Table};

/// How many missing images an error names.
const NAMED: usize = 3;

/// Reads the table's images out of the candidates.
pub(super) fn read(
    root: &Path,
    rule: &Table,
    group: Option<&str>,
    candidates: &[&str],
    notices: &mut Notices,
) -> Result<Vec<Labelled>> {
    let table = open_table(root, &rule.file)?;
    if table.rows.is_empty() {
        return Err(Error::content(&table.path, "has no rows", "a row per image is needed"));
    }
    let image = table.column(&rule.image, "layout.image")?;
    let label = Label::new(&table, &rule.label)?;
    let group = group.map(|name| table.column(name, "groups.column")).transpose()?;
    let split = rule.split.as_deref().map(|name| table.column(name, "layout.split")).transpose()?;

    let in_folders = |id: &&str| {
        rule.folders.is_empty()
            || rule
                .folders
                .iter()
                .any(|folder| id.strip_prefix(folder.trim_end_matches('/')).is_some_and(|below| below.starts_with('/')))
    };
    let candidates: Vec<&str> = candidates.iter().copied().filter(in_folders).collect();
    let lookup = Lookup::new(candidates.iter().copied());
    let mut missing: Vec<(u64, String)> = Vec::new();
    let mut first_row: HashMap<usize, (u64, usize)> = HashMap::new();
    let mut labelled: Vec<Labelled> = Vec::with_capacity(table.rows.len());
    for row in &table.rows {
        let value = row.get(image);
        if value.is_empty() {
            return Err(table.error(row, format!("{}: empty", rule.image), "name the image or remove the row"));
        }
        let index = match lookup.find(value) {
            Some(Found::One(index)) => index,
            Some(Found::Several(a, b)) => {
                let problem = format!(
                    "{}: {value:?} is the name of several images ({:?}, {:?})",
                    rule.image, candidates[a], candidates[b]
                );
                let remedy = "name the path below the root, or set layout.folders in the manifest";
                return Err(table.error(row, problem, remedy));
            }
            None => {
                missing.push((row.line, value.to_owned()));
                continue;
            }
        };
        let item = Labelled {
            id: candidates[index].to_owned(),
            label: label.of(&table, row)?,
            group: group.map(|column| row.get(column)).filter(|value| !value.is_empty()).map(str::to_owned),
            split: split.map(|column| split_of(&table, row, column)).transpose()?,
        };
        if group.is_some() && item.group.is_none() {
            notices.count("rows without a group stand alone", value);
        }
        if let Some((line, earlier)) = first_row.get(&index) {
            if labelled[*earlier] != item {
                let problem = format!("{value:?} stands in line {line} already, with another label, group or split");
                return Err(table.error(row, problem, "keep one row per image"));
            }
            notices.count("rows that repeat an earlier one are left out", value);
            continue;
        }
        first_row.insert(index, (row.line, labelled.len()));
        labelled.push(item);
    }
    report_missing(&table, rule, &missing, labelled.len(), notices)?;
    for (index, id) in candidates.iter().enumerate() {
        if !first_row.contains_key(&index) {
            notices.count("images that the table does not name are left out", id);
        }
    }
    Ok(labelled)
}

fn report_missing(
    table: &CsvFile,
    rule: &Table,
    missing: &[(u64, String)],
    found: usize,
    notices: &mut Notices,
) -> Result<()> {
    if missing.is_empty() {
        return Ok(());
    }
    if rule.missing == Missing::Skip && found > 0 {
        for (_, name) in missing {
            notices.count("rows whose image does not exist are left out", name);
        }
        return Ok(());
    }
    let named: Vec<String> =
        missing.iter().take(NAMED).map(|(line, name)| format!("{name:?} in line {line}")).collect();
    let more = if missing.len() > NAMED { ", ..." } else { "" };
    let images = match missing.len() {
        1 => "an image that does not exist".to_owned(),
        count => format!("{count} images that do not exist"),
    };
    let problem = format!("column {:?} names {images} ({}{more})", rule.image, named.join(", "));
    let remedy = if found == 0 {
        "check the image column and the root (--image-col, --root)"
    } else {
        "add the files, remove the rows, or set missing = \"skip\" under [layout] in the manifest"
    };
    Err(Error::content(&table.path, problem, remedy))
}

/// The label's column or columns.
enum Label {
    One(usize, String),
    OneHot(Vec<(usize, String)>),
}

impl Label {
    fn new(table: &CsvFile, columns: &LabelColumns) -> Result<Self> {
        match columns {
            LabelColumns::One(name) => Ok(Self::One(table.column(name, "layout.label")?, name.clone())),
            LabelColumns::OneHot(names) => names
                .iter()
                .map(|name| Ok((table.column(name, "layout.one_hot")?, name.clone())))
                .collect::<Result<_>>()
                .map(Self::OneHot),
        }
    }

    fn of(&self, table: &CsvFile, row: &Row) -> Result<String> {
        match self {
            Self::One(column, name) => match row.get(*column) {
                "" => Err(table.error(row, format!("{name}: no label"), "add the label or remove the row")),
                label => Ok(label.to_owned()),
            },
            Self::OneHot(columns) => {
                let mut hot = None;
                for (column, name) in columns {
                    let value = row.get(*column);
                    match one_hot_value(value) {
                        Some(true) if hot.is_some() => {
                            let first = hot.unwrap_or_default();
                            let problem =
                                format!("columns {first:?} and {name:?} both hold 1, and an image has one class");
                            return Err(table.error(row, problem, "correct the row"));
                        }
                        Some(true) => hot = Some(name.clone()),
                        Some(false) => {}
                        None => {
                            let problem = format!("{name}: {value:?} is neither 0 nor 1");
                            return Err(table.error(row, problem, "correct the value, or one_hot in the manifest"));
                        }
                    }
                }
                hot.ok_or_else(|| {
                    let names: Vec<&str> = columns.iter().map(|(_, name)| name.as_str()).collect();
                    let problem = format!("none of the label columns ({}) holds 1", names.join(", "));
                    table.error(row, problem, "add the label or remove the row")
                })
            }
        }
    }
}

/// 0 or 1, as spreadsheets write them.
pub(crate) fn one_hot_value(value: &str) -> Option<bool> {
    match value.parse::<f64>() {
        Ok(0.0) => Some(false),
        Ok(1.0) => Some(true),
        _ => match value.to_lowercase().as_str() {
            "true" => Some(true),
            "false" | "" => Some(false),
            _ => None,
        },
    }
}

fn split_of(table: &CsvFile, row: &Row, column: usize) -> Result<Split> {
    let value = row.get(column);
    Split::from_words(value).ok_or_else(|| {
        let name = table.columns.get(column).map_or("", String::as_str);
        table.error(row, format!("{name}: {value:?} is not a part"), "write train, validation or test")
    })
}
