//! A job's images: the dataset, its decoded pixels and the parts of the split, by index.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Mutex;
use std::sync::atomic::Ordering;

use lightbox_data::cache::{CacheSpec, DecodeCache};
use lightbox_data::{Channels, Dataset, ImageRecord};
use lightbox_engine::train::ImageSource;
use lightbox_store::run::{DatasetRef, EventKind, Part, SplitRows};

use super::Job;
use crate::failure::{Failure, Result};

/// The images of a dataset with their pixels at the network's size.
pub struct Images {
    dataset: Dataset,
    cache: DecodeCache,
    by_id: HashMap<String, usize>,
    size: usize,
    channels: usize,
}

impl From<lightbox_data::Error> for Failure {
    fn from(error: lightbox_data::Error) -> Self {
        match error {
            lightbox_data::Error::Cancelled => Self::Interrupted,
            error if error.is_bad_input() => Self::bad(error),
            error => Self::failed(error),
        }
    }
}

impl Images {
    /// Opens the dataset and its decode cache, decoding what is not there yet. A dataset that has changed since the job
    /// was made is refused; unreadable images are warned of by name.
    pub fn open(job: &mut Job, expected: &DatasetRef, size: usize, channels: usize, max_bad: f64) -> Result<Self> {
        let dataset = Dataset::open(job.home.root(), &expected.name)?;
        if dataset.listing_hash() != expected.fingerprint {
            return Err(Failure::bad(format!(
                "dataset {:?} has changed since this job was made (images, labels, groups or copies left out); make the job anew",
                expected.name
            )));
        }
        let channel_kind = if channels == 1 { Channels::Grey } else { Channels::Colour };
        let side = size as u32;
        let spec = CacheSpec { channels: channel_kind, ..CacheSpec::of(dataset.manifest(), (side, side)) };
        let records: Vec<&ImageRecord> = dataset.images().iter().collect();
        let cancel = std::sync::Arc::clone(&job.cancel);
        let events = Mutex::new((&mut *job, 0_usize));
        let progress = |done: usize, total: usize| {
            let tenth = (done * 10).checked_div(total).unwrap_or(0);
            if let Ok(mut guard) = events.try_lock()
                && tenth > guard.1
            {
                guard.1 = tenth;
                let event = EventKind::Progress { phase: "decode".into(), done, total };
                // A full disk shows soon enough in what the job itself writes.
                let _ = guard.0.say(0, event);
            }
            if cancel.load(Ordering::SeqCst) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let folder = job_cache_folder(&events);
        let cache = DecodeCache::open_or_build(&folder, &records, &spec, &progress, max_bad)?;
        for (_, reason) in cache.bad().iter().take(5) {
            job.warn(0, format!("left out: {reason}"))?;
        }
        if cache.bad().len() > 5 {
            job.warn(0, format!("{} images in all are left out; `lightbox data check` names them", cache.bad().len()))?;
        }
        let by_id = dataset.images().iter().enumerate().map(|(i, r)| (r.id.clone(), i)).collect();
        Ok(Self { dataset, cache, by_id, size, channels })
    }

    /// The images of a part of the split, less the unreadable ones, in dataset order.
    pub fn part(&self, split: &SplitRows, part: &str) -> Result<Vec<usize>> {
        let wanted = |p: Part| match part {
            "train" => p == Part::Train,
            "validation" => p == Part::Validation,
            "test" => p == Part::Test,
            _ => true,
        };
        let mut indices = Vec::new();
        for (image, p) in split.rows.iter().filter(|(_, p)| wanted(*p)) {
            let index = self.by_id.get(image).ok_or_else(|| {
                Failure::bad(format!("split.csv names {image:?} ({p:?}), which the dataset does not have"))
            })?;
            if self.cache.image(*index).is_some() {
                indices.push(*index);
            }
        }
        Ok(indices)
    }

    /// At most `limit` of these, the classes in turn, each in a seeded order; then in dataset order again.
    pub fn evenly(&self, indices: &[usize], limit: Option<usize>, seed: u64) -> Vec<usize> {
        let Some(limit) = limit.filter(|l| *l < indices.len()) else { return indices.to_vec() };
        let key = |index: &usize| *blake3::hash(format!("{seed}\0{}", self.id(*index)).as_bytes()).as_bytes();
        let mut of_class: Vec<Vec<usize>> = vec![Vec::new(); self.dataset.classes().len()];
        for index in indices {
            of_class[self.label(*index)].push(*index);
        }
        for class in &mut of_class {
            class.sort_by_key(key);
        }
        let longest = of_class.iter().map(Vec::len).max().unwrap_or(0);
        let in_turn = (0..longest).flat_map(|place| of_class.iter().filter_map(move |class| class.get(place)));
        let mut chosen: Vec<usize> = in_turn.take(limit).copied().collect();
        chosen.sort_unstable();
        chosen
    }

    /// An image's record.
    pub fn record(&self, index: usize) -> &ImageRecord {
        &self.dataset.images()[index]
    }

    /// An image's id.
    pub fn id(&self, index: usize) -> &str {
        &self.record(index).id
    }

    /// An image's class.
    pub fn label(&self, index: usize) -> usize {
        self.record(index).label
    }

    /// All labels, in dataset order.
    pub fn labels(&self) -> Vec<usize> {
        self.dataset.images().iter().map(|r| r.label).collect()
    }

    /// Class names.
    pub fn classes(&self) -> &[String] {
        self.dataset.classes()
    }

    /// An image's bytes \[H,W,C\]; empty for one that cannot be read, which no part contains.
    pub fn pixels(&self, index: usize) -> &[u8] {
        self.cache.image(index).unwrap_or_default()
    }

    /// How many images of the dataset cannot be read.
    pub fn unreadable(&self) -> usize {
        self.cache.bad().len()
    }
}

fn job_cache_folder(events: &Mutex<(&mut Job, usize)>) -> std::path::PathBuf {
    let guard = events.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    guard.0.home.cache_dir().join("decode")
}

impl ImageSource for Images {
    fn len(&self) -> usize {
        self.cache.len()
    }

    fn image(&self, index: usize) -> &[u8] {
        self.pixels(index)
    }

    fn size(&self) -> (usize, usize) {
        (self.size, self.size)
    }

    fn channels(&self) -> usize {
        self.channels
    }
}
