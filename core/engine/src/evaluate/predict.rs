//! Logits of a network for a list of images.

use std::time::Instant;

use tch::Device;

use crate::cancel::Cancel;
use crate::train::pixels::Pixels;
use crate::train::source::Prefetch;
use crate::train::{ImageSource, Network, Precision, TrainError};

/// How a network is run over images.
#[derive(Clone, Debug)]
pub struct PredictSettings {
    /// Number of classes.
    pub classes: usize,
    /// Images at once; halved when memory runs out.
    pub batch_size: usize,
    /// Precision of the forward pass.
    pub precision: Precision,
    /// Batches with channels innermost.
    pub channels_last: bool,
    /// Mean of each channel on the scale 0 to 1.
    pub mean: Vec<f64>,
    /// Standard deviation of each channel on the scale 0 to 1.
    pub std: Vec<f64>,
    /// The network's device.
    pub device: Device,
}

/// What a network said of some images.
#[derive(Clone, Debug, PartialEq)]
pub struct Predicted {
    /// Raw logits of each image, in class order.
    pub logits: Vec<Vec<f32>>,
    /// Images per second, gathering of the bytes included; none for no images.
    pub images_per_second: Option<f64>,
}

impl Predicted {
    /// Softmax of each image's logits, in class order.
    pub fn probabilities(&self) -> Vec<Vec<f32>> {
        let softmax = |row: &Vec<f32>| {
            let row: Vec<f64> = row.iter().map(|x| f64::from(*x)).collect();
            lightbox_stats::classification::softmax(&row, 1.0).into_iter().map(|p| p as f32).collect()
        };
        self.logits.iter().map(softmax).collect()
    }

    /// The predictions as the statistics take them.
    ///
    /// # Errors
    /// No image, a class out of range or a logit that is no number.
    pub fn scored(
        &self,
        classes: usize,
        truth: &[usize],
    ) -> Result<lightbox_stats::Predictions, lightbox_stats::Error> {
        lightbox_stats::Predictions::from_logits(classes, truth, &self.flat(), 1.0)
    }

    /// All logits, row by row.
    pub fn flat(&self) -> Vec<f64> {
        self.logits.iter().flatten().map(|x| f64::from(*x)).collect()
    }
}

/// Runs a network in evaluation mode over images of a source, in their order. None when cancelled.
///
/// # Errors
/// When the network fails, or memory is too short for one image.
pub fn predict(
    network: &dyn Network,
    source: &dyn ImageSource,
    images: &[usize],
    settings: &PredictSettings,
    cancel: &Cancel,
    progress: &mut dyn FnMut(usize, usize),
) -> Result<Option<Predicted>, TrainError> {
    let pixels = Pixels::new(source.size(), &settings.mean, &settings.std, settings.device, settings.channels_last)?;
    if let Some(image) = images.iter().find(|image| **image >= source.len()) {
        return Err(TrainError::Setting {
            field: "images",
            why: format!("image {image} of {} does not exist", source.len()),
        });
    }
    let mut at_once = settings.batch_size.max(1);
    let batches: Vec<Vec<usize>> = images.chunks(at_once).map(<[usize]>::to_vec).collect();
    let started = Instant::now();
    let mut logits = Vec::with_capacity(images.len());
    let complete = std::thread::scope(|scope| -> Result<bool, TrainError> {
        let prefetch = Prefetch::start(scope, source, batches.clone());
        for batch in &batches {
            if cancel.is_cancelled() {
                return Ok(false);
            }
            let Some(bytes) = prefetch.next() else { break };
            let image_bytes = bytes.len() / batch.len().max(1);
            let mut done = 0;
            while done < batch.len() {
                let count = at_once.min(batch.len() - done);
                let part = &bytes[done * image_bytes..(done + count) * image_bytes];
                match logits_of(network, &pixels, part, settings) {
                    Ok(rows) => {
                        logits.extend(rows);
                        done += count;
                    }
                    Err(error) if error.is_out_of_memory() && count > 1 => {
                        if settings.device.is_cuda() {
                            crate::torch::cuda_empty_cache()?;
                        }
                        at_once = count.div_ceil(2);
                    }
                    Err(error) => return Err(error),
                }
            }
            progress(logits.len(), images.len());
        }
        Ok(true)
    })?;
    let seconds = started.elapsed().as_secs_f64();
    let images_per_second = (!images.is_empty()).then(|| images.len() as f64 / seconds.max(f64::MIN_POSITIVE));
    Ok(complete.then_some(Predicted { logits, images_per_second }))
}

fn logits_of(
    network: &dyn Network,
    pixels: &Pixels,
    bytes: &[u8],
    settings: &PredictSettings,
) -> Result<Vec<Vec<f32>>, TrainError> {
    let _no_grad = tch::no_grad_guard();
    let input = pixels.batch(bytes, None)?;
    let logits = crate::train::forward(network, &input, false, settings.precision, settings.classes)?;
    let logits = logits.f_to_device(Device::Cpu)?.f_contiguous()?;
    let mut values = vec![0_f32; logits.numel()];
    logits.f_copy_data(&mut values, logits.numel())?;
    Ok(values.chunks(settings.classes.max(1)).map(<[f32]>::to_vec).collect())
}

/// Mean negative log-likelihood of the true classes; NaN where a logit is no number or there is no image.
pub fn mean_log_loss(logits: &[Vec<f32>], truth: &[usize]) -> f64 {
    let of = |(row, class): (&Vec<f32>, &usize)| -> f64 {
        let largest = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let largest = f64::from(largest);
        let sum: f64 = row.iter().map(|x| (f64::from(*x) - largest).exp()).sum();
        row.get(*class).map_or(f64::NAN, |x| sum.ln() + largest - f64::from(*x))
    };
    logits.iter().zip(truth).map(of).sum::<f64>() / logits.len() as f64
}
