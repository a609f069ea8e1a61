//! Input that no test can be asked about: a mistake of the caller, apart from data that are merely untestable.

/// A mistake in what was passed in.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Error {
    /// Two slices that must pair up do not.
    #[error("{what}: {left} values against {right}; pass one value of each per unit")]
    Length {
        /// Which slices.
        what: &'static str,
        /// Length of the first.
        left: usize,
        /// Length of the second.
        right: usize,
    },
    /// Nothing to test.
    #[error("{what}: no values; at least one is needed")]
    Empty {
        /// Which input.
        what: &'static str,
    },
    /// A true class that is not among the classes.
    #[error("image {index}: class {class} of a task with {classes} classes; classes count from 0")]
    Class {
        /// Position of the image.
        index: usize,
        /// Its class.
        class: usize,
        /// Number of classes.
        classes: usize,
    },
    /// Probabilities that are none.
    #[error("image {index}: probabilities are not finite, not in 0..1 or do not add up to 1")]
    Probabilities {
        /// Position of the image.
        index: usize,
    },
    /// Two models tested on different images.
    #[error(
        "image {index}: the two models have different true classes there; both must have predicted the same images"
    )]
    Truth {
        /// First position that differs.
        index: usize,
    },
    /// A metric that this comparison cannot compute.
    #[error("metric {metric}: {problem}")]
    Metric {
        /// Its id.
        metric: crate::MetricId,
        /// What is wrong and what to do.
        problem: &'static str,
    },
    /// A level outside (0, 1).
    #[error("alpha {alpha}: must lie between 0 and 1")]
    Alpha {
        /// The level.
        alpha: f64,
    },
    /// Too few resamples.
    #[error("{resamples} resamples: at least 100 are needed, 10000 are usual")]
    Resamples {
        /// The number.
        resamples: usize,
    },
    /// A metric id that does not exist.
    #[error("unknown metric {id:?}; the known ones are listed by MetricId::ALL")]
    UnknownMetric {
        /// What was asked for.
        id: String,
    },
    /// A fold without training or test images.
    #[error("fold {index}: n_train {n_train}, n_test {n_test}; both must be above 0")]
    Fold {
        /// Position of the fold.
        index: usize,
        /// Training images.
        n_train: usize,
        /// Test images.
        n_test: usize,
    },
    /// Values that a yes-or-no test cannot take.
    #[error("image {index}: value {value} is neither 0 nor 1; this metric is yes or no")]
    NotYesNo {
        /// Position of the image.
        index: usize,
        /// The value.
        value: f64,
    },
}
