//! The job script: what Slurm needs to know in `#SBATCH` lines, then the worker in place of the shell.
//!
//! The worker takes the shell's place with `exec`, so it is the process that Slurm signals: a minute before the time limit
//! (`--signal=B:TERM@60`), and when the job is cancelled, queued again or has to make room for another. It then writes a checkpoint
//! and ends with 130.

use std::path::Path;

use lightbox_store::RunDir;

use super::SlurmError;
use super::settings::{SlurmSettings, directive};

/// The job script in the run directory, as it was given to `sbatch`.
pub const SCRIPT_FILE: &str = "slurm.sh";

/// What the job printed, and what Slurm had to say about it.
pub const LOG_FILE: &str = "slurm.log";

/// Seconds before the time limit at which the worker is told to end; Slurm may be a minute early.
const WARN_SECONDS: u32 = 60;

/// A job to be given to Slurm. The paths must mean the same on the machines of the cluster.
#[derive(Clone, Copy, Debug)]
pub struct Submission<'a> {
    /// The run directory.
    pub run: &'a RunDir,
    /// What the job does, in a few words; for people who read the script.
    pub name: &'a str,
    /// The worker program.
    pub worker: &'a Path,
    /// The home.
    pub home: &'a Path,
    /// Whether it computes on a GPU.
    pub gpu: bool,
    /// Threads that it computes with.
    pub threads: usize,
}

/// What Slurm knows a run by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tag {
    /// The job's name: the run's.
    pub name: String,
    /// The job's comment: the run and the last attempt before this job.
    pub comment: String,
}

impl Tag {
    /// The tag of the job that the queue starts, or last started, for this run.
    pub fn of(run: &RunDir) -> Result<Self, SlurmError> {
        let unusable =
            |why: &str| SlurmError::Unusable(format!("{} cannot be a Slurm job: {why}", run.path().display()));
        let name = run.path().file_name().and_then(|n| n.to_str()).unwrap_or_default();
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if name.is_empty() || !name.chars().all(plain) {
            return Err(unusable("its folder's name may hold only letters, digits, '.', '_' and '-'"));
        }
        let entry = run.queue_entry().map_err(|e| SlurmError::Unusable(e.to_string()))?;
        let before = entry.map_or(0, |entry| entry.attempts_before);
        Ok(Self { name: name.to_owned(), comment: format!("lightbox:{name}:{before}") })
    }
}

/// The job script. The run directory as working folder and the place of [`LOG_FILE`] are given on `sbatch`'s command line,
/// because how paths are quoted in `#SBATCH` lines differs between versions.
///
/// # Errors
/// When a setting cannot be given to `sbatch`, or a path holds a line break or is not UTF-8.
pub fn script(settings: &SlurmSettings, submission: &Submission<'_>) -> Result<String, SlurmError> {
    settings.check()?;
    let tag = Tag::of(submission.run)?;
    let threads = submission.threads.max(1);
    let mut lines = vec!["#!/bin/bash".to_owned()];
    let what: String = submission.name.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    lines.push(format!("# Lightbox: {}", what.trim()));
    let mut option = |text: String| lines.push(format!("#SBATCH {text}"));
    option(format!("--job-name={}", tag.name));
    option(format!("--comment={}", tag.comment));
    // Never two jobs of the same run at once, whatever happened between Lightbox and Slurm.
    option("--dependency=singleton".to_owned());
    option("--requeue".to_owned());
    option("--open-mode=append".to_owned());
    option(format!("--signal=B:TERM@{WARN_SECONDS}"));
    option("--nodes=1".to_owned());
    option("--ntasks=1".to_owned());
    option(format!("--cpus-per-task={}", settings.cpus_per_task.unwrap_or(threads)));
    let gres = settings.gres.as_deref().unwrap_or("gpu:1");
    if submission.gpu && !gres.is_empty() {
        option(format!("--gres={gres}"));
    }
    for (key, value) in settings.words().filter(|(key, _)| *key != "gres") {
        let key = if key == "memory" { "mem" } else { key };
        option(format!("--{key}={value}"));
    }
    for line in &settings.extra {
        option(directive(line).to_owned());
    }
    lines.push(String::new());
    lines.extend(settings.setup.iter().cloned());
    let device = if submission.gpu {
        // Slurm counts GPUs as the driver does.
        lines.push("export CUDA_DEVICE_ORDER=PCI_BUS_ID".to_owned());
        "cuda:0"
    } else {
        lines.push("export CUDA_VISIBLE_DEVICES=".to_owned());
        "cpu"
    };
    let (worker, home) = (quoted(submission.worker)?, quoted(submission.home)?);
    let run = quoted(submission.run.path())?;
    lines.push(format!("exec {worker} --home {home} run --heed-stop-file --device {device} {run} </dev/null"));
    lines.push(String::new());
    Ok(lines.join("\n"))
}

/// An absolute path as one word of bash.
fn quoted(path: &Path) -> Result<String, SlurmError> {
    Ok(format!("'{}'", absolute(path)?.replace('\'', r"'\''")))
}

/// A path for `--output`, in which Slurm replaces `%` unless there is a backslash.
pub(super) fn pattern(path: &Path) -> Result<String, SlurmError> {
    let path = absolute(path)?;
    Ok(if path.contains('\\') { path.replace('\\', r"\\") } else { path.replace('%', "%%") })
}

