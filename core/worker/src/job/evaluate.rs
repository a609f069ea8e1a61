//! The evaluate job: a trained run on a part of its own split, or several folds together on another dataset.

use lightbox_engine::evaluate::{Calibration, PredictSettings, Predicted, calibrate, fold_mean, predict};
use lightbox_engine::train::Precision;
use lightbox_store::RunDir;
use lightbox_store::run::{self as stored, EvaluateConfig, EventKind, PredictionRow, Predictions, write_predictions};
use serde_json::{Value, json};

use super::images::Images;
use super::train::{figures, prediction_rows};
use super::{Job, record};
use crate::failure::{Failure, Result};
use crate::network::{self, Trained};
use crate::plugins;

/// Runs the job.
pub fn run(job: &mut Job, config: &EvaluateConfig) -> Result<()> {
    let registry = plugins::registry(&job.home)?;
    let device = network::device(job.device(&config.device), config.threads, false)?;
    let mut folds = Vec::new();
    for parent in &config.parents {
        folds.push(network::open(&registry, &RunDir::open(&job.home.runs_dir().join(&parent.0))?, device)?);
    }
    let first = folds.first().ok_or_else(|| Failure::bad("there is no run to evaluate"))?;
    record::provenance(job, vec![first.plugin.clone()], first.config.seed, config.threads, device, None)?;
    let (size, channels) = (first.config.image_size, first.config.channels);
    if folds.iter().any(|f| f.config.image_size != size || f.config.channels != channels) {
        return Err(Failure::bad("the runs have inputs of different sizes; evaluate them one by one"));
    }
    let images = Images::open(job, &config.dataset, size, channels, 1.0)?;
    let part = images.part(&job.dir.split()?, &config.part)?;
    if part.is_empty() {
        return Err(Failure::bad(format!(
            "the part {:?} of {} has no readable image",
            config.part, config.dataset.name
        )));
    }
    let mut predicted = Vec::new();
    for (number, fold) in folds.iter().enumerate() {
        predicted.push(answer(job, fold, &images, &part, config.batch_size)?);
        let event = EventKind::Progress { phase: "evaluate".into(), done: number + 1, total: folds.len() };
        job.say(number as u64, event)?;
    }
    if first.config.dataset.name == config.dataset.name && predicted.len() == 1 {
        own(job, config, first, &images, &part, &predicted[0])
    } else {
        external(job, config, first, &images, &part, &predicted)
    }
}

fn answer(job: &Job, fold: &Trained, images: &Images, part: &[usize], batch_size: usize) -> Result<Predicted> {
    let settings = PredictSettings {
        classes: fold.config.dataset.classes.len(),
        batch_size,
        precision: if fold.config.precision == stored::Precision::Bf16 { Precision::Bf16 } else { Precision::Fp32 },
        channels_last: fold.config.channels_last,
        mean: fold.preprocessing.mean.clone(),
        std: fold.preprocessing.std.clone(),
        device: fold.preprocessing.device,
    };
    let cancel = network::cancel(&job.cancel);
    let predicted = predict(&fold.model, images, part, &settings, &cancel, &mut |_, _| {}).map_err(Failure::failed)?;
    predicted.ok_or(Failure::Interrupted)
}

/// One run on its own dataset, with the threshold that it chose on its own validation part.
fn own(
    job: &Job,
    config: &EvaluateConfig,
    fold: &Trained,
    images: &Images,
    part: &[usize],
    predicted: &Predicted,
) -> Result<()> {
    let truth: Vec<usize> = part.iter().map(|i| images.label(*i)).collect();
    let classes = fold.config.dataset.classes.len();
    let positive = fold.config.dataset.positive;
    let calibration = if config.part == "validation" {
        calibrate(predicted, &truth, classes, positive)
    } else {
        Calibration::default()
    };
    let (number, seed) = (fold.config.split.fold, fold.config.seed);
    let rows = prediction_rows(images, part, predicted, &config.part, number, seed);
    write(job, &fold.config.dataset.classes, rows)?;
    let record = json!({
        "format": 1, "part": config.part, "images": part.len(), "unreadable": images.unreadable(),
        "figures": figures(predicted, &truth, classes, positive, &calibration)?,
        "images_per_second": predicted.images_per_second,
    });
    Ok(job.dir.write_json("metrics.json", &record)?)
}

/// The folds' mean probability on another dataset, with their spread.
fn external(
    job: &Job,
    config: &EvaluateConfig,
    first: &Trained,
    images: &Images,
    part: &[usize],
    predicted: &[Predicted],
) -> Result<()> {
    let classes = &first.config.dataset.classes;
    let class_of = |label: usize| -> Result<usize> {
        let own = &images.classes()[label];
        let mapped = config.class_map.get(own).unwrap_or(own);
        let found = classes.iter().position(|c| c == mapped);
        found.ok_or_else(|| Failure::bad(format!("class {own:?} is not a class of the network; use --class-map")))
    };
    let truth: Vec<usize> = part.iter().map(|i| class_of(images.label(*i))).collect::<Result<_>>()?;
    let mean = fold_mean(predicted).map_err(Failure::failed)?;
    let logits: Vec<Vec<f32>> =
        mean.probabilities.iter().map(|row| row.iter().map(|p| p.max(f32::MIN_POSITIVE).ln()).collect()).collect();
    let joint = Predicted { logits, images_per_second: None };
    let mut rows = prediction_rows(images, part, &joint, "external", 0, first.config.seed);
    for (row, truth) in rows.iter_mut().zip(&truth) {
        row.truth = *truth;
    }
    write(job, classes, rows)?;
    let each: Vec<Value> = predicted
        .iter()
        .map(|p| figures(p, &truth, classes.len(), first.config.dataset.positive, &Calibration::default()))
        .collect::<Result<_>>()?;
    let joint = figures(&joint, &truth, classes.len(), first.config.dataset.positive, &Calibration::default())?;
    let spread: Vec<f64> = mean.spread.iter().flatten().map(|v| f64::from(*v)).collect();
    let mean_spread = (!spread.is_empty()).then(|| spread.iter().sum::<f64>() / spread.len() as f64);
    let record = json!({
        "format": 1, "part": config.part, "images": part.len(), "folds": predicted.len(), "figures": joint,
        "each_fold": each, "mean_spread_of_probability": mean_spread, "unreadable": images.unreadable(),
    });
    Ok(job.dir.write_json("metrics.json", &record)?)
}

fn write(job: &Job, classes: &[String], rows: Vec<PredictionRow>) -> Result<()> {
    let predictions = Predictions { classes: classes.to_vec(), rows };
    Ok(write_predictions(&job.dir.file("predictions.csv"), &predictions)?)
}
