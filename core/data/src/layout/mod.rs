//! Guessing how a folder of images is laid out, and saying what was understood and why.
//!
//! A guess that could be wrong without anyone noticing is not made: two columns that could be the label are an error that
//! names them both. What is guessed becomes a manifest, which can be printed, edited and given back.

mod columns;
mod describe;
mod folders;
mod masks;
mod people;
mod walk;

use std::path::{Path, PathBuf};

pub use describe::describe;
pub(crate) use describe::sort;
pub(crate) use people::alike;
use serde::Serialize;
pub(crate) use walk::kind_of;
pub use walk::{File, Kind, Listing};

use crate::error::{Error, Result};
use crate::manifest::{GroupRule, LabelColumns, Layout, Manifest};

/// What the caller says of the layout; the rest is guessed.
#[derive(Debug, Clone, Default)]
pub struct Hints {
    /// Column of the table that names the image.
    pub image_column: Option<String>,
    /// Column of the table that holds the label; several, separated by commas, are one-hot columns.
    pub label_column: Option<String>,
    /// Column of the table that holds the group.
    pub group_column: Option<String>,
    /// Regular expression for the group, searched for in the image's path below the root.
    pub group_regex: Option<String>,
    /// Column of the table that holds the dataset's own split.
    pub split_column: Option<String>,
    /// Folder that the table's image names are relative to, if not the table's own.
    pub root: Option<PathBuf>,
    /// The positive class.
    pub positive: Option<String>,
}

impl Hints {
    /// True where the caller speaks of a table's columns.
    fn wants_table(&self) -> bool {
        self.image_column.is_some()
            || self.label_column.is_some()
            || self.group_column.is_some()
            || self.split_column.is_some()
    }
}

/// One thing that was understood of a layout.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Understood {
    /// What: `root`, `layout`, `image`, `label`, `split`, `group`, `boxes`, `masks`, `positive`, `channels`, ...
    pub aspect: &'static str,
    /// What it was taken to be.
    pub value: String,
    /// Why; empty where there is nothing to say.
    pub reason: String,
}

/// A guess: the manifest, and what led to it.
#[derive(Debug, Clone)]
pub struct Guess {
    /// The manifest, with its root.
    pub manifest: Manifest,
    /// What was understood, in reading order.
    pub understood: Vec<Understood>,
}

impl Guess {
    fn say(&mut self, aspect: &'static str, value: impl Into<String>, reason: impl Into<String>) {
        self.understood.push(Understood { aspect, value: value.into(), reason: reason.into() });
    }
}

/// Guesses the layout of a folder, or of a table that lists images.
pub fn guess(path: &Path, hints: &Hints) -> Result<Guess> {
    let metadata = std::fs::metadata(path).map_err(|source| Error::io("read", path, source))?;
    let (table, folder) = if metadata.is_file() {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if matches!(kind_of(&name), Kind::Image | Kind::Dicom | Kind::Nifti | Kind::UnreadImage) {
            let remedy = "name the folder that holds the dataset, or its table";
            return Err(Error::content(path, "is a single image", remedy));
        }
        (Some(path.to_path_buf()), path.parent().unwrap_or(Path::new(".")).to_path_buf())
    } else {
        (None, path.to_path_buf())
    };
    let named_root = hints.root.clone().unwrap_or_else(|| folder.clone());
    let named_root = named_root.canonicalize().map_err(|source| Error::io("read", &named_root, source))?;
    let folder = folder.canonicalize().map_err(|source| Error::io("read", &folder, source))?;
    let mut listing = Listing::read(&named_root, &[])?;
    let mut guess = Guess { manifest: Manifest::new(Layout::ClassFolders), understood: Vec::new() };
    guess.manifest.root = Some(named_root.clone());
    if table.is_none() && !hints.wants_table() && hints.root.is_none() {
        while let Some(below) = folders::only_folder(&listing) {
            let root = listing.root.join(below);
            listing = Listing::read(&root, &[])?;
            guess.say("root", root.display().to_string(), "the only folder there");
            guess.manifest.root = Some(root);
        }
    }
    if listing.images().next().is_none() {
        listing.refuse_medical_formats()?;
        let remedy = "name the folder that holds the images (JPEG, PNG, TIFF, BMP or WebP)";
        return Err(Error::content(&listing.root, "no images below this folder", remedy));
    }
    if let Some(table) = table {
        let tables = columns::Tables::read(&listing, &folder, Some(&table))?;
        tables.use_for_labels(hints, &listing, &mut guess)?;
    } else {
        let tables = columns::Tables::read(&listing, &folder, None)?;
        guess_folder(hints, &listing, &tables, &mut guess)?;
    }
    if let Some(regex) = &hints.group_regex {
        if hints.group_column.is_some() {
            let remedy = "give one of --group-col and --group-regex";
            return Err(Error::argument("both a group column and a group expression are given", remedy));
        }
        guess.manifest.groups = Some(GroupRule::Regex(regex.clone()));
        guess.understood.retain(|item| item.aspect != "group");
        guess.say("group", regex.clone(), "as given (regular expression on the path)");
    }
    if let Some(positive) = &hints.positive {
        guess.manifest.positive = Some(positive.clone());
        guess.say("positive", positive.clone(), "as given");
    }
    Ok(guess)
}

