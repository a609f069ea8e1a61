//! `provenance.json`: written when a job starts, and again when its guarantee ends.

use lightbox_store::run::{PluginUsed, Provenance, hostname};
use tch::Device;

use super::Job;
use crate::failure::{Failure, Result};

/// Writes the provenance of a job.
pub fn provenance(
    job: &Job,
    plugins: Vec<PluginUsed>,
    seed: u64,
    threads: usize,
    device: Device,
    weights: Option<String>,
) -> Result<()> {
    let record = Provenance {
        lightbox: env!("CARGO_PKG_VERSION").to_owned(),
        libtorch: lightbox_engine::device::LIBTORCH_VERSION.to_owned(),
        plugins,
        dataset: job.config.job.dataset().fingerprint.clone(),
        weights,
        seed,
        device: lightbox_engine::device::name(device),
        threads,
        cpu_capability: lightbox_engine::torch::cpu_capability().map_err(Failure::failed)?,
        host: hostname(),
        guarantee_ended: Vec::new(),
    };
    Ok(job.dir.write_json("provenance.json", &record)?)
}

/// Adds a reason why the run's bits are no longer promised to be repeatable.
pub fn guarantee_ended(job: &Job, why: &str) -> Result<()> {
    let mut record: Provenance = job.dir.read_json("provenance.json")?;
    if !record.guarantee_ended.iter().any(|known| known == why) {
        record.guarantee_ended.push(why.to_owned());
        job.dir.write_json("provenance.json", &record)?;
    }
    Ok(())
}
