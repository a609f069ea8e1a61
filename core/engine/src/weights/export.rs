//! Writes a network's variables as safetensors under torchvision's names, all of it or nothing.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufWriter};
use std::path::Path;

use tch::Tensor;

use super::error::{Result, WeightsError};
use super::safetensors;
use crate::plugin::Variable;

/// The last of a normalisation's variables in torch's order; its counter comes after it.
const VARIANCE: &str = ".running_var";
const COUNTER: &str = ".num_batches_tracked";
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
    let mut notes = BTreeMap::from([("format".to_owned(), "pt".to_owned())]);
    notes.extend(metadata.iter().map(|(key, value)| (key.clone(), value.clone())));
    let name = path.file_name().ok_or_else(|| WeightsError::format(path, "it is no name for a file"))?;
    let aside = path.with_file_name(format!(".{}.{}.writing", name.to_string_lossy(), std::process::id()));
    let written = write(&aside, &list, &notes).and_then(|()| fs::rename(&aside, path));
    if written.is_err() {
        // What was half-written takes the space that the next attempt needs; its own failure would hide the reason.
        let _ = fs::remove_file(&aside);
    }
    written.map_err(WeightsError::write(path))?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(WeightsError::write(path))
}

fn write(path: &Path, list: &[(String, Tensor)], notes: &BTreeMap<String, String>) -> io::Result<()> {
    let mut out = BufWriter::with_capacity(BUFFER, File::create(path)?);
    safetensors::write(&mut out, list, notes)?;
    out.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()
}
