//! Everything that decides a training run.

use std::time::Duration;

use serde::Serialize;
use tch::Device;

use super::error::TrainError;

/// Optimizers and their own figures.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum OptimizerSettings {
    /// Loshchilov and Hutter 2019.
    AdamW {
        /// Decay of the mean of gradients.
        beta1: f64,
        /// Decay of the mean of squared gradients.
        beta2: f64,
        /// Added to the root of the second.
        eps: f64,
    },
    /// Stochastic gradient descent.
    Sgd {
        /// Share of the velocity kept; 0 is plain SGD.
        momentum: f64,
        /// Share of the gradient left out of the velocity.
        dampening: f64,
        /// Look ahead along the velocity.
        nesterov: bool,
    },
}

impl OptimizerSettings {
    /// AdamW with torch's defaults.
    pub const ADAMW: Self = Self::AdamW { beta1: 0.9, beta2: 0.999, eps: 1e-8 };
    /// SGD with momentum 0.9.
    pub const SGD: Self = Self::Sgd { momentum: 0.9, dampening: 0.0, nesterov: false };
}

/// Schedules of the learning rate; the warm-up before them is [`TrainSettings::warmup_epochs`].
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Schedule {
    /// The peak rate throughout.
    Constant,
    /// Half a cosine from the peak rate to zero, per step.
    Cosine,
    /// torch's ReduceLROnPlateau on the validation loss: multiplied by `factor` after more than `patience` epochs
    /// without a relative improvement of 1e-4.
    Plateau {
        /// Factor of each reduction.
        factor: f64,
        /// Epochs without improvement that are tolerated.
        patience: usize,
    },
}

impl Schedule {
    /// A tenth of the rate after more than 3 epochs without improvement.
    pub const PLATEAU: Self = Self::Plateau { factor: 0.1, patience: 3 };
}

/// Weights of the classes in the training loss.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClassWeights {
    /// All 1.
    None,
    /// n / (K n_k) from the training part; a class that has no training image gets 0.
    Balanced,
    /// As given, in class order.
    Given(Vec<f64>),
}

/// Floating-point precision of the forward and backward pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Precision {
    /// 32 bits throughout.
    Fp32,
    /// bfloat16 autocast over 32-bit weights; loss and optimizer in 32 bits.
    Bf16,
}

/// Random changes of the training images.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Augmentation {
    /// Mirror left and right in half of the cases.
    pub horizontal_flip: bool,
    /// Mirror top and bottom in half of the cases.
    pub vertical_flip: bool,
    /// Largest rotation in degrees, either way.
    pub rotation_degrees: f64,
    /// Smallest share of the area that a random crop keeps; 1 is no crop.
    pub crop_scale: f64,
    /// Largest relative change of brightness.
    pub brightness: f64,
}

impl Augmentation {
    /// Images as they are.
    pub const NONE: Self =
        Self { horizontal_flip: false, vertical_flip: false, rotation_degrees: 0.0, crop_scale: 1.0, brightness: 0.0 };
}

/// Everything that decides a training run, besides the network and the images.
#[derive(Clone, Debug, Serialize)]
pub struct TrainSettings {
    /// Epochs at most.
    pub epochs: usize,
    /// Images per optimizer step.
    pub batch_size: usize,
    /// The optimizer.
    pub optimizer: OptimizerSettings,
    /// Peak learning rate.
    pub lr: f64,
    /// Weight decay; decoupled for AdamW, added to the gradient for SGD, as in torch.
    pub weight_decay: f64,
    /// Decay biases and normalisation scales too, as torch does unless told otherwise.
    pub decay_biases_and_norms: bool,
    /// Schedule of the learning rate.
    pub schedule: Schedule,
    /// Epochs over which the rate rises linearly to its peak, fractions allowed.
    pub warmup_epochs: f64,
    /// Label smoothing, 0 to 1.
    pub label_smoothing: f64,
    /// Class weights.
    pub class_weights: ClassWeights,
    /// Largest norm of the gradient; none is no clipping.
    pub clip_norm: Option<f64>,
    /// Epochs without a better validation loss before stopping; none never stops early.
    pub patience: Option<usize>,
    /// Augmentation.
    pub augment: Augmentation,
    /// Seed of order, augmentation and dropout.
    pub seed: u64,
    /// Precision.
    pub precision: Precision,
    /// Weights and batches with channels innermost: faster on CPUs, and on GPUs in bf16.
    pub channels_last: bool,
    /// Mean of each channel on the scale 0 to 1, subtracted.
    pub mean: Vec<f64>,
    /// Standard deviation of each channel on the scale 0 to 1, divided by.
    pub std: Vec<f64>,
    /// Images computed at once at the start; the batch size unless memory is known to be short.
    pub physical_batch: usize,
    /// Where to train. Part of the record beside a checkpoint, not of the settings it is checked against.
    #[serde(skip)]
    pub device: Device,
    /// Time between checkpoints within an epoch; each epoch's end and an interruption write one too.
    #[serde(skip)]
    pub checkpoint_interval: Duration,
}

