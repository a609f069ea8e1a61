//! Reading a checkpoint, and falling back to the one before when it is damaged.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use tch::Tensor;

use super::error::CheckpointError;
use super::manifest::Manifest;
use super::{MANIFEST, OPTIMIZER, WEIGHTS, previous};
use crate::weights::WeightsFile;

/// A checkpoint in memory.
#[derive(Debug)]
pub struct Checkpoint {
    /// Where it was read from.
    pub path: PathBuf,
    /// Its manifest.
    pub manifest: Manifest,
    /// Why a newer one was passed over.
    pub passed_over: Option<String>,
    weights: BTreeMap<String, Tensor>,
    optimizer: Option<BTreeMap<String, Tensor>>,
}

/// Reads the checkpoint `name` of `folder`; none when there is none. When it is damaged or missing, the one before it is
/// read if there is one.
///
/// # Errors
/// When there is only a damaged or unreadable one.
pub fn load(folder: &Path, name: &str) -> Result<Option<Checkpoint>, CheckpointError> {
    let newest = match read(&folder.join(name)) {
        Ok(Some(checkpoint)) => return Ok(Some(checkpoint)),
        Ok(None) => None,
        Err(error) => Some(error),
    };
    match (read(&folder.join(previous(name))), newest) {
        (Ok(Some(mut older)), newest) => {
            older.passed_over = newest.map(|error| error.to_string());
            Ok(Some(older))
        }
        (_, Some(error)) | (Err(error), None) => Err(error),
        (Ok(None), None) => Ok(None),
    }
}

fn read(path: &Path) -> Result<Option<Checkpoint>, CheckpointError> {
    match fs::metadata(path) {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(CheckpointError::read(path)(error)),
    }
    let file = path.join(MANIFEST);
    let manifest = Manifest::unseal(&fs::read(&file).map_err(missing_or_unreadable(&file))?)
        .map_err(|why| CheckpointError::damaged(&file, why))?;
    let load = |name: &str| -> Result<Option<BTreeMap<String, Tensor>>, CheckpointError> {
        let Some(record) = manifest.files.iter().find(|record| record.name == name) else { return Ok(None) };
        let file = path.join(name);
        let mut hasher = blake3::Hasher::new();
        let mut content = fs::File::open(&file).map_err(missing_or_unreadable(&file))?;
        let length = io::copy(&mut content, &mut hasher).map_err(CheckpointError::read(&file))?;
        if length != record.bytes {
            let why = format!("it has {length} bytes instead of {}", record.bytes);
            return Err(CheckpointError::damaged(&file, why));
        }
        if hasher.finalize().to_hex().as_str() != record.blake3 {
            return Err(CheckpointError::damaged(&file, "its hash does not agree with the manifest"));
        }
        let tensors = WeightsFile::open(&file).and_then(|open| open.read_all());
        tensors.map(Some).map_err(|why| CheckpointError::damaged(&file, why.to_string()))
    };
    let weights = load(WEIGHTS)?.ok_or_else(|| CheckpointError::damaged(&file, format!("it lists no {WEIGHTS}")))?;
    let optimizer = load(OPTIMIZER)?;
    Ok(Some(Checkpoint { path: path.to_path_buf(), manifest, passed_over: None, weights, optimizer }))
}

fn missing_or_unreadable(path: &Path) -> impl Fn(io::Error) -> CheckpointError {
    move |error| match error.kind() {
        io::ErrorKind::NotFound => CheckpointError::damaged(path, "the file is missing"),
        _ => CheckpointError::read(path)(error),
    }
}

impl Checkpoint {
    /// The folder's name, for example `last`.
    pub fn name(&self) -> String {
        self.path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
    }

    /// Copies the weights into a network's variables; device and memory format of these do not change.
    ///
    /// # Errors
    /// When a variable is missing or has another shape.
    pub fn restore_weights(&self, variables: &[(String, Tensor)]) -> Result<(), CheckpointError> {
        self.restore(&self.weights, variables)
    }

    /// Copies the optimizer's tensors.
    ///
    /// # Errors
    /// When the checkpoint has no optimizer, or a tensor is missing or has another shape.
    pub fn restore_optimizer(&self, state: &[(String, Tensor)]) -> Result<(), CheckpointError> {
        let saved = self
            .optimizer
            .as_ref()
            .ok_or_else(|| CheckpointError::unfit(&self.path, "it holds no optimizer to resume with"))?;
        self.restore(saved, state)
    }

    fn restore(&self, saved: &BTreeMap<String, Tensor>, into: &[(String, Tensor)]) -> Result<(), CheckpointError> {
        let unfit = |why: String| CheckpointError::unfit(&self.path, why);
        if saved.len() != into.len() {
            return Err(unfit(format!("it has {} tensors, the network {}", saved.len(), into.len())));
        }
        let _no_grad = tch::no_grad_guard();
        for (name, tensor) in into {
            let from = saved.get(name).ok_or_else(|| unfit(format!("it has no tensor {name}")))?;
            if from.size() != tensor.size() || from.kind() != tensor.kind() {
                let (found, wanted) = (from.size(), tensor.size());
                return Err(unfit(format!("{name} has shape {found:?}, the network has {wanted:?}")));
            }
            tensor.shallow_clone().f_copy_(from).map_err(|e| unfit(format!("{name} cannot be copied ({e})")))?;
        }
        Ok(())
    }
}
