//! Noticing file names that look as if they named a patient, so that groups are not forgotten.

use std::collections::BTreeMap;

use crate::annotation::stem;

/// Fewer shared beginnings than this are chance.
const FEWEST: usize = 5;
/// A beginning that this share of the images has is a name for the whole.
const MOST: f64 = 0.5;
/// At least this share of the images must share their beginning with another.
const SHARED: f64 = 0.2;

/// The ids whose names share a beginning that holds a number, as `person7_virus_12` and `person7_virus_13` do; none
/// where that is no pattern of the dataset.
pub(crate) fn alike<'a>(ids: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut by_beginning: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    let mut count = 0_usize;
    for id in ids {
        count += 1;
        let name = id.rsplit_once('/').map_or(id, |(_, name)| name);
        if let Some(beginning) = beginning(stem(name)) {
            by_beginning.entry(beginning).or_default().push(id);
        }
    }
    by_beginning.retain(|_, ids| ids.len() > 1);
    let shared: usize = by_beginning.values().map(Vec::len).sum();
    let largest = by_beginning.values().map(Vec::len).max().unwrap_or(0);
    let is_pattern = by_beginning.len() >= FEWEST
        && shared as f64 >= SHARED * count as f64
        && (largest as f64) < MOST * count as f64;
    if is_pattern { by_beginning.into_values().flatten().collect() } else { Vec::new() }
}

/// What stands before the last number and its separator, if it holds a number itself.
fn beginning(stem: &str) -> Option<&str> {
    let before = stem.trim_end_matches(')').trim_end_matches(|c: char| c.is_ascii_digit());
    let beginning = before.trim_end_matches(['_', '-', '.', ' ', '(']);
    let has_separator = beginning.len() < before.len() && before.len() < stem.len();
    (has_separator && beginning.contains(|c: char| c.is_ascii_digit())).then_some(beginning)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn beginnings_hold_a_number_and_end_before_one() {
        assert_eq!(beginning("person7_virus_12"), Some("person7_virus"));
        assert_eq!(beginning("IM-0115-0001"), Some("IM-0115"));
        assert_eq!(beginning("gg (444)"), None);
        assert_eq!(beginning("ISIC_0024306"), None);
        assert_eq!(beginning("p12"), None);
        assert_eq!(beginning("12"), None);
    }

    #[test]
    fn a_pattern_is_many_beginnings_of_some_images_each() {
        let of = |names: Vec<String>| alike(names.iter().map(String::as_str)).len();
        let patients = |count: usize| (0..count * 3).map(|i| format!("a/p{}_{}.png", i / 3, i)).collect();
        assert_eq!(of(patients(10)), 30);
        assert_eq!(of(patients(4)), 0, "too few to tell");
        assert_eq!(of((0..30).map(|i| format!("a/set2_{i}.png")).collect()), 0, "one name for all");
    }
}
