//! The Slurm client against a real Slurm of one machine, which `scripts/slurm-node` starts for this test.

#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::collections::BTreeSet;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use lightbox_scheduler::slurm::{Client, JobState, LOG_FILE, SlurmSettings, Submission};
use lightbox_store::RunDir;
use lightbox_store::run::{EventKind, QueueEntry};
use tempfile::TempDir;

/// Far more than anything here takes; only a failing test waits for so long.
const PATIENCE: Duration = Duration::from_secs(60);

/// Processors of the node.
const ALL: usize = 4;

/// A worker in shell: says what it does as the real one, ends when a file `end` tells it how, stops at SIGTERM.
const WORKER: &str = r#"#!/bin/bash
run=${!#}
attempt=$(($(grep -c '"started"' "$run/events.jsonl" 2>/dev/null) + 1))
say() { echo "{\"time\": $EPOCHREALTIME, \"attempt\": $attempt, \"step\": 0, \"event\": $1}" >> "$run/events.jsonl"; }
trap 'say "\"interrupted\""; exit 130' TERM
printf '%s\n' "$@" "gpu=$CUDA_VISIBLE_DEVICES" "setup=$FROM_SETUP" "in=$PWD" > "$run/told"
say "\"started\", \"pid\": $$, \"pid_start\": 1, \"host\": \"elsewhere\""
until [ -s "$run/end" ]; do sleep 0.1; done
how=$(cat "$run/end")
case $how in
    0) say '"finished"' ;;
    SEGV) kill -SEGV $$ ;;
    *) echo "error: told to fail" >&2 ;;
esac
exit "$how"
"#;

struct Cluster {
    folder: TempDir,
}

impl Cluster {
    fn start() -> Self {
        let cluster = Self { folder: tempfile::Builder::new().prefix("lb-slurm-").tempdir().unwrap() };
        let conf = cluster.node("start");
        let bin = cluster.folder.path().join("bin");
        std::fs::create_dir(&bin).unwrap();
        for command in ["sbatch", "squeue", "sacct", "scontrol", "scancel"] {
            program(&bin.join(command), &format!("#!/bin/sh\nSLURM_CONF='{}' exec {command} \"$@\"\n", conf.trim()));
        }
        std::fs::create_dir(cluster.home()).unwrap();
        program(&cluster.worker(), WORKER);
        cluster
    }

