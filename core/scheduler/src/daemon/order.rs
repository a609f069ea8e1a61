//! Whose turn it is: jobs by priority, then by place, then by name.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};

use lightbox_store::run::RunId;

/// The key by which jobs stand in line.
type Key = (Reverse<i32>, i64, RunId);

/// The line of the jobs that are not settled.
#[derive(Clone, Debug, Default)]
pub struct Line {
    keys: BTreeSet<Key>,
    places: HashMap<RunId, (i32, i64)>,
}

impl Line {
    /// Puts a job in line, or changes its place.
    pub fn put(&mut self, run: &RunId, priority: i32, order: i64) {
        self.remove(run);
        self.keys.insert((Reverse(priority), order, run.clone()));
        self.places.insert(run.clone(), (priority, order));
    }

    /// Takes a job out of the line.
    pub fn remove(&mut self, run: &RunId) {
        if let Some((priority, order)) = self.places.remove(run) {
            self.keys.remove(&(Reverse(priority), order, run.clone()));
        }
    }

    /// The jobs, first come first.
    pub fn iter(&self) -> impl Iterator<Item = &RunId> {
        self.keys.iter().map(|(_, _, run)| run)
    }

    /// Priority and order of a job in line.
    pub fn place(&self, run: &RunId) -> Option<(i32, i64)> {
        self.places.get(run).copied()
    }

    /// Orders for `count` jobs that go before all of `priority`.
    pub fn before_all(&self, priority: i32, count: usize) -> Vec<i64> {
        let first = self.keys.iter().find(|k| k.0.0 == priority).map_or(0, |k| k.1);
        let from = first.saturating_sub(count as i64);
        (0..count as i64).map(|i| from.saturating_add(i)).collect()
    }

    /// Orders for `count` jobs that go behind all of `priority`.
    pub fn behind_all(&self, priority: i32, count: usize) -> Vec<i64> {
        let last = self.keys.iter().rev().find(|k| k.0.0 == priority).map_or(0, |k| k.1);
        (1..=count as i64).map(|i| last.saturating_add(i)).collect()
    }

    /// The jobs of the same priority that stand at and behind `run`, in order: they make room for one before it.
    pub fn from(&self, run: &RunId) -> Vec<RunId> {
        let Some((priority, order)) = self.place(run) else { return Vec::new() };
        let start = (Reverse(priority), order, run.clone());
        self.keys.range(start..).take_while(|k| k.0.0 == priority).map(|k| k.2.clone()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn run(name: &str) -> RunId {
        RunId(name.to_owned())
    }

    fn names(line: &Line) -> Vec<&str> {
        line.iter().map(|r| r.0.as_str()).collect()
    }

    #[test]
    fn priority_then_place_then_name() {
        let mut line = Line::default();
        line.put(&run("b"), 0, 5);
        line.put(&run("a"), 0, 5);
        line.put(&run("late"), 0, 9);
        line.put(&run("urgent"), 3, 100);
        assert_eq!(names(&line), ["urgent", "a", "b", "late"]);
        let order = line.before_all(0, 1)[0];
        line.put(&run("late"), 0, order);
        assert_eq!(names(&line), ["urgent", "late", "a", "b"]);
        assert_eq!(line.from(&run("a")), [run("a"), run("b")]);
        line.put(&run("last"), 0, line.behind_all(0, 1)[0]);
        assert_eq!(names(&line), ["urgent", "late", "a", "b", "last"]);
    }

    proptest! {
        #[test]
        fn a_job_stands_in_line_once(steps in prop::collection::vec((0u8..6, -2i32..3, -3i64..3, any::<bool>()), 0..60)) {
            let mut line = Line::default();
            for (name, priority, order, put) in steps {
                let name = run(&name.to_string());
                if put { line.put(&name, priority, order) } else { line.remove(&name) }
            }
            let listed: Vec<_> = line.iter().collect();
            let mut once = listed.clone();
            once.sort();
            once.dedup();
            prop_assert_eq!(listed.len(), once.len());
            let key = |run: &RunId| {
                let (priority, order) = line.place(run).unwrap();
                (Reverse(priority), order, run.clone())
            };
            let ascending = listed.windows(2).all(|w| key(w[0]) < key(w[1]));
            prop_assert!(ascending);
        }
    }
}
