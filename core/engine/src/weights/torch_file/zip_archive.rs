//! The zip archive of torch 1.6 and later: `NAME/data.pkl`, and each storage as `NAME/data/KEY`.

use std::fs::File;
use std::io::{BufReader, Read};
use std::path::Path;

use zip::{CompressionMethod, ZipArchive};

use super::super::error::{Result, WeightsError};
use super::super::file::{Blob, Contents};
use super::super::pickle::{Machine, Source, StorageStyle};
use super::{contents, pickle_error};

/// Largest pickle of an archive: names and shapes are far smaller.
const LARGEST_PICKLE: u64 = 1 << 26;
/// Most that a compressed part may grow by: weights are noise and hardly shrink.
const MOST_GROWTH: u64 = 64;

type Archive = ZipArchive<BufReader<File>>;

fn open(path: &Path, file: &File) -> Result<Archive> {
    let file = file.try_clone().map_err(WeightsError::read(path))?;
    ZipArchive::new(BufReader::new(file)).map_err(|error| broken(path, &error))
}

fn broken(path: &Path, error: &zip::result::ZipError) -> WeightsError {
    WeightsError::format(path, format!("the zip archive is damaged or cut short ({error}); get the file again"))
}

pub fn read(path: &Path, file: &File, length: u64) -> Result<Contents> {
    let mut archive = open(path, file)?;
    let root = root(path, &archive)?;
    if let Some(order) = archive.index_for_name(&format!("{root}byteorder"))
        && whole(path, &mut archive, order, LARGEST_PICKLE)? != b"little"
    {
        return Err(WeightsError::format(
            path,
            "it was written on a big-endian machine; load and save it again on a little-endian one",
        ));
    }
    let pickle = match archive.index_for_name(&format!("{root}data.pkl")) {
        Some(index) => whole(path, &mut archive, index, LARGEST_PICKLE)?,
        None => return Err(WeightsError::format(path, "the archive has no data.pkl")),
    };
    let mut source = Source::new(pickle.as_slice(), pickle.len() as u64);
    let pickled = Machine::new(&mut source, StorageStyle::Allowed).run().map_err(pickle_error(path))?;
    contents(path, &pickled, |key| {
        let name = format!("{root}data/{key}");
        let lost = || WeightsError::format(path, format!("the archive has no part {name}; get the file again"));
        let index = archive.index_for_name(&name).ok_or_else(lost)?;
        let part = archive.by_index_raw(index).map_err(|error| broken(path, &error))?;
        let (size, packed) = (part.size(), part.compressed_size());
        if part.encrypted() {
            return Err(WeightsError::format(path, "the archive is encrypted"));
        }
        if part.compression() != CompressionMethod::Stored {
            if size / MOST_GROWTH > packed.min(length) {
                return Err(WeightsError::format(path, format!("{name} grows from {packed} bytes to {size}")));
            }
            return Ok(Blob::Compressed { index, bytes: size });
        }
        match part.data_start() {
            Some(start) if size == packed && start.checked_add(size).is_some_and(|end| end <= length) => {
                Ok(Blob::Plain { start, bytes: size })
            }
            _ => Err(WeightsError::format(path, format!("{name} reaches beyond the end of the file; get it again"))),
        }
    })
}

/// What stands before `data.pkl`: the name that the file had when it was saved, and a slash.
fn root(path: &Path, archive: &Archive) -> Result<String> {
    let names = || archive.file_names().filter_map(std::result::Result::ok);
    if names().any(|name| name.ends_with("/constants.pkl") || name == "constants.pkl") {
        return Err(WeightsError::format(
            path,
            "it is a TorchScript archive, which holds code; in Python, save `torch.jit.load(file).state_dict()`",
        ));
    }
    let root = names()
        .filter_map(|name| name.strip_suffix("data.pkl").map(str::to_owned))
        .find(|root| root.is_empty() || (root.ends_with('/') && root.matches('/').count() == 1));
    root.ok_or_else(|| {
        WeightsError::format(path, "it is a zip archive but not one that torch.save wrote: it has no data.pkl")
    })
}

/// A part of the archive as bytes, at most `limit` of them.
fn whole(path: &Path, archive: &mut Archive, index: usize, limit: u64) -> Result<Vec<u8>> {
    let part = archive.by_index(index).map_err(|error| broken(path, &error))?;
    let mut bytes = Vec::new();
    // Memory grows with what is read, not with the size that the archive claims.
    part.take(limit + 1).read_to_end(&mut bytes).map_err(WeightsError::read(path))?;
    if bytes.len() as u64 > limit {
        return Err(WeightsError::format(path, format!("a part of the archive is larger than {limit} bytes")));
    }
    Ok(bytes)
}

/// The bytes of a compressed storage.
pub fn inflate(path: &Path, file: &File, index: usize, bytes: u64) -> Result<Vec<u8>> {
    let mut archive = open(path, file)?;
    let found = whole(path, &mut archive, index, bytes)?;
    if found.len() as u64 != bytes {
        return Err(WeightsError::format(path, "a part of the archive is shorter than it says; get the file again"));
    }
    Ok(found)
}
