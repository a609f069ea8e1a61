//! A trained network over images: predictions, calibration on the validation part, and metrics.

mod calibration;
mod folds;
mod predict;

pub use calibration::{Calibration, calibrate};
pub use folds::{FoldMean, fold_mean};
pub use predict::{PredictSettings, Predicted, mean_log_loss, predict};
