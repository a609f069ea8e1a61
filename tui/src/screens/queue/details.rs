//! What is known of one job: its curves out of `events.jsonl`, and the end of its worker's log.

use std::collections::BTreeMap;
use std::io::{Read, Seek, SeekFrom};
use std::path::Path;

use lightbox_store::run::{Event, EventKind};
use lightbox_store::{Home, RunDir, RunId};

use crate::widgets::charts::Curve;

/// Bytes of the log that are read: more than any screen shows.
const LOG_TAIL: u64 = 16 * 1024;

/// Points of the loss per step that are kept; older ones are thinned out, since a screen has some hundred columns.
const MOST_POINTS: usize = 4096;

/// What is known of one job.
#[derive(Clone, Debug, Default)]
pub struct Details {
    /// The run.
    pub run: RunIdText,
    /// Loss by step.
    pub loss: Vec<(f64, f64)>,
    /// Metrics by name and epoch.
    pub epochs: BTreeMap<String, Vec<(f64, f64)>>,
    /// Images per second, last said.
    pub speed: Option<f64>,
    /// Learning rate, last said.
    pub rate: Option<f64>,
    /// Warnings and errors, in order.
    pub said: Vec<String>,
    /// End of the worker's log.
    pub log: Vec<String>,
    /// Why something of it cannot be read.
    pub trouble: Option<String>,
    step: u64,
}

/// A run's name.
pub type RunIdText = String;

impl Details {
    /// Reads a run's events and log.
    pub fn read(home: &Home, run: &str) -> Self {
        let mut details = Self { run: run.to_owned(), ..Self::default() };
        match RunDir::open(&home.runs_dir().join(run)).and_then(|dir| Ok((dir.events()?, dir.file("worker.log")))) {
            Ok((events, log)) => {
                events.iter().for_each(|event| details.take(event));
                details.log = tail(&log);
            }
            Err(error) => details.trouble = Some(error.to_string()),
        }
        details
    }

    /// Whose they are.
    pub fn is_of(&self, run: &RunId) -> bool {
        self.run == run.0
    }

    /// Takes in one event.
    pub fn take(&mut self, event: &Event) {
        self.step = event.step;
        match &event.kind {
            EventKind::Step { loss, lr, images_per_second, .. } => {
                self.loss.push((event.step as f64, *loss));
                (self.speed, self.rate) = (Some(*images_per_second), Some(*lr));
                if self.loss.len() > MOST_POINTS {
                    let mut keep = false;
                    self.loss.retain(|_| {
                        keep = !keep;
                        keep
                    });
                }
            }
            EventKind::Epoch { epoch, metrics } => {
                for (name, value) in metrics {
                    self.epochs.entry(name.clone()).or_default().push(((epoch + 1) as f64, *value));
                }
            }
            EventKind::Resumed { epoch } => self.supersede(event.step, *epoch),
            EventKind::Warning { text } => self.said.push(format!("warning: {text}")),
            EventKind::Failed { error, .. } => self.said.push(format!("failed: {error}")),
            _ => {}
        }
    }

    /// What came after the checkpoint that a job went on from is no part of it.
    fn supersede(&mut self, step: u64, epoch: usize) {
        self.loss.retain(|(at, _)| *at <= step as f64);
        for curve in self.epochs.values_mut() {
            curve.retain(|(at, _)| *at <= epoch as f64);
        }
    }

    /// The curves of losses, and those of the metrics that are read most.
    pub fn curves(&self) -> (Vec<Curve>, Vec<Curve>) {
        let named = |names: &[(&str, &str)], first: usize| -> Vec<Curve> {
            let found = names.iter().enumerate().filter_map(|(i, (key, name))| {
                let points = self.epochs.get(*key)?.clone();
                Some(Curve { name: (*name).to_owned(), points, color: first + i, ..Curve::default() })
            });
            found.collect()
        };
        let mut losses = named(&[("train/loss", "training loss"), ("validation/loss", "validation loss")], 0);
        if losses.is_empty() && !self.loss.is_empty() {
            losses.push(Curve { name: "loss by step".into(), points: self.loss.clone(), ..Curve::default() });
        }
        let metrics = named(
            &[
                ("validation/balanced-accuracy", "balanced accuracy"),
                ("validation/accuracy", "accuracy"),
                ("validation/auroc", "AUROC"),
            ],
            2,
        );
        (losses, metrics)
    }
}

fn tail(path: &Path) -> Vec<String> {
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = std::fs::File::open(path)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(LOG_TAIL)))?;
        let mut bytes = Vec::new();
        file.take(LOG_TAIL).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let text = read().unwrap_or_default();
    String::from_utf8_lossy(&text).lines().map(|l| l.replace(|c: char| c.is_control(), " ")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(step: u64, text: &str) -> Event {
        serde_json::from_str(&format!("{{\"time\":1,\"attempt\":1,\"step\":{step},{text}}}")).unwrap()
    }

    #[test]
    fn what_came_after_the_checkpoint_is_superseded() {
        let mut details = Details::default();
        let step = r#""event":"step","epoch":0,"loss":0.5,"lr":0.1,"images_per_second":10"#;
        let epoch = |n: usize| format!(r#""event":"epoch","epoch":{n},"metrics":{{"train/loss":0.4}}"#);
        for n in 1..=6 {
            details.take(&event(n, step));
        }
        details.take(&event(3, &epoch(0)));
        details.take(&event(6, &epoch(1)));
        details.take(&event(3, r#""event":"resumed","epoch":1"#));
        assert_eq!(details.loss.len(), 3);
        assert_eq!(details.epochs["train/loss"], [(1.0, 0.4)]);
        let (losses, metrics) = details.curves();
        assert_eq!((losses.len(), metrics.len()), (1, 0));
    }

    #[test]
    fn long_runs_are_thinned_out() {
        let mut details = Details::default();
        let text = r#""event":"step","epoch":0,"loss":0.5,"lr":0.1,"images_per_second":10"#;
        let one = event(0, text);
        for n in 0..20_000 {
            details.take(&Event { step: n, ..one.clone() });
        }
        assert!(details.loss.len() <= MOST_POINTS && details.loss.len() > MOST_POINTS / 4);
    }
}
