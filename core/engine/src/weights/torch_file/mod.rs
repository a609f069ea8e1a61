//! What `torch.save` wrote: a zip archive since torch 1.6, pickles one after the other before.

mod legacy;
mod state_dict;
mod zip_archive;

use std::collections::HashMap;
use std::fs::File;
use std::path::Path;

use super::error::{Result, WeightsError};
use super::file::{Blob, Contents, Stored};
use super::pickle::{PickleError, Pickled};

pub(super) use zip_archive::inflate;

/// First bytes of a zip archive, also of an empty or a split one.
const ZIP: [&[u8]; 3] = [b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08"];
/// First byte of a pickle of protocol 2 or later.
const PICKLE: u8 = 0x80;

/// Whether the first bytes are those of a zip archive.
pub fn looks_like_zip(start: &[u8]) -> bool {
    ZIP.iter().any(|magic| start.starts_with(magic))
}

/// Whether the first bytes are those of pickles.
pub fn looks_like_pickle(start: &[u8]) -> bool {
    start.first() == Some(&PICKLE)
}

/// The tensors of a zip archive.
pub fn read_zip(path: &Path, file: &File, length: u64) -> Result<Contents> {
    zip_archive::read(path, file, length)
}

/// The tensors of pickles one after the other.
pub fn read_legacy(path: &Path, file: &File, length: u64) -> Result<Contents> {
    legacy::read(path, file, length)
}

fn pickle_error(path: &Path) -> impl Fn(PickleError) -> WeightsError {
    let file = path.to_owned();
    move |error| match error {
        PickleError::Broken(why) => {
            WeightsError::format(&file, format!("the pickle is damaged or no weights: {why}; get the file again"))
        }
        PickleError::Dangerous(callable) => WeightsError::Dangerous { file: file.clone(), callable },
        PickleError::PythonObject(class) => WeightsError::PythonObject { file: file.clone(), class },
    }
}

/// Joins the tensors of the pickle with the places of the storages that they need. `place` gives the bytes of a storage by
/// key; each tensor is checked to lie within its storage.
fn contents(path: &Path, pickled: &Pickled, mut place: impl FnMut(&str) -> Result<Blob>) -> Result<Contents> {
    let named = state_dict::tensors(pickled).map_err(|why| WeightsError::format(path, why))?;
    let mut blobs: Vec<Blob> = Vec::new();
    let mut known: HashMap<&str, usize> = HashMap::new();
    let mut tensors = Vec::with_capacity(named.len());
    for (name, number) in named {
        let Some(tensor) = pickled.tensors.get(number) else { continue };
        let Some(storage) = pickled.storages.get(tensor.storage) else { continue };
        let blob = match known.get(storage.key.as_str()) {
            Some(blob) => *blob,
            None => {
                blobs.push(place(&storage.key)?);
                known.insert(&storage.key, blobs.len() - 1);
                blobs.len() - 1
            }
        };
        let offset = tensor.offset.checked_add(storage.view_offset);
        let stored = offset.and_then(|offset| {
            Stored::new(name.clone(), tensor.element, &tensor.shape, &tensor.stride, offset, blob, blobs[blob].bytes())
        });
        tensors.push(stored.ok_or_else(|| {
            WeightsError::tensor(path, &name, "reaches beyond its storage: the file is damaged; get it again")
        })?);
    }
    Ok(Contents { tensors, blobs, metadata: std::collections::BTreeMap::new() })
}
