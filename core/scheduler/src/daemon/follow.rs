//! What a running job's events tell about how far it is and when it will end.

use std::time::Instant;

use lightbox_store::RunDir;
use lightbox_store::run::{Event, EventKind, EventReader, JobConfig, JobKind, Part};

/// Watches one job's events.
#[derive(Debug)]
pub struct Follow {
    reader: EventReader,
    /// Optimizer steps of the whole training; none for other jobs.
    steps: Option<u64>,
    /// Epochs of the whole training; none for other jobs.
    epochs: Option<usize>,
    phase: Option<String>,
    done: Option<f64>,
    /// Share done and moment at the first news of this attempt, for the speed since.
    first: Option<(f64, Instant)>,
    last: Option<(f64, Instant)>,
    attempt: u32,
    checkpoints: u32,
}

impl Follow {
    /// Follows a run from the events that are there already, which the caller knows.
    pub fn new(dir: &RunDir, config: &JobConfig) -> Self {
        let mut reader = EventReader::new(&dir.file("events.jsonl"));
        // What cannot be read now will be complained about by the first look.
        let attempt = reader.poll().unwrap_or_default().iter().map(|e| e.attempt).max().unwrap_or(0);
        let (steps, epochs) = match &config.job {
            JobKind::Train(train) => {
                let images = dir.split().map_or(0, |split| split.part(Part::Train).count());
                (Some((images.div_ceil(train.batch_size.max(1)) * train.epochs) as u64), Some(train.epochs))
            }
            JobKind::Evaluate(_) | JobKind::ExplainEval(_) => (None, None),
        };
        let (phase, done, first, last) = (None, None, None, None);
        Self { reader, steps, epochs, phase, done, first, last, attempt, checkpoints: 0 }
    }

    /// The events since the last look.
    pub fn look(&mut self) -> Vec<Event> {
        let events = self.reader.poll().unwrap_or_default();
        for event in &events {
            self.take(event, Instant::now());
        }
        events
    }

    fn take(&mut self, event: &Event, now: Instant) {
        if event.attempt > self.attempt {
            (self.attempt, self.checkpoints) = (event.attempt, 0);
            (self.first, self.last, self.done) = (None, None, None);
        }
        let share = |done: f64, total: f64| (total > 0.0).then(|| (done / total).clamp(0.0, 1.0));
        let done = match &event.kind {
            EventKind::Step { epoch, .. } | EventKind::Epoch { epoch, .. } | EventKind::Resumed { epoch } => {
                // One that is resumed behind its last epoch has none to come.
                let of = self.epochs.filter(|epochs| epoch >= epochs);
                self.phase = Some(of.map_or_else(|| format!("epoch {}", epoch + 1), |_| "last epoch done".to_owned()));
                self.steps.and_then(|steps| share(event.step as f64, steps as f64))
            }
            EventKind::Progress { phase, done, total } => {
                if self.phase.as_ref() != Some(phase) {
                    (self.first, self.last) = (None, None);
                    self.phase = Some(phase.clone());
                }
                // A training's decoding is not part of its steps.
                if self.steps.is_some() { None } else { share(*done as f64, *total as f64) }
            }
            EventKind::Checkpoint { .. } => {
                self.checkpoints += 1;
                None
            }
            _ => None,
        };
        if let Some(done) = done {
            self.done = Some(done);
            self.first.get_or_insert((done, now));
            self.last = Some((done, now));
        }
    }

    /// The last attempt seen.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// Whether this attempt wrote a checkpoint.
    pub fn made_headway(&self) -> bool {
        self.checkpoints > 0
    }

    /// What the job is doing.
    pub fn phase(&self) -> Option<&str> {
        self.phase.as_deref()
    }

    /// Share of the work that is done.
    pub fn done(&self) -> Option<f64> {
        self.done
    }

    /// Seconds until the end at the speed of this attempt.
    pub fn eta_seconds(&self) -> Option<f64> {
        let ((from, start), (to, at)) = (self.first?, self.last?);
        let (gained, took) = (to - from, at.duration_since(start).as_secs_f64());
        if gained <= 0.0 || took <= 0.0 {
            return None;
        }
        let left = (1.0 - to) * took / gained - at.elapsed().as_secs_f64();
        Some(left.max(0.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn the_end_is_told_from_the_speed_of_this_attempt() {
        let reader = EventReader::new(std::path::Path::new("/nonexistent"));
        let mut follow = Follow {
            reader,
            steps: Some(100),
            epochs: Some(10),
            phase: None,
            done: None,
            first: None,
            last: None,
            attempt: 1,
            checkpoints: 0,
        };
        let past = Instant::now().checked_sub(Duration::from_secs(10)).unwrap();
        let step = |attempt, step| Event {
            time: 0.0,
            attempt,
            step,
            kind: EventKind::Step { epoch: 0, loss: 1.0, lr: 1.0, images_per_second: 1.0 },
        };
        follow.take(&step(1, 10), past);
        assert_eq!(follow.eta_seconds(), None);
        follow.take(&step(2, 40), past);
        follow.take(&step(2, 60), Instant::now());
        assert_eq!(follow.done(), Some(0.6));
        let eta = follow.eta_seconds().unwrap();
        assert!((eta - 20.0).abs() < 0.5, "{eta}");
    }
}
