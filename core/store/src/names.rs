//! Names that users type: which are allowed, and which was probably meant.

use crate::error::{Result, StoreError};

/// Checks a name that becomes a folder: letters, digits, `.`, `_`, `-`, not starting with a dot, at most 100 long.
///
/// # Errors
/// A sentence that says what the name may hold.
pub fn check(kind: &str, name: &str) -> Result<()> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if name.is_empty() || name.len() > 100 || name.starts_with(['.', '-']) || !name.chars().all(allowed) {
        return Err(StoreError::Invalid(format!(
            "{kind} name {name:?}: use 1 to 100 letters, digits, '.', '_' and '-', not starting with '.' or '-'"
        )));
    }
    Ok(())
}

/// The candidate nearest to `given` by edit distance, when near enough to be a slip.
pub fn nearest<'a>(given: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (given.chars().count() / 2).max(2);
    candidates
        .into_iter()
        .map(|c| (edit_distance(&given.to_lowercase(), &c.to_lowercase()), c))
        .filter(|(d, _)| *d <= limit)
        .min_by_key(|(d, _)| *d)
        .map(|(_, c)| c)
}

/// Damerau-Levenshtein distance with adjacent swaps (optimal string alignment).
fn edit_distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut rows = vec![vec![0usize; b.len() + 1]; a.len() + 1];
    for (i, row) in rows.iter_mut().enumerate() {
        row[0] = i;
    }
    for (j, cell) in rows[0].iter_mut().enumerate() {
        *cell = j;
    }
    for i in 1..=a.len() {
        for j in 1..=b.len() {
            let substitution = rows[i - 1][j - 1] + usize::from(a[i - 1] != b[j - 1]);
            let mut best = substitution.min(rows[i - 1][j] + 1).min(rows[i][j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                best = best.min(rows[i - 2][j - 2] + 1);
            }
            rows[i][j] = best;
        }
    }
    rows[a.len()][b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_recognised_and_strangers_are_not() {
        assert_eq!(nearest("epcohs", ["epochs", "batch_size"]), Some("epochs"));
        assert_eq!(nearest("zzzzzz", ["epochs", "batch_size"]), None);
    }

    #[test]
    fn names_with_path_tricks_are_refused() {
        for bad in ["", "..", "a/b", ".hidden", "-x", "a b", "ä"] {
            assert!(check("dataset", bad).is_err(), "{bad}");
        }
        check("dataset", "skin-ham10000").unwrap();
    }
}
