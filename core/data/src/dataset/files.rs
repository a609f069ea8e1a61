//! Writing a file so that it is either there in full or not at all.

use std::io::Write;
use std::path::Path;

use crate::error::{Error, Result};

/// Writes a file through a temporary one beside it: written, synced, renamed, and the folder synced.
pub(crate) fn write_atomic(path: &Path, bytes: &[u8]) -> Result<()> {
    let folder = path.parent().unwrap_or(Path::new("."));
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let temporary = folder.join(format!(".{name}.{}.tmp", std::process::id()));
    // An error names the file that was asked for, not the temporary one.
    let written = write_synced(&temporary, bytes)
        .map_err(|error| match error {
            Error::Io { action, source, .. } => Error::io(action, path, source),
            other => other,
        })
        .and_then(|()| std::fs::rename(&temporary, path).map_err(|source| Error::io("write", path, source)));
    if written.is_err() {
        // The first error is the one that counts.
        let _ = std::fs::remove_file(&temporary);
    }
    written?;
    sync_folder(folder)
}

/// Writes and syncs a file.
pub(crate) fn write_synced(path: &Path, bytes: &[u8]) -> Result<()> {
    let failed = |source| Error::io("write", path, source);
    let mut file = std::fs::File::create(path).map_err(failed)?;
    file.write_all(bytes).map_err(failed)?;
    file.sync_all().map_err(failed)
}

/// Makes a rename in a folder last.
pub(crate) fn sync_folder(folder: &Path) -> Result<()> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    let opened = std::fs::File::open(folder).map_err(|source| Error::io("open", folder, source))?;
    opened.sync_all().map_err(|source| Error::io("sync", folder, source))
}
