//! `config.toml`: what the user decides about queue, slots and cluster.

use std::path::{Path, PathBuf};

use lightbox_store::{StoreError, toml_error};
use serde::Deserialize;

use crate::slurm::SlurmSettings;
use crate::{Result, SchedulerError};

/// The part of `config.toml` that the daemon reads, at its start.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// `[queue]`
    pub queue: QueueSettings,
    /// `[slots]`
    pub slots: SlotSettings,
    /// `[warm]`
    pub warm: WarmSettings,
    /// `[slurm]`
    pub slurm: SlurmSettings,
}

/// Where jobs run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ExecutorChoice {
    /// Processes of this machine.
    #[default]
    Local,
    /// Jobs of a Slurm cluster.
    Slurm,
}

/// `[queue]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct QueueSettings {
    /// `local` or `slurm`.
    pub executor: ExecutorChoice,
    /// How often a job is queued again by itself when memory ran out, its worker was killed or its node lost, without a
    /// checkpoint in between.
    pub retries: u32,
    /// Seconds between asking a worker to stop, SIGTERM and SIGKILL.
    pub grace_seconds: f64,
    /// Minutes without jobs and clients after which the daemon ends; it starts again by itself.
    pub idle_exit_minutes: f64,
    /// Jobs that are given to the cluster at once.
    pub cluster_jobs: usize,
}

impl Default for QueueSettings {
    fn default() -> Self {
        Self {
            executor: ExecutorChoice::Local,
            retries: 3,
            grace_seconds: 20.0,
            idle_exit_minutes: 60.0,
            cluster_jobs: 100,
        }
    }
}

/// `[slots]`
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SlotSettings {
    /// Jobs at once on the processor.
    pub cpu: usize,
    /// Jobs at once on each GPU.
    pub jobs_per_gpu: usize,
    /// GPUs to leave alone, by UUID or its beginning, or by number in PCI order.
    pub leave_alone: Vec<String>,
}

impl Default for SlotSettings {
    fn default() -> Self {
        Self { cpu: 1, jobs_per_gpu: 1, leave_alone: Vec::new() }
    }
}

/// `[warm]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WarmSettings {
    /// Networks that are kept loaded; the least recently used goes first.
    pub keep: usize,
    /// Minutes without a request after which one is let go.
    pub idle_minutes: f64,
}

impl Default for WarmSettings {
    fn default() -> Self {
        Self { keep: 2, idle_minutes: 10.0 }
    }
}

impl Settings {
    /// `$XDG_CONFIG_HOME/lightbox/config.toml`, else `~/.config/lightbox/config.toml`.
    pub fn path() -> Option<PathBuf> {
        let from = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
        let folder = from("XDG_CONFIG_HOME").or_else(|| from("HOME").map(|home| home.join(".config")))?;
        Some(folder.join("lightbox/config.toml"))
    }

    /// Reads the user's file; without one, all is as by default.
    ///
    /// # Errors
    /// When the file cannot be read, or a key or value is not known.
    pub fn read() -> Result<Self> {
        let Some(path) = Self::path() else { return Ok(Self::default()) };
        match std::fs::read_to_string(&path) {
            Ok(text) => Self::parse(&path, &text),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(e) => Err(StoreError::io("read", &path, e).into()),
        }
    }

    fn parse(path: &Path, text: &str) -> Result<Self> {
        let settings: Self = toml::from_str(text).map_err(|e| toml_error::describe(path, text, &e))?;
        settings.check(path)?;
        Ok(settings)
    }

    fn check(&self, path: &Path) -> Result<()> {
        let refuse = |key: &str, need: &str| -> Result<()> {
            Err(SchedulerError::Store(StoreError::content(path, format!("{key}: {need}"))))
        };
        let seconds = |value: f64| value.is_finite() && (0.0..=1e7).contains(&value);
        if !seconds(self.queue.grace_seconds) {
            return refuse("queue.grace_seconds", "give a number that is not negative");
        }
        if !seconds(self.queue.idle_exit_minutes) || !seconds(self.warm.idle_minutes) {
            return refuse("idle_exit_minutes, idle_minutes", "give numbers that are not negative");
        }
        if !(1..=256).contains(&self.slots.jobs_per_gpu) || !(1..=1024).contains(&self.slots.cpu) {
            return refuse("slots", "cpu is 1 to 1024, jobs_per_gpu 1 to 256");
        }
        if let Err(error) = self.slurm.check() {
            return refuse("slurm", &error.to_string());
        }
        if !(1..=10_000).contains(&self.queue.cluster_jobs) {
            return refuse("queue.cluster_jobs", "give 1 to 10000");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> std::result::Result<Settings, String> {
        Settings::parse(Path::new("config.toml"), text).map_err(|e| e.to_string())
    }

    #[test]
    fn what_is_left_out_is_as_by_default() {
        let settings =
            parse("[slots]\ncpu = 3\nleave_alone = [\"GPU-1\", \"2\"]\n[queue]\nexecutor = \"slurm\"\n").unwrap();
        assert_eq!((settings.slots.cpu, settings.slots.jobs_per_gpu, settings.queue.retries), (3, 1, 3));
        assert_eq!(settings.queue.executor, ExecutorChoice::Slurm);
    }

    #[test]
    fn the_manual_shows_every_key_with_its_default() {
        let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/queue.md")).unwrap();
        let blocks: Vec<&str> = page.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
        assert_eq!(parse(blocks[0]).unwrap(), Settings::default());
        let keys = ["executor", "retries", "grace_seconds", "idle_exit_minutes", "cluster_jobs"];
        let keys = keys.iter().chain(&["cpu", "jobs_per_gpu", "leave_alone", "keep", "idle_minutes"]);
        for key in keys {
            assert!(blocks[0].lines().any(|line| line.starts_with(&format!("{key} = "))), "{key}");
        }
        assert_eq!(parse(blocks[1]).unwrap().slurm.partition.as_deref(), Some("gpu"));
    }

    #[test]
    fn mistakes_are_named() {
        let error = parse("[slots]\ncpus = 3\n").unwrap_err();
        assert!(error.contains("line 2") && error.contains("\"cpu\""), "{error}");
        assert!(parse("[slots]\ncpu = 0\n").unwrap_err().contains("1 to 1024"));
        assert!(parse("[queue]\ngrace_seconds = nan\n").unwrap_err().contains("grace_seconds"));
        assert!(parse("[queue]\nexecutor = \"pbs\"\n").unwrap_err().contains("executor"));
    }
}
