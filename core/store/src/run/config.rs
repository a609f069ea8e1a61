//! `config.json`: the resolved configuration of a job, complete enough to run it again bit for bit.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::id::{GroupId, RunId};

/// What a run directory was asked to do.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct JobConfig {
    /// Version of this file's format.
    pub format: u32,
    /// The run's own name.
    pub run: RunId,
    /// The group it belongs to.
    pub group: GroupId,
    /// The study that queued it.
    pub study: Option<String>,
    /// The work itself.
    pub job: JobKind,
}

/// The kinds of job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum JobKind {
    /// Train one network on one fold and evaluate it on the fold's test part.
    Train(Box<TrainConfig>),
    /// Evaluate a trained run on images of a dataset.
    Evaluate(EvaluateConfig),
    /// Explain the predictions of a trained run and score the explanations.
    ExplainEval(ExplainConfig),
}

/// A dataset as the job saw it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct DatasetRef {
    /// Its registered name.
    pub name: String,
    /// Hash over its images' names, labels, groups and parts when the job was made.
    pub fingerprint: String,
    /// Class names in label order.
    pub classes: Vec<String>,
    /// Index of the positive class of a binary task.
    pub positive: Option<usize>,
    /// Whether a group (patient, lesion) is known, so that tables can say "split by image" when not.
    pub grouped: bool,
}

/// Where the run's images come from and which part each plays. The images themselves are in `split.csv` of the run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SplitRef {
    /// `k-fold`, `own-test`, `file`, …
    pub kind: String,
    /// Number of folds of the whole design.
    pub folds: usize,
    /// This run's fold, from 0.
    pub fold: usize,
    /// Seed of the split.
    pub seed: u64,
    /// Hash of the whole split; only runs with equal hashes are compared.
    pub hash: String,
}

/// A network and its options.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModelChoice {
    /// Model id, for example `resnet50`.
    pub id: String,
    /// Architecture options by name, as written by the user; checked against the plugin's table by the worker.
    pub options: BTreeMap<String, String>,
}

/// Weights to start from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pretrained {
    /// The weights file.
    pub path: PathBuf,
    /// blake3 of its bytes.
    pub hash: String,
}

/// Optimizers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OptimizerChoice {
    /// AdamW, betas 0.9 and 0.999, eps 1e-8.
    Adamw,
    /// SGD with momentum 0.9.
    Sgd,
}

/// Learning-rate schedules.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Schedule {
    /// Constant after warm-up.
    Constant,
    /// Cosine to zero after warm-up, per step.
    Cosine,
    /// A tenth of the rate when the validation loss has not improved for some epochs.
    Plateau,
}

/// Weights of the classes in the loss.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ClassWeights {
    /// All 1.
    None,
    /// n / (K n_k), from the training part.
    Balanced,
    /// As given, in class order.
    Given(Vec<f64>),
}

/// Floating-point precision of the forward and backward pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Precision {
    /// 32 bits throughout.
    Fp32,
    /// bfloat16 autocast, 32-bit weights.
    Bf16,
}

/// The device asked for: `auto`, `cpu` or `cuda:I`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DeviceChoice(pub String);

/// Random changes of the training images.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
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

/// Everything that decides a training run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TrainConfig {
    /// The dataset.
    pub dataset: DatasetRef,
    /// This run's place in the split.
    pub split: SplitRef,
    /// The network.
    pub model: ModelChoice,
    /// Weights to start from; none is from scratch.
    pub pretrained: Option<Pretrained>,
    /// Channels of the network's input, 1 or 3.
    pub channels: usize,
    /// Side of the square input in pixels.
    pub image_size: usize,
    /// Epochs at most.
    pub epochs: usize,
    /// Images per optimizer step.
    pub batch_size: usize,
    /// Optimizer.
    pub optimizer: OptimizerChoice,
    /// Peak learning rate.
    pub lr: f64,
    /// Weight decay.
    pub weight_decay: f64,
    /// Schedule of the learning rate.
    pub schedule: Schedule,
    /// Epochs over which the rate rises from zero.
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
    /// Seed of initialisation, order, augmentation and dropout.
    pub seed: u64,
    /// Threads of libtorch; part of the configuration because results depend on it.
    pub threads: usize,
    /// Device asked for.
    pub device: DeviceChoice,
    /// Precision.
    pub precision: Precision,
    /// channels_last instead of contiguous memory.
    pub channels_last: bool,
    /// Ask cuDNN for deterministic kernels.
    pub deterministic: bool,
    /// Largest share of unreadable images before the job fails.
    pub max_bad_fraction: f64,
}

/// Evaluation of a trained run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EvaluateConfig {
    /// The trained runs: one, or the folds of a group whose mean probability is taken.
    pub parents: Vec<RunId>,
    /// The dataset, which may be another than the training set.
    pub dataset: DatasetRef,
    /// Class of the network for each class of the dataset, by name.
    pub class_map: BTreeMap<String, String>,
    /// The part evaluated: `test`, `validation`, `train` or `all`.
    pub part: String,
    /// Images per batch.
    pub batch_size: usize,
    /// Threads of libtorch.
    pub threads: usize,
    /// Device asked for.
    pub device: DeviceChoice,
}

