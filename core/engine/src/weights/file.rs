//! A weights file: its table of contents, and its tensors one by one.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use serde::Serialize;
use tch::{Kind, Tensor};

use super::element::ElementType;
use super::error::{Result, WeightsError};
use super::{safetensors, torch_file};

/// Bytes that tell the formats apart.
const START: usize = 16;
/// Most elements of a tensor whose strides repeat elements, so that it is larger than what is stored of it.
const LARGEST_REPEATED: u64 = 1 << 24;

/// How a file keeps its tensors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum FileFormat {
    /// Safetensors.
    Safetensors,
    /// `torch.save` since torch 1.6.
    TorchZip,
    /// `torch.save` before torch 1.6.
    TorchLegacy,
}

/// What the file says of a tensor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct TensorInfo {
    /// Its name.
    pub name: String,
    /// Type of its elements.
    pub dtype: ElementType,
    /// Its sides.
    pub shape: Vec<usize>,
}

/// Where bytes are in the file.
#[derive(Clone, Copy, Debug)]
pub(super) enum Blob {
    /// As they are.
    Plain { start: u64, bytes: u64 },
    /// In a compressed part of a zip archive.
    Compressed { index: usize, bytes: u64 },
}

impl Blob {
    pub(super) fn bytes(self) -> u64 {
        match self {
            Blob::Plain { bytes, .. } | Blob::Compressed { bytes, .. } => bytes,
        }
    }
}

/// A tensor in a blob, checked to lie within it.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    info: TensorInfo,
    stride: Vec<i64>,
    blob: usize,
    /// First element in the blob, and elements from there to the last one.
    offset: u64,
    span: u64,
}

impl Stored {
    /// None if it does not lie within `blob_bytes`, or a number is out of range.
    pub(super) fn new(
        name: String,
        dtype: ElementType,
        shape: &[u64],
        stride: &[u64],
        offset: u64,
        blob: usize,
        blob_bytes: u64,
    ) -> Option<Self> {
        let mut last = 0_u64;
        let mut count = 1_u64;
        for (side, step) in shape.iter().zip(stride) {
            i64::try_from(*side).ok()?;
            count = count.checked_mul(*side)?;
            last = last.checked_add(side.saturating_sub(1).checked_mul(*step)?)?;
        }
        let span = if count == 0 { 0 } else { last.checked_add(1)? };
        let end = offset.checked_add(span)?.checked_mul(dtype.bytes() as u64)?;
        if count > 0 && end > blob_bytes {
            return None;
        }
        if count > span && count > LARGEST_REPEATED {
            return None;
        }
        Some(Stored {
            info: TensorInfo {
                name,
                dtype,
                shape: shape.iter().map(|side| usize::try_from(*side).ok()).collect::<Option<_>>()?,
            },
            stride: stride.iter().map(|step| i64::try_from(*step).ok()).collect::<Option<_>>()?,
            blob,
            offset,
            span,
        })
    }
}

/// What a reader of a format finds.
pub(super) struct Contents {
    pub(super) tensors: Vec<Stored>,
    pub(super) blobs: Vec<Blob>,
    pub(super) metadata: BTreeMap<String, String>,
}

/// An open weights file.
pub struct WeightsFile {
    path: PathBuf,
    file: File,
    format: FileFormat,
    contents: Contents,
}

impl std::fmt::Debug for WeightsFile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WeightsFile").field("path", &self.path).field("format", &self.format).finish_non_exhaustive()
    }
}