impl TrainSettings {
    /// AdamW at 1e-3, everything else off: what the other fields are changed from.
    pub fn new(epochs: usize, batch_size: usize, channels: usize) -> Self {
        Self {
            epochs,
            batch_size,
            optimizer: OptimizerSettings::ADAMW,
            lr: 1e-3,
            weight_decay: 0.0,
            decay_biases_and_norms: true,
            schedule: Schedule::Constant,
            warmup_epochs: 0.0,
            label_smoothing: 0.0,
            class_weights: ClassWeights::None,
            clip_norm: None,
            patience: None,
            augment: Augmentation::NONE,
            seed: 0,
            precision: Precision::Fp32,
            channels_last: true,
            mean: vec![0.0; channels],
            std: vec![1.0; channels],
            physical_batch: batch_size,
            device: Device::Cpu,
            checkpoint_interval: Duration::from_secs(600),
        }
    }

    /// Refuses impossible settings.
    ///
    /// # Errors
    /// Names the field and what it should be.
    pub fn check(&self, channels: usize, classes: usize, validation_images: usize) -> Result<(), TrainError> {
        let must = |good: bool, field: &'static str, why: String| {
            if good { Ok(()) } else { Err(TrainError::setting(field, why)) }
        };
        let number = |field: &'static str, value: f64, low: f64, high: f64| {
            must((low..=high).contains(&value), field, format!("{value} is not between {low} and {high}"))
        };
        must(self.epochs > 0, "epochs", "must be at least 1".into())?;
        must(self.batch_size > 0, "batch_size", "must be at least 1".into())?;
        must(
            (1..=self.batch_size).contains(&self.physical_batch),
            "physical_batch",
            format!("{} is not between 1 and the batch size {}", self.physical_batch, self.batch_size),
        )?;
        number("lr", self.lr, 0.0, f64::MAX)?;
        number("weight_decay", self.weight_decay, 0.0, f64::MAX)?;
        number("warmup_epochs", self.warmup_epochs, 0.0, self.epochs as f64)?;
        number("label_smoothing", self.label_smoothing, 0.0, 1.0)?;
        if let Some(norm) = self.clip_norm {
            number("clip_norm", norm, f64::MIN_POSITIVE, f64::MAX)?;
        }
        match self.optimizer {
            OptimizerSettings::AdamW { beta1, beta2, eps } => {
                must((0.0..1.0).contains(&beta1), "optimizer", format!("beta1 {beta1} is not in [0,1)"))?;
                must((0.0..1.0).contains(&beta2), "optimizer", format!("beta2 {beta2} is not in [0,1)"))?;
                number("optimizer", eps, 0.0, 1.0)?;
            }
            OptimizerSettings::Sgd { momentum, dampening, nesterov } => {
                number("optimizer", momentum, 0.0, f64::MAX)?;
                must(
                    !nesterov || (momentum > 0.0 && dampening == 0.0),
                    "optimizer",
                    "Nesterov needs a momentum and no dampening".into(),
                )?;
            }
        }
        if let Schedule::Plateau { factor, .. } = self.schedule {
            must(factor > 0.0 && factor < 1.0, "schedule", format!("factor {factor} is not between 0 and 1"))?;
            must(validation_images > 0, "schedule", "a plateau needs validation images".into())?;
        }
        must(
            self.patience.is_none() || validation_images > 0,
            "patience",
            "early stopping needs validation images".into(),
        )?;
        must(self.patience != Some(0), "patience", "must be at least 1; leave it out to never stop early".into())?;
        if let ClassWeights::Given(weights) = &self.class_weights {
            must(
                weights.len() == classes,
                "class_weights",
                format!("{} weights for {classes} classes", weights.len()),
            )?;
            must(
                weights.iter().all(|w| w.is_finite() && *w >= 0.0) && weights.iter().any(|w| *w > 0.0),
                "class_weights",
                "must be positive numbers or 0, and not all 0".into(),
            )?;
        }
        must(
            self.mean.len() == channels && self.std.len() == channels,
            "mean",
            format!("{} means and {} deviations for {channels} channels", self.mean.len(), self.std.len()),
        )?;
        must(self.std.iter().all(|s| *s > 0.0), "std", "must be positive".into())?;
        number("augment.rotation_degrees", self.augment.rotation_degrees, 0.0, 180.0)?;
        number("augment.crop_scale", self.augment.crop_scale, 0.01, 1.0)?;
        number("augment.brightness", self.augment.brightness, 0.0, 1.0)
    }
}
