//! `lightbox train`: one run per fold under one group id.

use std::path::{Path, PathBuf};

use clap::Args;
use lightbox_data::Dataset;
use lightbox_store::run::{
    Augmentation, ClassWeights, DatasetRef, DeviceChoice, FORMAT, ModelChoice, NewRun, OptimizerChoice, Precision,
    Pretrained, QueueEntry, Schedule, SplitRef, SplitRows, TrainConfig,
};
use lightbox_store::{GroupId, JobConfig, JobKind, RunDir, RunId};

use super::preflight::{self, Offer};
use super::splits::{self, Plan};
use super::{Context, jobs};
use crate::failure::{Failure, Result};

/// How to train.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Model id, see `lightbox plugins list`
    #[arg(long, value_name = "M")]
    model: String,
    /// Registered dataset
    #[arg(long, value_name = "N")]
    data: String,
    /// Folds of a cross-validation [default: the dataset's own test part if it has one, else 5 folds]
    #[arg(long, value_name = "K", conflicts_with = "split_file")]
    folds: Option<usize>,
    /// A split file, see `lightbox data split`
    #[arg(long, value_name = "F.csv")]
    split_file: Option<PathBuf>,
    /// Epochs at most
    #[arg(long, default_value_t = 20, value_name = "E")]
    epochs: usize,
    /// Images per optimizer step
    #[arg(long, default_value_t = 32, value_name = "B")]
    batch_size: usize,
    /// Optimizer
    #[arg(long, value_parser = ["adamw", "sgd"], default_value = "adamw", value_name = "O")]
    optimizer: String,
    /// Peak learning rate
    #[arg(long, default_value_t = 1e-4, value_name = "X")]
    lr: f64,
    /// Weight decay
    #[arg(long, default_value_t = 0.01, value_name = "X")]
    weight_decay: f64,
    /// Learning-rate schedule
    #[arg(long, value_parser = ["constant", "cosine", "plateau"], default_value = "cosine", value_name = "S")]
    schedule: String,
    /// Epochs over which the rate rises from zero
    #[arg(long, default_value_t = 0.0, value_name = "E")]
    warmup_epochs: f64,
    /// Augmentation: none, or flip, vflip, rotation=DEGREES, crop=SCALE, brightness=SHARE joined by commas
    #[arg(long, default_value = "none", value_name = "A")]
    augment: String,
    /// Class weights in the loss: none, balanced, or one number a class joined by commas
    #[arg(long, default_value = "none", value_name = "W")]
    class_weights: String,
    /// Label smoothing
    #[arg(long, default_value_t = 0.0, value_name = "X")]
    label_smoothing: f64,
    /// Largest gradient norm
    #[arg(long, value_name = "X")]
    clip_norm: Option<f64>,
    /// Stop after this many epochs without a better validation loss
    #[arg(long, value_name = "E")]
    patience: Option<usize>,
    /// Share of the training part that becomes the validation part
    #[arg(long, default_value_t = 0.1, value_name = "V")]
    val_fraction: f64,
    /// Side of the square input in pixels
    #[arg(long, default_value_t = 224, value_name = "P")]
    image_size: usize,
    /// Channels of the input, 1 or 3 [default: the dataset's own]
    #[arg(long, value_name = "C")]
    channels: Option<usize>,
    /// Weights to start from: safetensors or PyTorch .pth
    #[arg(long, value_name = "FILE")]
    pretrained: Option<PathBuf>,
    /// Architecture option of the model
    #[arg(long = "option", value_name = "K=V")]
    options: Vec<String>,
    /// Seed of split, initialisation, order and augmentation
    #[arg(long, default_value_t = 0, value_name = "S")]
    seed: u64,
    /// Threads of libtorch [default: the number of cores]
    #[arg(long, value_name = "T")]
    threads: Option<usize>,
    /// auto, cpu or cuda:I
    #[arg(long, default_value = "auto")]
    device: String,
    /// Floating-point precision
    #[arg(long, value_parser = ["fp32", "bf16"], default_value = "fp32")]
    precision: String,
    /// Ask cuDNN for deterministic kernels
    #[arg(long)]
    deterministic: bool,
    /// Largest share of unreadable images before a run fails
    #[arg(long, default_value_t = 0.01, value_name = "X")]
    max_bad: f64,
    /// Wait for the end and print the tables
    #[arg(long)]
    wait: bool,
}

