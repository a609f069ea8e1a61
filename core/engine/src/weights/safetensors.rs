//! The header of a safetensors file: eight bytes of length, JSON, then the tensors' bytes.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use serde_json::Value;

use super::element::ElementType;
use super::error::{Result, WeightsError};
use super::file::{Blob, Contents, Stored};

/// Bytes of the header's length.
const LENGTH_BYTES: u64 = 8;
/// Longest header: the format's own limit.
const LONGEST_HEADER: u64 = 100_000_000;
/// The entry that is no tensor.
const METADATA: &str = "__metadata__";

/// Whether the first bytes are a length that fits the file, and the brace that JSON begins with.
pub fn looks_like(start: &[u8], length: u64) -> bool {
    let Some((count, rest)) = start.split_first_chunk::<8>() else { return false };
    let header = u64::from_le_bytes(*count);
    // A length beyond the file is one cut short, which deserves a sentence of its own; above the limit it is another format.
    rest.first() == Some(&b'{') && header <= LONGEST_HEADER.max(length)
}

pub fn read(path: &Path, file: &File, length: u64) -> Result<Contents> {
    let damaged =
        |why: &str| WeightsError::format(path, format!("the safetensors file is damaged: {why}; get it again"));
    let mut count = [0; LENGTH_BYTES as usize];
    file.read_exact_at(&mut count, 0).map_err(WeightsError::read(path))?;
    let header_length = u64::from_le_bytes(count);
    if header_length > LONGEST_HEADER || LENGTH_BYTES + header_length > length {
        return Err(damaged(&format!("its header of {header_length} bytes does not fit into its {length}")));
    }
    let mut header = vec![0; header_length as usize];
    file.read_exact_at(&mut header, LENGTH_BYTES).map_err(WeightsError::read(path))?;
    let header: Value =
        serde_json::from_slice(&header).map_err(|e| damaged(&format!("its header is no JSON ({e})")))?;
    let Value::Object(entries) = header else { return Err(damaged("its header is no JSON object")) };
    let data = LENGTH_BYTES + header_length;
    let mut contents =
        Contents { tensors: Vec::with_capacity(entries.len()), blobs: Vec::new(), metadata: BTreeMap::new() };
    for (name, entry) in entries {
        if name == METADATA {
            if let Value::Object(pairs) = entry {
                let text = |value: Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                contents.metadata = pairs.into_iter().map(|(key, value)| (key, text(value))).collect();
            }
            continue;
        }
        let numbers = |key: &str| -> Option<Vec<u64>> { entry[key].as_array()?.iter().map(Value::as_u64).collect() };
        let dtype = entry["dtype"].as_str().unwrap_or_default();
        let element = ElementType::of_safetensors(dtype)
            .ok_or_else(|| damaged(&format!("`{name}` is of the type {dtype:?}, which is not known")))?;
        let offsets = numbers("data_offsets");
        let (Some(shape), Some([start, end])) = (numbers("shape"), offsets.as_deref()) else {
            return Err(damaged(&format!("`{name}` has no shape or no place")));
        };
        let bytes = end.checked_sub(*start).filter(|_| data.checked_add(*end).is_some_and(|end| end <= length));
        let bytes = bytes.ok_or_else(|| damaged(&format!("`{name}` lies beyond its end")))?;
        let expected = shape.iter().try_fold(element.bytes() as u64, |product, side| product.checked_mul(*side));
        if expected != Some(bytes) {
            return Err(damaged(&format!("`{name}` of shape {shape:?} has {bytes} bytes")));
        }
        contents.blobs.push(Blob::Plain { start: data + start, bytes });
        let blob = contents.blobs.len() - 1;
        let stored = Stored::new(name.clone(), element, &shape, &row_major(&shape), 0, blob, bytes);
        contents.tensors.push(stored.ok_or_else(|| damaged(&format!("`{name}` has an impossible shape {shape:?}")))?);
    }
    Ok(contents)
}

fn row_major(shape: &[u64]) -> Vec<u64> {
    let mut stride = vec![1_u64; shape.len()];
    for side in (1..shape.len()).rev() {
        stride[side - 1] = stride[side].saturating_mul(shape[side].max(1));
    }
    stride
}
