//! Statistical tests and classification metrics, without torch.
//!
//! Three layers, each usable by itself:
//!
//! * `compare_*` take what two models or methods achieved and return a [`Comparison`], the record that a table shows:
//!   [`compare_folds`], [`compare_predictions`], [`compare_out_of_fold`], [`compare_seeds`], [`compare_explanations`].
//!   [`adjust_family`] then adjusts the p of a family that was fixed beforehand.
//! * The tests themselves ([`paired`], [`binary`], [`ranks`], [`resampling`]) take differences or counts and return an
//!   [`Outcome`]: tested, identical, or not testable with its [`Reason`]. There is no p of 0 and no NaN.
//! * [`classification`] defines every metric of predictions once; [`MetricId`] is the registry of all metrics, with
//!   direction and range.
//!
//! Everything random is drawn from [`Setting::seed`], one stream per resample: the same numbers on any machine and any
//! number of threads.
//!
//! ```
//! use lightbox_stats::{FoldSizes, FoldTest, MetricId, Setting, compare_folds};
//! let folds = [FoldSizes { n_train: 720, n_test: 200 }; 5];
//! let densenet = [0.851, 0.846, 0.860, 0.842, 0.855];
//! let resnet = [0.866, 0.858, 0.871, 0.851, 0.869];
//! let setting = Setting { family_size: 3, ..Setting::default() };
//! let comparison = compare_folds(MetricId::Accuracy, &densenet, &resnet, &folds, FoldTest::NadeauBengio, &setting)?;
//! assert_eq!((comparison.marker().symbol(), comparison.direction.symbol()), ("**", "▼"));
//! # Ok::<(), lightbox_stats::Error>(())
//! ```

pub mod binary;
pub mod classification;
pub mod distribution;
pub mod effect;
pub mod paired;
pub mod power;
pub mod ranks;
pub mod resampling;
pub mod rounding;

mod compare;
mod comparison;
mod correction;
mod detectable;
mod error;
mod groups;
mod marker;
mod metric;
mod outcome;
mod random;
mod setting;

pub use classification::{
    ClassReport, Confusion, Evaluation, MetricValue, Predictions, ReliabilityBin, Threshold, ThresholdCriterion,
    choose_threshold, evaluate, evaluate_metric, fit_temperature, reliability,
};
pub use compare::{
    ExplanationTest, FoldTest, PredictionTest, compare_between_seeds, compare_explanations, compare_folds,
    compare_out_of_fold, compare_predictions, compare_seeds, interval_of_difference, interval_of_group_means,
    interval_of_metric, mean_over_seeds,
};
pub use comparison::{Adjusted, Comparison, Note, SeedSpread, adjust_family};
pub use correction::{Correction, adjust};
pub use detectable::{Detectable, POWER};
pub use error::Error;
pub use groups::Groups;
pub use marker::{Direction, Marker, format_p};
pub use metric::{Better, Kind, MetricId, MetricInfo};
pub use outcome::{
    Degrees, Effect, EffectKind, Interval, IntervalMethod, Outcome, Reason, Resampling, Statistic, Symbol, Test, Tested,
};
pub use paired::FoldSizes;
pub use setting::Setting;
