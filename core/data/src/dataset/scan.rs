//! Reading a dataset's folder by its manifest: the images, their labels, groups, split and annotations.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::path::{Path, PathBuf};

use super::{CsvFile, ImageRecord, Lookup, Notices, Split, table};
use crate::annotation::{MaskFinder, read_boxes};
use crate::error::{Error, Result};
use crate::layout::Listing;
use crate::manifest::{self, GroupRule, Layout, Manifest};
use crate::nearest::suggestion;

/// What a folder holds by its manifest.
#[derive(Debug, Clone)]
pub(crate) struct Scan {
    pub classes: Vec<String>,
    pub images: Vec<ImageRecord>,
    pub positive: Option<usize>,
    pub notices: Notices,
}

/// An image before labels have become numbers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Labelled {
    pub id: String,
    pub label: String,
    pub group: Option<String>,
    pub split: Option<Split>,
}

/// Reads the dataset below `root`; `listing` must be of that root with the manifest's `exclude`.
pub(crate) fn scan(manifest: &Manifest, listing: &Listing) -> Result<Scan> {
    let root = &listing.root;
    listing.refuse_medical_formats()?;
    let mut notices = listing.notices.clone();
    let finder = MaskFinder::new(manifest.masks.as_ref(), listing);
    let masks = finder.masks_among(listing.images().map(|file| file.id.as_str()));
    let candidates: Vec<&str> =
        listing.images().map(|file| file.id.as_str()).filter(|id| !masks.contains(*id)).collect();
    if candidates.is_empty() {
        let remedy = "name the folder that holds the images (JPEG, PNG, TIFF, BMP or WebP)";
        return Err(Error::content(root, "no images below this folder", remedy));
    }
    let mut labelled = match &manifest.layout {
        Layout::ClassFolders => {
            check_empty_folders(listing, &finder, "")?;
            class_folders(&candidates, "", None, &mut notices)
        }
        Layout::SplitFolders { train, validation, test } => {
            let parts = [(Split::Train, train), (Split::Validation, validation), (Split::Test, test)];
            split_folders(listing, &finder, &candidates, &parts, &mut notices)?
        }
        Layout::Table(rule) => {
            let group = match &manifest.groups {
                Some(GroupRule::Column(column)) => Some(column.as_str()),
                _ => None,
            };
            table::read(root, rule, group, &candidates, &mut notices)?
        }
    };
    labelled.sort_by(|a, b| a.id.cmp(&b.id));
    if labelled.is_empty() {
        let problem = "no image has a label by the manifest's layout";
        return Err(Error::content(root, problem, "correct [layout] in the manifest"));
    }
    if let Some(GroupRule::Regex(pattern)) = &manifest.groups {
        group_by_regex(root, pattern, &mut labelled)?;
    }
    let classes = classes(root, manifest, &labelled, &mut notices)?;
    let positive = positive(root, manifest, &classes)?;
    check_split(root, &labelled, &mut notices)?;

    let numbers: HashMap<&str, usize> =
        classes.iter().enumerate().map(|(index, name)| (name.as_str(), index)).collect();
    let mut images: Vec<ImageRecord> = Vec::with_capacity(labelled.len());
    for item in &labelled {
        let Some(label) = numbers.get(item.label.as_str()) else { continue };
        images.push(ImageRecord {
            path: root.join(&item.id),
            id: item.id.clone(),
            label: *label,
            group: item.group.clone(),
            split: item.split,
            boxes: Vec::new(),
            mask: finder.mask_of(&item.id).map(|mask| root.join(mask)),
        });
    }
    if let Some(rule) = &manifest.masks
        && images.iter().all(|image| image.mask.is_none())
    {
        if !rule.optional {
            let problem = format!("masks.pattern ({}) fits no file", rule.patterns.join(", "));
            return Err(Error::content(root, problem, "correct [masks] in the manifest or remove it"));
        }
        notices.count("optional masks are not here", &rule.patterns[0]);
    }
    add_boxes(root, manifest, &mut images, &mut notices)?;
    Ok(Scan { classes, images, positive, notices })
}

/// The first of several relative (or absolute) names that exists.
pub(super) fn first_file(root: &Path, names: &[String], field: &str) -> Result<PathBuf> {
    match names.iter().map(|name| root.join(name)).find(|path| path.is_file()) {
        Some(path) => Ok(path),
        None => {
            let problem = format!("there is no {} here ({field})", names.join(" or "));
            Err(Error::content(root, problem, "correct the manifest, or put the file there"))
        }
    }
}

