//! What the columns of a table are for.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::{Guess, Hints, Kind, Listing, label_columns};
use crate::annotation::MaskFinder;
use crate::dataset::{CsvFile, Found, Lookup, Split, one_hot_value};
use crate::error::{Error, Result};
use crate::manifest::{BoxTable, BoxUnit, GroupRule, LabelColumns, Layout, Missing, Table};
use crate::nearest::suggestion;

/// Tables deeper than this below the root are not looked at.
const DEEPEST: usize = 1;
/// At least this share of a column's values must name images for it to be the image column.
const IMAGE_SHARE: f64 = 0.5;
/// More classes than this are something else.
const MOST_CLASSES: usize = 200;

const LABEL_NAMES: [&str; 16] = [
    "label",
    "labels",
    "class",
    "classes",
    "class_name",
    "class_label",
    "target",
    "diagnosis",
    "dx",
    "category",
    "pathology",
    "finding",
    "finding_labels",
    "disease",
    "y",
    "ground_truth",
];
const GROUP_NAMES: [&str; 16] = [
    "patient_id",
    "patientid",
    "patient",
    "patient_no",
    "pid",
    "subject_id",
    "subjectid",
    "subject",
    "person_id",
    "case_id",
    "case",
    "study_id",
    "lesion_id",
    "lesionid",
    "lesion",
    "group",
];
const SPLIT_NAMES: [&str; 7] = ["split", "set", "partition", "subset", "part", "dataset", "phase"];
const IMAGE_NAMES: [&str; 14] = [
    "path",
    "image_path",
    "filepath",
    "file_path",
    "filename",
    "file_name",
    "file",
    "image_id",
    "imageid",
    "image",
    "image_name",
    "img",
    "img_name",
    "name",
];

/// A table and the column of it that names images.
struct Candidate {
    name: String,
    csv: CsvFile,
    image: Option<usize>,
}

/// The tables near a dataset's root.
pub(super) struct Tables {
    root: PathBuf,
    candidates: Vec<Candidate>,
    /// Files named as tables that cannot be read as such.
    broken: Vec<PathBuf>,
    given: bool,
}

impl Tables {
    /// Reads the tables below the root and in `folder`, or just the `given` one.
    pub fn read(listing: &Listing, folder: &Path, given: Option<&Path>) -> Result<Self> {
        let root = listing.root.clone();
        let mut paths: BTreeSet<PathBuf> = BTreeSet::new();
        match given {
            Some(path) => {
                paths.insert(path.canonicalize().map_err(|source| Error::io("read", path, source))?);
            }
            None => {
                let near = |file: &&super::File| {
                    file.kind == Kind::Table && !file.excluded && file.id.matches('/').count() <= DEEPEST
                };
                paths.extend(listing.files.iter().filter(near).map(|file| root.join(&file.id)));
                if folder != root {
                    let here = Listing::read(folder, &[])?;
                    paths.extend(here.files.iter().filter(near).map(|file| folder.join(&file.id)));
                }
            }
        }
        let lookup = Lookup::new(listing.images().map(|file| file.id.as_str()));
        let (mut candidates, mut broken) = (Vec::new(), Vec::new());
        for path in paths {
            let csv = match CsvFile::read(&path) {
                Ok(csv) => csv,
                Err(error) if given.is_some() => return Err(error),
                // It may be another table that lies about; where no other has the labels, its error is told.
                Err(_) => {
                    broken.push(path);
                    continue;
                }
            };
            let name = match path.strip_prefix(&root) {
                Ok(below) => below.to_string_lossy().into_owned(),
                Err(_) => path.to_string_lossy().into_owned(),
            };
            let image = image_column(&csv, &lookup);
            candidates.push(Candidate { name, csv, image });
        }
        Ok(Self { root, candidates, broken, given: given.is_some() })
    }

    /// True where nothing near the root looks like a table.
    pub fn is_empty(&self) -> bool {
        self.candidates.is_empty() && self.broken.is_empty()
    }

