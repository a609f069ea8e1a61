//! Explains batches: one shared pass, each method in turn, the pipeline, and fewer images at once when memory runs out.

use std::path::Path;
use std::time::Instant;

use tch::Tensor;

use super::pass::{Pass, Plan};
use super::pipeline::{Merging, RawMaps, heatmaps};
use super::services::{Rows, Services};
use super::target::largest;
use super::{ExplainError, Explanations, LayerChoice, MethodMaps, Network, Outcome, Result, Target, augment};
use crate::Cancel;
use crate::plugin::{AttributionHandle, AttributionLayer, AttributionRequest, LogLevel, MergeMetadata};
use crate::torch::cuda_empty_cache;

/// How to explain.
#[derive(Clone, Debug, PartialEq)]
pub struct ExplainOptions {
    /// The class explained.
    pub target: Target,
    /// Take the mean over six versions of each image, as grad-cam's `aug_smooth`: six times the work.
    pub augmentation_smoothing: bool,
    /// Seed of the request, for seeded methods; each image has its own beside it, see [`super::image_seed`].
    pub seed: u64,
    /// Rows that a method's own forward passes run at once, at most.
    pub rows: usize,
}

impl Default for ExplainOptions {
    fn default() -> Self {
        ExplainOptions { target: Target::Predicted, augmentation_smoothing: false, seed: 0, rows: 32 }
    }
}

/// N images to explain.
#[derive(Clone, Copy, Debug)]
pub struct ImageBatch<'a> {
    /// Normalised, f32 \[N,C,H,W\], on the network's device.
    pub input: &'a Tensor,
    /// The true class of each image, when known.
    pub truths: Option<&'a [usize]>,
    /// Seed of each image, see [`super::image_seed`].
    pub seeds: &'a [u64],
}

/// What happens while explaining.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Event<'a> {
    /// A method is called for a batch of images. When the process ends before the next event, it did so in this method.
    Begins {
        /// The method.
        method: &'a str,
        /// The library that it comes from.
        file: &'a Path,
    },
    /// A method says something.
    Log {
        /// The method.
        method: &'a str,
        /// How much it matters.
        level: LogLevel,
        /// What it says.
        text: &'a str,
    },
    /// A method says how far it is.
    Progress {
        /// The method.
        method: &'a str,
        /// Steps done.
        done: u64,
        /// Steps in all.
        total: u64,
    },
    /// Memory ran out: from now on only so many images are explained at once. Results may differ in their last bits.
    FewerImages {
        /// Images at once.
        images: usize,
    },
    /// Memory ran out in a method's own forward passes: from now on only so many rows run at once.
    FewerRows {
        /// The method.
        method: &'a str,
        /// Rows at once.
        rows: usize,
    },
}

/// A network, layers and methods, ready to explain.
pub struct Explainer<'n> {
    network: &'n dyn Network,
    layers: Vec<LayerChoice>,
    methods: Vec<AttributionHandle>,
    options: ExplainOptions,
    /// Images at once, once memory has run out.
    limit: Option<usize>,
    rows: Rows,
}

impl<'n> Explainer<'n> {
    /// An explainer; `layers` come from [`super::choose_layers`].
    ///
    /// # Errors
    ///
    /// No method, a target class that the network does not have, or several layers for a method that works on one.
    pub fn new(
        network: &'n dyn Network,
        layers: Vec<LayerChoice>,
        methods: Vec<AttributionHandle>,
        options: ExplainOptions,
    ) -> Result<Self> {
        if methods.is_empty() {
            return Err(ExplainError::NoMethod);
        }
        if let Target::Class(class) = options.target
            && class >= network.classes()
        {
            return Err(ExplainError::NoClass { class, classes: network.classes() });
        }
        let rows = Rows::new(options.rows);
        Ok(Explainer { network, layers, methods, options, limit: None, rows })
    }

    /// The methods, in their order.
    pub fn methods(&self) -> &[AttributionHandle] {
        &self.methods
    }

    /// The layers, in their order.
    pub fn layers(&self) -> &[LayerChoice] {
        &self.layers
    }