impl WeightsFile {
    /// Reads the table of contents. Which format it is in is told from its first bytes, not from its name.
    ///
    /// # Errors
    /// The file cannot be read, is damaged, or is not one of weights.
    pub fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(WeightsError::read(path))?;
        let facts = file.metadata().map_err(WeightsError::read(path))?;
        if !facts.is_file() {
            return Err(WeightsError::format(path, "it is not a file; give a .safetensors, .pth or .pt file"));
        }
        let length = facts.len();
        let mut start = [0; START];
        let known = START.min(usize::try_from(length).unwrap_or(START));
        file.read_exact_at(&mut start[..known], 0).map_err(WeightsError::read(path))?;
        let start = &start[..known];
        let (format, contents) = if torch_file::looks_like_zip(start) {
            (FileFormat::TorchZip, torch_file::read_zip(path, &file, length)?)
        } else if safetensors::looks_like(start, length) {
            (FileFormat::Safetensors, safetensors::read(path, &file, length)?)
        } else if torch_file::looks_like_pickle(start) {
            (FileFormat::TorchLegacy, torch_file::read_legacy(path, &file, length)?)
        } else {
            return Err(WeightsError::format(
                path,
                "it is neither safetensors nor what torch.save writes; if it was downloaded, it may be cut short or an error \
                 page",
            ));
        };
        Ok(WeightsFile { path: path.to_owned(), file, format, contents })
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its format.
    pub fn format(&self) -> FileFormat {
        self.format
    }

    /// What safetensors calls metadata; empty for other formats.
    pub fn metadata(&self) -> &BTreeMap<String, String> {
        &self.contents.metadata
    }

    /// What it has, in its own order. Names are as they are in the file.
    pub fn tensors(&self) -> impl ExactSizeIterator<Item = &TensorInfo> {
        self.contents.tensors.iter().map(|stored| &stored.info)
    }

    /// Reads a tensor by its place in [`Self::tensors`]: on the CPU, row-major, of the file's own type.
    ///
    /// # Errors
    /// There is none, the file cannot be read, or libtorch lacks its type.
    pub fn read(&self, index: usize) -> Result<Tensor> {
        let stored = self.contents.tensors.get(index).ok_or_else(|| {
            WeightsError::format(&self.path, format!("there is no tensor {index} of {}", self.contents.tensors.len()))
        })?;
        let TensorInfo { name, dtype, shape } = &stored.info;
        let kind = dtype.kind().ok_or_else(|| {
            WeightsError::tensor(&self.path, name, format!("is of type {dtype}, which is not read; save it as float32"))
        })?;
        let shape: Vec<i64> = shape.iter().map(|side| *side as i64).collect();
        let torch = WeightsError::torch(&self.path);
        if stored.span == 0 {
            return Tensor::f_zeros(&shape, (kind, tch::Device::Cpu)).map_err(torch);
        }
        let mut bytes = self.bytes(stored)?;
        if kind == Kind::Bool {
            // Any other value of a bool is undefined in C++.
            bytes.iter_mut().for_each(|byte| *byte = u8::from(*byte != 0));
        }
        let flat = Tensor::f_from_data_size(&bytes, &[stored.span as i64], kind).map_err(&torch)?;
        let shaped = flat.f_as_strided(&shape, &stored.stride, None::<i64>).map_err(&torch)?;
        shaped.f_contiguous().map_err(torch)
    }

    /// Reads every tensor, by name.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn read_all(&self) -> Result<BTreeMap<String, Tensor>> {
        self.tensors().enumerate().map(|(index, info)| Ok((info.name.clone(), self.read(index)?))).collect()
    }

    fn bytes(&self, stored: &Stored) -> Result<Vec<u8>> {
        let size = stored.info.dtype.bytes() as u64;
        let damaged = || WeightsError::tensor(&self.path, &stored.info.name, "lies beyond the end of the file");
        let (first, count) = (stored.offset * size, stored.span * size);
        match self.contents.blobs.get(stored.blob).copied().ok_or_else(damaged)? {
            Blob::Plain { start, .. } => {
                let mut bytes = vec![0; usize::try_from(count).map_err(|_| damaged())?];
                self.file.read_exact_at(&mut bytes, start + first).map_err(WeightsError::read(&self.path))?;
                Ok(bytes)
            }
            Blob::Compressed { index, bytes } => {
                let whole = torch_file::inflate(&self.path, &self.file, index, bytes)?;
                let part = usize::try_from(first).ok().zip(usize::try_from(first + count).ok());
                let part = part.and_then(|(first, end)| whole.get(first..end)).ok_or_else(damaged)?;
                Ok(part.to_vec())
            }
        }
    }
}