fn guess_folder(hints: &Hints, listing: &Listing, tables: &columns::Tables, guess: &mut Guess) -> Result<()> {
    masks::guess(listing, guess);
    tables.guess_boxes(guess);
    if hints.wants_table() {
        return tables.use_for_labels(hints, listing, guess);
    }
    if let Some(layout) = folders::split_folders(listing, guess) {
        guess.manifest.layout = layout;
        return Ok(());
    }
    let class_folders = folders::class_folders(listing, guess);
    // A table whose label column is beyond doubt wins over folders; otherwise plausible class folders do.
    match (tables.use_for_labels(hints, listing, guess), class_folders) {
        (Ok(()), _) => Ok(()),
        (Err(_), Some(understood)) => {
            guess.understood.extend(understood);
            guess.manifest.layout = Layout::ClassFolders;
            Ok(())
        }
        (Err(error), None) => match folders::only_class(listing, guess) {
            Some(class) if tables.is_empty() => {
                let problem =
                    format!("only one class folder ({class:?}) holds images, and a classifier needs two classes");
                let remedy = "add the other classes' folders, or a table of labels";
                Err(Error::content(&listing.root, problem, remedy))
            }
            _ => Err(error),
        },
    }
}

/// Applies what the caller says to a manifest that was given, not guessed.
pub fn apply_hints(manifest: &mut Manifest, hints: &Hints) -> Result<Vec<Understood>> {
    let mut understood = Vec::new();
    let mut say = |aspect: &'static str, value: &str| {
        understood.push(Understood { aspect, value: value.to_owned(), reason: "as given".to_owned() });
    };
    if let Some(positive) = &hints.positive {
        manifest.positive = Some(positive.clone());
        say("positive", positive);
    }
    match (&hints.group_column, &hints.group_regex) {
        (Some(_), Some(_)) => {
            let remedy = "give one of --group-col and --group-regex";
            return Err(Error::argument("both a group column and a group expression are given", remedy));
        }
        (None, Some(regex)) => {
            manifest.groups = Some(GroupRule::Regex(regex.clone()));
            say("group", regex);
        }
        _ => {}
    }
    if !hints.wants_table() {
        return Ok(understood);
    }
    let Layout::Table(table) = &mut manifest.layout else {
        let remedy = "leave the column out, or describe the dataset by a table in the manifest";
        return Err(Error::argument("a column is given, but the manifest's layout has no table", remedy));
    };
    if let Some(column) = &hints.image_column {
        table.image.clone_from(column);
        say("image", column);
    }
    if let Some(column) = &hints.label_column {
        table.label = label_columns(column);
        say("label", column);
    }
    if let Some(column) = &hints.split_column {
        table.split = Some(column.clone());
        say("split", column);
    }
    if let Some(column) = &hints.group_column {
        manifest.groups = Some(GroupRule::Column(column.clone()));
        say("group", column);
    }
    Ok(understood)
}

/// `--label-col dx`, or `--label-col MEL,NV,BCC`.
fn label_columns(text: &str) -> LabelColumns {
    if text.contains(',') {
        LabelColumns::OneHot(text.split(',').map(|name| name.trim().to_owned()).collect())
    } else {
        LabelColumns::One(text.to_owned())
    }
}
