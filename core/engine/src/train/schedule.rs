//! The learning rate at each step.

use serde::{Deserialize, Serialize};

use super::settings::{Schedule, TrainSettings};

/// Relative improvement of the validation loss that counts, as in torch's ReduceLROnPlateau.
const PLATEAU_THRESHOLD: f64 = 1e-4;
/// Reductions that change the rate by less than this are not made, as in torch.
const SMALLEST_CHANGE: f64 = 1e-8;

/// What a plateau schedule remembers between epochs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plateau {
    /// Best validation loss; none before the first.
    pub best: Option<f64>,
    /// Epochs since.
    pub bad_epochs: usize,
    /// The present rate, without warm-up.
    pub lr: f64,
}

impl Plateau {
    /// At the peak rate.
    pub fn new(lr: f64) -> Self {
        Self { best: None, bad_epochs: 0, lr }
    }

    /// Takes an epoch's validation loss into account.
    pub fn epoch(&mut self, loss: f64, factor: f64, patience: usize) {
        if self.best.is_none_or(|best| loss < best * (1.0 - PLATEAU_THRESHOLD)) {
            self.best = Some(loss);
            self.bad_epochs = 0;
        } else {
            self.bad_epochs += 1;
        }
        if self.bad_epochs > patience {
            let reduced = self.lr * factor;
            if self.lr - reduced > SMALLEST_CHANGE {
                self.lr = reduced;
            }
            self.bad_epochs = 0;
        }
    }
}

/// The learning rate of optimizer step `step` (from 0) of a run with `steps_per_epoch` steps in each epoch.
///
/// Warm-up: step i of w has the share (i+1)/w of the peak, so the first step is not lost. Cosine: from the first step
/// after the warm-up, lr/2 (1 + cos(pi t/T)) over the T steps that remain.
pub fn learning_rate(settings: &TrainSettings, steps_per_epoch: usize, plateau: &Plateau, step: u64) -> f64 {
    let total = (settings.epochs * steps_per_epoch) as f64;
    let warmup = (settings.warmup_epochs * steps_per_epoch as f64).round();
    let step = step as f64;
    let rate = match settings.schedule {
        Schedule::Plateau { .. } => plateau.lr,
        Schedule::Constant | Schedule::Cosine => settings.lr,
    };
    if step < warmup {
        return rate * (step + 1.0) / warmup;
    }
    match settings.schedule {
        Schedule::Cosine => rate * 0.5 * (1.0 + (std::f64::consts::PI * (step - warmup) / (total - warmup)).cos()),
        Schedule::Constant | Schedule::Plateau { .. } => rate,
    }
}