    /// Sets the manifest's boxes where a table holds some.
    pub fn guess_boxes(&self, guess: &mut Guess) {
        for candidate in &self.candidates {
            let Some(image) = candidate.image else { continue };
            let Some((columns, unit)) = box_columns(&candidate.csv) else { continue };
            let image = candidate.csv.columns[image].clone();
            let reason = format!(
                "columns {} ({})",
                columns.join(", "),
                match unit {
                    BoxUnit::Fraction => "fractions of the image",
                    BoxUnit::Pixel => "pixels",
                }
            );
            guess.say("boxes", candidate.name.clone(), reason);
            guess.manifest.boxes =
                Some(BoxTable { file: vec![candidate.name.clone()], image, columns, unit, optional: false });
            return;
        }
    }

    /// Sets the manifest's layout to the table that labels the images; an error where there is none or no certainty.
    pub fn use_for_labels(&self, hints: &Hints, listing: &Listing, guess: &mut Guess) -> Result<()> {
        if self.given && guess.manifest.masks.is_none() {
            super::masks::guess(listing, guess);
        }
        let mut failures: Vec<Error> = Vec::new();
        let mut found: Vec<(Table, Option<GroupRule>, Vec<super::Understood>)> = Vec::new();
        for candidate in &self.candidates {
            if !self.given && box_columns(&candidate.csv).is_some() && hints.label_column.is_none() {
                continue;
            }
            match self.understand(candidate, hints, listing, guess) {
                Ok(result) => found.push(result),
                Err(error) => failures.push(error),
            }
        }
        match (found.len(), failures.len()) {
            (1, _) => {
                let (table, groups, understood) = found.remove(0);
                guess.manifest.layout = Layout::Table(table);
                guess.manifest.groups = groups;
                guess.understood.extend(understood);
                Ok(())
            }
            (0, 0) => {
                for path in &self.broken {
                    CsvFile::read(path)?;
                }
                let remedy = "put images in a folder per class, add a table, or write a manifest (docs/manifest.md)";
                Err(Error::content(&self.root, "neither class folders nor a table of labels were found", remedy))
            }
            (0, _) => Err(failures.remove(0)),
            _ => {
                let names: Vec<&str> =
                    found.iter().filter_map(|(table, ..)| table.file.first().map(String::as_str)).collect();
                let problem = format!("several tables could hold the labels: {}", names.join(", "));
                Err(Error::content(&self.root, problem, "name the one to use instead of the folder (and --root)"))
            }
        }
    }

    fn understand(
        &self,
        candidate: &Candidate,
        hints: &Hints,
        listing: &Listing,
        guess: &Guess,
    ) -> Result<(Table, Option<GroupRule>, Vec<super::Understood>)> {
        let csv = &candidate.csv;
        let mut told = Guess { manifest: guess.manifest.clone(), understood: Vec::new() };
        told.say("layout", "table", format!("{} lists images", candidate.name));
        let image = match (&hints.image_column, candidate.image) {
            (Some(name), _) => {
                told.say("image", name.clone(), "as given");
                csv.column(name, "--image-col")?
            }
            (None, Some(image)) => {
                told.say("image", csv.columns[image].clone(), "its values name images");
                image
            }
            (None, None) => {
                let problem = "no column names images below the root";
                let remedy = format!("give --image-col (one of {}) or --root", csv.columns.join(", "));
                return Err(Error::content(&csv.path, problem, remedy));
            }
        };
        let mut taken = vec![image];
        let split = match &hints.split_column {
            Some(name) => {
                told.say("split", name.clone(), "as given");
                Some(csv.column(name, "--split-col")?)
            }
            None => {
                let split = named(csv, &SPLIT_NAMES, &taken).into_iter().find(|column| is_split(csv, *column));
                if let Some(column) = split {
                    told.say("split", csv.columns[column].clone(), "its values are parts");
                }
                split
            }
        };
        taken.extend(split);
        let group = match (&hints.group_column, &hints.group_regex) {
            (Some(name), _) => {
                told.say("group", name.clone(), "as given");
                Some(csv.column(name, "--group-col")?)
            }
            (None, Some(_)) => None,
            (None, None) => {
                let group = named(csv, &GROUP_NAMES, &taken).into_iter().find(|column| is_group(csv, *column));
                if let Some(column) = group {
                    told.say("group", csv.columns[column].clone(), "named as what must not be split");
                }
                group
            }
        };
        taken.extend(group);
        let label = match &hints.label_column {
            Some(text) => {
                let label = label_columns(text);
                match &label {
                    LabelColumns::One(name) => drop(csv.column(name, "--label-col")?),
                    LabelColumns::OneHot(names) => {
                        for name in names {
                            csv.column(name, "--label-col")?;
                        }
                    }
                }
                told.say("label", text.clone(), "as given");
                label
            }
            None => guess_label(csv, &taken, &mut told)?,
        };
        let table = Table {
            file: vec![candidate.name.clone()],
            folders: image_folders(csv, image, listing, guess),
            image: csv.columns[image].clone(),
            label,
            split: split.map(|column| csv.columns[column].clone()),
            missing: Missing::Error,
        };
        Ok((table, group.map(|column| GroupRule::Column(csv.columns[column].clone())), told.understood))
    }
}

