//! The steps of one epoch, and the validation after it.

use std::collections::VecDeque;
use std::time::Instant;

use tch::Tensor;

use super::augment;
use super::checkpoint::{BEST, Keep, LAST};
use super::error::TrainError;
use super::event::Event;
use super::order;
use super::progress::{Best, EpochRecord, Stop};
use super::random::{Stream, derive};
use super::run::Run;
use super::schedule::learning_rate;
use super::settings::Schedule;
use super::source::Prefetch;
use super::step::Batch;
use crate::evaluate::{PredictSettings, mean_log_loss, predict};
use crate::torch;

/// How a stretch of work ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    /// It is complete.
    Complete,
    /// The caller asked to stop.
    Cancelled,
}

/// A loss that may still be being computed.
struct Pending {
    loss: Tensor,
    images: usize,
    epoch: usize,
    step: u64,
    lr: f64,
}

impl Run<'_> {
    /// Trains the rest of the present epoch, a batch ahead of it being gathered by another thread.
    pub(super) fn train_epoch(&mut self) -> Result<Ended, TrainError> {
        let data = self.data;
        let epoch = self.progress.epoch;
        let order = order::batches(data.train.len(), self.settings.batch_size, self.settings.seed, epoch);
        let rest = order.get(self.progress.batches..).unwrap_or_default();
        let batches: Vec<Vec<usize>> =
            rest.iter().map(|b| b.iter().map(|place| data.train[*place]).collect()).collect();
        std::thread::scope(|scope| {
            let prefetch = Prefetch::start(scope, data.source, batches.clone());
            let mut pending = VecDeque::new();
            let mut saved = Instant::now();
            let mut reported = Instant::now();
            for batch in &batches {
                if self.cancel.is_cancelled() {
                    self.settle(&mut pending, 0, &mut reported)?;
                    return Ok(Ended::Cancelled);
                }
                let started = Instant::now();
                // The thread gathers as many batches as are listed.
                let Some(bytes) = prefetch.next() else { break };
                let labels: Vec<usize> = batch.iter().map(|image| data.labels[*image]).collect();
                self.train_batch(&bytes, &labels, &mut pending, &mut reported)?;
                self.progress.seconds += started.elapsed().as_secs_f64();
                if saved.elapsed() >= self.settings.checkpoint_interval && self.progress.batches < order.len() {
                    self.settle(&mut pending, 0, &mut reported)?;
                    self.save(LAST, Keep::Previous)?;
                    saved = Instant::now();
                }
            }
            self.settle(&mut pending, 0, &mut reported)?;
            Ok(Ended::Complete)
        })
    }

    fn train_batch(
        &mut self,
        bytes: &[u8],
        labels: &[usize],
        pending: &mut VecDeque<Pending>,
        reported: &mut Instant,
    ) -> Result<(), TrainError> {
        let (seed, epoch, step) = (self.settings.seed, self.progress.epoch, self.progress.step);
        let changes = augment::draw(&self.settings.augment, labels.len(), seed, epoch, step);
        let batch = Batch { bytes, labels, changes: changes.as_deref() };
        let lr = learning_rate(self.settings, self.steps_per_epoch, &self.progress.plateau, step);
        let loss = loop {
            torch::seed_default_generators(derive(seed, epoch, step, Stream::Forward));
            match self.compute.gradients(batch, self.progress.physical_batch, &mut self.progress.batches_tracked) {
                Ok(loss) => break loss,
                Err(error) if error.is_out_of_memory() => self.back_off(labels.len(), &error)?,
                Err(error) => return Err(error),
            }
        };
        pending.push_back(Pending { loss, images: labels.len(), epoch, step, lr });
        // Reading a loss waits for the device. On a GPU it is read one step later, so that the next step is queued
        // before; on the CPU it is there already, and a loss that is no number stops the run before it reaches weights.
        self.settle(pending, usize::from(self.settings.device.is_cuda()), reported)?;
        if let Some(norm) = self.settings.clip_norm {
            self.compute.optimizer.clip(norm)?;
        }
        self.compute.optimizer.step(lr, &mut self.progress.parameter_steps)?;
        self.progress.step += 1;
        self.progress.batches += 1;
        Ok(())
    }

    /// Reads pending losses until `leave` are left.
    fn settle(
        &mut self,
        pending: &mut VecDeque<Pending>,
        leave: usize,
        reported: &mut Instant,
    ) -> Result<(), TrainError> {
        while pending.len() > leave {
            let Some(Pending { loss, images, epoch, step, lr }) = pending.pop_front() else { break };
            let loss = loss.f_double_value(&[])?;
            if !loss.is_finite() {
                return Err(TrainError::NotFinite { loss, epoch, step, lr });
            }
            self.progress.loss_sum += loss * images as f64;
            self.progress.loss_images += images;
            let images_per_second = images as f64 / reported.elapsed().as_secs_f64().max(f64::MIN_POSITIVE);
            *reported = Instant::now();
            (self.on_event)(Event::Step { epoch, step: step + 1, loss, lr, images_per_second });
        }
        Ok(())
    }

    /// Halves the number of images computed at once.
    fn back_off(&mut self, images: usize, error: &TrainError) -> Result<(), TrainError> {
        self.compute.optimizer.drop_gradients()?;
        let from = self.progress.physical_batch.min(images);
        if from <= 1 {
            return Err(TrainError::OutOfMemory { message: error.to_string() });
        }
        if self.settings.device.is_cuda() {
            torch::cuda_empty_cache()?;
        }
        let to = from.div_ceil(2);
        self.progress.physical_batch = to;
        let step = self.progress.step;
        (self.on_event)(Event::BackOff { step, from, to });
        self.guarantee_ended(format!(
            "memory ran out at step {step}: batches are computed {to} images at a time instead of {from}"
        ));
        Ok(())
    }

    /// Ends the present epoch: validates, records, keeps the best, decides whether to stop.
    pub(super) fn end_epoch(&mut self) -> Result<Ended, TrainError> {
        let (loss, metrics) = match self.validate()? {
            Validated::Cancelled => return Ok(Ended::Cancelled),
            Validated::None => (None, Default::default()),
            Validated::Done { loss, metrics } => (Some(loss), metrics),
        };
        let last_step = self.progress.step.saturating_sub(1);
        let p = &mut self.progress;
        let record = EpochRecord {
            epoch: p.epoch,
            lr: learning_rate(self.settings, self.steps_per_epoch, &p.plateau, last_step),
            train_loss: p.loss_sum / p.loss_images.max(1) as f64,
            validation_loss: loss,
            validation: metrics,
            images_per_second: p.loss_images as f64 / p.seconds.max(f64::MIN_POSITIVE),
        };
        p.history.push(record.clone());
        // Without a validation part the newest epoch is the best there is.
        let better = match (loss, p.best) {
            (Some(loss), Some(best)) => loss < best.loss,
            (Some(loss), None) => !loss.is_nan(),
            (None, _) => true,
        };
        if better {
            p.best = Some(Best { epoch: p.epoch, loss: loss.unwrap_or(record.train_loss) });
            p.epochs_without_better = 0;
        } else {
            p.epochs_without_better += 1;
        }
        if let (Schedule::Plateau { factor, patience }, Some(loss)) = (self.settings.schedule, loss) {
            p.plateau.epoch(loss, factor, patience);
        }
        p.epoch += 1;
        p.batches = 0;
        p.loss_sum = 0.0;
        p.loss_images = 0;
        p.seconds = 0.0;
        if self.settings.patience.is_some_and(|patience| p.epochs_without_better >= patience) {
            p.stop = Some(Stop::Early);
        } else if p.epoch >= self.settings.epochs {
            p.stop = Some(Stop::AllEpochs);
        }
        let step = p.step;
        (self.on_event)(Event::Epoch { step, record });
        if better {
            self.save(BEST, Keep::Nothing)?;
        }
        let keep = if self.progress.stop.is_some() { Keep::Nothing } else { Keep::Previous };
        self.save(LAST, keep)?;
        Ok(Ended::Complete)
    }

    fn validate(&mut self) -> Result<Validated, TrainError> {
        let data = self.data;
        if data.validation.is_empty() {
            return Ok(Validated::None);
        }
        let settings = PredictSettings {
            classes: data.classes,
            batch_size: self.progress.physical_batch,
            precision: self.settings.precision,
            channels_last: self.settings.channels_last,
            mean: self.settings.mean.clone(),
            std: self.settings.std.clone(),
            device: self.settings.device,
        };
        let on_event = &mut *self.on_event;
        let predicted =
            predict(self.compute.network, data.source, data.validation, &settings, self.cancel, &mut |done, total| {
                on_event(Event::Validating { done, total });
            })?;
        let Some(predicted) = predicted else { return Ok(Validated::Cancelled) };
        let truth: Vec<usize> = data.validation.iter().map(|image| data.labels[*image]).collect();
        let loss = mean_log_loss(&predicted.logits, &truth);
        let mut metrics = std::collections::BTreeMap::new();
        match predicted.scored(data.classes, &truth) {
            Ok(scored) => {
                for entry in lightbox_stats::evaluate(&scored).metrics {
                    if let Some(value) = entry.value {
                        metrics.insert(entry.metric.id().to_owned(), value);
                    }
                }
            }
            Err(error) => {
                let text = format!("epoch {} has no validation metrics: {error}", self.progress.epoch);
                (self.on_event)(Event::Warning { text });
            }
        }
        Ok(Validated::Done { loss, metrics })
    }
}

enum Validated {
    None,
    Cancelled,
    Done { loss: f64, metrics: std::collections::BTreeMap<String, f64> },
}
