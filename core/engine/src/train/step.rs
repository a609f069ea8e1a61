//! One optimizer step: forward and backward over a batch, in parts when memory is short.

use tch::{Device, Kind, Tensor};

use super::augment::Change;
use super::error::TrainError;
use super::loss::Loss;
use super::network::Network;
use super::optimizer::Optimizer;
use super::pixels::Pixels;
use super::settings::Precision;
use crate::torch::Autocast;

/// What a batch needs besides its images.
pub(super) struct Compute<'a> {
    pub network: &'a dyn Network,
    pub optimizer: &'a Optimizer,
    pub pixels: &'a Pixels,
    pub loss: &'a Loss,
    pub precision: Precision,
    pub device: Device,
    pub classes: usize,
}

/// Bytes, labels and changes of the same images.
#[derive(Clone, Copy)]
pub(super) struct Batch<'a> {
    pub bytes: &'a [u8],
    pub labels: &'a [usize],
    pub changes: Option<&'a [Change]>,
}

impl<'a> Batch<'a> {
    fn part(&self, start: usize, count: usize) -> Self {
        let image = self.bytes.len() / self.labels.len().max(1);
        Self {
            bytes: &self.bytes[start * image..(start + count) * image],
            labels: &self.labels[start..start + count],
            changes: self.changes.map(|changes| &changes[start..start + count]),
        }
    }
}

impl Compute<'_> {
    /// Fills the gradients with those of the batch's mean loss, computed `at_once` images at a time, and gives that loss,
    /// still on the device. `parts` counts the forward passes that were done.
    pub(super) fn gradients(&self, batch: Batch<'_>, at_once: usize, parts: &mut u64) -> Result<Tensor, TrainError> {
        self.optimizer.drop_gradients()?;
        let images = batch.labels.len();
        if at_once >= images {
            let loss = self.part_loss(batch)?;
            *parts += 1;
            loss.f_backward()?;
            return Ok(loss.detach());
        }
        let whole = self.loss.denominator(batch.labels);
        let mut total: Option<Tensor> = None;
        for start in (0..images).step_by(at_once) {
            let part = batch.part(start, at_once.min(images - start));
            let share = self.loss.denominator(part.labels) / whole;
            if share == 0.0 {
                // A mean over images of weight 0 is 0/0; they add nothing.
                continue;
            }
            let loss = self.part_loss(part)?.f_mul_scalar(share)?;
            *parts += 1;
            loss.f_backward()?;
            let loss = loss.detach();
            total = Some(match total {
                Some(sum) => sum.f_add(&loss)?,
                None => loss,
            });
        }
        match total {
            Some(loss) => Ok(loss),
            None => Ok(Tensor::f_zeros([1], (Kind::Float, self.device))?),
        }
    }

    fn part_loss(&self, batch: Batch<'_>) -> Result<Tensor, TrainError> {
        let input = self.pixels.batch(batch.bytes, batch.changes)?;
        let labels: Vec<i64> = batch.labels.iter().map(|label| *label as i64).collect();
        let labels = Tensor::f_from_slice(&labels)?.f_to_device(self.device)?;
        let logits = forward(self.network, &input, true, self.precision, self.classes)?;
        self.loss.mean(&logits, &labels)
    }
}

/// Logits \[N,K\] in 32 bits, computed in the given precision.
pub(crate) fn forward(
    network: &dyn Network,
    input: &Tensor,
    train: bool,
    precision: Precision,
    classes: usize,
) -> Result<Tensor, TrainError> {
    let logits = match precision {
        Precision::Fp32 => network.forward(input, train)?,
        Precision::Bf16 => {
            let _autocast = Autocast::bf16(input.device())?;
            network.forward(input, train)?
        }
    };
    let images = input.size().first().copied().unwrap_or(0);
    if logits.size() != [images, classes as i64] {
        return Err(TrainError::Logits { found: logits.size(), images: images as usize, classes });
    }
    Ok(logits.f_to_kind(Kind::Float)?)
}