fn class_folders(ids: &[&str], prefix: &str, split: Option<Split>, notices: &mut Notices) -> Vec<Labelled> {
    let mut labelled = Vec::with_capacity(ids.len());
    for id in ids {
        let Some(below) = id.strip_prefix(prefix) else { continue };
        match below.split_once('/') {
            Some((class, _)) => {
                labelled.push(Labelled { id: (*id).to_owned(), label: class.to_owned(), group: None, split });
            }
            None => notices.count("images outside any class folder are left out", id),
        }
    }
    labelled
}

/// A class folder without a single file is a class that lost its images.
fn check_empty_folders(listing: &Listing, finder: &MaskFinder<'_>, prefix: &str) -> Result<()> {
    let with_images: HashSet<&str> = listing
        .images()
        .filter_map(|file| file.id.strip_prefix(prefix)?.split_once('/'))
        .map(|(class, _)| class)
        .collect();
    let class_folders = listing.folders.iter().filter_map(|folder| {
        let below = folder.strip_prefix(prefix).filter(|below| !below.is_empty() && !below.contains('/'))?;
        Some((folder, below))
    });
    for (folder, class) in class_folders {
        if !with_images.contains(class) && !finder.in_mask_folder(folder) {
            let problem = format!("class folder {class:?} holds no images");
            let remedy = "add images, remove the folder, or name it under exclude in the manifest";
            return Err(Error::content(listing.root.join(folder), problem, remedy));
        }
    }
    Ok(())
}

fn split_folders(
    listing: &Listing,
    finder: &MaskFinder<'_>,
    candidates: &[&str],
    parts: &[(Split, &Vec<String>)],
    notices: &mut Notices,
) -> Result<Vec<Labelled>> {
    let folders: HashSet<&str> = listing.folders.iter().map(String::as_str).collect();
    let mut labelled = Vec::new();
    let mut read: Vec<String> = Vec::new();
    for (split, names) in parts {
        let found: Vec<&String> = names.iter().filter(|name| folders.contains(name.trim_end_matches('/'))).collect();
        if found.is_empty() && *split == Split::Train {
            let top = listing.folders.iter().map(String::as_str).filter(|folder| !folder.contains('/'));
            let problem = format!("there is no folder {} (layout.train)", names.join(" or "));
            let first = names.first().map_or("", String::as_str);
            return Err(Error::content(&listing.root, problem, suggestion(first, top)));
        }
        if found.is_empty() && !names.is_empty() {
            notices.count(&format!("the manifest's {split} folder is not here; there is no such part"), &names[0]);
        }
        for name in found {
            let prefix = format!("{}/", name.trim_end_matches('/'));
            check_empty_folders(listing, finder, &prefix).or_else(|error| match split {
                Split::Train => Err(error),
                // The class is in training, or `check_split` says otherwise; here it is only absent.
                _ => {
                    notices.count("class folders outside training hold no images", &error.to_string());
                    Ok(())
                }
            })?;
            let before = labelled.len();
            labelled.extend(class_folders(candidates, &prefix, Some(*split), notices));
            if labelled.len() == before {
                let problem = "holds no class folder with images";
                return Err(Error::content(listing.root.join(name), problem, "correct [layout] in the manifest"));
            }
            read.push(prefix);
        }
    }
    for id in candidates {
        if !read.iter().any(|prefix| id.starts_with(prefix)) {
            notices.count("images outside the train, validation and test folders are left out", id);
        }
    }
    Ok(labelled)
}

fn group_by_regex(root: &Path, pattern: &str, labelled: &mut [Labelled]) -> Result<()> {
    let regex = manifest::compile_group_regex(pattern)
        .map_err(|problem| Error::argument(format!("group regular expression {pattern:?}: {problem}"), "correct it"))?;
    for item in labelled.iter_mut() {
        item.group = manifest::group_by_regex(&regex, &item.id);
    }
    if labelled.iter().all(|item| item.group.is_none()) {
        let example = labelled.first().map_or("", |item| item.id.as_str());
        let problem = format!("the group expression {pattern:?} matches no image (one is {example:?})");
        return Err(Error::content(root, problem, "correct groups.regex or --group-regex"));
    }
    Ok(())
}

