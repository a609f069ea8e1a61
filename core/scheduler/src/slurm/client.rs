//! Gives jobs to Slurm, asks what became of them, finds and cancels them.

use std::collections::BTreeMap;
use std::fs::{File, TryLockError};
use std::io::{Seek, Write};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use lightbox_store::RunDir;

use super::SlurmError;
use super::command::{Printed, run};
use super::script::{LOG_FILE, SCRIPT_FILE, Submission, Tag, absolute, pattern, script};
use super::settings::SlurmSettings;
use super::states::{self, JobState, Row, Tagged};

type Result<T> = std::result::Result<T, SlurmError>;

/// How long one of Slurm's commands may take.
const LIMIT: Duration = Duration::from_secs(30);

/// Jobs asked for in one call, so that a command line does not grow without end.
const JOBS_IN_A_CALL: usize = 200;

/// How far back accounting is searched for a run's job; a run is looked for soon after it was submitted.
const SEARCH_SINCE: &str = "now-30days";

/// Slurm as a user's programs see it. Each call runs commands and waits for them, at most 30 seconds for each.
#[derive(Debug)]
pub struct Client {
    settings: SlurmSettings,
    limit: Duration,
    /// Set once `sacct` said that this cluster keeps no accounts.
    no_accounting: AtomicBool,
}

impl Client {
    /// A client with the user's settings; nothing is run yet.
    pub fn new(settings: SlurmSettings) -> Self {
        Self { settings, limit: LIMIT, no_accounting: AtomicBool::new(false) }
    }

    /// The same with another time limit for each command.
    pub fn with_limit(self, limit: Duration) -> Self {
        Self { limit, ..self }
    }

    /// Gives a job to Slurm and returns its number. When Slurm has a job of this run already, because a daemon ended before it
    /// could write the number down or because an answer of Slurm was lost, this is that job's number and nothing is submitted.
    ///
    /// # Errors
    /// When a setting or path is unusable, or `sbatch` refuses.
    pub fn submit(&self, submission: &Submission<'_>) -> Result<u64> {
        let text = script(&self.settings, submission)?;
        let (mut file, submitted_before) = self.lock_script(submission.run)?;
        if submitted_before && let Some(job) = self.search(submission.run)? {
            return Ok(job);
        }
        let path = submission.run.file(SCRIPT_FILE);
        let mut write = || {
            file.set_len(0)?;
            file.rewind()?;
            file.write_all(text.as_bytes())?;
            file.rewind()
        };
        write().map_err(|source| SlurmError::Script { path: path.clone(), source })?;
        let mut sbatch = self.command("sbatch");
        for name in self.settings.overruling() {
            sbatch.env_remove(name);
        }
        sbatch.arg("--parsable").arg(format!("--chdir={}", absolute(submission.run.path())?));
        sbatch.arg(format!("--output={}", pattern(&submission.run.file(LOG_FILE))?));
        // The lock goes with the file: as long as this sbatch lives, no other daemon submits the run.
        sbatch.stdin(Stdio::from(file));
        let outcome = self.run(sbatch, "sbatch").and_then(|printed| job_number(&printed.success("sbatch")?));
        match outcome {
            // It may have reached Slurm all the same.
            Err(error) if error.is_transient() || matches!(error, SlurmError::Garbled { .. }) => {
                self.search(submission.run).ok().flatten().ok_or(error)
            }
            outcome => outcome,
        }
    }

    /// The states of jobs. A number that is left out could not be asked for at this moment.
    ///
    /// # Errors
    /// When `squeue` fails: the cluster's controller is away.
    pub fn states(&self, jobs: &[u64]) -> Result<BTreeMap<u64, JobState>> {
        let mut found = BTreeMap::new();
        for some in jobs.chunks(JOBS_IN_A_CALL) {
            let mut rows = self.squeue(some)?;
            let mut missing: Vec<u64> = some.iter().copied().filter(|job| !rows.contains_key(job)).collect();
            let accounts = if missing.is_empty() { Some(BTreeMap::new()) } else { self.sacct(&missing) };
            let asked = accounts.is_some();
            for (job, row) in accounts.unwrap_or_default() {
                // What accounting alone believes to be alive was lost by the controller; it would never end.
                if row.state().has_ended() && missing.contains(&job) {
                    rows.insert(job, row);
                }
            }
            missing.retain(|job| !rows.contains_key(job));
            for job in missing {
                match self.scontrol(job) {
                    Ok(Some(row)) => drop(rows.insert(job, row)),
                    Ok(None) if asked => drop(found.insert(job, JobState::Unknown)),
                    Ok(None) => {}
                    Err(error) if error.is_transient() => {}
                    Err(error) => return Err(error),
                }
            }
            for (job, mut row) in rows {
                if row.word == "FAILED" && row.exit.is_none() {
                    row.exit = self.exit_code(job);
                }
                found.insert(job, row.state());
            }
        }
        Ok(found)
    }