/// The column most of whose values name images.
fn image_column(csv: &CsvFile, lookup: &Lookup<'_>) -> Option<usize> {
    let rows = csv.rows.len();
    let share = |column: usize| {
        let found = csv.rows.iter().filter(|row| !row.get(column).is_empty() && lookup.find(row.get(column)).is_some());
        found.count() as f64 / rows.max(1) as f64
    };
    let usual = |column: usize| is_named(&csv.columns[column], &IMAGE_NAMES);
    (0..csv.columns.len())
        .map(|column| (share(column), usual(column), column))
        .filter(|(share, ..)| *share >= IMAGE_SHARE)
        // The first of the best: `max_by` keeps the last, so later columns must be smaller.
        .max_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)).then(b.2.cmp(&a.2)))
        .map(|(.., column)| column)
}

/// The folders to look in, where a name alone would also fit files elsewhere (previews, masks).
fn image_folders(csv: &CsvFile, image: usize, listing: &Listing, guess: &Guess) -> Vec<String> {
    let finder = MaskFinder::new(guess.manifest.masks.as_ref(), listing);
    let ids: Vec<&str> = listing.images().map(|file| file.id.as_str()).collect();
    let masks = finder.masks_among(ids.iter().copied());
    let ids: Vec<&str> = ids.into_iter().filter(|id| !masks.contains(*id)).collect();
    let lookup = Lookup::new(ids.iter().copied());
    let ambiguous = csv.rows.iter().any(|row| matches!(lookup.find(row.get(image)), Some(Found::Several(..))));
    let folder = ids
        .iter()
        .filter_map(|id| id.split_once('/'))
        .map(|(top, _)| top)
        .find(|top| ["images", "image", "img", "imgs"].contains(&top.to_lowercase().as_str()));
    folder.filter(|_| ambiguous).map(|folder| vec![folder.to_owned()]).unwrap_or_default()
}

fn guess_label(csv: &CsvFile, taken: &[usize], told: &mut Guess) -> Result<LabelColumns> {
    let one_hot = one_hot_columns(csv, taken);
    let candidates: Vec<usize> =
        (0..csv.columns.len()).filter(|column| !taken.contains(column) && is_categorical(csv, *column)).collect();
    let usual: Vec<usize> =
        candidates.iter().copied().filter(|column| is_named(&csv.columns[*column], &LABEL_NAMES)).collect();
    let name = |column: usize| csv.columns[column].clone();
    match (usual.as_slice(), one_hot, candidates.as_slice()) {
        ([one], None, _) => {
            told.say("label", name(*one), "the only column named as a label");
            Ok(LabelColumns::One(name(*one)))
        }
        ([], Some(columns), _) => {
            let names: Vec<String> = columns.into_iter().map(name).collect();
            told.say("label", names.join(","), "one-hot: rows have a single 1 in these columns");
            Ok(LabelColumns::OneHot(names))
        }
        ([], None, [one]) => {
            told.say("label", name(*one), "the only column with a few different values");
            Ok(LabelColumns::One(name(*one)))
        }
        ([], None, []) => {
            let known = csv.columns.iter().map(String::as_str);
            let problem = "no column looks like a label (two to 200 different values)";
            let remedy = format!("give --label-col ({})", suggestion("label", known));
            Err(Error::content(&csv.path, problem, remedy))
        }
        (usual, one_hot, all) => {
            let mut names: Vec<String> =
                if usual.is_empty() { all } else { usual }.iter().map(|column| name(*column)).collect();
            names.extend(one_hot.map(|columns| columns.into_iter().map(name).collect::<Vec<_>>().join(",")));
            let problem = format!("several columns could be the label: {}", names.join("; "));
            Err(Error::content(&csv.path, problem, format!("give --label-col, for example --label-col {}", names[0])))
        }
    }
}

