//! A registered dataset: its classes and its images, in a fixed order.

mod csv_file;
mod dedup;
mod files;
mod lookup;
mod notice;
mod record;
mod registry;
mod scan;
mod summary;
mod table;

use std::path::{Path, PathBuf};

pub(crate) use csv_file::{CsvFile, Row};
pub use dedup::{DedupRecord, Dropped};
pub(crate) use files::write_atomic;
pub(crate) use lookup::{Found, Lookup};
pub use notice::{Notice, Notices};
pub use record::{ImageRecord, Split};
pub use registry::{AddRequest, Added, Registered, check_name, list};
pub use summary::{ClassCount, GroupCount, Summary};
pub(crate) use table::one_hot_value;

use crate::error::{Error, Result};
use crate::manifest::{Channels, Layout, Manifest};

/// A dataset that has been read: what its folder holds by its manifest, less the images that `--dedup` dropped.
#[derive(Debug, Clone)]
pub struct Dataset {
    name: String,
    folder: PathBuf,
    manifest: Manifest,
    classes: Vec<String>,
    images: Vec<ImageRecord>,
    positive: Option<usize>,
    dedup: DedupRecord,
    notices: Notices,
}

impl Dataset {
    /// Reads the dataset registered as `name` under `home`.
    pub fn open(home: &Path, name: &str) -> Result<Self> {
        let mut dataset = Self::open_with_copies(home, name)?;
        let record = DedupRecord::read(&dataset.folder)?;
        dataset.drop_images(record)?;
        Ok(dataset)
    }

    /// Reads it with the images that `--dedup` dropped, as `data check` needs them.
    pub fn open_with_copies(home: &Path, name: &str) -> Result<Self> {
        registry::open(home, name)
    }

    /// Registers a dataset in place, guessing what the request leaves open.
    pub fn add(home: &Path, request: &AddRequest) -> Result<Added> {
        registry::add(home, request)
    }

    /// Reads a folder by a manifest without registering it anywhere; `manifest.root` must be set.
    pub fn from_manifest(name: &str, manifest: Manifest) -> Result<Self> {
        registry::from_manifest(name, PathBuf::new(), manifest)
    }

    /// A dataset of records that were made, not read; they are sorted by id.
    pub fn from_records(name: &str, classes: Vec<String>, mut images: Vec<ImageRecord>) -> Result<Self> {
        images.sort_by(|a, b| a.id.cmp(&b.id));
        if let Some(pair) = images.windows(2).find(|pair| pair[0].id == pair[1].id) {
            return Err(Error::argument(format!("two images have the id {:?}", pair[0].id), "ids must be unique"));
        }
        if let Some(image) = images.iter().find(|image| image.label >= classes.len()) {
            let problem = format!("{:?} has label {}, but there are {} classes", image.id, image.label, classes.len());
            return Err(Error::argument(problem, "labels count from 0"));
        }
        Ok(Self {
            name: name.to_owned(),
            folder: PathBuf::new(),
            manifest: Manifest::new(Layout::ClassFolders),
            classes,
            images,
            positive: None,
            dedup: DedupRecord::default(),
            notices: Notices::default(),
        })
    }

    /// Leaves out the images that a record drops; a class that ends empty is an error.
    pub fn drop_images(&mut self, record: DedupRecord) -> Result<()> {
        let dropped: std::collections::HashSet<&str> = record.dropped.iter().map(|drop| drop.image.as_str()).collect();
        let mut left = vec![0_usize; self.classes.len()];
        for image in self.images.iter().filter(|image| !dropped.contains(image.id.as_str())) {
            left[image.label] += 1;
        }
        if let Some((class, _)) = self.classes.iter().zip(&left).find(|(_, left)| **left == 0) {
            let problem = format!("dropping copies would leave class {class:?} of {:?} without images", self.name);
            return Err(Error::argument(problem, "keep the copies, or remove the class from the dataset"));
        }
        self.images.retain(|image| !dropped.contains(image.id.as_str()));
        self.dedup = record;
        Ok(())
    }

    /// The name it is registered under.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The folder of its registration: `<home>/datasets/<name>`; empty where it is not registered.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Its manifest.
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// The classes, in the order of the network's outputs.
    pub fn classes(&self) -> &[String] {
        &self.classes
    }

    /// The images, sorted by id.
    pub fn images(&self) -> &[ImageRecord] {
        &self.images
    }

    /// The positive class, as an index into [`classes`](Self::classes).
    pub fn positive(&self) -> Option<usize> {
        self.positive
    }

    /// How many channels the network sees.
    pub fn channels(&self) -> Channels {
        self.manifest.channels
    }

    /// What `data check --dedup` dropped.
    pub fn dedup(&self) -> &DedupRecord {
        &self.dedup
    }

    /// What was left out or repaired while reading.
    pub fn notices(&self) -> &[Notice] {
        self.notices.as_slice()
    }

    /// Counts per class, split and group.
    pub fn summary(&self) -> Summary {
        Summary::of(self)
    }

    /// A hash of what the dataset consists of (ids, labels, groups, split, boxes, masks; not pixels), in hex.
    pub fn listing_hash(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        let mut text = |text: &str| {
            hasher.update(&(text.len() as u64).to_le_bytes());
            hasher.update(text.as_bytes());
        };
        text("lightbox-listing-1");
        for class in &self.classes {
            text(class);
        }
        for image in &self.images {
            text(&image.id);
            text(&image.label.to_string());
            text(image.group.as_deref().unwrap_or(""));
            text(image.split.map_or("", Split::name));
            text(if image.mask.is_some() { "mask" } else { "" });
            for found in &image.boxes {
                text(&format!("{:?} {:?} {:?} {:?}", found.x_center, found.y_center, found.width, found.height));
            }
        }
        hasher.finalize().to_hex().to_string()
    }
}
