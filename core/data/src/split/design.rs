//! What kind of split it is, from its folds alone: a test of significance must fit it.

use std::collections::BTreeMap;

use serde::Serialize;

use super::Fold;

/// The kind of a split.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "kind")]
pub enum Design {
    /// Every image is tested exactly once.
    KFold {
        /// Folds.
        folds: usize,
    },
    /// Every image is tested once in each repeat. Five repeats of two folds allow the 5x2cv test.
    Repeated {
        /// Folds of a repeat.
        folds: usize,
        /// Repeats.
        repeats: usize,
    },
    /// All folds have one test part: they differ in seed (and validation part) only.
    SharedTest {
        /// Times that it is fitted.
        fits: usize,
    },
    /// None of these.
    Irregular {
        /// Folds.
        folds: usize,
    },
}

impl Design {
    /// Looks at the folds of a dataset of `images` images.
    pub(super) fn of(folds: &[Fold], images: usize) -> Self {
        if let Some(first) = folds.first()
            && folds.iter().all(|fold| fold.test == first.test)
        {
            return Self::SharedTest { fits: folds.len() };
        }
        let mut repeats: BTreeMap<usize, Vec<&Fold>> = BTreeMap::new();
        for fold in folds {
            repeats.entry(fold.repeat).or_default().push(fold);
        }
        let size = repeats.values().next().map_or(0, Vec::len);
        let regular = repeats.values().all(|folds| folds.len() == size && tests_each_once(folds, images));
        match (regular, repeats.len()) {
            (false, _) => Self::Irregular { folds: folds.len() },
            (true, 1) => Self::KFold { folds: size },
            (true, repeats) => Self::Repeated { folds: size, repeats },
        }
    }

    /// True for five repeats of two folds.
    pub fn is_five_by_two(self) -> bool {
        self == Self::Repeated { folds: 2, repeats: 5 }
    }
}

fn tests_each_once(folds: &[&Fold], images: usize) -> bool {
    let mut tested = vec![false; images];
    for index in folds.iter().flat_map(|fold| &fold.test) {
        if std::mem::replace(&mut tested[*index], true) {
            return false;
        }
    }
    tested.into_iter().all(|tested| tested)
}