    /// Cancels a job: its worker gets SIGTERM, and SIGKILL after the cluster's `KillWait`. One that has ended is left as it is.
    ///
    /// # Errors
    /// When `scancel` fails.
    pub fn cancel(&self, job: u64) -> Result<()> {
        let mut scancel = self.command("scancel");
        scancel.arg(job.to_string());
        match self.run(scancel, "scancel")?.success("scancel") {
            Err(SlurmError::Refused { said, .. }) if is_gone(&said) => Ok(()),
            outcome => outcome.map(drop),
        }
    }

    /// The number of a run's job, if Slurm knows one: the newest that has not ended, else the newest that belongs to the
    /// attempt that the run's place in the queue speaks of.
    ///
    /// # Errors
    /// When `squeue` fails, or another daemon's `sbatch` for this run still works.
    pub fn find(&self, run: &RunDir) -> Result<Option<u64>> {
        if !run.file(SCRIPT_FILE).exists() {
            return Ok(None);
        }
        let _lock = self.lock_script(run)?;
        self.search(run)
    }

    fn search(&self, run: &RunDir) -> Result<Option<u64>> {
        let tag = Tag::of(run)?;
        let user = rustix::process::getuid().as_raw();
        let mut squeue = self.command("squeue");
        squeue.args(["--noheader", "--all", "--states=all"]);
        squeue.arg(format!("--user={user}")).arg(format!("--name={}", tag.name));
        squeue.arg(format!("--format={}", states::SQUEUE_TAGGED));
        let printed = self.run(squeue, "squeue")?.success("squeue")?;
        let jobs = read_lines("squeue", &printed, states::tagged)?;
        let newest = |fits: &dyn Fn(&Tagged) -> bool| jobs.iter().filter(|j| fits(j)).map(|j| j.job).max();
        let alive = |job: &Tagged| job.word != "COMPLETING" && !job.has_ended();
        if let Some(job) = newest(&alive).or_else(|| newest(&|job| job.comment == tag.comment)) {
            return Ok(Some(job));
        }
        let mut sacct = self.command("sacct");
        sacct.args(["--noheader", "--parsable2", "--allocations"]);
        sacct.arg(format!("--uid={user}")).arg(format!("--name={}", tag.name));
        sacct.arg(format!("--starttime={SEARCH_SINCE}")).arg(format!("--format={}", states::SACCT_TAGGED));
        let Some(printed) = self.ask_accounting(sacct) else { return Ok(None) };
        let ended = printed.lines().filter_map(states::tagged);
        Ok(ended.filter(|job| job.comment == tag.comment && job.has_ended()).map(|job| job.job).max())
    }

    fn squeue(&self, jobs: &[u64]) -> Result<BTreeMap<u64, Row>> {
        let mut squeue = self.command("squeue");
        squeue.args(["--noheader", "--all", "--states=all"]).arg(format!("--jobs={}", list(jobs)));
        squeue.arg(format!("--format={}", states::SQUEUE_FORMAT));
        match self.run(squeue, "squeue")?.success("squeue") {
            Ok(printed) => Ok(by_job(read_lines("squeue", &printed, states::squeue)?)),
            Err(SlurmError::Refused { said, .. }) if is_gone(&said) => Ok(BTreeMap::new()),
            Err(error) => Err(error),
        }
    }

    /// What accounting knows of jobs: nothing on a cluster without; none when it could not be asked.
    fn sacct(&self, jobs: &[u64]) -> Option<BTreeMap<u64, Row>> {
        let mut sacct = self.command("sacct");
        sacct.args(["--noheader", "--parsable2", "--allocations"]).arg(format!("--jobs={}", list(jobs)));
        sacct.arg(format!("--format={}", states::SACCT_FORMAT));
        Some(by_job(self.ask_accounting(sacct)?.lines().filter_map(states::sacct)))
    }

    /// What `sacct` printed: nothing on a cluster without accounting; none when it could not be asked.
    fn ask_accounting(&self, sacct: Command) -> Option<String> {
        if self.no_accounting.load(Ordering::Relaxed) {
            return Some(String::new());
        }
        match self.run(sacct, "sacct").and_then(|printed| printed.success("sacct")) {
            Ok(printed) => Some(printed),
            Err(error) if means_no_accounting(&error) => {
                self.no_accounting.store(true, Ordering::Relaxed);
                Some(String::new())
            }
            Err(_) => None,
        }
    }

