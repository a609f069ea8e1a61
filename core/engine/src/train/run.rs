//! A whole training run: set up or resume, epochs, and the best weights at the end.

use std::path::Path;

use serde_json::{Value, json};
use tch::Tensor;

use super::checkpoint::{self, BEST, Checkpoint, CheckpointError, Contents, Environment, Keep, LAST};
use super::epoch::Ended;
use super::error::TrainError;
use super::event::Event;
use super::loss::Loss;
use super::network::{Network, prepare};
use super::optimizer::{Optimizer, Parameter};
use super::order::steps_per_epoch;
use super::pixels::Pixels;
use super::progress::{Best, EpochRecord, Progress, Stop};
use super::settings::TrainSettings;
use super::source::ImageSource;
use super::step::Compute;
use crate::cancel::Cancel;
use crate::device;
use crate::torch;

/// The images of a run.
#[derive(Clone, Copy)]
pub struct TrainData<'a> {
    /// Decoded images.
    pub source: &'a dyn ImageSource,
    /// Class of each image of the source.
    pub labels: &'a [usize],
    /// Number of classes.
    pub classes: usize,
    /// Images to train on, as indices of the source.
    pub train: &'a [usize],
    /// Images that choose the best epoch and end the run early.
    pub validation: &'a [usize],
}

/// How a run ended. The network holds the best weights when it is complete, the newest when it was interrupted.
#[derive(Clone, Debug, PartialEq)]
pub struct TrainOutcome {
    /// Why it is complete; none when the caller asked to stop, and the run can be resumed.
    pub stop: Option<Stop>,
    /// The epoch whose weights the network holds, and its loss.
    pub best: Option<Best>,
    /// All epochs.
    pub history: Vec<EpochRecord>,
    /// Optimizer steps done.
    pub steps: u64,
    /// Images computed at once at the end.
    pub physical_batch: usize,
    /// Forward passes in training mode up to the weights that the network holds, for `num_batches_tracked`.
    pub batches_tracked: u64,
    /// Why the bits are no longer promised to be repeatable; empty when they are.
    pub guarantee_ended: Vec<String>,
    /// Where the run was computed.
    pub environment: Environment,
}

pub(super) struct Run<'a> {
    pub data: TrainData<'a>,
    pub settings: &'a TrainSettings,
    pub compute: Compute<'a>,
    pub steps_per_epoch: usize,
    pub progress: Progress,
    pub cancel: &'a Cancel,
    pub on_event: &'a mut dyn FnMut(Event),
    weights: Vec<(String, Tensor)>,
    folder: &'a Path,
    configuration: Value,
    environment: Environment,
}

/// Trains a network, or goes on from the checkpoint `last` of `folder`.
///
/// The caller sets the number of threads and determinism beforehand ([`device::configure`]) and gives the network its
/// initial weights. Everything that the run needs to go on is in `folder`. The flag is looked at before every step: the
/// last checkpoint is then written and the outcome has no `stop`.
///
/// # Errors
/// Impossible settings, a network that fails, a loss that is no number, no memory for one image, a checkpoint that cannot
/// be written, or one to resume from that is damaged or of another configuration.
pub fn train(
    network: &dyn Network,
    data: TrainData<'_>,
    settings: &TrainSettings,
    folder: &Path,
    cancel: &Cancel,
    on_event: &mut dyn FnMut(Event),
) -> Result<TrainOutcome, TrainError> {
    check(&data, settings)?;
    let variables = prepare(network, settings.device, settings.channels_last)?;
    for variable in variables.iter().filter(|v| v.trainable) {
        torch::set_requires_grad(&variable.tensor, true)?;
    }
    let weights = variables.iter().map(|v| (v.name.clone(), v.tensor.detach())).collect();
    let parameters: Vec<Parameter> =
        variables.into_iter().filter(|v| v.trainable).map(|v| Parameter { name: v.name, tensor: v.tensor }).collect();
    let progress = Progress::new(settings.lr, settings.physical_batch, parameters.len());
    let optimizer =
        Optimizer::new(settings.optimizer, parameters, settings.weight_decay, settings.decay_biases_and_norms)?;
    let pixels =
        Pixels::new(data.source.size(), &settings.mean, &settings.std, settings.device, settings.channels_last)?;
    let loss = Loss::new(
        &settings.class_weights,
        data.train.iter().map(|image| data.labels[*image]),
        data.classes,
        settings.label_smoothing,
        settings.device,
    )?;
    let compute = Compute {
        network,
        optimizer: &optimizer,
        pixels: &pixels,
        loss: &loss,
        precision: settings.precision,
        device: settings.device,
        classes: data.classes,
    };
    let mut run = Run {
        data,
        settings,
        compute,
        steps_per_epoch: steps_per_epoch(data.train.len(), settings.batch_size),
        progress,
        cancel,
        on_event,
        weights,
        folder,
        configuration: configuration(&data, settings)?,
        environment: device::environment(settings.device)?,
    };
    run.resume()?;
    run.epochs()
}

