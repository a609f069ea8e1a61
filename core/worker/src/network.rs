//! A trained network, ready to answer: from a run's best checkpoint or from a weights file, on a device.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use lightbox_engine::Cancel;
use lightbox_engine::explain::{Event, ExplainError};
use lightbox_engine::explain_metrics::ScoreError;
use lightbox_engine::plugin::{
    LogLevel, ModelHandle, ModelMetadata, ModelOptions, ParameterValues, Registry, from_text,
};
use lightbox_engine::train;
use lightbox_store::run::{PluginUsed, TrainConfig};
use lightbox_store::{JobKind, RunDir};
use tch::{Device, Kind, Tensor};

use crate::failure::{Failure, Result};
use crate::plugins;

/// A network with the preprocessing that it was trained with.
pub struct Trained {
    /// The network, with its trained weights.
    pub model: ModelHandle,
    /// How it was trained.
    pub config: TrainConfig,
    /// Where it came from.
    pub plugin: PluginUsed,
    /// How bytes become its input.
    pub preprocessing: Preprocessing,
}

/// From bytes to a network's input.
#[derive(Clone, Debug)]
pub struct Preprocessing {
    /// Side of the square input.
    pub size: usize,
    /// 1 or 3.
    pub channels: usize,
    /// Mean per channel, on the scale 0 to 1.
    pub mean: Vec<f64>,
    /// Standard deviation per channel.
    pub std: Vec<f64>,
    /// Where the network is.
    pub device: Device,
}

/// Mean and standard deviation for a number of channels: the model's own for three, their average for one.
pub fn normalisation(metadata: &ModelMetadata, channels: usize) -> (Vec<f64>, Vec<f64>) {
    let of = |three: [f64; 3]| match channels {
        1 => vec![three.iter().sum::<f64>() / 3.0],
        _ => three.to_vec(),
    };
    (of(metadata.mean), of(metadata.std))
}

/// Reads the options of a model as the user wrote them.
pub fn options(metadata: &ModelMetadata, given: &BTreeMap<String, String>) -> Result<ParameterValues> {
    let pairs = given.iter().map(|(k, v)| (k.as_str(), v.as_str()));
    from_text(&metadata.options, pairs).map_err(|e| Failure::bad(format!("--option of {}: {e}", metadata.id)))
}

/// Makes the network of a training configuration, with initial weights.
pub fn make(registry: &Registry, config: &TrainConfig) -> Result<(ModelHandle, PluginUsed)> {
    let (file, metadata) = registry.find_model(&config.model.id).map_err(Failure::bad)?;
    let smallest = metadata.min_size[0].max(metadata.min_size[1]) as usize;
    if config.image_size < smallest {
        return Err(Failure::bad(format!(
            "--image-size {}: {} needs at least {smallest}",
            config.image_size, config.model.id
        )));
    }
    let with = ModelOptions {
        classes: config.dataset.classes.len(),
        channels: config.channels,
        options: options(metadata, &config.model.options)?,
        seed: config.seed,
    };
    let used = plugins::used(registry, &config.model.id, file);
    let model = registry.model(&config.model.id, &with).map_err(Failure::bad)?;
    Ok((model, used))
}

/// Opens the best checkpoint of a finished training run.
pub fn open(registry: &Registry, run: &RunDir, device: Device) -> Result<Trained> {
    let job = run.config()?;
    let JobKind::Train(config) = job.job else {
        return Err(Failure::bad(format!("{} is not a training run", job.run)));
    };
    let (model, plugin) = make(registry, &config)?;
    load_checkpoint(&model, &run.file("checkpoints"))?;
    let (mean, std) = normalisation(model.metadata(), config.channels);
    let preprocessing = Preprocessing { size: config.image_size, channels: config.channels, mean, std, device };
    train::prepare(&model, device, config.channels_last).map_err(Failure::failed)?;
    Ok(Trained { model, config: *config, plugin, preprocessing })
}

/// Copies a checkpoint's weights into the network.
fn load_checkpoint(model: &ModelHandle, folder: &Path) -> Result<()> {
    let missing = || Failure::failed(format!("{} has no checkpoint `best`; train it again", folder.display()));
    let checkpoint =
        train::checkpoint::load(folder, train::checkpoint::BEST).map_err(Failure::failed)?.ok_or_else(missing)?;
    let variables = train::Network::variables(model).map_err(Failure::failed)?;
    let weights: Vec<(String, Tensor)> = variables.into_iter().map(|v| (v.name, v.tensor.detach())).collect();
    checkpoint.restore_weights(&weights).map_err(Failure::failed)
}

/// The device asked for, with libtorch's threads and determinism set for the process.
pub fn device(asked: &str, threads: usize, deterministic: bool) -> Result<Device> {
    let device = lightbox_engine::device::choose(asked).map_err(Failure::bad)?;
    lightbox_engine::device::configure(threads, deterministic).map_err(Failure::failed)?;
    Ok(device)
}

