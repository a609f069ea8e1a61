//! The safetensors format: eight bytes of length, a header of JSON, then the tensors' bytes.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;

use serde_json::{Map, Value, json};
use tch::{Device, Kind, Tensor};

use super::element::ElementType;
use super::error::{Result, WeightsError};
use super::file::{Blob, Contents, Stored};

/// Bytes of the header's length.
const LENGTH_BYTES: u64 = 8;
/// Longest header: the format's own limit.
const LONGEST_HEADER: u64 = 100_000_000;
/// The data begins at a multiple of this.
const ALIGNMENT: usize = 8;
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

/// Writes tensors, row by row whatever their memory format and device, one at a time. `metadata` goes into the header.
///
/// # Errors
/// `out` fails, two tensors have one name, or one is of a type that no file keeps.
pub fn write(
    out: &mut impl Write,
    tensors: &[(String, Tensor)],
    metadata: &BTreeMap<String, String>,
) -> io::Result<()> {
    // Wide elements first, so that each lies at a multiple of its size: torch maps them as they are.
    let mut tensors: Vec<&(String, Tensor)> = tensors.iter().collect();
    tensors.sort_by_key(|(_, tensor)| std::cmp::Reverse(tensor.kind().elt_size_in_bytes()));
    let mut entries = Map::new();
    if !metadata.is_empty() {
        entries.insert(METADATA.to_owned(), json!(metadata));
    }
    let mut offset = 0;
    for (name, tensor) in &tensors {
        let kind = tensor.kind();
        let element = ElementType::of_kind(kind)
            .ok_or_else(|| io::Error::other(format!("`{name}` is of type {kind:?}, which no file keeps")))?;
        let end = offset + tensor.numel() * element.bytes();
        let entry = json!({ "dtype": element.safetensors(), "shape": tensor.size(), "data_offsets": [offset, end] });
        if entries.insert(name.clone(), entry).is_some() {
            return Err(io::Error::other(format!("`{name}` is the name of two tensors")));
        }
        offset = end;
    }
    let mut header = serde_json::to_vec(&Value::Object(entries))?;
    header.resize(header.len().next_multiple_of(ALIGNMENT), b' ');
    out.write_all(&(header.len() as u64).to_le_bytes())?;
    out.write_all(&header)?;
    let mut bytes = Vec::new();
    for (_, tensor) in tensors {
        row_by_row(tensor, &mut bytes).map_err(io::Error::other)?;
        out.write_all(&bytes)?;
    }
    Ok(())
}

fn row_by_row(tensor: &Tensor, bytes: &mut Vec<u8>) -> Result<(), tch::TchError> {
    let mut rows = tensor.detach().f_to_device(Device::Cpu)?.f_contiguous()?;
    if rows.kind() == Kind::Bool {
        // One byte here and in the file.
        rows = rows.f_to_kind(Kind::Uint8)?;
    }
    bytes.resize(rows.numel() * rows.kind().elt_size_in_bytes(), 0);
    rows.f_copy_data_u8(bytes, rows.numel())
}

#[cfg(test)]
mod tests {
    use super::super::file::WeightsFile;
    use super::*;

    #[test]
    fn tensors_come_back_from_any_type_and_memory_format() {
        let random = |kind| (Tensor::randn([4, 3, 2, 5], (Kind::Float, Device::Cpu)) * 50).to_kind(kind);
        let kinds = [Kind::Float, Kind::Double, Kind::Half, Kind::BFloat16, Kind::Int64, Kind::Int, Kind::Int16];
        let kinds = kinds.into_iter().chain([Kind::Int8, Kind::Uint8, Kind::Bool]);
        let mut tensors: Vec<(String, Tensor)> = kinds.map(|kind| (format!("{kind:?}"), random(kind))).collect();
        tensors.push(("turned".into(), crate::torch::to_channels_last(&tensors[0].1).unwrap()));
        tensors.push(("scalar".into(), Tensor::from(7_i64)));
        tensors.push(("nothing".into(), Tensor::zeros([0, 3], (Kind::Float, Device::Cpu))));
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("some.safetensors");
        write(&mut File::create(&path).unwrap(), &tensors, &BTreeMap::new()).unwrap();
        let file = WeightsFile::open(&path).unwrap();
        let read = file.read_all().unwrap();
        assert_eq!(read.len(), tensors.len());
        for (name, tensor) in &tensors {
            let found = &read[name];
            assert_eq!((found.kind(), found.size()), (tensor.kind(), tensor.size()), "{name}");
            assert!(found.equal(tensor), "{name}");
        }
    }

    #[test]
    fn what_no_file_keeps_is_refused_before_anything_is_written() {
        let one = || Tensor::from(1_i64);
        let mut out = Vec::new();
        let twice = write(&mut out, &[("a".into(), one()), ("a".into(), one())], &BTreeMap::new()).unwrap_err();
        assert!(twice.to_string().contains("`a` is the name of two tensors"), "{twice}");
        let complex = one().to_kind(Kind::ComplexFloat);
        let complex = write(&mut out, &[("a".into(), complex)], &BTreeMap::new()).unwrap_err();
        assert!(complex.to_string().contains("ComplexFloat"), "{complex}");
        assert_eq!(out, [0_u8; 0]);
    }
}
