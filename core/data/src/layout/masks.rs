//! Guessing the naming pattern of masks.

use std::collections::{BTreeMap, HashMap};

use super::{Guess, Listing};
use crate::annotation::stem;
use crate::manifest::MaskRule;

/// Words in a folder's name that say it holds masks.
const FOLDER_WORDS: [&str; 6] = ["mask", "segment", "annotation", "ground_truth", "groundtruth", "lesion_map"];
/// Endings of a mask's name beside its image.
const SUFFIXES: [&str; 4] = ["_mask", "_segmentation", "_seg", "-mask"];
/// At least this share of the files in a folder of masks must fit the pattern.
const SHARE: f64 = 0.5;

/// Finds a folder of masks (or masks beside their images) and sets the manifest's pattern.
pub(super) fn guess(listing: &Listing, guess: &mut Guess) {
    let mut candidates: BTreeMap<String, usize> = BTreeMap::new();
    let mut stems: HashMap<&str, &str> = HashMap::new();
    for file in listing.images() {
        let (folder, name) = file.id.rsplit_once('/').unwrap_or(("", &file.id));
        if !is_mask_folder(folder) {
            stems.insert(stem(name), folder);
        }
    }
    let mut in_mask_folders = 0;
    for file in listing.images() {
        let (folder, name) = file.id.rsplit_once('/').unwrap_or(("", &file.id));
        let own = stem(name);
        let ending = &name[own.len()..];
        if is_mask_folder(folder) {
            in_mask_folders += 1;
            let top = mask_top(folder);
            let Some((suffix, image_folder)) =
                prefixes(own).find_map(|(base, suffix)| Some((suffix, stems.get(base)?)))
            else {
                continue;
            };
            let below = folder[top.len()..].trim_start_matches('/');
            let pattern = if below.is_empty() {
                format!("{top}/{{stem}}{suffix}{ending}")
            } else if below == *image_folder {
                format!("{top}/{{folder}}/{{stem}}{suffix}{ending}")
            } else {
                continue;
            };
            *candidates.entry(pattern).or_default() += 1;
        } else if let Some(suffix) = SUFFIXES.iter().find(|suffix| own.ends_with(**suffix)) {
            let base = &own[..own.len() - suffix.len()];
            if stems.get(base) == Some(&folder) {
                let prefix = if folder.is_empty() { "" } else { "{folder}/" };
                *candidates.entry(format!("{prefix}{{stem}}{suffix}{ending}")).or_default() += 1;
            }
        }
    }
    let Some((pattern, count)) = candidates.into_iter().max_by_key(|(_, count)| *count) else { return };
    if in_mask_folders > 0 && (count as f64) < SHARE * f64::from(in_mask_folders) {
        return;
    }
    guess.say("masks", pattern.clone(), format!("{count} files are named so"));
    guess.manifest.masks = Some(MaskRule { patterns: vec![pattern], optional: false });
}

/// A name's beginnings, longest first, with what follows each: a mask is named as its image plus a little.
fn prefixes(own: &str) -> impl Iterator<Item = (&str, &str)> {
    const LONGEST_SUFFIX: usize = 24;
    let ends = own.char_indices().map(|(index, _)| index).chain([own.len()]).collect::<Vec<_>>();
    ends.into_iter().rev().take(LONGEST_SUFFIX).filter(|end| *end > 0).map(|end| own.split_at(end))
}

fn is_mask_word(name: &str) -> bool {
    let lower = name.to_lowercase();
    FOLDER_WORDS.iter().any(|word| lower.contains(word))
}

fn is_mask_folder(folder: &str) -> bool {
    folder.split('/').any(is_mask_word)
}

/// The part of a folder up to and with the one that speaks of masks.
fn mask_top(folder: &str) -> &str {
    let mut end = 0;
    for part in folder.split('/') {
        end += part.len();
        if is_mask_word(part) {
            break;
        }
        end += 1;
    }
    &folder[..end.min(folder.len())]
}