/// Runs the command.
pub fn run(context: &Context, arguments: Arguments) -> Result<()> {
    let dataset = Dataset::open(context.home.root(), &arguments.data).map_err(Failure::bad)?;
    // What is quickly found wrong comes before the plan, which reads every image.
    let template = template(&dataset, &arguments)?;
    splits::check_class_weights(&template, &dataset)?;
    check_offer(context, &template)?;
    let plan = plan(context, &dataset, &arguments)?;
    plan.check_validation(&template)?;
    let group = GroupId::new(&arguments.model);
    let runs = make_runs(context, &dataset, &plan, &template, &group, None)?;
    jobs::enqueue_group(context, &group, &runs)?;
    if !arguments.wait {
        context.out.note(format!("queued {} runs; follow them with: lightbox queue watch {group}", runs.len()));
        return Ok(());
    }
    jobs::wait(context, &runs)?;
    super::results::print_group(context, &group)
}

fn plan(context: &Context, dataset: &Dataset, arguments: &Arguments) -> Result<Plan> {
    let (seed, share) = (arguments.seed, splits::validation_share(arguments.val_fraction)?);
    match (&arguments.split_file, arguments.folds) {
        (Some(file), _) => splits::from_file(context, dataset, file),
        (None, Some(folds)) => splits::k_fold(context, dataset, folds, 1, seed, share),
        (None, None) if splits::has_own_test(dataset) => splits::own_test(context, dataset, seed, share),
        (None, None) => splits::k_fold(context, dataset, 5, 1, seed, share),
    }
}

/// Refuses what the network or this machine cannot do.
fn check_offer(context: &Context, config: &TrainConfig) -> Result<()> {
    let model = Offer::ask(context)?.model(&config.model.id)?;
    preflight::options(&model, &config.model.options)?;
    preflight::input(&model, config.image_size, config.channels)?;
    preflight::device(context, &config.device.0)
}

fn template(dataset: &Dataset, a: &Arguments) -> Result<TrainConfig> {
    check_positive("--lr", a.lr)?;
    check_count("--epochs", a.epochs)?;
    check_count("--batch-size", a.batch_size)?;
    a.patience.map_or(Ok(()), |epochs| check_count("--patience", epochs))?;
    if !(16..=4096).contains(&a.image_size) {
        return Err(Failure::bad(format!("--image-size {}: give 16 to 4096", a.image_size)));
    }
    check_between("--label-smoothing", a.label_smoothing, 0.0, 1.0)?;
    check_between("--max-bad", a.max_bad, 0.0, 1.0)?;
    check_between("--weight-decay", a.weight_decay, 0.0, f64::MAX)?;
    check_between("--warmup-epochs", a.warmup_epochs, 0.0, f64::MAX)?;
    if let Some(norm) = a.clip_norm {
        check_positive("--clip-norm", norm)?;
    }
    Ok(TrainConfig {
        dataset: dataset_ref(dataset),
        split: SplitRef { kind: String::new(), folds: 0, fold: 0, seed: a.seed, hash: String::new() },
        model: ModelChoice { id: a.model.clone(), options: super::explain::pairs(&a.options)? },
        pretrained: a.pretrained.as_deref().map(pretrained).transpose()?,
        channels: channels(dataset, a.channels)?,
        image_size: a.image_size,
        epochs: a.epochs,
        batch_size: a.batch_size,
        optimizer: if a.optimizer == "sgd" { OptimizerChoice::Sgd } else { OptimizerChoice::Adamw },
        lr: a.lr,
        weight_decay: a.weight_decay,
        schedule: match a.schedule.as_str() {
            "constant" => Schedule::Constant,
            "plateau" => Schedule::Plateau,
            _ => Schedule::Cosine,
        },
        warmup_epochs: a.warmup_epochs,
        label_smoothing: a.label_smoothing,
        class_weights: ClassWeights::parse(&a.class_weights).map_err(Failure::bad)?,
        clip_norm: a.clip_norm,
        patience: a.patience,
        augment: Augmentation::parse(&a.augment).map_err(Failure::bad)?,
        seed: a.seed,
        threads: threads(a.threads)?,
        device: DeviceChoice(a.device.clone()),
        precision: if a.precision == "bf16" { Precision::Bf16 } else { Precision::Fp32 },
        channels_last: true,
        deterministic: a.deterministic,
        max_bad_fraction: a.max_bad,
    })
}

