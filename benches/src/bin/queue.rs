//! A queue of 10,000 jobs: how fast jobs come in, how long a listing takes, and what the daemon costs while nothing happens.
//!
//! The daemon is the real one, started by the real `lightbox`; the queue is paused, so that no job starts.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use lightbox_benches::median;
use lightbox_scheduler::Client;
use lightbox_scheduler::protocol::Action;
use lightbox_store::run::{DatasetRef, DeviceChoice, EvaluateConfig, FORMAT, NewRun, Part, QueueEntry, SplitRows};
use lightbox_store::{GroupId, Home, JobConfig, JobKind, RunDir, RunId};

const JOBS: usize = 10_000;
const AT_ONCE: usize = 1_000;
const LISTINGS: usize = 9;
const IDLE: Duration = Duration::from_secs(20);

fn main() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let home = Home::at(folder.path())?;
    let program = beside("lightbox")?;
    lightbox(&program, &home, &["daemon", "start"])?;
    lightbox(&program, &home, &["queue", "pause"])?;
    let mut client = Client::connect(&home)?.context("the daemon just started is gone")?;
    let pid = client.daemon().pid;
    let empty = resident_megabytes(pid)?;

    let (mut making, mut taking) = (0.0, 0.0);
    let split = SplitRows { rows: (0..100).map(|i| (format!("image-{i}.png"), Part::Test)).collect() };
    for batch in 0..JOBS / AT_ONCE {
        let new: Vec<NewRun<'_>> = (0..AT_ONCE).map(|i| job(batch * AT_ONCE + i, &split)).collect();
        let start = Instant::now();
        RunDir::create_all(&home, &new)?;
        making += start.elapsed().as_secs_f64();
        let start = Instant::now();
        client.ask(Action::Enqueue { runs: new.iter().map(|new| new.config.run.clone()).collect() })?;
        taking += start.elapsed().as_secs_f64();
    }
    let listing = |arguments: &[&str]| -> Result<f64> {
        let mut times = Vec::new();
        for _ in 0..LISTINGS {
            let start = Instant::now();
            lightbox(&program, &home, arguments)?;
            times.push(start.elapsed().as_secs_f64());
        }
        Ok(median(&times) * 1000.0)
    };
    let (table, json) = (listing(&["queue", "list"])?, listing(&["--json", "queue", "list"])?);
    drop(client);
    let before = processor_seconds(pid)?;
    std::thread::sleep(IDLE);
    let share = (processor_seconds(pid)? - before) / IDLE.as_secs_f64() * 100.0;

    println!("jobs per second, run directories made and taken in   {:8.0}", JOBS as f64 / (making + taking));
    println!("jobs per second, taken in by the daemon              {:8.0}", JOBS as f64 / taking);
    println!("`queue list` of {JOBS} jobs, ms, whole program        {table:8.1}");
    println!("`queue list --json`, ms                              {json:8.1}");
    println!("idle daemon, share of a core, %                      {share:8.2}");
    println!("daemon's memory with {JOBS} jobs, MB                  {:8.1}", resident_megabytes(pid)?);
    println!("daemon's memory with none, MB                        {empty:8.1}");
    lightbox(&program, &home, &["daemon", "stop"])
}

fn job(number: usize, split: &SplitRows) -> NewRun<'_> {
    let dataset = DatasetRef {
        name: "brain".into(),
        fingerprint: "0".repeat(64),
        classes: ["a", "b", "c", "d"].map(str::to_owned).to_vec(),
        positive: None,
        grouped: true,
    };
    let config = EvaluateConfig {
        parents: vec![RunId::new("resnet50", "f0")],
        dataset,
        class_map: BTreeMap::new(),
        part: "test".into(),
        batch_size: 32,
        threads: 1,
        device: DeviceChoice("cpu".into()),
    };
    let config = JobConfig {
        format: FORMAT,
        run: RunId::new(&format!("evaluate-{number}"), ""),
        group: GroupId(format!("g-{}", number / 5)),
        study: Some("bench".into()),
        job: JobKind::Evaluate(config),
    };
    NewRun { config, split: Some(split), entry: QueueEntry::now(number) }
}

fn beside(name: &str) -> Result<PathBuf> {
    let path = std::env::current_exe()?.with_file_name(name);
    if !path.exists() {
        bail!("{} is not built; run ./justw bench queue", path.display());
    }
    Ok(path)
}

fn lightbox(program: &Path, home: &Home, arguments: &[&str]) -> Result<()> {
    let mut command = Command::new(program);
    command.arg("--home").arg(home.root()).args(arguments).env("XDG_CONFIG_HOME", home.root());
    let status = command.stdout(Stdio::null()).stderr(Stdio::null()).status()?;
    if !status.success() {
        bail!("lightbox {}: {status}", arguments.join(" "));
    }
    Ok(())
}

/// User and system time of a process.
fn processor_seconds(pid: u32) -> Result<f64> {
    const TICKS_PER_SECOND: f64 = 100.0;
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat"))?;
    let fields: Vec<&str> = stat[stat.rfind(')').context("stat")? + 1..].split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|f| f.parse::<f64>().ok()).context("stat");
    Ok((ticks(11)? + ticks(12)?) / TICKS_PER_SECOND)
}

fn resident_megabytes(pid: u32) -> Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("VmRSS")?;
    let kilobytes: f64 = line.trim().trim_end_matches(" kB").trim().parse()?;
    Ok(kilobytes / 1024.0)
}
