//! Which rows of a table are shown, and in which order: filtering and sorting of up to millions of rows.

use std::borrow::Cow;

use rayon::prelude::*;

/// Rows that are searched one after another before many are at once.
const NEAR: usize = 1024;

/// The rows of a table, wherever they come from.
pub trait Rows: Send + Sync {
    /// How many there are.
    fn len(&self) -> usize;
    /// The text of a cell.
    fn text(&self, row: usize, column: usize) -> Cow<'_, str>;
    /// The number of a cell, for columns that sort by number; none sorts last.
    fn number(&self, row: usize, column: usize) -> Option<f64> {
        let _ = (row, column);
        None
    }
    /// True when a column sorts by its numbers.
    fn is_numeric(&self, column: usize) -> bool {
        let _ = column;
        false
    }
    /// The place of a cell's text among all texts of its column in order, where the table knows it: sorting by numbers
    /// takes a fraction of the time. Either every row of a column has one or none.
    fn rank(&self, row: usize, column: usize) -> Option<u32> {
        let _ = (row, column);
        None
    }
    /// What a row stays known by when the table is read anew.
    fn id(&self, row: usize) -> Cow<'_, str> {
        self.text(row, 0)
    }
}

/// What to show.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wanted {
    /// Column to sort by, and whether the largest comes first.
    pub sort: Option<(usize, bool)>,
    /// Words that a row must hold, each in any of its cells, without regard to case.
    pub filter: String,
}

/// The rows that are shown, in their order. Equal rows keep the order that they came in.
pub fn view(rows: &dyn Rows, columns: usize, wanted: &Wanted) -> Vec<u32> {
    let count = u32::try_from(rows.len()).unwrap_or(u32::MAX);
    let words = words(&wanted.filter);
    let fits = |row: u32| holds_all(rows, row as usize, columns, &words);
    let mut shown: Vec<u32> = if words.is_empty() {
        (0..count).collect()
    } else {
        (0..count).into_par_iter().with_min_len(1024).filter(|row| fits(*row)).collect()
    };
    if let Some((column, descending)) = wanted.sort {
        sort(rows, &mut shown, column, descending);
    }
    shown
}

/// The first of `count` rows, in the order that `row` gives them, that holds all words.
pub fn first(
    rows: &dyn Rows,
    columns: usize,
    text: &str,
    count: usize,
    row: impl Fn(usize) -> u32 + Sync,
) -> Option<usize> {
    let words = words(text);
    let holds = |at: &usize| holds_all(rows, row(*at) as usize, columns, &words);
    // The first ones alone: what is near is found without waking other threads, and without looking any further.
    let near = count.min(NEAR);
    (0..near).find(holds).or_else(|| (near..count).into_par_iter().with_min_len(NEAR).find_first(holds))
}

fn words(text: &str) -> Vec<String> {
    text.to_lowercase().split_whitespace().map(str::to_owned).collect()
}

fn holds_all(rows: &dyn Rows, row: usize, columns: usize, words: &[String]) -> bool {
    let holds = |word: &String, column: usize| {
        let text = rows.text(row, column);
        if text.is_ascii() {
            contains_ascii(text.as_bytes(), word)
        } else {
            text.to_lowercase().contains(word.as_str())
        }
    };
    words.iter().all(|word| (0..columns).any(|column| holds(word, column)))
}

/// Finds a lower-case word without making a lower-case copy of the text.
fn contains_ascii(text: &[u8], word: &str) -> bool {
    let word = word.as_bytes();
    text.len() >= word.len() && text.windows(word.len()).any(|part| part.eq_ignore_ascii_case(word))
}