fn check_positive(flag: &str, value: f64) -> Result<()> {
    if value.is_finite() && value > 0.0 {
        Ok(())
    } else {
        Err(Failure::bad(format!("{flag} {value}: give a positive number")))
    }
}

/// Refuses 0 where at least one is needed.
pub fn check_count(flag: &str, value: usize) -> Result<()> {
    if value > 0 { Ok(()) } else { Err(Failure::bad(format!("{flag} 0: give at least 1"))) }
}

fn check_between(flag: &str, value: f64, low: f64, high: f64) -> Result<()> {
    match (low..=high).contains(&value) {
        true => Ok(()),
        false if high == f64::MAX => Err(Failure::bad(format!("{flag} {value}: give a number from {low}"))),
        false => Err(Failure::bad(format!("{flag} {value}: give a number from {low} to {high}"))),
    }
}

/// Makes one run directory for each fold of the plan.
pub fn make_runs<'a>(
    context: &Context,
    dataset: &Dataset,
    plan: &'a Plan,
    template: &TrainConfig,
    group: &GroupId,
    study: Option<&str>,
) -> Result<Vec<RunDir>> {
    splits::check_class_weights(template, dataset)?;
    let new = |(fold, split): (usize, &'a SplitRows)| {
        let mut config = template.clone();
        config.split = SplitRef {
            kind: plan.kind.clone(),
            folds: plan.folds.len(),
            fold,
            seed: plan.seed,
            hash: plan.hash.clone(),
        };
        let run = RunId::new(&config.model.id, &format!("f{fold}"));
        let job = JobConfig {
            format: FORMAT,
            run,
            group: group.clone(),
            study: study.map(str::to_owned),
            job: JobKind::Train(Box::new(config)),
        };
        NewRun { config: job, split: Some(split), entry: QueueEntry::now(fold) }
    };
    let new: Vec<NewRun<'_>> = plan.folds.iter().enumerate().map(new).collect();
    Ok(RunDir::create_all(&context.home, &new)?)
}

/// The dataset as a job will see it.
pub fn dataset_ref(dataset: &Dataset) -> DatasetRef {
    DatasetRef {
        name: dataset.name().to_owned(),
        fingerprint: dataset.listing_hash(),
        classes: dataset.classes().to_vec(),
        positive: dataset.positive(),
        grouped: dataset.images().iter().any(|i| i.group.is_some()),
    }
}

/// A place for a dataset that is filled in later.
pub fn no_dataset() -> DatasetRef {
    DatasetRef { name: String::new(), fingerprint: String::new(), classes: Vec::new(), positive: None, grouped: false }
}

/// Threads asked for, or the number of cores.
pub fn threads(asked: Option<usize>) -> Result<usize> {
    match asked {
        Some(n) => check_count("--threads", n).map(|()| n),
        None => Ok(std::thread::available_parallelism().map_or(1, usize::from)),
    }
}

/// Channels asked for, or the dataset's own.
pub fn channels(dataset: &Dataset, asked: Option<usize>) -> Result<usize> {
    match asked {
        None => Ok(dataset.channels().count()),
        Some(c @ (1 | 3)) => Ok(c),
        Some(c) => Err(Failure::bad(format!("--channels {c}: give 1 or 3"))),
    }
}

/// A weights file with its hash.
pub fn pretrained(path: &Path) -> Result<Pretrained> {
    let absolute = std::path::absolute(path).map_err(|e| Failure::bad(format!("{}: {e}", path.display())))?;
    let mut hasher = blake3::Hasher::new();
    hasher.update_mmap_rayon(&absolute).map_err(|e| Failure::bad(format!("cannot read {}: {e}", path.display())))?;
    Ok(Pretrained { path: absolute, hash: hasher.finalize().to_hex().to_string() })
}