/// A path as text that does not depend on the folder one is in.
pub(super) fn absolute(path: &Path) -> Result<String, SlurmError> {
    let unusable = |why: &str| SlurmError::Unusable(format!("{path:?} cannot stand in a job script: {why}"));
    let whole = std::path::absolute(path).map_err(|e| unusable(&e.to_string()))?;
    let text = whole.into_os_string().into_string().map_err(|_| unusable("it is not UTF-8"))?;
    if text.contains(char::is_control) {
        return Err(unusable("it holds a line break or another control character"));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::process::{Command, Stdio};

    use proptest::prelude::*;

    use super::*;
    use crate::slurm::fakes::{program, run_dir};

    fn submission<'a>(run: &'a RunDir, worker: &'a Path, home: &'a Path) -> Submission<'a> {
        Submission { run, name: "resnet50 fold 1/5", worker, home, gpu: true, threads: 3 }
    }

    #[test]
    fn the_script_says_what_the_settings_say() {
        let folder = tempfile::tempdir().unwrap();
        let run = run_dir(folder.path(), "20260101-resnet50-abcd");
        let settings = SlurmSettings {
            partition: Some("gpu".into()),
            memory: Some("16G".into()),
            time: Some("1-00:00:00".into()),
            extra: vec!["#SBATCH --constraint=a100".into()],
            setup: vec!["module load cuda".into()],
            ..Default::default()
        };
        let text = script(&settings, &submission(&run, Path::new("/w"), Path::new("/h"))).unwrap();
        for line in [
            "#SBATCH --job-name=20260101-resnet50-abcd",
            "#SBATCH --comment=lightbox:20260101-resnet50-abcd:0",
            "#SBATCH --requeue",
            "#SBATCH --open-mode=append",
            "#SBATCH --signal=B:TERM@60",
            "#SBATCH --cpus-per-task=3",
            "#SBATCH --gres=gpu:1",
            "#SBATCH --partition=gpu",
            "#SBATCH --mem=16G",
            "#SBATCH --time=1-00:00:00",
            "#SBATCH --constraint=a100",
            "module load cuda",
        ] {
            assert!(text.lines().any(|l| l == line), "{line:?} is missing in\n{text}");
        }
        assert!(!text.contains("OMP_NUM_THREADS"));
        let cpu = Submission { gpu: false, ..submission(&run, Path::new("/w"), Path::new("/h")) };
        let text = script(&settings, &cpu).unwrap();
        assert!(!text.contains("--gres") && text.contains("--device cpu"), "{text}");
    }

    #[test]
    fn paths_that_cannot_be_written_down_are_refused() {
        use std::os::unix::ffi::OsStrExt;
        let folder = tempfile::tempdir().unwrap();
        let run = run_dir(folder.path(), "r");
        for bad in [&b"/a\nrm -rf x"[..], b"/a\xff", b"/a\x1b[2J"] {
            let bad = Path::new(std::ffi::OsStr::from_bytes(bad));
            assert!(script(&SlurmSettings::default(), &submission(&run, bad, Path::new("/h"))).is_err());
            assert!(script(&SlurmSettings::default(), &submission(&run, Path::new("/w"), bad)).is_err());
        }
        let odd = run_dir(folder.path(), "r r");
        assert!(script(&SlurmSettings::default(), &submission(&odd, Path::new("/w"), Path::new("/h"))).is_err());
    }

    /// A name of anything that a file may be called, except control characters.
    fn odd_name() -> impl Strategy<Value = String> {
        let spice = prop::sample::select(vec![
            " ", "'", "\"", "$HOME", "`id`", "\\", "%j", "#", "é", "*", ";x", "!", "-n", "&",
        ]);
        let piece = prop_oneof![spice.prop_map(str::to_owned), "[^/\u{0}-\u{1f}\u{7f}-\u{9f}]{1,6}"];
        prop::collection::vec(piece, 1..6)
            .prop_map(|pieces| pieces.concat())
            .prop_filter("not a folder", |name| name.len() < 200 && name != "." && name != "..")
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]

        /// Bash itself starts the worker and the worker is told exactly the paths that were given.
        #[test]
        fn bash_hands_over_any_path(file in odd_name(), home in odd_name(), place in odd_name(), label in ".{0,30}") {
            let folder = tempfile::tempdir().unwrap();
            let worker = folder.path().join(format!("w{file}"));
            program(&worker, "#!/bin/bash\nprintf '%s\\0' \"$@\"\n");
            let home = folder.path().join(format!("h{home}"));
            let run = run_dir(&folder.path().join(format!("r{place}")), "run-1");
            let text = Submission { name: &label, ..submission(&run, &worker, &home) };
            let text = script(&SlurmSettings::default(), &text).unwrap();
            let bash = |flag: &[&str]| {
                let mut child = Command::new("bash").args(flag).current_dir("/").stdin(Stdio::piped())
                    .stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
                child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
                child.wait_with_output().unwrap()
            };
            let checked = bash(&["-n"]);
            prop_assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
            let told = bash(&[]);
            prop_assert!(told.stderr.is_empty(), "{}", String::from_utf8_lossy(&told.stderr));
            let told = String::from_utf8(told.stdout).unwrap();
            let told: Vec<&str> = told.split_terminator('\0').collect();
            let (home, run) = (home.to_str().unwrap(), run.path().to_str().unwrap());
            prop_assert_eq!(told, ["--home", home, "run", "--heed-stop-file", "--device", "cuda:0", run]);
        }
    }
}