    fn scontrol(&self, job: u64) -> Result<Option<Row>> {
        let mut scontrol = self.command("scontrol");
        scontrol.args(["--all", "--oneliner", "show", "job"]).arg(job.to_string());
        match self.run(scontrol, "scontrol")?.success("scontrol") {
            Ok(printed) => Ok(states::scontrol(&printed).filter(|row| row.job == job)),
            Err(SlurmError::Refused { said, .. }) if is_gone(&said) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The exit code of a job that failed, which `squeue` does not print.
    fn exit_code(&self, job: u64) -> Option<(i32, i32)> {
        let shown = self.scontrol(job).ok().flatten().and_then(|row| row.exit);
        shown.or_else(|| self.sacct(&[job])?.remove(&job)?.exit)
    }

    /// Opens a run's job script and locks it, so that one process at a time submits the run. True when it was submitted before.
    fn lock_script(&self, run: &RunDir) -> Result<(File, bool)> {
        let path = run.file(SCRIPT_FILE);
        let wrong = |source| SlurmError::Script { path: path.clone(), source };
        let file = File::options().create(true).truncate(false).read(true).write(true).open(&path).map_err(wrong)?;
        let deadline = Instant::now() + self.limit;
        loop {
            match file.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if Instant::now() < deadline => {
                    std::thread::sleep(Duration::from_millis(50));
                }
                Err(TryLockError::WouldBlock) => return Err(SlurmError::Busy(run.path().display().to_string())),
                Err(TryLockError::Error(source)) => return Err(wrong(source)),
            }
        }
        let before = file.metadata().map_err(wrong)?.len() > 0;
        Ok((file, before))
    }

    /// One of Slurm's commands, without the variables by which users change what it prints.
    fn command(&self, name: &str) -> Command {
        let mut command = match &self.settings.bin {
            Some(folder) => Command::new(folder.join(name)),
            None => Command::new(name),
        };
        let changes = |name: &str| ["SQUEUE_", "SACCT_", "SCANCEL_", "SCONTROL_"].iter().any(|p| name.starts_with(p));
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(changes)) {
            command.env_remove(name);
        }
        command.stdin(Stdio::null());
        command
    }

    fn run(&self, command: Command, name: &'static str) -> Result<Printed> {
        run(command, name, self.limit).map_err(|error| match error {
            SlurmError::NotInstalled { command, .. } => {
                SlurmError::NotInstalled { command, folder: self.settings.bin.clone() }
            }
            other => other,
        })
    }
}

impl Tagged {
    fn has_ended(&self) -> bool {
        let row =
            Row { job: self.job, word: self.word.clone(), nodes: String::new(), reason: String::new(), exit: None };
        row.state().has_ended()
    }
}

/// Whether Slurm says that a job has ended so long ago that it is forgotten, or ends at this moment.
fn is_gone(said: &str) -> bool {
    said.contains("Invalid job id") || said.contains("already completing or completed")
}

fn means_no_accounting(error: &SlurmError) -> bool {
    match error {
        SlurmError::NotInstalled { .. } => true,
        SlurmError::Refused { said, .. } => {
            said.contains("accounting storage is disabled") || said.contains("only supported by slurmdbd")
        }
        _ => false,
    }
}

fn list(jobs: &[u64]) -> String {
    jobs.iter().map(u64::to_string).collect::<Vec<_>>().join(",")
}

fn by_job(rows: impl IntoIterator<Item = Row>) -> BTreeMap<u64, Row> {
    rows.into_iter().map(|row| (row.job, row)).collect()
}

/// Reads lines that are all to be understood: to pass one over could mean to take a job for gone.
fn read_lines<T>(command: &'static str, printed: &str, read: impl Fn(&str) -> Option<T>) -> Result<Vec<T>> {
    let lines = printed.lines().filter(|line| !line.trim().is_empty());
    lines.map(|line| read(line).ok_or_else(|| garbled(command, line))).collect()
}

/// The number that `sbatch --parsable` prints, before the name of the cluster.
fn job_number(printed: &str) -> Result<u64> {
    let line = printed.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
    let number = line.split(';').next().unwrap_or_default().trim().parse();
    number.map_err(|_| garbled("sbatch", printed))
}

fn garbled(command: &'static str, printed: &str) -> SlurmError {
    const SHOWN: usize = 200;
    SlurmError::Garbled { command, printed: printed.trim().chars().take(SHOWN).collect() }
}

#[cfg(test)]
#[path = "client_tests.rs"]
mod tests;
