//! Metrics of predictions, each defined once.
//!
//! A metric is prepared from the predictions (classes, bins, sorted scores) and then read at any whole-number weights of
//! the images: weights of 1 give the metric, drawn weights a bootstrap replicate, swapped weights a permutation. So the
//! figure in a table and the figure inside its test come from the same lines.

mod calibration;
mod confusion;
mod evaluate;
mod predictions;
mod prepared;
mod sorted_scores;
mod threshold;

pub use calibration::{ECE_BINS, ReliabilityBin, fit_temperature, reliability};
pub use confusion::Confusion;
pub use evaluate::{ClassReport, Evaluation, MetricValue, evaluate, evaluate_metric};
pub use predictions::{Predictions, softmax};
pub(crate) use prepared::{Prepared, probe};
pub use threshold::{Threshold, ThresholdCriterion, choose_threshold};