fn check(data: &TrainData<'_>, settings: &TrainSettings) -> Result<(), TrainError> {
    settings.check(data.source.channels(), data.classes, data.validation.len())?;
    let images = data.source.len();
    if data.labels.len() != images {
        return Err(TrainError::setting("labels", format!("{} labels for {images} images", data.labels.len())));
    }
    if data.train.len() < 2 {
        return Err(TrainError::setting("train", "there must be at least 2 training images"));
    }
    for (part, name) in [(data.train, "train"), (data.validation, "validation")] {
        for image in part {
            match data.labels.get(*image) {
                None => return Err(TrainError::setting(name, format!("image {image} of {images} does not exist"))),
                Some(label) if *label >= data.classes => {
                    let why = format!("image {image} has class {label} of {}", data.classes);
                    return Err(TrainError::setting(name, why));
                }
                Some(_) => {}
            }
        }
    }
    Ok(())
}

/// What a checkpoint must agree with: the settings, and which images with which labels.
fn configuration(data: &TrainData<'_>, settings: &TrainSettings) -> Result<Value, TrainError> {
    let mut hasher = blake3::Hasher::new();
    for part in [data.train, data.validation] {
        hasher.update(&(part.len() as u64).to_le_bytes());
        for image in part {
            hasher.update(&(*image as u64).to_le_bytes());
            hasher.update(&(data.labels[*image] as u64).to_le_bytes());
        }
    }
    let settings = serde_json::to_value(settings).map_err(|e| TrainError::setting("settings", e.to_string()))?;
    let (width, height) = data.source.size();
    Ok(json!({
        "settings": settings,
        "classes": data.classes,
        "image": [width, height, data.source.channels()],
        "images": hasher.finalize().to_hex().as_str(),
    }))
}

