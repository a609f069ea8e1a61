//! The pickles of before torch 1.6, one after the other: a magic number, a version, facts of the machine, the weights, the list
//! of storages; then the storages, each with its number of elements before it.

use std::collections::HashMap;
use std::fs::File;
use std::io::{BufReader, Seek, SeekFrom};
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::super::error::{Result, WeightsError};
use super::super::file::{Blob, Contents};
use super::super::pickle::{Machine, Pickled, Source, StorageStyle, Value};
use super::{contents, pickle_error};

/// torch's magic number, little-endian.
const MAGIC: [u8; 10] = [0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];
/// The version of this layout.
const PROTOCOL: i64 = 1001;
/// Bytes of the number before each storage.
const COUNT_BYTES: u64 = 8;

pub fn read(path: &Path, file: &File, length: u64) -> Result<Contents> {
    let mut reader = file.try_clone().map_err(WeightsError::read(path))?;
    reader.seek(SeekFrom::Start(0)).map_err(WeightsError::read(path))?;
    let mut source = Source::new(BufReader::new(reader), length);
    let mut next = |style| Machine::new(&mut source, style).run().map_err(pickle_error(path));
    let magic = next(StorageStyle::Refused)?;
    if !matches!(magic.get(magic.root), Value::Big(bytes) if *bytes == MAGIC) {
        return Err(WeightsError::format(path, "it is a Python pickle, but not one that torch.save wrote"));
    }
    let protocol = next(StorageStyle::Refused)?;
    if !matches!(protocol.get(protocol.root), Value::Int(PROTOCOL)) {
        return Err(WeightsError::format(path, "torch.save wrote it in a version that is not known"));
    }
    let facts = next(StorageStyle::Refused)?;
    if let Some(little) = facts.entry(facts.root, "little_endian")
        && matches!(facts.get(little), Value::Bool(false))
    {
        return Err(WeightsError::format(
            path,
            "it was written on a big-endian machine; load and save it again on a little-endian one",
        ));
    }
    let pickled = next(StorageStyle::Allowed)?;
    let keys = next(StorageStyle::Refused)?;
    let places = places(path, file, length, &pickled, &keys, source.consumed())?;
    contents(path, &pickled, |key| {
        places.get(key).map(|(start, bytes)| Blob::Plain { start: *start, bytes: *bytes }).ok_or_else(|| {
            WeightsError::format(path, format!("the storage {key} is not in the file; get the file again"))
        })
    })
}

/// Start and length in bytes of each storage, by key.
fn places(
    path: &Path,
    file: &File,
    length: u64,
    pickled: &Pickled,
    keys: &Pickled,
    mut at: u64,
) -> Result<HashMap<String, (u64, u64)>> {
    let cut_short = || WeightsError::format(path, "it is cut short within the storages; get the file again");
    let Value::List(list) = keys.get(keys.root) else {
        return Err(WeightsError::format(path, "it has no list of storages"));
    };
    // One key has one type of elements: views name the type of the storage that they are of.
    let elements: HashMap<&str, u64> = pickled
        .storages
        .iter()
        .map(|storage| (storage.key.as_str(), storage.element.map_or(1, |element| element.bytes() as u64)))
        .collect();
    let mut places = HashMap::new();
    for key in list {
        let key = match keys.get(*key) {
            Value::Text(text) => text.clone(),
            Value::Int(number) => number.to_string(),
            _ => return Err(WeightsError::format(path, "the list of storages has something that is no key")),
        };
        let size = elements.get(key.as_str()).ok_or_else(|| {
            WeightsError::format(path, format!("the storage {key} belongs to nothing; get the file again"))
        })?;
        let mut count = [0; COUNT_BYTES as usize];
        if at.checked_add(COUNT_BYTES).is_none_or(|end| end > length) {
            return Err(cut_short());
        }
        file.read_exact_at(&mut count, at).map_err(WeightsError::read(path))?;
        let bytes = u64::from_le_bytes(count).checked_mul(*size).ok_or_else(cut_short)?;
        let start = at + COUNT_BYTES;
        at = start.checked_add(bytes).filter(|end| *end <= length).ok_or_else(cut_short)?;
        places.insert(key, (start, bytes));
    }
    Ok(places)
}
