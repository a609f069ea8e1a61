//! Split files: a CSV with a row per image and fold (`image,fold,part`), checked against the dataset when read.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use super::make::{crossing_groups, finish};
use super::{Fold, Folds, Groups};
use crate::dataset::{CsvFile, Dataset, Notices, Split, write_atomic};
use crate::error::{Error, Result};
use crate::nearest::suggestion;

/// What to do about a file that puts images of one group into different parts of a fold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Crossing {
    /// Refuse the file.
    #[default]
    Refuse,
    /// Take it, with a counted notice.
    Notice,
}

/// Writes a split file.
pub fn write_file(path: &Path, dataset: &Dataset, folds: &Folds) -> Result<()> {
    let failed = |error: csv::Error| Error::io("write", path, std::io::Error::other(error));
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(["image", "fold", "part"]).map_err(failed)?;
    for fold in &folds.folds {
        let mut rows: Vec<(usize, Split)> = Vec::with_capacity(dataset.images().len());
        for part in [Split::Train, Split::Validation, Split::Test] {
            rows.extend(fold.part(part).iter().map(|index| (*index, part)));
        }
        rows.sort_unstable();
        for (index, part) in rows {
            writer.write_record([dataset.images()[index].id.as_str(), &fold.name, part.name()]).map_err(failed)?;
        }
    }
    let bytes = writer.into_inner().map_err(|error| Error::io("write", path, error.into_error()))?;
    write_atomic(path, &bytes)
}

/// Reads a split file: every fold must place every image of the dataset exactly once.
pub fn read_file(path: &Path, dataset: &Dataset, groups: &Groups, crossing: Crossing) -> Result<Folds> {
    let table = CsvFile::read(path)?;
    let image_column = table.column("image", "image")?;
    let fold_column = table.column("fold", "fold")?;
    let part_column = table.column("part", "part")?;
    let index_of: HashMap<&str, usize> =
        dataset.images().iter().enumerate().map(|(index, image)| (image.id.as_str(), index)).collect();
    let mut placed: BTreeMap<FoldName, Vec<Option<(Split, u64)>>> = BTreeMap::new();
    for row in &table.rows {
        let name = row.get(image_column);
        let Some(index) = index_of.get(name) else {
            let dropped = dataset.dedup().dropped.iter().any(|drop| drop.image == name);
            let problem = if dropped { "was dropped as a copy" } else { "is not in the dataset" };
            let remedy = "write the split file again with `data split`";
            return Err(table.error(row, format!("image: {name:?} {problem} {:?}", dataset.name()), remedy));
        };
        let part = match row.get(part_column) {
            "train" => Split::Train,
            "validation" | "val" => Split::Validation,
            "test" => Split::Test,
            other => {
                let remedy = suggestion(other, ["train", "validation", "test"]);
                return Err(table.error(row, format!("part: {other:?} is not a part"), remedy));
            }
        };
        let fold = row.get(fold_column);
        if fold.is_empty() {
            return Err(table.error(row, "fold: empty", "number the folds"));
        }
        let places = placed.entry(FoldName::new(fold)).or_insert_with(|| vec![None; dataset.images().len()]);
        if let Some((_, line)) = places[*index] {
            let problem = format!("{name:?} is placed in fold {fold} by line {line} already");
            return Err(table.error(row, problem, "keep one row per image and fold"));
        }
        places[*index] = Some((part, row.line));
    }
    if placed.is_empty() {
        return Err(Error::content(path, "has no rows", "write the split file with `data split`"));
    }
    let mut notices = Notices::default();
    let mut folds = Vec::with_capacity(placed.len());
    for (number, (name, places)) in placed.into_iter().enumerate() {
        let missing: Vec<&str> = (places.iter().zip(dataset.images()))
            .filter(|(place, _)| place.is_none())
            .map(|(_, image)| image.id.as_str())
            .collect();
        if let Some(first) = missing.first() {
            let problem = format!("fold {} does not place {} images (as {first:?})", name.text, missing.len());
            return Err(Error::content(path, problem, "every fold places every image: add the rows"));
        }
        let of = |wanted: Split| -> Vec<usize> {
            let images = places.iter().enumerate();
            images.filter(|(_, place)| place.is_some_and(|(part, _)| part == wanted)).map(|(index, _)| index).collect()
        };
        let fold = Fold {
            repeat: name.repeat_and_fold.map_or(0, |(repeat, _)| repeat),
            number: name.repeat_and_fold.map_or(number, |(_, fold)| fold),
            name: name.text,
            seed: None,
            train: of(Split::Train),
            validation: of(Split::Validation),
            test: of(Split::Test),
        };
        check_fold(path, dataset, groups, &fold, crossing, &mut notices)?;
        folds.push(fold);
    }
    finish(dataset, folds, &mut notices)
}

fn check_fold(
    path: &Path,
    dataset: &Dataset,
    groups: &Groups,
    fold: &Fold,
    crossing: Crossing,
    notices: &mut Notices,
) -> Result<()> {
    for part in [Split::Train, Split::Test] {
        if fold.part(part).is_empty() {
            let problem = format!("fold {} has no {part} rows", fold.name);
            return Err(Error::content(path, problem, "every fold needs train and test images"));
        }
    }
    let mut trained = vec![false; dataset.classes().len()];
    for index in &fold.train {
        trained[dataset.images()[*index].label] = true;
    }
    if let Some(index) = fold.test.iter().find(|index| !trained[dataset.images()[**index].label]) {
        let class = &dataset.classes()[dataset.images()[*index].label];
        let problem = format!("fold {} tests class {class:?}, but its training part has none of it", fold.name);
        return Err(Error::content(path, problem, "place images of that class in train"));
    }
    for (name, crosses) in crossing_groups(dataset, groups, &[&fold.train, &fold.validation, &fold.test]) {
        if !crosses {
            continue;
        }
        if crossing == Crossing::Refuse {
            let problem = format!("fold {} divides the group of {name:?} between its parts", fold.name);
            return Err(Error::content(path, problem, "keep a group (and identical images) in one part"));
        }
        notices.count("groups that the split file divides between its parts", &format!("{name} in fold {}", fold.name));
    }
    Ok(())
}

/// A fold's name, ordered as people count: 2 before 10, `1-0` after `0-4`.
#[derive(Debug, Clone, PartialEq, Eq)]
struct FoldName {
    text: String,
    repeat_and_fold: Option<(usize, usize)>,
}

impl FoldName {
    fn new(text: &str) -> Self {
        let repeat_and_fold = match text.split_once('-') {
            Some((repeat, fold)) => repeat.parse().ok().zip(fold.parse().ok()),
            None => text.parse().ok().map(|fold| (0, fold)),
        };
        Self { text: text.to_owned(), repeat_and_fold }
    }

    fn key(&self) -> (bool, Option<(usize, usize)>, &str) {
        (self.repeat_and_fold.is_none(), self.repeat_and_fold, &self.text)
    }
}

impl PartialOrd for FoldName {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for FoldName {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.key().cmp(&other.key())
    }
}