impl Trained {
    /// Images as the network takes them.
    pub fn input<'a>(&self, images: impl Iterator<Item = &'a [u8]>) -> Result<Tensor> {
        self.preprocessing.input(images)
    }

    /// The network as the metrics see it: softmax of one class.
    pub fn scorer(
        &self,
        target: usize,
        size: (usize, usize),
    ) -> impl FnMut(&[f32], usize) -> std::result::Result<Vec<f32>, ScoreError> {
        scorer(&self.model, &self.preprocessing, target, size)
    }
}

/// Softmax of `target` for batches of normalised pixels of `size` (height, width).
pub fn scorer<'a>(
    model: &'a ModelHandle,
    preprocessing: &'a Preprocessing,
    target: usize,
    size: (usize, usize),
) -> impl FnMut(&[f32], usize) -> std::result::Result<Vec<f32>, ScoreError> + 'a {
    move |batch, count| {
        let score = || -> std::result::Result<Vec<f32>, Box<dyn std::error::Error + Send + Sync>> {
            let _no_grad = tch::no_grad_guard();
            let shape = [count as i64, preprocessing.channels as i64, size.0 as i64, size.1 as i64];
            let input = Tensor::f_from_slice(batch)?.f_view(shape)?.f_to_device(preprocessing.device)?;
            let logits = model.forward(&input, false)?.f_to_kind(Kind::Float)?;
            let target = logits.f_softmax(1, Kind::Float)?.f_select(1, target as i64)?;
            Ok(Vec::<f32>::try_from(target.f_to_device(Device::Cpu)?.f_contiguous()?)?)
        };
        score()
    }
}

impl Preprocessing {
    /// Bytes \[H,W,C\] of some images as a normalised tensor \[N,C,H,W\] on the device.
    pub fn input<'a>(&self, images: impl Iterator<Item = &'a [u8]>) -> Result<Tensor> {
        let mut bytes = Vec::new();
        let mut count = 0;
        for image in images {
            bytes.extend_from_slice(image);
            count += 1;
        }
        let shape = [count, self.size as i64, self.size as i64, self.channels as i64];
        let normalise = || -> std::result::Result<Tensor, tch::TchError> {
            let row = |values: &[f64]| -> std::result::Result<Tensor, tch::TchError> {
                let values: Vec<f32> = values.iter().map(|v| *v as f32).collect();
                Tensor::f_from_slice(&values)?.f_view([1, -1, 1, 1])?.f_to_device(self.device)
            };
            let pixels = Tensor::f_from_slice(&bytes)?.f_view(shape)?.f_to_device(self.device)?;
            let pixels = pixels.f_permute([0, 3, 1, 2])?.f_to_kind(Kind::Float)?.f_div_scalar(255.0)?;
            pixels.f_sub(&row(&self.mean)?)?.f_div(&row(&self.std)?)?.f_contiguous()
        };
        normalise().map_err(|e| Failure::failed(format!("libtorch: {e}")))
    }
}

/// The values of a tensor, row by row.
pub fn to_vec(tensor: &Tensor) -> Result<Vec<f32>> {
    let flat = || tensor.f_to_device(Device::Cpu)?.f_to_kind(Kind::Float)?.f_contiguous()?.f_flatten(0, -1);
    let flat = flat().map_err(|e| Failure::failed(format!("libtorch: {e}")))?;
    Vec::<f32>::try_from(flat).map_err(|e| Failure::failed(format!("libtorch: {e}")))
}

/// The engine's cancel flag on top of the worker's.
pub fn cancel(flag: &Arc<AtomicBool>) -> Cancel {
    Cancel::watching(Arc::clone(flag))
}

/// What the user should know of an event while explaining.
pub fn remark(event: &Event<'_>) -> Option<String> {
    match event {
        Event::Log { method, level: LogLevel::Error | LogLevel::Warning, text } => Some(format!("{method}: {text}")),
        Event::FewerImages { images } => Some(format!("memory ran out: {images} image(s) at once from here on")),
        Event::FewerRows { method, rows } => {
            Some(format!("{method}: memory ran out: {rows} rows at once from here on"))
        }
        Event::Begins { .. } | Event::Log { .. } | Event::Progress { .. } => None,
    }
}

/// An engine failure as the worker's.
pub fn explain_failure(error: ExplainError) -> Failure {
    match error {
        ExplainError::Cancelled => Failure::Interrupted,
        ExplainError::NoLayer { .. }
        | ExplainError::LayerTwice { .. }
        | ExplainError::NotSpatial { .. }
        | ExplainError::NoGradient { .. }
        | ExplainError::NoClass { .. }
        | ExplainError::NoTruth => Failure::bad(error),
        other => Failure::failed(other),
    }
}
