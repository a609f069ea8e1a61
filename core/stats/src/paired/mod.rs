//! Tests of paired differences: t in its forms, and Wilcoxon's signed ranks.

mod signed_ranks;
mod student;
mod wilcoxon;

pub use student::{FoldSizes, between_seeds_t, five_by_two, nadeau_bengio, paired_t, paired_t_within};
pub use wilcoxon::{WilcoxonForm, hodges_lehmann, wilcoxon};

use crate::Reason;

/// Refuses what no test of differences can use.
pub(crate) fn refuse_non_finite(differences: &[f64]) -> Result<(), Reason> {
    match differences.iter().filter(|d| !d.is_finite()).count() {
        0 => Ok(()),
        count => Err(Reason::NotFinite { count }),
    }
}
