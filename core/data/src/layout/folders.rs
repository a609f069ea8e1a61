//! Class folders and train/test folders.

use std::collections::{BTreeMap, BTreeSet};

use super::{Guess, Listing, Understood};
use crate::annotation::MaskFinder;
use crate::dataset::Split;
use crate::manifest::Layout;

/// Folder names that say what the files are, not what they show.
const NO_CLASSES: [&str; 14] = [
    "image",
    "images",
    "img",
    "imgs",
    "mask",
    "masks",
    "segmentation",
    "segmentations",
    "annotation",
    "annotations",
    "label",
    "labels",
    "data",
    "jpegs",
];

/// The one folder that holds all images, where the root holds nothing else to go by.
pub(super) fn only_folder(listing: &Listing) -> Option<String> {
    let mut tops: BTreeSet<&str> = BTreeSet::new();
    for file in listing.files.iter().filter(|file| file.kind != super::Kind::Other) {
        tops.insert(file.id.split_once('/')?.0);
    }
    let mut tops = tops.into_iter();
    match (tops.next(), tops.next()) {
        (Some(top), None) if listing.folders.iter().any(|folder| folder.starts_with(&format!("{top}/"))) => {
            Some(top.to_owned())
        }
        _ => None,
    }
}

/// Number of images by class for each top folder: `folder -> class -> n`.
fn classes_below(listing: &Listing) -> BTreeMap<&str, BTreeMap<&str, usize>> {
    let mut found: BTreeMap<&str, BTreeMap<&str, usize>> = BTreeMap::new();
    for file in listing.images() {
        let mut parts = file.id.split('/');
        if let (Some(top), Some(class), Some(_)) = (parts.next(), parts.next(), parts.next()) {
            *found.entry(top).or_default().entry(class).or_default() += 1;
        }
    }
    found
}

/// `Training/<class>/...` and `Testing/<class>/...`, in any of the usual words.
pub(super) fn split_folders(listing: &Listing, guess: &mut Guess) -> Option<Layout> {
    let below = classes_below(listing);
    let mut parts: BTreeMap<Split, Vec<String>> = BTreeMap::new();
    let mut most_classes = 0;
    for (folder, classes) in &below {
        if let Some(split) = Split::from_words(folder) {
            parts.entry(split).or_default().push((*folder).to_owned());
            most_classes = most_classes.max(classes.len());
        }
    }
    let train = parts.remove(&Split::Train)?;
    let test = parts.remove(&Split::Test).unwrap_or_default();
    let validation = parts.remove(&Split::Validation).unwrap_or_default();
    if most_classes < 2 || test.is_empty() && validation.is_empty() {
        return None;
    }
    let named = [&train, &validation, &test].map(|folders| folders.join("+"));
    let value = named.iter().filter(|name| !name.is_empty()).cloned().collect::<Vec<_>>().join(", ");
    guess.say("layout", "split-folders", "folders named as parts hold class folders");
    guess.say("label", "folder", "the folder below the part is the class");
    guess.say("split", value, "named as parts");
    Some(Layout::SplitFolders { train, validation, test })
}

/// The name of the class folder, where there is just one.
pub(super) fn only_class(listing: &Listing, guess: &Guess) -> Option<String> {
    let mut classes = class_names(listing, guess).into_iter();
    match (classes.next(), classes.next()) {
        (Some(class), None) if !NO_CLASSES.contains(&class.to_lowercase().as_str()) => Some(class.to_owned()),
        _ => None,
    }
}

/// The top folders that hold images which are not masks.
fn class_names<'a>(listing: &'a Listing, guess: &Guess) -> BTreeSet<&'a str> {
    let finder = MaskFinder::new(guess.manifest.masks.as_ref(), listing);
    let images = listing.images().filter(|file| !finder.in_mask_folder(&file.id));
    images.filter_map(|file| file.id.split_once('/')).map(|(class, _)| class).collect()
}

/// `<class>/...`: what to say of it where it is plausible.
pub(super) fn class_folders(listing: &Listing, guess: &Guess) -> Option<Vec<Understood>> {
    let classes = class_names(listing, guess);
    let speaking = classes.iter().any(|class| NO_CLASSES.contains(&class.to_lowercase().as_str()));
    if classes.len() < 2 || speaking {
        return None;
    }
    Some(vec![
        Understood {
            aspect: "layout",
            value: "class-folders".to_owned(),
            reason: format!("{} folders hold images", classes.len()),
        },
        Understood {
            aspect: "label",
            value: "folder".to_owned(),
            reason: "the first folder below the root is the class".to_owned(),
        },
    ])
}
