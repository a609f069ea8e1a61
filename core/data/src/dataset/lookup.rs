//! Finding the image that a table means: by path, by file name, or by file name without its ending.

use std::collections::HashMap;

use crate::annotation::stem;

/// Index over image ids.
pub(crate) struct Lookup<'a> {
    by_id: HashMap<&'a str, Found>,
    by_name: HashMap<&'a str, Found>,
    by_stem: HashMap<&'a str, Found>,
}

/// What a name leads to: an index into the ids that the lookup was made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// Exactly one image.
    One(usize),
    /// Two of several images of that name.
    Several(usize, usize),
}

impl<'a> Lookup<'a> {
    /// Indexes ids; their order gives the indices.
    pub fn new(ids: impl Iterator<Item = &'a str>) -> Self {
        let mut lookup = Self { by_id: HashMap::new(), by_name: HashMap::new(), by_stem: HashMap::new() };
        for (index, id) in ids.enumerate() {
            let name = id.rsplit_once('/').map_or(id, |(_, name)| name);
            for (map, key) in [(&mut lookup.by_id, id), (&mut lookup.by_name, name), (&mut lookup.by_stem, stem(name))]
            {
                map.entry(key)
                    .and_modify(|found| {
                        if let Found::One(first) = *found {
                            *found = Found::Several(first, index);
                        }
                    })
                    .or_insert(Found::One(index));
            }
        }
        lookup
    }

    /// What a table's value means, if anything: backslashes and a leading `./` are forgiven, and a path whose first
    /// folders do not exist here is taken by its last parts.
    pub fn find(&self, value: &str) -> Option<Found> {
        let value = value.replace('\\', "/");
        let value = value.trim_start_matches("./");
        if let Some(found) = self.by_id.get(value) {
            return Some(*found);
        }
        let mut rest = value;
        while let Some((_, tail)) = rest.split_once('/') {
            rest = tail;
            if let Some(found) = self.by_id.get(rest) {
                return Some(*found);
            }
        }
        // A value with folders that fit no image's path must not be taken for another folder's file of that name.
        if value.contains('/') {
            return None;
        }
        self.by_name.get(value).or_else(|| self.by_stem.get(value)).copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_a_path_a_name_or_a_stem() {
        let ids = ["a/x.png", "a/y.png", "b/x.png", "b/z.1.png"];
        let lookup = Lookup::new(ids.into_iter());
        assert_eq!(lookup.find("b/x.png"), Some(Found::One(2)));
        assert_eq!(lookup.find("/old/disk/b/x.png"), Some(Found::One(2)));
        assert_eq!(lookup.find(".\\a\\x.png"), Some(Found::One(0)));
        assert_eq!(lookup.find("y.png"), Some(Found::One(1)));
        assert_eq!(lookup.find("z.1"), Some(Found::One(3)));
        assert_eq!(lookup.find("x"), Some(Found::Several(0, 2)));
        assert_eq!(lookup.find("c/y.png"), None);
        assert_eq!(lookup.find(""), None);
    }
}