impl Run<'_> {
    pub(super) fn guarantee_ended(&mut self, why: String) {
        let step = self.progress.step;
        self.progress.guarantee_ended.push(why.clone());
        (self.on_event)(Event::GuaranteeEnded { step, why });
    }

    pub(super) fn save(&mut self, name: &'static str, keep: Keep) -> Result<(), TrainError> {
        // The best is never resumed from, nor is a complete run.
        let optimizer = (name == LAST && self.progress.stop.is_none()).then(|| self.compute.optimizer.state());
        let contents = Contents {
            configuration: &self.configuration,
            environment: &self.environment,
            progress: &self.progress,
            weights: &self.weights,
            optimizer: optimizer.as_deref(),
        };
        checkpoint::save(self.folder, name, &contents, keep)?;
        // Between epochs the position is already the next epoch's beginning.
        let p = &self.progress;
        let epoch = if p.batches == 0 { p.epoch.saturating_sub(1) } else { p.epoch };
        (self.on_event)(Event::Checkpoint { name, epoch, step: p.step });
        Ok(())
    }

    /// Takes up the last checkpoint, if there is one.
    fn resume(&mut self) -> Result<(), TrainError> {
        let Some(checkpoint) = checkpoint::load(self.folder, LAST)? else { return Ok(()) };
        self.check_fits(&checkpoint)?;
        checkpoint.restore_weights(&self.weights)?;
        self.progress = checkpoint.manifest.progress.clone();
        if self.progress.stop.is_none() {
            checkpoint.restore_optimizer(&self.compute.optimizer.state())?;
        }
        let (epoch, step) = (self.progress.epoch, self.progress.step);
        (self.on_event)(Event::Resumed { epoch, step, checkpoint: checkpoint.name() });
        if let Some(why) = &checkpoint.passed_over {
            let text = format!("{why}. The run goes on from {}", checkpoint.name());
            (self.on_event)(Event::Warning { text });
        }
        let before = &checkpoint.manifest.environment;
        let differs = differences(before, &self.environment);
        if !differs.is_empty() && self.progress.stop.is_none() {
            self.guarantee_ended(format!("resumed with {}", differs.join(", ")));
        }
        Ok(())
    }

    fn check_fits(&self, checkpoint: &Checkpoint) -> Result<(), CheckpointError> {
        let saved = &checkpoint.manifest.configuration;
        if *saved == self.configuration {
            return Ok(());
        }
        let field = first_difference(saved, &self.configuration, "");
        let why = format!(
            "it was written with another `{field}`; resume with the settings and images of the run, or train into an \
             empty folder"
        );
        Err(CheckpointError::Unfit { path: checkpoint.path.clone(), why })
    }

    fn epochs(mut self) -> Result<TrainOutcome, TrainError> {
        while self.progress.stop.is_none() {
            let ended =
                if self.progress.batches < self.steps_per_epoch { self.train_epoch()? } else { Ended::Complete };
            let ended = if ended == Ended::Complete { self.end_epoch()? } else { ended };
            if ended == Ended::Cancelled {
                self.save(LAST, Keep::Previous)?;
                let batches_tracked = self.progress.batches_tracked;
                return Ok(self.outcome(batches_tracked));
            }
        }
        // A run whose validation loss never was a number has no best epoch; its newest weights are what there is.
        let mut batches_tracked = self.progress.batches_tracked;
        if self.progress.best.is_some() {
            let best = checkpoint::load(self.folder, BEST)?.ok_or_else(|| CheckpointError::Damaged {
                path: self.folder.join(BEST),
                why: "the folder is missing".into(),
            })?;
            best.restore_weights(&self.weights)?;
            batches_tracked = best.manifest.progress.batches_tracked;
        }
        Ok(self.outcome(batches_tracked))
    }

    fn outcome(self, batches_tracked: u64) -> TrainOutcome {
        let p = self.progress;
        TrainOutcome {
            stop: p.stop,
            best: p.best,
            history: p.history,
            steps: p.step,
            physical_batch: p.physical_batch,
            batches_tracked,
            guarantee_ended: p.guarantee_ended,
            environment: self.environment,
        }
    }
}

fn differences(before: &Environment, now: &Environment) -> Vec<String> {
    let rows = [
        ("libtorch", before.libtorch.clone(), now.libtorch.clone()),
        ("CPU instructions", before.cpu_capability.clone(), now.cpu_capability.clone()),
        ("threads", before.threads.to_string(), now.threads.to_string()),
        ("device", before.device.clone(), now.device.clone()),
    ];
    rows.into_iter().filter(|(_, a, b)| a != b).map(|(what, a, b)| format!("{what} {b} instead of {a}")).collect()
}

/// The path of the first field in which two JSON values differ.
fn first_difference(a: &Value, b: &Value, path: &str) -> String {
    if let (Value::Object(a), Value::Object(b)) = (a, b) {
        for key in a.keys().chain(b.keys()) {
            let (left, right) = (a.get(key).unwrap_or(&Value::Null), b.get(key).unwrap_or(&Value::Null));
            if left != right {
                let path = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
                return first_difference(left, right, &path);
            }
        }
    }
    path.to_owned()
}
