//! What can go wrong while an explanation is scored.

/// What a [`Scorer`](super::Scorer) may fail with.
pub type ScoreError = Box<dyn std::error::Error + Send + Sync>;

/// Why a metric could not be computed. Properties of a map, such as being constant, are a status and no error.
#[derive(Debug, thiserror::Error)]
pub enum MetricError {
    /// Two inputs do not have the same size.
    #[error("the {what} has {found} values and {expected} are needed: map, mask and image must have one size")]
    Size {
        /// Which input.
        what: &'static str,
        /// Values that it should have.
        expected: usize,
        /// Values that it has.
        found: usize,
    },
    /// An input holds NaN or infinity.
    #[error("the {what} holds values that are not finite; look at how it was normalised")]
    NotFinite {
        /// Which input.
        what: &'static str,
    },
    /// The imputation left too much error.
    #[error("the linear imputation did not converge: a pixel would still move by {left:e}")]
    NotConverged {
        /// The largest correction of the last cycle.
        left: f32,
    },
    /// A setting is outside its range.
    #[error("{setting} is {value}: {need}")]
    Setting {
        /// Which setting.
        setting: &'static str,
        /// What it is.
        value: String,
        /// What it must be.
        need: &'static str,
    },
    /// No metric has this id.
    #[error("there is no metric {id:?}; there are {known}")]
    Unknown {
        /// What was asked for.
        id: String,
        /// All ids.
        known: String,
    },
    /// The scorer returned a wrong number of probabilities.
    #[error("the network gave {found} probabilities for {expected} images")]
    Scores {
        /// Images in the batch.
        expected: usize,
        /// Values returned.
        found: usize,
    },
    /// The network failed.
    #[error("the network failed on perturbed images: {0}")]
    Network(ScoreError),
}