    fn node(&self, verb: &str) -> String {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/slurm-node");
        let output = Command::new(script).arg(verb).arg(self.folder.path().join("node")).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{said}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Paths as they should never be.
    fn home(&self) -> PathBuf {
        self.folder.path().join("it's a \"home\" of 100%j $HOME #1")
    }

    /// Only the folder is odd: Slurm's `proctrack/linuxproc` loses processes with a space in their name.
    fn worker(&self) -> PathBuf {
        self.home().join("lightbox-worker")
    }

    fn client(&self, settings: SlurmSettings) -> Client {
        Client::new(SlurmSettings { bin: Some(self.folder.path().join("bin")), ..settings })
    }

    fn run_dir(&self, name: &str) -> RunDir {
        let path = self.home().join("runs").join(name);
        std::fs::create_dir_all(&path).unwrap();
        std::fs::write(path.join("config.json"), "{}").unwrap();
        let run = RunDir::open(&path).unwrap();
        run.write_queue_entry(&QueueEntry::default()).unwrap();
        run
    }

    fn submit(&self, client: &Client, run: &RunDir, threads: usize) -> u64 {
        let (worker, home) = (self.worker(), self.home());
        let submission = Submission { run, name: "a test", worker: &worker, home: &home, gpu: false, threads };
        client.submit(&submission).unwrap()
    }

    fn scontrol(&self, arguments: &[&str]) {
        let done = Command::new(self.folder.path().join("bin/scontrol")).args(arguments).output().unwrap();
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if std::thread::panicking() {
            for log in ["slurmctld.log", "slurmd.log"] {
                let text = std::fs::read_to_string(self.folder.path().join("node").join(log)).unwrap_or_default();
                let lines: Vec<&str> = text.lines().collect();
                eprintln!("{log}:\n{}", lines[lines.len().saturating_sub(40)..].join("\n"));
            }
        }
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/slurm-node");
        let _ = Command::new(script).arg("stop").arg(self.folder.path().join("node")).status();
    }
}

/// Another process writes it: a file that is open for writing here, when something is started, could not be run.
fn program(path: &Path, text: &str) {
    let mut shell = Command::new("sh");
    shell.args(["-c", "cat > \"$1\" && chmod 755 \"$1\"", "sh"]).arg(path).stdin(Stdio::piped());
    let mut shell = shell.spawn().unwrap();
    shell.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    assert!(shell.wait().unwrap().success());
}

fn state(client: &Client, job: u64) -> JobState {
    client.states(&[job]).unwrap().remove(&job).unwrap()
}

/// Waits until a job is in a state, and returns the states in which it was before, each once.
fn wait(client: &Client, job: u64, fits: impl Fn(&JobState) -> bool) -> BTreeSet<&'static str> {
    let (begin, mut seen) = (Instant::now(), BTreeSet::new());
    loop {
        let now = state(client, job);
        if fits(&now) {
            return seen;
        }
        seen.insert(word(&now));
        assert!(begin.elapsed() < PATIENCE, "job {job} is still {now:?}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn wait_for(what: &str, holds: impl Fn() -> bool) {
    let begin = Instant::now();
    while !holds() {
        assert!(begin.elapsed() < PATIENCE, "{what} did not happen");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn word(state: &JobState) -> &'static str {
    match state {
        JobState::Pending { .. } => "pending",
        JobState::Running { .. } => "running",
        JobState::Requeued => "requeued",
        _ => "ended",
    }
}

fn running(state: &JobState) -> bool {
    matches!(state, JobState::Running { nodes } if !nodes.is_empty())
}

fn end(run: &RunDir, how: &str) {
    std::fs::write(run.file("end"), how).unwrap();
}

/// What the worker wrote: attempt and word.
fn story(run: &RunDir) -> Vec<(u32, &'static str)> {
    let word = |kind: &EventKind| match kind {
        EventKind::Started { .. } => "started",
        EventKind::Interrupted => "interrupted",
        EventKind::Finished => "finished",
        _ => "something else",
    };
    run.events().unwrap().iter().map(|event| (event.attempt, word(&event.kind))).collect()
}

fn has_started(run: &RunDir, attempt: u32) -> bool {
    story(run).contains(&(attempt, "started"))
}

/// What is tried on the cluster, by name.
type Scenario = (&'static str, fn(&Cluster));

#[test]
fn a_real_cluster() {
    if std::env::var_os("LIGHTBOX_SKIP_SLURM").is_some_and(|v| v == "1") {
        eprintln!("left out, as LIGHTBOX_SKIP_SLURM asks");
        return;
    }
    let cluster = Cluster::start();
    let scenarios: [Scenario; 8] = [
        ("waits, runs, completes", waits_runs_completes),
        ("what the worker is told", what_the_worker_is_told),
        ("ends in other ways", ends_in_other_ways),
        ("is cancelled", is_cancelled),
        ("is told before its time is over", is_told_before_its_time_is_over),
        ("is queued again", is_queued_again),
        ("makes room and comes back", makes_room_and_comes_back),
        ("controller away", controller_away),
    ];
    for (name, scenario) in scenarios {
        let begin = Instant::now();
        scenario(&cluster);
        eprintln!("{name}: {:.1} s", begin.elapsed().as_secs_f64());
    }
}

fn waits_runs_completes(cluster: &Cluster) {
    let client = cluster.client(SlurmSettings::default());
    let (first, second) = (cluster.run_dir("first"), cluster.run_dir("second"));
    assert_eq!(client.find(&first).unwrap(), None);
    let job = cluster.submit(&client, &first, ALL);
    wait(&client, job, running);
    wait_for("the first attempt", || has_started(&first, 1));
    let waiting = cluster.submit(&client, &second, ALL);
    assert!(matches!(state(&client, waiting), JobState::Pending { reason } if !reason.is_empty()));
    // As after a daemon that ended before it wrote the numbers down.
    assert_eq!((client.find(&first).unwrap(), client.find(&second).unwrap()), (Some(job), Some(waiting)));
    assert_eq!((cluster.submit(&client, &first, ALL), cluster.submit(&client, &second, ALL)), (job, waiting));
    end(&first, "0");
    wait(&client, job, |s| *s == JobState::Completed);
    let seen = wait(&client, waiting, running);
    assert!(!seen.contains("ended"), "{seen:?}");
    end(&second, "0");
    wait(&client, waiting, |s| *s == JobState::Completed);
    assert_eq!(story(&first), [(1, "started"), (1, "finished")]);
    assert_eq!(client.find(&first).unwrap(), Some(job));
    // The next attempt is another job.
    first.write_queue_entry(&QueueEntry { attempts_before: 1, ..QueueEntry::default() }).unwrap();
    assert_eq!(client.find(&first).unwrap(), None);
    assert!(cluster.submit(&client, &first, 1) > waiting);
    let unknown = client.states(&[job, 4_000_000]).unwrap();
    assert_eq!((&unknown[&job], &unknown[&4_000_000]), (&JobState::Completed, &JobState::Unknown));
    assert_eq!(state(&client, 4_000_001), JobState::Unknown);
}

fn what_the_worker_is_told(cluster: &Cluster) {
    let settings = SlurmSettings {
        partition: Some("low".into()),
        memory: Some("100M".into()),
        time: Some("0-00:10:00".into()),
        extra: vec!["#SBATCH --nice=3".into()],
        setup: vec!["export FROM_SETUP='a b'".into()],
        ..Default::default()
    };
    let (client, run) = (cluster.client(settings), cluster.run_dir("told"));
    let (worker, home) = (cluster.worker(), cluster.home());
    let submission =
        Submission { run: &run, name: "odd\n\"name\"", worker: &worker, home: &home, gpu: true, threads: 2 };
    let job = client.submit(&submission).unwrap();
    end(&run, "0");
    wait(&client, job, |s| *s == JobState::Completed);
    let (home, path) = (home.to_str().unwrap(), run.path().to_str().unwrap());
    let told = std::fs::read_to_string(run.file("told")).unwrap();
    let (gpu, folder) = ("gpu=0", format!("in={path}"));
    let expected =
        ["--home", home, "run", "--heed-stop-file", "--device", "cuda:0", path, gpu, "setup=a b", folder.as_str()];
    assert_eq!(told.lines().collect::<Vec<_>>(), expected);
    let refused = cluster.client(SlurmSettings { partition: Some("none".into()), ..Default::default() });
    let run = cluster.run_dir("refused");
    let error = refused.submit(&Submission { run: &run, ..submission }).unwrap_err();
    assert!(error.to_string().contains("partition") && !error.is_transient(), "{error}");
    assert_eq!(refused.find(&run).unwrap(), None);
}

fn ends_in_other_ways(cluster: &Cluster) {
    let client = cluster.client(SlurmSettings::default());
    for (how, exit_code, signal) in [("3", 3, None), ("SEGV", 139, Some(11))] {
        let run = cluster.run_dir(&format!("fails-{how}"));
        let job = cluster.submit(&client, &run, 1);
        end(&run, how);
        wait(&client, job, |s| *s == JobState::Failed { exit_code, signal });
        if how == "3" {
            let log = std::fs::read_to_string(run.file(LOG_FILE)).unwrap();
            assert!(log.contains("error: told to fail"), "{log}");
        }
    }
}

fn is_cancelled(cluster: &Cluster) {
    let client = cluster.client(SlurmSettings::default());
    let (run, waiting) = (cluster.run_dir("cancelled"), cluster.run_dir("cancelled-waiting"));
    let job = cluster.submit(&client, &run, ALL);
    wait_for("the first attempt", || has_started(&run, 1));
    let behind = cluster.submit(&client, &waiting, ALL);
    client.cancel(behind).unwrap();
    client.cancel(job).unwrap();
    for job in [job, behind] {
        wait(&client, job, |s| *s == JobState::Cancelled);
        client.cancel(job).unwrap();
    }
    assert_eq!(story(&run), [(1, "started"), (1, "interrupted")]);
    assert_eq!(story(&waiting), []);
}

fn is_told_before_its_time_is_over(cluster: &Cluster) {
    let client = cluster.client(SlurmSettings { time: Some("1".into()), ..Default::default() });
    let run = cluster.run_dir("short");
    let job = cluster.submit(&client, &run, 1);
    wait(&client, job, |s| *s == JobState::Failed { exit_code: 130, signal: None });
    assert_eq!(story(&run), [(1, "started"), (1, "interrupted")]);
}

fn is_queued_again(cluster: &Cluster) {
    let client = cluster.client(SlurmSettings::default());
    let run = cluster.run_dir("again");
    let job = cluster.submit(&client, &run, 1);
    wait_for("the first attempt", || has_started(&run, 1));
    cluster.scontrol(&["requeue", &job.to_string()]);
    let seen = wait(&client, job, |s| running(s) && has_started(&run, 2));
    assert!(seen.contains("pending") && !seen.contains("ended"), "{seen:?}");
    assert_eq!(client.find(&run).unwrap(), Some(job));
    end(&run, "0");
    wait(&client, job, |s| *s == JobState::Completed);
    assert_eq!(story(&run), [(1, "started"), (1, "interrupted"), (2, "started"), (2, "finished")]);
}

fn makes_room_and_comes_back(cluster: &Cluster) {
    let low = cluster.client(SlurmSettings::default());
    let high = cluster.client(SlurmSettings { partition: Some("high".into()), ..Default::default() });
    let (victim, urgent) = (cluster.run_dir("victim"), cluster.run_dir("urgent"));
    let job = cluster.submit(&low, &victim, ALL);
    wait_for("the first attempt", || has_started(&victim, 1));
    let other = cluster.submit(&high, &urgent, ALL);
    wait(&high, other, running);
    assert_eq!(story(&victim), [(1, "started"), (1, "interrupted")]);
    let now = state(&low, job);
    assert!(matches!(now, JobState::Pending { .. } | JobState::Requeued), "{now:?}");
    end(&urgent, "0");
    let seen = wait(&low, job, |s| running(s) && has_started(&victim, 2));
    assert!(seen.contains("pending") && !seen.contains("ended"), "{seen:?}");
    end(&victim, "0");
    wait(&low, job, |s| *s == JobState::Completed);
}

/// Stops the controller for good: the last scenario.
fn controller_away(cluster: &Cluster) {
    let client = cluster.client(SlurmSettings::default());
    cluster.scontrol(&["shutdown", "slurmctld"]);
    let begin = Instant::now();
    let error = loop {
        match client.states(&[1]) {
            Ok(_) => assert!(begin.elapsed() < PATIENCE, "the controller did not end"),
            Err(error) => break error,
        }
    };
    assert!(error.is_transient(), "{error}");
    let run = cluster.run_dir("too-late");
    let (worker, home) = (cluster.worker(), cluster.home());
    let submission = Submission { run: &run, name: "late", worker: &worker, home: &home, gpu: false, threads: 1 };
    let error = client.submit(&submission).unwrap_err();
    assert!(error.is_transient(), "{error}");
}
