//! Which files are masks, and of which image.

use std::collections::HashSet;

use super::pattern::expand;
use crate::layout::Listing;
use crate::manifest::MaskRule;

/// Finds masks by a manifest's patterns among the files that were listed.
pub(crate) struct MaskFinder<'a> {
    patterns: &'a [String],
    folders: Vec<&'a str>,
    files: HashSet<&'a str>,
}

impl<'a> MaskFinder<'a> {
    /// A finder over everything below the root, excluded or not.
    pub fn new(rule: Option<&'a MaskRule>, listing: &'a Listing) -> Self {
        let patterns = rule.map_or(&[][..], |rule| &rule.patterns);
        let files = match rule {
            Some(_) => listing.files.iter().map(|file| file.id.as_str()).collect(),
            None => HashSet::new(),
        };
        Self { patterns, folders: patterns.iter().filter_map(|pattern| fixed_folder(pattern)).collect(), files }
    }

    /// The mask of an image, as a path below the root.
    pub fn mask_of(&self, id: &str) -> Option<String> {
        self.patterns
            .iter()
            .map(|pattern| expand(pattern, id))
            .find(|mask| mask != id && self.files.contains(mask.as_str()))
    }

    /// The files, of those given, that are masks and thus not images of the dataset.
    pub fn masks_among<'b>(&self, ids: impl Iterator<Item = &'b str> + Clone) -> HashSet<String> {
        let in_folders = ids.clone().filter(|id| self.in_mask_folder(id)).map(str::to_owned);
        let by_pattern = ids.clone().filter(|id| !self.in_mask_folder(id)).filter_map(|id| self.mask_of(id));
        in_folders.chain(by_pattern).collect()
    }

    /// True where a path lies in a folder that a pattern reserves for masks.
    pub fn in_mask_folder(&self, id: &str) -> bool {
        self.folders
            .iter()
            .any(|folder| id == *folder || id.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/')))
    }
}

/// The folder that a pattern begins with, if it begins with one: `masks` of `masks/{stem}.png`.
fn fixed_folder(pattern: &str) -> Option<&str> {
    let fixed = &pattern[..pattern.find('{').unwrap_or(pattern.len())];
    fixed.rsplit_once('/').map(|(folder, _)| folder).filter(|folder| !folder.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_folder_that_is_fixed_is_reserved() {
        assert_eq!(fixed_folder("masks/lesions/{stem}.png"), Some("masks/lesions"));
        assert_eq!(fixed_folder("masks/m_{stem}.png"), Some("masks"));
        assert_eq!(fixed_folder("{folder}/{stem}_mask.png"), None);
        assert_eq!(fixed_folder("{stem}_mask.png"), None);
    }
}
