//! Writes a network's variables as safetensors under torchvision's names, all of it or nothing.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

use serde_json::{Map, Value, json};
use tch::{Device, Kind, Tensor};

use super::element::ElementType;
use super::error::{Result, WeightsError};
use crate::plugin::Variable;

/// The last of a normalisation's variables in torch's order; its counter comes after it.
const VARIANCE: &str = ".running_var";
const COUNTER: &str = ".num_batches_tracked";
/// The data begins at a multiple of this.
const ALIGNMENT: usize = 8;
const BUFFER: usize = 1 << 20;

/// Writes variables to `path`, replacing what is there only when everything is on the disk. `batches` is how many batches the
/// normalisations saw in training: torch's `num_batches_tracked`, an int64 for each. `metadata` goes into the header beside
/// torch's own `format = pt`.
///
/// # Errors
/// The disk is full, the folder cannot be written, or a variable is of a type that no file keeps.
pub fn export(path: &Path, variables: &[Variable], batches: i64, metadata: &BTreeMap<String, String>) -> Result<()> {
    let mut list: Vec<(String, Tensor)> = Vec::new();
    for variable in variables {
        list.push((variable.name.clone(), variable.tensor.detach()));
        if let Some(module) = variable.name.strip_suffix(VARIANCE) {
            list.push((format!("{module}{COUNTER}"), Tensor::from(batches)));
        }
    }
    // Wide elements first, so that each lies at a multiple of its size: torch maps them as they are.
    list.sort_by_key(|(_, tensor)| std::cmp::Reverse(tensor.kind().elt_size_in_bytes()));
    let header = header(path, &list, metadata)?;
    let name = path.file_name().ok_or_else(|| WeightsError::format(path, "it is no name for a file"))?;
    let aside = path.with_file_name(format!(".{}.{}.writing", name.to_string_lossy(), std::process::id()));
    let written = write(&aside, &header, &list).and_then(|()| fs::rename(&aside, path));
    if written.is_err() {
        // What was half-written takes the space that the next attempt needs; its own failure would hide the reason.
        let _ = fs::remove_file(&aside);
    }
    written.map_err(WeightsError::write(path))?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(WeightsError::write(path))
}

fn header(path: &Path, list: &[(String, Tensor)], metadata: &BTreeMap<String, String>) -> Result<Vec<u8>> {
    let mut notes = Map::from_iter([("format".to_owned(), Value::from("pt"))]);
    notes.extend(metadata.iter().map(|(key, value)| (key.clone(), Value::from(value.as_str()))));
    let mut entries = Map::from_iter([("__metadata__".to_owned(), Value::Object(notes))]);
    let mut offset = 0;
    for (name, tensor) in list {
        let element = ElementType::of_kind(tensor.kind()).ok_or_else(|| {
            WeightsError::tensor(path, name, format!("is of type {:?}, which no file keeps", tensor.kind()))
        })?;
        let end = offset + tensor.numel() * element.bytes();
        let entry = json!({ "dtype": element.safetensors(), "shape": tensor.size(), "data_offsets": [offset, end] });
        if entries.insert(name.clone(), entry).is_some() {
            return Err(WeightsError::tensor(
                path,
                name,
                "is the name of two variables; report it to the plugin's author",
            ));
        }
        offset = end;
    }
    let mut header = Value::Object(entries).to_string().into_bytes();
    header.resize(header.len().next_multiple_of(ALIGNMENT), b' ');
    Ok(header)
}

fn write(path: &Path, header: &[u8], list: &[(String, Tensor)]) -> io::Result<()> {
    let mut out = BufWriter::with_capacity(BUFFER, File::create(path)?);
    out.write_all(&(header.len() as u64).to_le_bytes())?;
    out.write_all(header)?;
    let mut bytes = Vec::new();
    for (_, tensor) in list {
        let rows = tensor.f_to_device(Device::Cpu).and_then(|t| t.f_contiguous()).map_err(io::Error::other)?;
        // A bool counts as one byte here and in the file.
        let rows =
            if rows.kind() == Kind::Bool { rows.f_to_kind(Kind::Uint8).map_err(io::Error::other)? } else { rows };
        bytes.resize(rows.numel() * rows.kind().elt_size_in_bytes(), 0);
        rows.f_copy_data_u8(&mut bytes, rows.numel()).map_err(io::Error::other)?;
        out.write_all(&bytes)?;
    }
    out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
}
