//! Whole comparisons: from what two models or methods achieved to the record that a table shows.

mod explanations;
mod folds;
mod intervals;
mod predictions;
mod seeds;

pub use explanations::{ExplanationTest, compare_explanations, mean_over_seeds};
pub use folds::{FoldTest, compare_folds};
pub use intervals::{interval_of_difference, interval_of_group_means, interval_of_metric};
pub use predictions::{PredictionTest, compare_out_of_fold, compare_predictions};
pub use seeds::{compare_between_seeds, compare_seeds};

use crate::Error;

pub(crate) fn same_length(what: &'static str, left: usize, right: usize) -> Result<(), Error> {
    match (left, right) {
        (0, 0) => Err(Error::Empty { what }),
        (a, b) if a == b => Ok(()),
        (left, right) => Err(Error::Length { what, left, right }),
    }
}
