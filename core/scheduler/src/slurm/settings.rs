//! `[slurm]` of `config.toml`: what the cluster asks of a job.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::SlurmError;

/// What is written into each job script. What is left out is left to the cluster, and to the user's `SBATCH_` variables.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SlurmSettings {
    /// The partition, or several with commas.
    pub partition: Option<String>,
    /// The account that is charged.
    pub account: Option<String>,
    /// The quality of service.
    pub qos: Option<String>,
    /// What a job on a GPU asks for: `gpu:1` when left out, nothing when empty (then say it in `extra`).
    pub gres: Option<String>,
    /// Time limit, for example `12:00:00` or `2-00:00:00`.
    pub time: Option<String>,
    /// Memory of a job, for example `16G`.
    pub memory: Option<String>,
    /// Processors of a job: as many as the threads that it computes with when left out.
    pub cpus_per_task: Option<usize>,
    /// Further options of `sbatch`, one line each, for example `--constraint=a100`.
    pub extra: Vec<String>,
    /// Lines of bash before the worker, for example `module load cuda`.
    pub setup: Vec<String>,
    /// The folder of Slurm's commands, when they are not on the `PATH`.
    pub bin: Option<PathBuf>,
}

/// Options that Lightbox sets itself, or with which one job would not be one job.
const OURS: [&str; 15] = [
    "--array",
    "-a",
    "--chdir",
    "-D",
    "--comment",
    "--error",
    "-e",
    "--job-name",
    "-J",
    "--output",
    "-o",
    "--wait",
    "-W",
    "--wrap",
    "--open-mode",
];

impl SlurmSettings {
    /// Checks that every setting can stand in a job script.
    ///
    /// # Errors
    /// A sentence that names the setting.
    pub fn check(&self) -> Result<(), SlurmError> {
        let refuse = |key: &str, given: &str, need: &str| -> Result<(), SlurmError> {
            Err(SlurmError::Unusable(format!("slurm.{key}: {given:?} cannot be given to sbatch: {need}")))
        };
        for (key, value) in self.words() {
            let strange = |c: char| c.is_whitespace() || c.is_control() || "\"'\\#".contains(c);
            let empty = value.is_empty() && key != "gres";
            if empty || value.contains(strange) {
                return refuse(key, value, "give one word without quotes, spaces, '\\' and '#'");
            }
        }
        for line in self.extra.iter().chain(&self.setup) {
            if line.contains(['\n', '\r', '\0']) {
                return refuse("extra, slurm.setup", line, "give each line as an entry of its own");
            }
        }
        for line in &self.extra {
            let option = directive(line);
            if !option.starts_with('-') {
                return refuse("extra", line, "give an option that begins with '-'");
            }
            // Also `-Jname`, as short options are written.
            let ours = |name: &str| {
                let rest = option.strip_prefix(name);
                rest.is_some_and(|r| name.len() == 2 || r.is_empty() || r.starts_with(['=', ' ', '\t']))
            };
            if let Some(name) = OURS.into_iter().find(|name| ours(name)) {
                return refuse("extra", line, &format!("Lightbox sets {name} itself"));
            }
        }
        match self.cpus_per_task {
            Some(0) => refuse("cpus_per_task", "0", "give 1 or more"),
            _ => Ok(()),
        }
    }

    /// The settings that are one word, by name.
    pub(super) fn words(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let all = [
            ("partition", &self.partition),
            ("account", &self.account),
            ("qos", &self.qos),
            ("gres", &self.gres),
            ("time", &self.time),
            ("memory", &self.memory),
        ];
        all.into_iter().filter_map(|(key, value)| Some((key, value.as_deref()?)))
    }

    /// Variables by which `sbatch` would overrule the job script, which is stronger than what `#SBATCH` lines say.
    pub(super) fn overruling(&self) -> Vec<&'static str> {
        let mut names = vec![
            "SBATCH_ARRAY_INX",
            "SBATCH_CLUSTERS",
            "SBATCH_ERROR",
            "SBATCH_INPUT",
            "SBATCH_JOB_NAME",
            "SBATCH_NO_REQUEUE",
            "SBATCH_OPEN_MODE",
            "SBATCH_OUTPUT",
            "SBATCH_SIGNAL",
            "SBATCH_WAIT",
        ];
        for (key, _) in self.words() {
            names.extend_from_slice(match key {
                "partition" => &["SBATCH_PARTITION"],
                "account" => &["SBATCH_ACCOUNT"],
                "qos" => &["SBATCH_QOS"],
                "gres" => &["SBATCH_GRES"],
                "time" => &["SBATCH_TIMELIMIT"],
                "memory" => &["SBATCH_MEM_PER_NODE", "SBATCH_MEM_PER_CPU", "SBATCH_MEM_PER_GPU"],
                _ => &[],
            });
        }
        names
    }
}

/// A line of `extra` without the `#SBATCH` that people copy with it.
pub(super) fn directive(line: &str) -> &str {
    let line = line.trim();
    line.strip_prefix("#SBATCH").unwrap_or(line).trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(change: impl FnOnce(&mut SlurmSettings)) -> String {
        let mut settings = SlurmSettings::default();
        change(&mut settings);
        settings.check().unwrap_err().to_string()
    }

    #[test]
    fn settings_are_read_and_unknown_ones_refused() {
        let text =
            "partition = \"gpu\"\ntime = \"12:00:00\"\ncpus_per_task = 8\nextra = [\"#SBATCH --constraint=a100\"]\n";
        let settings: SlurmSettings = toml::from_str(text).unwrap();
        settings.check().unwrap();
        assert_eq!((settings.partition.as_deref(), settings.cpus_per_task), (Some("gpu"), Some(8)));
        assert!(toml::from_str::<SlurmSettings>("partitions = \"gpu\"\n").is_err());
        assert_eq!(toml::from_str::<SlurmSettings>("").unwrap(), SlurmSettings::default());
    }

    #[test]
    fn what_cannot_stand_in_a_script_is_named() {
        assert!(refused(|s| s.partition = Some("a b".into())).contains("slurm.partition"));
        assert!(refused(|s| s.memory = Some(String::new())).contains("slurm.memory"));
        assert!(refused(|s| s.time = Some("1\n#SBATCH --array=1-9".into())).contains("slurm.time"));
        assert!(refused(|s| s.setup = vec!["a\nb".into()]).contains("slurm.setup"));
        assert!(refused(|s| s.extra = vec!["constraint=a".into()]).contains("begins with '-'"));
        assert!(refused(|s| s.cpus_per_task = Some(0)).contains("cpus_per_task"));
        for line in ["--array=1-3", "#SBATCH -a 1-3", "-Jname", "--output x", "--wait"] {
            assert!(refused(|s| s.extra = vec![line.into()]).contains("itself"), "{line}");
        }
        let allowed =
            SlurmSettings { gres: Some(String::new()), extra: vec!["--wait-all-nodes=1".into()], ..Default::default() };
        allowed.check().unwrap();
    }

    #[test]
    fn a_setting_wins_over_the_variable_of_the_same_meaning() {
        let settings = SlurmSettings { memory: Some("4G".into()), ..Default::default() };
        assert!(settings.overruling().contains(&"SBATCH_MEM_PER_CPU"));
        assert!(!settings.overruling().contains(&"SBATCH_PARTITION"));
    }
}
