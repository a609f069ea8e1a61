//! Which rows of a table are shown, and in which order: filtering and sorting of up to millions of rows.

use std::borrow::Cow;
use std::cmp::Ordering;

use rayon::prelude::*;

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
    let words: Vec<String> = wanted.filter.to_lowercase().split_whitespace().map(str::to_owned).collect();
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
        let mut keyed: Vec<(f64, u32)> = shown
            .par_iter()
            .with_min_len(4096)
            .map(|&r| (rows.number(r as usize, column).unwrap_or(f64::NAN), r))
            .collect();
        keyed.par_sort_unstable_by(|a, b| {
            let order = missing_last(a.0, b.0, descending);
            order.then(a.1.cmp(&b.1))
        });
        *shown = keyed.into_iter().map(|(_, row)| row).collect();
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

fn missing_last(a: f64, b: f64, descending: bool) -> Ordering {
    match (a.is_nan(), b.is_nan()) {
        (true, true) => Ordering::Equal,
        (true, false) => Ordering::Greater,
        (false, true) => Ordering::Less,
        (false, false) => {
            let order = a.total_cmp(&b);
            if descending { order.reverse() } else { order }
        }
    }
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
    }

    proptest! {
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