/// The classes in order: the manifest's, or those found (numbers by value, names by letter).
fn classes(root: &Path, manifest: &Manifest, labelled: &[Labelled], notices: &mut Notices) -> Result<Vec<String>> {
    let found: BTreeMap<&str, &str> =
        labelled.iter().rev().map(|item| (item.label.as_str(), item.id.as_str())).collect();
    for (name, id) in &found {
        if let Some(problem) = manifest::class_name_problem(name) {
            let problem = format!("class {name:?} (of {id:?}) {problem}");
            return Err(Error::content(root, problem, "rename the class"));
        }
    }
    let classes: Vec<String> = if manifest.classes.is_empty() {
        let mut names: Vec<&str> = found.keys().copied().collect();
        if names.iter().all(|name| name.parse::<i64>().is_ok()) {
            names.sort_by_key(|name| name.parse::<i64>().unwrap_or_default());
        }
        names.into_iter().map(str::to_owned).collect()
    } else {
        if let Some(name) = manifest.classes.iter().find(|name| !found.contains_key(name.as_str())) {
            let problem = format!("class {name:?} of the manifest has no images");
            let remedy = suggestion(name, found.keys().copied());
            return Err(Error::content(root, problem, format!("{remedy} (classes, in the manifest)")));
        }
        if let Some((name, id)) = found.iter().find(|(name, _)| !manifest.classes.iter().any(|class| class == *name)) {
            let problem = format!("{id:?} is of class {name:?}, which the manifest's classes do not name");
            let remedy = "name it under classes, or its folder under exclude";
            return Err(Error::content(root, problem, remedy));
        }
        manifest.classes.clone()
    };
    if classes.len() < 2 {
        let problem = format!("only one class ({})", classes.join(""));
        return Err(Error::content(root, problem, "a dataset needs two classes or more: check the layout"));
    }
    let mut folded: BTreeSet<String> = BTreeSet::new();
    for class in &classes {
        if !folded.insert(class.to_lowercase()) {
            notices.count("classes that differ from another in case only are kept apart", class);
        }
    }
    Ok(classes)
}

fn positive(root: &Path, manifest: &Manifest, classes: &[String]) -> Result<Option<usize>> {
    let Some(name) = &manifest.positive else { return Ok(None) };
    if classes.len() != 2 {
        let problem = format!("positive = {name:?}, but there are {} classes", classes.len());
        return Err(Error::content(root, problem, "a positive class is for a task with two: leave it out"));
    }
    match classes.iter().position(|class| class == name) {
        Some(index) => Ok(Some(index)),
        None => {
            let remedy = suggestion(name, classes.iter().map(String::as_str));
            Err(Error::content(root, format!("there is no class {name:?} (positive)"), remedy))
        }
    }
}

/// A class that is tested but never trained is a mistake; one that is trained but never tested is said.
fn check_split(root: &Path, labelled: &[Labelled], notices: &mut Notices) -> Result<()> {
    let classes_of = |split: Split| -> BTreeSet<&str> {
        labelled.iter().filter(|item| item.split == Some(split)).map(|item| item.label.as_str()).collect()
    };
    let train = classes_of(Split::Train);
    for split in [Split::Validation, Split::Test] {
        let part = classes_of(split);
        if part.is_empty() {
            continue;
        }
        if train.is_empty() {
            let problem = format!("there are {split} images but no train images");
            return Err(Error::content(root, problem, "correct the split column or the folders"));
        }
        if let Some(class) = part.iter().find(|class| !train.contains(*class)) {
            let problem = format!("class {class:?} is in {split}, but training has none of it");
            let remedy = format!("{} (rename, move or exclude the class)", suggestion(class, train.iter().copied()));
            return Err(Error::content(root, problem, remedy));
        }
        for class in train.difference(&part) {
            notices.count(&format!("classes of which {split} has no image"), class);
        }
    }
    Ok(())
}

fn add_boxes(root: &Path, manifest: &Manifest, images: &mut [ImageRecord], notices: &mut Notices) -> Result<()> {
    let Some(rule) = &manifest.boxes else { return Ok(()) };
    let file = match first_file(root, &rule.file, "boxes.file") {
        Err(_) if rule.optional => {
            notices.count("optional boxes are not here", &rule.file.join(" or "));
            return Ok(());
        }
        file => file?,
    };
    let found = {
        let lookup = Lookup::new(images.iter().map(|image| image.id.as_str()));
        let path_of = |index: usize| images[index].path.clone();
        read_boxes(&file, rule, &lookup, &path_of, notices)?
    };
    if found.is_empty() {
        let problem = format!("column {:?} names no image of the dataset", rule.image);
        return Err(Error::content(file, problem, "correct [boxes] in the manifest or remove it"));
    }
    for (index, boxes) in found {
        images[index].boxes = boxes;
    }
    Ok(())
}

/// The columns of the table that a manifest names, for callers that want to look at them.
pub(crate) fn open_table(root: &Path, names: &[String]) -> Result<CsvFile> {
    CsvFile::read(&first_file(root, names, "layout.file")?)
}
