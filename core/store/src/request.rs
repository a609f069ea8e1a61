//! Questions that the `lightbox` program asks a worker, and the answers, as JSON.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::run::DeviceChoice;

/// The network that an `explain` request is about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "from", rename_all = "kebab-case")]
pub enum Network {
    /// The best checkpoint of a run, with its own preprocessing.
    Run {
        /// The run directory.
        path: PathBuf,
    },
    /// A model plugin with weights from a file.
    Weights {
        /// Model id.
        model: String,
        /// Architecture options.
        options: BTreeMap<String, String>,
        /// The weights file.
        file: PathBuf,
        /// Number of classes.
        classes: usize,
        /// A key map for files with other names: `network.name = file.name`, one a line.
        key_map: Option<PathBuf>,
    },
}

/// Explain these images with these methods.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExplainRequest {
    /// Image files.
    pub images: Vec<PathBuf>,
    /// The network.
    pub network: Network,
    /// Method ids.
    pub methods: Vec<String>,
    /// Layers by torchvision's names; the model's default when empty.
    pub layers: Vec<String>,
    /// Class explained: an index or a name; the predicted one when left out.
    pub target: Option<String>,
    /// Class names; those of the run when left out.
    pub class_names: Option<Vec<String>>,
    /// Mean of the normalisation, per channel; the model's own when left out.
    pub mean: Option<Vec<f64>>,
    /// Standard deviation of the normalisation, per channel.
    pub std: Option<Vec<f64>>,
    /// Side of the square input; the model's own or the run's when left out.
    pub image_size: Option<usize>,
    /// Method parameters as `method.name=value` or `name=value` for every method that has it.
    pub params: Vec<String>,
    /// Folder for the pictures, made when it is not there.
    pub out: PathBuf,
    /// Write the maps as `.npy` too.
    pub raw: bool,
    /// Seed of seeded methods.
    pub seed: u64,
    /// Device asked for.
    pub device: DeviceChoice,
    /// Threads of libtorch.
    pub threads: usize,
}

/// One explanation that was written; a line of the worker's standard output.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Explained {
    /// The image file.
    pub image: PathBuf,
    /// Method id.
    pub method: String,
    /// Layers, joined by `+`.
    pub layer: String,
    /// Class explained.
    pub target: String,
    /// Class with the largest logit.
    pub predicted: String,
    /// Softmax of the explained class; none when it is not a number.
    pub probability: Option<f64>,
    /// Peak of the map before it was scaled; none when the map is not finite.
    pub raw_peak: Option<f64>,
    /// `ok`, `constant-map` or `nan-map`.
    pub status: String,
    /// The overlay.
    pub overlay: PathBuf,
    /// The map as a NumPy file.
    pub map: Option<PathBuf>,
    /// Seconds for this method, shared work split evenly among the methods of the image.
    pub seconds: f64,
}

/// What a warm worker answers to an [`ExplainRequest`]; one JSON object a line, the last one of `done`, `failed` or `stale`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "kebab-case")]
pub enum WarmAnswer {
    /// A method is about to run: where the worker crashes next, it crashed in this one.
    Begins {
        /// Its id.
        method: String,
        /// The library that it comes from.
        file: PathBuf,
    },
    /// A picture was written.
    Explained(Box<Explained>),
    /// Something the user should know.
    Remark {
        /// A sentence.
        text: String,
    },
    /// All pictures were written.
    Done,
    /// The request cannot be answered; the worker lives on.
    Failed {
        /// The sentence.
        message: String,
        /// Exit code: 1 failed, 2 bad input.
        code: i32,
    },
    /// Plugins were installed or removed since the worker began, so it ends; another one shall be asked.
    Stale,
}