/// Two to 200 different values, on average at least two rows for each, and none missing; measurements do not count.
fn is_categorical(csv: &CsvFile, column: usize) -> bool {
    let mut values: BTreeSet<&str> = BTreeSet::new();
    for row in &csv.rows {
        let value = row.get(column);
        if value.is_empty() {
            return false;
        }
        values.insert(value);
        if values.len() > MOST_CLASSES {
            return false;
        }
    }
    let measured = values.iter().all(|value| value.parse::<f64>().is_ok())
        && (values.len() > 20 || values.iter().any(|value| value.contains('.')));
    values.len() >= 2 && values.len() * 2 <= csv.rows.len().max(4) && !measured
}

/// The columns that together hold a single 1 in every row; of three or more, in most rows: the others are mistakes that
/// reading the table names by their lines.
fn one_hot_columns(csv: &CsvFile, taken: &[usize]) -> Option<Vec<usize>> {
    let is_binary = |column: &usize| {
        !taken.contains(column)
            && csv.rows.iter().all(|row| !row.get(*column).is_empty() && one_hot_value(row.get(*column)).is_some())
    };
    let columns: Vec<usize> = (0..csv.columns.len()).filter(is_binary).collect();
    let single = |row: &crate::dataset::Row| {
        columns.iter().filter(|column| one_hot_value(row.get(**column)) == Some(true)).count() == 1
    };
    let singles = csv.rows.iter().filter(|row| single(row)).count();
    let enough = if columns.len() >= 3 { singles * 2 > csv.rows.len() } else { singles == csv.rows.len() };
    (columns.len() >= 2 && !csv.rows.is_empty() && enough).then_some(columns)
}

fn is_named(column: &str, names: &[&str]) -> bool {
    names.contains(&plain(column).as_str())
}

fn plain(column: &str) -> String {
    column.to_lowercase().replace([' ', '-', '.'], "_")
}

/// The columns of these names, in the order of the names.
fn named(csv: &CsvFile, names: &[&str], taken: &[usize]) -> Vec<usize> {
    let find = |name: &&str| {
        (0..csv.columns.len()).find(|column| !taken.contains(column) && plain(&csv.columns[*column]) == *name)
    };
    names.iter().filter_map(find).collect()
}

fn is_split(csv: &CsvFile, column: usize) -> bool {
    !csv.rows.is_empty() && csv.rows.iter().all(|row| Split::from_words(row.get(column)).is_some())
}

/// A group column has many groups: one with a handful of values is a class or a site.
fn is_group(csv: &CsvFile, column: usize) -> bool {
    let values: BTreeSet<&str> = csv.rows.iter().map(|row| row.get(column)).filter(|value| !value.is_empty()).collect();
    values.len() > 2
}

/// The four columns of boxes, if the table has them.
fn box_columns(csv: &CsvFile) -> Option<([String; 4], BoxUnit)> {
    const CENTRES: [[&str; 4]; 2] = [["x_center", "y_center", "width", "height"], ["cx", "cy", "w", "h"]];
    const CORNERS: [[&str; 4]; 3] =
        [["x", "y", "width", "height"], ["x", "y", "w", "h"], ["left", "top", "width", "height"]];
    let find = |names: &[&str; 4]| {
        let columns = names.map(|name| csv.columns.iter().position(|column| plain(column) == name));
        columns.into_iter().collect::<Option<Vec<usize>>>()
    };
    let all_fractions = |columns: &[usize]| {
        csv.rows.iter().all(|row| columns.iter().all(|column| row.get(*column).parse::<f64>().is_ok_and(|v| v <= 1.05)))
    };
    let names = |columns: &[usize]| -> Option<[String; 4]> {
        columns.iter().map(|column| csv.columns[*column].clone()).collect::<Vec<_>>().try_into().ok()
    };
    if let Some(columns) = CENTRES.iter().find_map(find).filter(|columns| all_fractions(columns)) {
        return Some((names(&columns)?, BoxUnit::Fraction));
    }
    let columns = CORNERS.iter().find_map(find).filter(|columns| !all_fractions(columns))?;
    Some((names(&columns)?, BoxUnit::Pixel))
}