/// Which class an explanation is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Target {
    /// The class with the largest logit.
    Predicted,
    /// The true class.
    Truth,
}

/// Explanation of a trained run's predictions, scored.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExplainConfig {
    /// The trained run.
    pub parent: RunId,
    /// The dataset; that of the parent.
    pub dataset: DatasetRef,
    /// Method ids.
    pub methods: Vec<String>,
    /// Parameters by method id, then name.
    pub parameters: BTreeMap<String, BTreeMap<String, String>>,
    /// Metric ids.
    pub metrics: Vec<String>,
    /// Layers by torchvision's names; empty is the model's default.
    pub layers: Vec<String>,
    /// The class explained.
    pub target: Target,
    /// The part explained: `test`, `validation`, `train` or `all`.
    pub part: String,
    /// At most this many images, taken evenly over the classes in the order of a seeded shuffle.
    pub limit: Option<usize>,
    /// Percentiles of ROAD.
    pub road_percentiles: Vec<f64>,
    /// `rank` or `strict`.
    pub road_ties: String,
    /// Keep the maps as `maps/*.npy`.
    pub keep_maps: bool,
    /// Seed of seeded methods and of ROAD's noise.
    pub seed: u64,
    /// Images per batch.
    pub batch_size: usize,
    /// Threads of libtorch.
    pub threads: usize,
    /// Device asked for.
    pub device: DeviceChoice,
}

impl JobKind {
    /// The word for this kind of job.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Train(_) => "train",
            Self::Evaluate(_) => "evaluate",
            Self::ExplainEval(_) => "explain-eval",
        }
    }

    /// The dataset it works on.
    pub fn dataset(&self) -> &DatasetRef {
        match self {
            Self::Train(c) => &c.dataset,
            Self::Evaluate(c) => &c.dataset,
            Self::ExplainEval(c) => &c.dataset,
        }
    }
}

impl Augmentation {
    /// No change at all.
    pub fn none() -> Self {
        Self { crop_scale: 1.0, ..Self::default() }
    }

    /// Reads `none`, or names joined by commas: `flip`, `vflip`, `rotation=DEGREES`, `crop=SCALE`, `brightness=SHARE`.
    ///
    /// # Errors
    /// A sentence that names the part that is not understood.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut augmentation = Self::none();
        for part in text.split(',').map(str::trim).filter(|p| !p.is_empty() && *p != "none") {
            let (name, value) = part.split_once('=').map_or((part, None), |(n, v)| (n.trim(), Some(v.trim())));
            let number = |default: f64, low: f64, high: f64| match value.map(str::parse::<f64>) {
                None => Ok(default),
                Some(Ok(v)) if (low..=high).contains(&v) => Ok(v),
                _ => Err(format!("augmentation {part:?}: give a number from {low} to {high}")),
            };
            match name {
                "flip" => augmentation.horizontal_flip = true,
                "vflip" => augmentation.vertical_flip = true,
                "rotation" => augmentation.rotation_degrees = number(10.0, 0.0, 180.0)?,
                "crop" => augmentation.crop_scale = number(0.8, 0.05, 1.0)?,
                "brightness" => augmentation.brightness = number(0.1, 0.0, 1.0)?,
                _ => {
                    return Err(format!(
                        "augmentation {name:?} is not known; use none, or flip, vflip, rotation=DEGREES, crop=SCALE and \
                         brightness=SHARE joined by commas"
                    ));
                }
            }
        }
        Ok(augmentation)
    }
}

impl ClassWeights {
    /// Reads `none`, `balanced` or one number a class joined by commas.
    ///
    /// # Errors
    /// A sentence that names what is not understood.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text.trim() {
            "none" => Ok(Self::None),
            "balanced" => Ok(Self::Balanced),
            list => {
                let weights: Result<Vec<f64>, _> = list.split(',').map(|w| w.trim().parse::<f64>()).collect();
                match weights {
                    Ok(weights) if weights.iter().all(|w| w.is_finite() && *w >= 0.0) => Ok(Self::Given(weights)),
                    _ => Err(format!(
                        "class weights {text:?}: use none, balanced, or one number a class joined by commas"
                    )),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn augmentations_are_read_by_name() {
        let a = Augmentation::parse("flip, rotation=15,crop=0.7").unwrap();
        assert!(a.horizontal_flip && !a.vertical_flip);
        assert_eq!((a.rotation_degrees, a.crop_scale, a.brightness), (15.0, 0.7, 0.0));
        assert_eq!(Augmentation::parse("none").unwrap(), Augmentation::none());
        assert!(Augmentation::parse("rotation=999").unwrap_err().contains("0 to 180"));
        assert!(Augmentation::parse("flop").unwrap_err().contains("flop"));
    }
}