fn sort(rows: &dyn Rows, shown: &mut Vec<u32>, column: usize, descending: bool) {
    if rows.is_numeric(column) {
        sort_by_key(shown, |row| number_key(rows.number(row as usize, column), descending));
    } else if shown.first().is_some_and(|row| rows.rank(*row as usize, column).is_some()) {
        sort_by_key(shown, |row| {
            let rank = rows.rank(row as usize, column).unwrap_or(u32::MAX);
            u64::from(if descending { !rank } else { rank })
        });
    } else {
        let mut keyed: Vec<(Cow<'_, str>, u32)> =
            shown.par_iter().with_min_len(4096).map(|&r| (rows.text(r as usize, column), r)).collect();
        keyed.par_sort_unstable_by(|a, b| {
            let order = a.0.cmp(&b.0);
            (if descending { order.reverse() } else { order }).then(a.1.cmp(&b.1))
        });
        *shown = keyed.into_iter().map(|(_, row)| row).collect();
    }
}

/// Equal keys keep the order of their rows.
fn sort_by_key(shown: &mut Vec<u32>, key: impl Fn(u32) -> u64 + Sync) {
    let mut keyed: Vec<(u64, u32)> = shown.par_iter().with_min_len(4096).map(|&row| (key(row), row)).collect();
    keyed.par_sort_unstable();
    shown.clear();
    shown.extend(keyed.into_iter().map(|(_, row)| row));
}

/// A whole number that sorts as the figure does; missing ones come last in both directions.
fn number_key(value: Option<f64>, descending: bool) -> u64 {
    let Some(value) = value.filter(|v| !v.is_nan()) else { return u64::MAX };
    let bits = value.to_bits();
    // Negative numbers have their order turned round, and come before the others.
    let ordered = if bits >> 63 == 1 { !bits } else { bits | 1 << 63 };
    if descending { !ordered } else { ordered }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    struct Few(Vec<(&'static str, Option<f64>)>);

    impl Rows for Few {
        fn len(&self) -> usize {
            self.0.len()
        }
        fn text(&self, row: usize, column: usize) -> Cow<'_, str> {
            match column {
                0 => self.0[row].0.into(),
                _ => self.0[row].1.map(|v| v.to_string()).unwrap_or_default().into(),
            }
        }
        fn number(&self, row: usize, _: usize) -> Option<f64> {
            self.0[row].1
        }
        fn is_numeric(&self, column: usize) -> bool {
            column == 1
        }
    }

    /// The same with the places of its texts.
    struct Ranked(Few, Vec<u32>);

    impl Rows for Ranked {
        fn len(&self) -> usize {
            self.0.len()
        }
        fn text(&self, row: usize, column: usize) -> Cow<'_, str> {
            self.0.text(row, column)
        }
        fn rank(&self, row: usize, _: usize) -> Option<u32> {
            Some(self.1[row])
        }
    }

    fn wanted(sort: Option<(usize, bool)>, filter: &str) -> Wanted {
        Wanted { sort, filter: filter.to_owned() }
    }

    #[test]
    fn missing_figures_come_last_in_both_directions() {
        let rows = Few(vec![("b", Some(2.0)), ("a", None), ("c", Some(-1.0))]);
        assert_eq!(view(&rows, 2, &wanted(Some((1, false)), "")), [2, 0, 1]);
        assert_eq!(view(&rows, 2, &wanted(Some((1, true)), "")), [0, 2, 1]);
        assert_eq!(view(&rows, 2, &wanted(Some((0, true)), "")), [2, 0, 1]);
    }

    #[test]
    fn all_words_must_be_found_in_some_cell() {
        let rows = Few(vec![("Glioma x", Some(2.0)), ("glioma", Some(3.0)), ("Épi x", None)]);
        assert_eq!(view(&rows, 2, &wanted(None, "glioma")), [0, 1]);
        assert_eq!(view(&rows, 2, &wanted(None, "GLIOMA 3")), [1]);
        assert_eq!(view(&rows, 2, &wanted(None, "épi")), [2]);
        assert!(view(&rows, 2, &wanted(None, "nothing")).is_empty());
        assert_eq!(first(&rows, 2, "GLIOMA", 3, |at| 2 - at as u32), Some(1));
        assert_eq!(first(&rows, 2, "nothing", 3, |at| at as u32), None);
    }

    proptest! {
        #[test]
        fn places_sort_as_texts_do(places in proptest::collection::vec(0u32..5, 0..50), descending: bool) {
            let texts = ["a", "ab", "b", "c", "z"];
            let few = |places: &[u32]| Few(places.iter().map(|p| (texts[*p as usize], None)).collect());
            let by_text = view(&few(&places), 1, &wanted(Some((0, descending)), ""));
            let by_place = view(&Ranked(few(&places), places.clone()), 1, &wanted(Some((0, descending)), ""));
            prop_assert_eq!(by_text, by_place);
        }

        #[test]
        fn numbers_sort_as_they_compare(a: f64, b: f64) {
            prop_assume!(!a.is_nan() && !b.is_nan());
            prop_assert_eq!(number_key(Some(a), false).cmp(&number_key(Some(b), false)), a.total_cmp(&b));
            prop_assert_eq!(number_key(Some(a), true).cmp(&number_key(Some(b), true)), b.total_cmp(&a));
            prop_assert!(number_key(Some(a), false) <= number_key(None, false));
        }

        #[test]
        fn sorting_loses_no_row_and_is_stable(values in proptest::collection::vec(proptest::option::of(0u8..4), 0..200)) {
            let rows = Few(values.iter().map(|v| ("", v.map(f64::from))).collect());
            let order = view(&rows, 2, &wanted(Some((1, false)), ""));
            let mut expected: Vec<u32> = (0..values.len() as u32).collect();
            expected.sort_by_key(|&r| values[r as usize].map_or(u8::MAX, |v| v));
            prop_assert_eq!(order, expected);
        }
    }
}
