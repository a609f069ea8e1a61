//! What a caller is told while a network trains.

use super::progress::EpochRecord;

/// Something that happened during training.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// Training goes on from a checkpoint.
    Resumed {
        /// Epoch, from 0.
        epoch: usize,
        /// Optimizer steps already done.
        step: u64,
        /// The checkpoint's name: `last`, or `last.previous` when the newest was damaged.
        checkpoint: String,
    },
    /// An optimizer step was done.
    Step {
        /// Epoch, from 0.
        epoch: usize,
        /// Optimizer steps done, this one included.
        step: u64,
        /// Mean loss of the batch, before the step.
        loss: f64,
        /// Learning rate of the step.
        lr: f64,
        /// Training images per second since the last such event.
        images_per_second: f64,
    },
    /// The validation part is being read.
    Validating {
        /// Images done.
        done: usize,
        /// Images in all.
        total: usize,
    },
    /// An epoch ended.
    Epoch {
        /// Optimizer steps done.
        step: u64,
        /// Losses and metrics.
        record: EpochRecord,
    },
    /// A checkpoint was written.
    Checkpoint {
        /// `best` or `last`.
        name: &'static str,
        /// Epoch, from 0.
        epoch: usize,
        /// Optimizer steps done.
        step: u64,
    },
    /// Memory ran out: fewer images are computed at once from here on. The optimizer still sees the same batches.
    BackOff {
        /// Optimizer steps done.
        step: u64,
        /// Images at once before.
        from: usize,
        /// Images at once from here on.
        to: usize,
    },
    /// The run's bits can no longer be promised to be those of another run with the same configuration.
    GuaranteeEnded {
        /// Optimizer steps done.
        step: u64,
        /// Why, as a sentence.
        why: String,
    },
    /// Something that the user should know.
    Warning {
        /// A sentence.
        text: String,
    },
}
