//! The record of one comparison, as tables show it, and the family that adjusts its p.

use crate::{Correction, Direction, Marker, MetricId, Outcome, adjust};
use serde::{Deserialize, Serialize};
use std::fmt;

/// A candidate against a baseline in one metric.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// Which metric.
    pub metric: MetricId,
    /// The candidate's value.
    pub candidate: Option<f64>,
    /// The baseline's value.
    pub baseline: Option<f64>,
    /// Candidate minus baseline.
    pub difference: Option<f64>,
    /// Better or worse than the baseline, apart from significance.
    pub direction: Direction,
    /// What the test said.
    pub outcome: Outcome,
    /// After adjustment for its family; none before, or without a p.
    pub adjusted: Option<Adjusted>,
    /// Images behind it.
    pub n_images: usize,
    /// Groups behind it (images where no groups are known).
    pub n_groups: usize,
    /// Folds or repeats, where folds are compared.
    pub n_folds: Option<usize>,
    /// Seeds of each, where several are averaged.
    pub n_seeds: Option<usize>,
    /// Spread between seeds, where several are averaged.
    pub seed_spread: Option<SeedSpread>,
    /// What must be said beside it.
    pub notes: Vec<Note>,
}

/// An adjusted p and the family that it comes from.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Adjusted {
    /// The adjusted p.
    pub p: f64,
    /// How.
    pub correction: Correction,
    /// Comparisons in the family, testable or not.
    pub family_size: usize,
}

/// Standard deviations between seeds.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct SeedSpread {
    /// Of the candidate's metric.
    pub candidate: f64,
    /// Of the baseline's metric.
    pub baseline: f64,
}

/// What must be said beside a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", tag = "note")]
pub enum Note {
    /// Predictions of several folds' networks were pooled.
    ForTheseNetworks,
    /// Explanation methods on given networks, folds as strata.
    ConditionalOnNetworks {
        /// Folds that serve as strata; 1 when there is one network.
        strata: usize,
    },
    /// No groups are known.
    SplitByImage,
    /// Says nothing about other patients.
    BetweenSeedsOnly,
    /// Pairs without two finite values were left out.
    Excluded {
        /// How many images.
        images: usize,
    },
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Note::ForTheseNetworks => write!(f, "for these trained networks"),
            Note::ConditionalOnNetworks { strata: 0 | 1 } => write!(f, "conditional on the network"),
            Note::ConditionalOnNetworks { strata } => {
                write!(f, "conditional on the networks, {strata} folds as strata")
            }
            Note::SplitByImage => write!(f, "split by image"),
            Note::BetweenSeedsOnly => write!(f, "between seeds only"),
            Note::Excluded { images } => write!(f, "{images} images left out: no value"),
        }
    }
}

impl Comparison {
    pub(crate) fn new(metric: MetricId, candidate: Option<f64>, baseline: Option<f64>, outcome: Outcome) -> Self {
        let difference = candidate.zip(baseline).map(|(a, b)| a - b).filter(|d| d.is_finite());
        let direction = match outcome {
            Outcome::Identical => Direction::Neither,
            _ => Direction::of(difference, metric.better()),
        };
        let finite = |value: Option<f64>| value.filter(|v| v.is_finite());
        let (n_images, n_groups) = outcome.tested().map_or((0, 0), |t| (t.n_images, t.n_groups));
        Comparison {
            metric,
            candidate: finite(candidate),
            baseline: finite(baseline),
            difference,
            direction,
            outcome,
            adjusted: None,
            n_images,
            n_groups,
            n_folds: None,
            n_seeds: None,
            seed_spread: None,
            notes: Vec::new(),
        }
    }

    pub(crate) fn counted(mut self, n_images: usize, n_groups: usize) -> Self {
        (self.n_images, self.n_groups) = (n_images, n_groups);
        self.outcome = self.outcome.counted(n_images, n_groups);
        self
    }

    pub(crate) fn noted(mut self, note: Note) -> Self {
        self.notes.push(note);
        self
    }

    /// The p to be shown: adjusted where the family is known.
    pub fn p(&self) -> Option<f64> {
        self.adjusted.map(|adjusted| adjusted.p).or_else(|| self.outcome.p())
    }

    /// The mark of the cell, by the adjusted p where the family is known.
    pub fn marker(&self) -> Marker {
        Marker::of(&self.outcome, self.p())
    }
}

/// Adjusts the p of a family in place.
///
/// `planned` is the size that was fixed beforehand: all non-baseline models on one dataset and one metric, or all pairs
/// of methods. Members that were not run, not testable or identical keep their place in it. What is hidden, filtered or
/// sorted afterwards must not reach this function.
pub fn adjust_family(family: &mut [Comparison], planned: usize, correction: Correction) {
    let mut p: Vec<Option<f64>> = family.iter().map(|comparison| comparison.outcome.p()).collect();
    let family_size = planned.max(p.len());
    p.resize(family_size, None);
    for (comparison, adjusted) in family.iter_mut().zip(adjust(correction, &p)) {
        comparison.adjusted = adjusted.map(|p| Adjusted { p, correction, family_size });
    }
}
