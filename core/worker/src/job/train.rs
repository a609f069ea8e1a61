//! The train job: one network on one fold, then its predictions and figures on validation and test.

use std::collections::BTreeMap;

use lightbox_engine::evaluate::{Calibration, PredictSettings, Predicted, calibrate, mean_log_loss, predict};
use lightbox_engine::plugin::ModelHandle;
use lightbox_engine::train::{
    self, Augmentation, ClassWeights, Event, OptimizerSettings, Precision, Schedule, TrainData, TrainError,
    TrainOutcome, TrainSettings,
};
use lightbox_stats::evaluate;
use lightbox_store::run::{self as stored, EventKind, PredictionRow, Predictions, TrainConfig, write_predictions};
use serde_json::{Value, json};

use super::images::Images;
use super::{Job, record};
use crate::failure::{Failure, Result};
use crate::{network, plugins, weights};

/// Every so many optimizer steps an event tells loss and speed, besides the first of a run.
const STEPS_PER_EVENT: u64 = 10;

/// Runs the job.
pub fn run(job: &mut Job, config: &TrainConfig) -> Result<()> {
    let registry = plugins::registry(&job.home)?;
    let device = network::device(job.device(&config.device), config.threads, config.deterministic)?;
    let (model, used) = network::make(&registry, config)?;
    let (mean, std) = network::normalisation(model.metadata(), config.channels);
    let hash = config.pretrained.as_ref().map(|p| p.hash.clone());
    record::provenance(job, vec![used], config.seed, config.threads, device, hash)?;
    if let Some(pretrained) = &config.pretrained {
        for line in weights::load_pretrained(&model, pretrained)? {
            job.warn(0, line)?;
        }
    }
    let images = Images::open(job, &config.dataset, config.image_size, config.channels, config.max_bad_fraction)?;
    let split = job.dir.split()?;
    let parts = Parts {
        train: images.part(&split, "train")?,
        validation: images.part(&split, "validation")?,
        test: images.part(&split, "test")?,
    };
    let settings = settings(config, device, mean.clone(), std.clone());
    let outcome = fit(job, config, &model, &images, &parts, &settings)?;
    let predict_with = PredictSettings {
        classes: config.dataset.classes.len(),
        batch_size: config.batch_size.max(16),
        precision: settings.precision,
        channels_last: config.channels_last,
        mean,
        std,
        device,
    };
    conclude(job, config, &model, &images, &parts, &predict_with, &outcome)
}

/// Indices of each part.
struct Parts {
    train: Vec<usize>,
    validation: Vec<usize>,
    test: Vec<usize>,
}

fn settings(config: &TrainConfig, device: tch::Device, mean: Vec<f64>, std: Vec<f64>) -> TrainSettings {
    TrainSettings {
        optimizer: match config.optimizer {
            stored::OptimizerChoice::Adamw => OptimizerSettings::ADAMW,
            stored::OptimizerChoice::Sgd => OptimizerSettings::SGD,
        },
        lr: config.lr,
        weight_decay: config.weight_decay,
        schedule: match config.schedule {
            stored::Schedule::Constant => Schedule::Constant,
            stored::Schedule::Cosine => Schedule::Cosine,
            stored::Schedule::Plateau => Schedule::PLATEAU,
        },
        warmup_epochs: config.warmup_epochs.min(config.epochs as f64),
        label_smoothing: config.label_smoothing,
        class_weights: match &config.class_weights {
            stored::ClassWeights::None => ClassWeights::None,
            stored::ClassWeights::Balanced => ClassWeights::Balanced,
            stored::ClassWeights::Given(weights) => ClassWeights::Given(weights.clone()),
        },
        clip_norm: config.clip_norm,
        patience: config.patience,
        augment: Augmentation {
            horizontal_flip: config.augment.horizontal_flip,
            vertical_flip: config.augment.vertical_flip,
            rotation_degrees: config.augment.rotation_degrees,
            crop_scale: config.augment.crop_scale,
            brightness: config.augment.brightness,
        },
        seed: config.seed,
        precision: match config.precision {
            stored::Precision::Fp32 => Precision::Fp32,
            stored::Precision::Bf16 => Precision::Bf16,
        },
        channels_last: config.channels_last,
        mean,
        std,
        device,
        ..TrainSettings::new(config.epochs, config.batch_size, config.channels)
    }
}

fn fit(
    job: &mut Job,
    config: &TrainConfig,
    model: &ModelHandle,
    images: &Images,
    parts: &Parts,
    settings: &TrainSettings,
) -> Result<TrainOutcome> {
    let labels = images.labels();
    let data = TrainData {
        source: images,
        labels: &labels,
        classes: config.dataset.classes.len(),
        train: &parts.train,
        validation: &parts.validation,
    };
    let cancel = network::cancel(&job.cancel);
    let folder = job.dir.file("checkpoints");
    let mut unwritten = None;
    let outcome = train::train(model, data, settings, &folder, &cancel, &mut |event| {
        if let Err(failure) = tell(job, event) {
            // The job cannot go on in silence: it stops after this step and says why.
            cancel.cancel();
            unwritten.get_or_insert(failure);
        }
    });
    if let Some(failure) = unwritten {
        return Err(failure);
    }
    let outcome = outcome.map_err(|error| match error {
        TrainError::Setting { .. } => Failure::bad(error),
        other => Failure::failed(other),
    })?;
    if outcome.stop.is_none() {
        return Err(Failure::Interrupted);
    }
    Ok(outcome)
}

