//! Where a run is and how it went so far: what a checkpoint keeps besides tensors.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::schedule::Plateau;

/// The figures of one epoch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EpochRecord {
    /// Epoch, from 0.
    pub epoch: usize,
    /// Learning rate of its last step.
    pub lr: f64,
    /// Mean training loss over the epoch's images, as optimized: smoothed, weighted, augmented.
    pub train_loss: f64,
    /// Mean negative log-likelihood of the validation images: neither smoothed nor weighted. None without such images.
    pub validation_loss: Option<f64>,
    /// Metrics of the validation images by id; those that are not defined are left out.
    pub validation: BTreeMap<String, f64>,
    /// Training images per second, validation and checkpoints not counted.
    pub images_per_second: f64,
}

/// The epoch with the lowest validation loss.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Best {
    /// Epoch, from 0.
    pub epoch: usize,
    /// Its validation loss.
    pub loss: f64,
}

/// Why a run is complete.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stop {
    /// All epochs were run.
    AllEpochs,
    /// The validation loss had not improved for as many epochs as the patience says.
    Early,
}

/// Where a run is and how it went so far.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// The present epoch, from 0.
    pub epoch: usize,
    /// Batches of it that are done.
    pub batches: usize,
    /// Optimizer steps done in all.
    pub step: u64,
    /// Sum over the epoch's images of their batch's mean loss.
    pub loss_sum: f64,
    /// Images in that sum.
    pub loss_images: usize,
    /// Seconds of training in the epoch.
    pub seconds: f64,
    /// Images computed at once; less than the batch size after memory ran out.
    pub physical_batch: usize,
    /// Forward passes in training mode: torchvision's `num_batches_tracked` of every normalisation.
    pub batches_tracked: u64,
    /// Steps that each parameter has taken.
    pub parameter_steps: Vec<i64>,
    /// State of the plateau schedule.
    pub plateau: Plateau,
    /// The best epoch so far.
    pub best: Option<Best>,
    /// Epochs since the best.
    pub epochs_without_better: usize,
    /// All epochs so far.
    pub history: Vec<EpochRecord>,
    /// Why the run's bits are no longer promised to be repeatable, in order.
    pub guarantee_ended: Vec<String>,
    /// Set when the run is complete.
    pub stop: Option<Stop>,
}

impl Progress {
    /// Before the first step.
    pub fn new(lr: f64, physical_batch: usize, parameters: usize) -> Self {
        Self {
            epoch: 0,
            batches: 0,
            step: 0,
            loss_sum: 0.0,
            loss_images: 0,
            seconds: 0.0,
            physical_batch,
            batches_tracked: 0,
            parameter_steps: vec![0; parameters],
            plateau: Plateau::new(lr),
            best: None,
            epochs_without_better: 0,
            history: Vec::new(),
            guarantee_ended: Vec::new(),
            stop: None,
        }
    }
}
