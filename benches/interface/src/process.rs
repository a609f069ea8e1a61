//! What a process takes of the machine, by `/proc`.

use anyhow::{Context, Result};

/// User and system time, in seconds.
///
/// # Errors
/// When the process is gone.
pub fn processor_seconds(pid: u32) -> Result<f64> {
    // In nanoseconds for each thread, where `stat` counts hundredths of a second.
    let mut nanoseconds = 0.0;
    for thread in std::fs::read_dir(format!("/proc/{pid}/task"))? {
        let text = std::fs::read_to_string(thread?.path().join("schedstat"))?;
        nanoseconds += text.split_whitespace().next().context("schedstat")?.parse::<f64>()?;
    }
    Ok(nanoseconds / 1e9)
}

/// Resident memory now, in megabytes.
///
/// # Errors
/// When the process is gone.
pub fn resident_megabytes(pid: u32) -> Result<f64> {
    status(pid, "VmRSS:")
}

/// The most resident memory so far, in megabytes.
///
/// # Errors
/// When the process is gone.
pub fn most_resident_megabytes(pid: u32) -> Result<f64> {
    status(pid, "VmHWM:")
}

/// Bytes that the process caused to be written to disks.
///
/// # Errors
/// When the process is gone.
pub fn bytes_to_disk(pid: u32) -> Result<u64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/io"))?;
    let line = text.lines().find_map(|line| line.strip_prefix("write_bytes:")).context("write_bytes")?;
    Ok(line.trim().parse()?)
}

fn status(pid: u32, what: &str) -> Result<f64> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = text.lines().find_map(|line| line.strip_prefix(what)).with_context(|| what.to_owned())?;
    Ok(line.trim().trim_end_matches(" kB").trim().parse::<f64>()? / 1024.0)
}