/// Passes an event of the engine on to `events.jsonl`.
fn tell(job: &mut Job, event: Event) -> Result<()> {
    match event {
        Event::Resumed { epoch, step, checkpoint } => {
            if checkpoint != "last" {
                job.warn(step, format!("the newest checkpoint was damaged; resumed from {checkpoint}"))?;
            }
            job.say(step, EventKind::Resumed { epoch })
        }
        Event::Step { epoch, step, loss, lr, images_per_second } => {
            if step == 1 || step.is_multiple_of(STEPS_PER_EVENT) {
                job.say(step, EventKind::Step { epoch, loss, lr, images_per_second })?;
            }
            Ok(())
        }
        Event::Epoch { step, record } => {
            let mut metrics = BTreeMap::from([
                ("train/loss".to_owned(), record.train_loss),
                ("lr".to_owned(), record.lr),
                ("images-per-second".to_owned(), record.images_per_second),
            ]);
            metrics.extend(record.validation_loss.map(|loss| ("validation/loss".to_owned(), loss)));
            for (name, value) in &record.validation {
                metrics.insert(format!("validation/{name}"), *value);
            }
            job.say(step, EventKind::Epoch { epoch: record.epoch, metrics })
        }
        Event::Checkpoint { name, epoch, step } => {
            job.say(step, EventKind::Checkpoint { which: name.to_owned(), epoch })
        }
        Event::BackOff { step, from, to } => job.warn(
            step,
            format!("memory ran out with {from} images at once; going on with {to}, the batches stay the same"),
        ),
        Event::GuaranteeEnded { step, why } => {
            record::guarantee_ended(job, &why)?;
            job.warn(step, why)
        }
        Event::Warning { text } => job.warn(0, text),
        Event::Validating { .. } => Ok(()),
    }
}

fn conclude(
    job: &mut Job,
    config: &TrainConfig,
    model: &ModelHandle,
    images: &Images,
    parts: &Parts,
    predict_with: &PredictSettings,
    outcome: &TrainOutcome,
) -> Result<()> {
    let cancel = network::cancel(&job.cancel);
    let run = |part: &[usize]| -> Result<Predicted> {
        let predicted = predict(model, images, part, predict_with, &cancel, &mut |_, _| {}).map_err(Failure::failed)?;
        predicted.ok_or(Failure::Interrupted)
    };
    let (validation, test) = (run(&parts.validation)?, run(&parts.test)?);
    let truth = |part: &[usize]| part.iter().map(|i| images.label(*i)).collect::<Vec<_>>();
    let classes = config.dataset.classes.len();
    let calibration = calibrate(&validation, &truth(&parts.validation), classes, config.dataset.positive);
    let mut rows = Vec::new();
    for (part, predicted, name) in [(&parts.validation, &validation, "validation"), (&parts.test, &test, "test")] {
        rows.extend(prediction_rows(images, part, predicted, name, config.split.fold, config.seed));
    }
    let predictions = Predictions { classes: config.dataset.classes.clone(), rows };
    write_predictions(&job.dir.file("predictions.csv"), &predictions)?;
    let parameters: i64 = train::Network::variables(model)
        .map_err(Failure::failed)?
        .iter()
        .filter(|v| v.trainable)
        .map(|v| v.tensor.numel() as i64)
        .sum();
    let figures = |predicted: &Predicted, part: &[usize]| {
        figures(predicted, &truth(part), classes, config.dataset.positive, &calibration)
    };
    let record = json!({
        "format": 1,
        "validation": figures(&validation, &parts.validation)?,
        "test": figures(&test, &parts.test)?,
        "threshold": calibration.threshold.map(|t| t.value),
        "temperature": calibration.temperature,
        "best_epoch": outcome.best.map(|b| b.epoch),
        "epochs": outcome.history.len(),
        "stopped": outcome.stop,
        "parameters": parameters,
        "images_per_second": test.images_per_second,
        "training_images_per_second": outcome.history.last().map(|r| r.images_per_second),
        "physical_batch": outcome.physical_batch,
        "unreadable": images.unreadable(),
    });
    job.dir.write_json("metrics.json", &record)?;
    Ok(())
}

/// Rows of `predictions.csv` for one part.
pub fn prediction_rows(
    images: &Images,
    part: &[usize],
    predicted: &Predicted,
    name: &str,
    fold: usize,
    seed: u64,
) -> Vec<PredictionRow> {
    let probabilities = predicted.probabilities();
    part.iter()
        .zip(predicted.logits.iter().zip(probabilities))
        .map(|(index, (logits, probabilities))| {
            let record = images.record(*index);
            PredictionRow {
                image: record.id.clone(),
                group: record.group.clone().unwrap_or_default(),
                split: name.to_owned(),
                fold,
                seed,
                truth: record.label,
                logits: logits.clone(),
                probabilities,
            }
        })
        .collect()
}

/// Every metric of one part, as JSON.
pub fn figures(
    predicted: &Predicted,
    truth: &[usize],
    classes: usize,
    positive: Option<usize>,
    calibration: &Calibration,
) -> Result<Value> {
    if truth.is_empty() {
        return Ok(Value::Null);
    }
    let mut scored = predicted.scored(classes, truth).map_err(|e| Failure::failed(format!("predictions: {e}")))?;
    if let Some(positive) = positive {
        scored = scored.with_positive_class(positive).map_err(Failure::failed)?;
        if let Some(threshold) = calibration.threshold {
            scored = scored.with_threshold(threshold.value);
        }
    }
    let mut value = serde_json::to_value(evaluate(&scored))?;
    value["loss"] = json!(mean_log_loss(&predicted.logits, truth));
    Ok(value)
}
