//! What the benches share: the peer's Python, raw arrays and medians.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

/// The Python that has the peers.
///
/// # Errors
/// When it is not installed.
pub fn peer_python() -> Result<PathBuf> {
    let python = std::env::var_os("LIGHTBOX_ORACLE_PYTHON")
        .map(PathBuf::from)
        .context("no Python of the peers; run ./justw bench, which sets LIGHTBOX_ORACLE_PYTHON")?;
    if !python.exists() {
        bail!("{} is not there; run ./justw oracles", python.display());
    }
    Ok(python)
}

/// Runs `benches/SCRIPT ARGUMENTS`.
///
/// # Errors
/// When Python or the script fails.
pub fn run_peer(script: &str, arguments: &[&std::ffi::OsStr]) -> Result<()> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join(script);
    let output = Command::new(peer_python()?).arg(&script).args(arguments).output().context("Python does not start")?;
    if !output.status.success() {
        bail!("{} failed: {}", script.display(), String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}

/// A file of raw little-endian f32.
///
/// # Errors
/// When it cannot be read.
pub fn read_f32(path: &Path) -> Result<Vec<f32>> {
    let bytes = std::fs::read(path).with_context(|| path.display().to_string())?;
    Ok(bytes.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b)).collect())
}

/// The middle value, NaN of none.
pub fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(f64::NAN)
}
