//! Who is in a data set: patients or lesions, their classes, and how many pictures each has.

use rand::Rng;
use rand::seq::SliceRandom;

use crate::{Kind, stream};

/// Most pictures of one subject.
const MOST_VIEWS: usize = 4;
/// A stream number that no subject has.
const ROSTER: u64 = u64::MAX;

/// A patient (brain, chest) or a lesion (skin), whose pictures belong together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// From 0.
    pub number: usize,
    /// Index into the kind's classes.
    pub class: usize,
    /// How many pictures there are of it.
    pub views: usize,
}

/// The subjects that make `n` pictures, with as many pictures of each class as can be.
pub fn subjects(kind: Kind, n: usize, seed: u64) -> Vec<Subject> {
    let mut stream = stream::derive(seed, kind.number(), ROSTER, 0);
    let classes = kind.classes().len();
    let mut subjects: Vec<(usize, usize)> = Vec::new();
    for class in 0..classes {
        let mut left = n / classes + usize::from(class < n % classes);
        while left > 0 {
            let views = stream.random_range(1..=MOST_VIEWS).min(left);
            subjects.push((class, views));
            left -= views;
        }
    }
    // So that a class cannot be told from the numbering.
    subjects.shuffle(&mut stream);
    let numbered = subjects.into_iter().enumerate();
    numbered.map(|(number, (class, views))| Subject { number, class, views }).collect()
}