    /// Explains a batch with every method.
    ///
    /// When memory runs out the batch is halved, again and again down to single images; `events` is told, and later batches
    /// begin at the size that fitted.
    ///
    /// # Errors
    ///
    /// Images or targets that do not fit the network, a cancelled run, what the network or a method says, or a single image
    /// that does not fit into memory.
    pub fn explain(
        &mut self,
        batch: &ImageBatch<'_>,
        cancel: &Cancel,
        events: &mut dyn FnMut(Event<'_>),
    ) -> Result<Explanations> {
        let images = check(batch)?;
        let mut all: Option<Explanations> = None;
        let mut start = 0;
        while start < images {
            let length = self.limit.unwrap_or(images).clamp(1, images - start);
            let input = batch.input.f_narrow(0, start as i64, length as i64)?;
            let part = ImageBatch {
                input: &input,
                truths: batch.truths.map(|truths| &truths[start..start + length]),
                seeds: &batch.seeds[start..start + length],
            };
            match self.explain_at_once(&part, cancel, events) {
                Ok(part) => {
                    match &mut all {
                        Some(all) => all.append(part),
                        None => all = Some(part),
                    }
                    start += length;
                }
                Err(error) if error.is_out_of_memory() => {
                    if length == 1 {
                        return Err(ExplainError::OutOfMemory { message: error.to_string() });
                    }
                    let images = length / 2;
                    self.limit = Some(images);
                    if batch.input.device().is_cuda() {
                        // The next try may fit even if the cache stays.
                        let _ = cuda_empty_cache();
                    }
                    events(Event::FewerImages { images });
                }
                Err(error) => return Err(error),
            }
        }
        all.ok_or_else(|| ExplainError::Images("are none".to_owned()))
    }

    fn explain_at_once(
        &mut self,
        batch: &ImageBatch<'_>,
        cancel: &Cancel,
        events: &mut dyn FnMut(Event<'_>),
    ) -> Result<Explanations> {
        if !self.options.augmentation_smoothing {
            return self.explain_version(batch, None, cancel, events);
        }
        // The class is chosen once, from the image as it is.
        let plain = augment::PLAIN.of(batch.input)?;
        let mut total = self.explain_version(&ImageBatch { input: &plain, ..*batch }, None, cancel, events)?;
        for version in augment::OTHERS {
            let input = version.of(batch.input)?;
            let part = ImageBatch { input: &input, ..*batch };
            let mut other = self.explain_version(&part, Some(&total.targets), cancel, events)?;
            version.undo(&mut other);
            augment::add(&mut total, &other);
        }
        augment::mean(&mut total);
        Ok(total)
    }

    fn explain_version(
        &mut self,
        batch: &ImageBatch<'_>,
        targets: Option<&[usize]>,
        cancel: &Cancel,
        events: &mut dyn FnMut(Event<'_>),
    ) -> Result<Explanations> {
        if cancel.is_cancelled() {
            return Err(ExplainError::Cancelled);
        }
        let started = Instant::now();
        let classes = self.network.classes();
        let gradients_for = self.methods.iter().map(AttributionHandle::metadata).find(|method| method.needs.gradients);
        let plan = Plan {
            network: self.network,
            layers: &self.layers,
            gradients_for: gradients_for.map(|method| method.id.as_str()),
        };
        let mut predicted = Vec::new();
        let pass = plan.run(batch.input, |scores| {
            predicted = scores.chunks_exact(classes).map(largest).collect();
            match targets {
                Some(targets) => Ok(targets.to_vec()),
                None => self.options.target.resolve(&predicted, batch.truths, classes),
            }
        })?;
        let shared = started.elapsed().as_secs_f64() / self.methods.len() as f64;
        let &[_, channels, height, width] = batch.input.size().as_slice() else {
            return Err(ExplainError::Images("are not [N, C, H, W]".to_owned()));
        };
        let input_shape = (channels as usize, height as usize, width as usize);
        let request = request(&pass, &self.layers, batch, input_shape, classes, self.options.seed);
        let mut methods = Vec::with_capacity(self.methods.len());
        for method in &mut self.methods {
            if cancel.is_cancelled() {
                return Err(ExplainError::Cancelled);
            }
            let started = Instant::now();
            let id = method.metadata().id.clone();
            events(Event::Begins { method: &id, file: method.file() });
            let mut services = Services {
                network: self.network,
                layers: &self.layers,
                device: batch.input.device(),
                input_shape,
                rows: &mut self.rows,
                cancel,
                method: &id,
                events,
            };
            let mut maps = explain_with(method, &request, &mut services)?;
            maps.seconds = started.elapsed().as_secs_f64() + shared;
            methods.push(maps);
        }
        Ok(Explanations {
            size: (input_shape.1, input_shape.2),
            classes,
            targets: pass.targets.clone(),
            predicted,
            scores: pass.scores.clone(),
            methods,
        })
    }
}

fn request<'a>(
    pass: &'a Pass,
    layers: &'a [LayerChoice],
    batch: &ImageBatch<'a>,
    input_shape: (usize, usize, usize),
    classes: usize,
    seed: u64,
) -> AttributionRequest<'a> {
    let layers = layers.iter().enumerate().map(|(index, layer)| {
        let activations = &pass.activations[index];
        let shape = activations.size();
        AttributionLayer {
            name: &layer.name,
            // The pass has checked that activations have four dimensions.
            size: (shape[2] as usize, shape[3] as usize),
            activations: Some(activations),
            gradients: pass.gradients.as_ref().map(|gradients| &gradients[index]),
        }
    });
    AttributionRequest {
        targets: &pass.targets,
        classes,
        input_shape,
        input: Some(batch.input),
        scores: Some(&pass.logits),
        layers: layers.collect(),
        device: pass.logits.device(),
        seed,
        image_seeds: batch.seeds,
    }
}

/// One method's heatmaps.
fn explain_with(
    method: &mut AttributionHandle,
    request: &AttributionRequest<'_>,
    services: &mut Services<'_>,
) -> Result<MethodMaps> {
    let raw = method.attribute(request, services)?;
    let metadata = method.metadata();
    let merging = if metadata.merge == MergeMetadata::Sum { Merging::Sum } else { Merging::Mean };
    let raw = raw.into_iter().map(|map| RawMaps { size: (map.height, map.width), values: map.values }).collect();
    let size = (request.input_shape.1, request.input_shape.2);
    let maps = heatmaps(raw, request.targets.len(), size, metadata.signed, merging);
    let outcomes = maps.values.chunks_exact((size.0 * size.1).max(1)).map(Outcome::of).collect();
    Ok(MethodMaps { method: metadata.id.clone(), heatmaps: maps.values, peaks: maps.peaks, outcomes, seconds: 0.0 })
}

/// The number of images, once they are known to fit together.
fn check(batch: &ImageBatch<'_>) -> Result<usize> {
    let shape = batch.input.size();
    if shape.len() != 4 || shape.iter().any(|&size| size < 1) || batch.input.kind() != tch::Kind::Float {
        let kind = batch.input.kind();
        return Err(ExplainError::Images(format!("are {kind:?} of shape {shape:?}, not Float of [N, C, H, W]")));
    }
    let images = shape[0] as usize;
    if batch.seeds.len() != images || batch.truths.is_some_and(|truths| truths.len() != images) {
        return Err(ExplainError::Images(format!("are {images}, and their seeds or true classes are not as many")));
    }
    Ok(images)
}
