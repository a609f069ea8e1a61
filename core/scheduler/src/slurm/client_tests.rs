//! What the client does when Slurm's commands are slow, silent, wrong or not there.

use std::time::{Duration, Instant};

use super::super::fakes::{Fakes, submission};
use super::*;

const PATIENT: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(400);

const NO_ACCOUNTING: &str = "echo 'Slurm accounting storage is disabled' >&2; exit 1";
const INVALID: &str = "echo 'slurm_load_jobs error: Invalid job id specified' >&2; exit 1";

#[test]
fn a_cluster_that_is_not_there_is_one_sentence() {
    let fakes = Fakes::new();
    let client = fakes.client(PATIENT);
    let error = client.submit(&submission(&fakes.run_dir("r"))).unwrap_err();
    assert!(error.to_string().starts_with("slurm is not installed here") && !error.is_transient(), "{error}");
    assert!(client.states(&[1]).unwrap_err().to_string().contains("`squeue` in "));
    assert!(matches!(client.cancel(1), Err(SlurmError::NotInstalled { command: "scancel", .. })));
    assert_eq!(client.states(&[]).unwrap(), BTreeMap::new());
}

#[test]
fn a_command_that_hangs_is_ended_with_its_children() {
    let fakes = Fakes::new().with("squeue", "sleep 600 & echo $! > \"$calls.child\"; wait");
    let error = fakes.client(SHORT).states(&[1]).unwrap_err();
    assert!(matches!(error, SlurmError::TimedOut { command: "squeue", .. }) && error.is_transient(), "{error}");
    let child = std::fs::read_to_string(fakes.folder().join("calls.child")).unwrap();
    let lives = || lightbox_store::run::process_start(child.trim().parse().unwrap()).is_some();
    let begin = Instant::now();
    while lives() && begin.elapsed() < PATIENT {
        std::thread::sleep(Duration::from_millis(10));
    }
    assert!(!lives());
}

#[test]
fn a_child_that_holds_the_output_open_costs_nobody_the_answer() {
    let fakes = Fakes::new().with("squeue", "echo '1|COMPLETED|n|None'; sleep 600 &");
    assert_eq!(fakes.client(PATIENT).states(&[1]).unwrap()[&1], JobState::Completed);
}

#[test]
fn garbage_is_an_error_and_never_a_state() {
    for garbage in
        ["echo '<html>'", "head -c 100000 /dev/urandom", "echo '1|RUNN'; echo '2|'", "printf '1|COMPLETED|n|x\\n\\001'"]
    {
        let fakes = Fakes::new().with("squeue", garbage);
        assert!(matches!(fakes.client(PATIENT).states(&[1]), Err(SlurmError::Garbled { .. })), "{garbage}");
    }
    let fakes =
        Fakes::new().with("sbatch", "echo 'Submitted, I think'").with("squeue", "").with("sacct", NO_ACCOUNTING);
    let error = fakes.client(PATIENT).submit(&submission(&fakes.run_dir("r"))).unwrap_err();
    assert!(error.to_string().contains("Submitted, I think"), "{error}");
}

#[test]
fn what_slurm_says_is_passed_on() {
    let words = "echo 'sbatch: error: invalid partition specified: gpus' >&2; \
                 echo 'sbatch: error: Batch job submission failed: Invalid partition name specified' >&2; exit 1";
    let fakes = Fakes::new().with("sbatch", words);
    let error = fakes.client(PATIENT).submit(&submission(&fakes.run_dir("r"))).unwrap_err();
    let said =
        "sbatch: invalid partition specified: gpus; Batch job submission failed: Invalid partition name specified";
    assert_eq!((error.to_string().as_str(), error.is_transient()), (said, false));
    let fakes = Fakes::new().with("scancel", "exit 7");
    assert!(fakes.client(PATIENT).cancel(5).unwrap_err().to_string().contains("no word"));
}

#[test]
fn squeue_then_accounting_then_scontrol() {
    let squeue = "echo '1|RUNNING|n1|None'; echo '2|FAILED|n1|NonZeroExitCode'";
    let sacct = "echo '3|OUT_OF_MEMORY|0:125|n1'; echo '4|RUNNING|0:0|n1'; echo '3.batch|FAILED|9:0|n1'";
    let scontrol = "case \"$*\" in *' 2') echo 'JobId=2 JobState=FAILED ExitCode=3:0';; *' 5') echo 'JobId=5 JobState=TIMEOUT';; \
                    *) echo 'slurm_load_jobs error: Invalid job id specified' >&2; exit 1;; esac";
    let fakes = Fakes::new().with("squeue", squeue).with("sacct", sacct).with("scontrol", scontrol);
    let states = fakes.client(PATIENT).states(&[1, 2, 3, 4, 5, 6]).unwrap();
    assert_eq!(states[&1], JobState::Running { nodes: "n1".into() });
    assert_eq!(states[&2], JobState::Failed { exit_code: 3, signal: None });
    assert_eq!(states[&3], JobState::OutOfMemory);
    // Alive in the accounts only: the controller lost it.
    assert_eq!(states[&4], JobState::Unknown);
    assert_eq!(states[&5], JobState::TimedOut);
    assert_eq!(states[&6], JobState::Unknown);
    let calls = fakes.calls();
    assert_eq!(calls.iter().filter(|c| c.starts_with("squeue")).count(), 1);
    assert!(calls.iter().any(|c| c.starts_with("sacct") && c.contains("--jobs=3,4,5,6")), "{calls:?}");
}

#[test]
fn a_cluster_without_accounting_is_asked_for_it_once() {
    let fakes = Fakes::new().with("squeue", INVALID).with("sacct", NO_ACCOUNTING).with("scontrol", INVALID);
    let client = fakes.client(PATIENT);
    for _ in 0..3 {
        assert_eq!(client.states(&[9]).unwrap()[&9], JobState::Unknown);
    }
    assert_eq!(fakes.calls().iter().filter(|c| c.starts_with("sacct")).count(), 1);
}

#[test]
fn a_job_is_not_given_up_while_accounting_is_away() {
    let sacct = "echo 'sacct: error: Problem talking to the database: Connection refused' >&2; exit 1";
    let fakes = Fakes::new().with("squeue", "echo '8|RUNNING|n|None'").with("sacct", sacct).with("scontrol", INVALID);
    let states = fakes.client(PATIENT).states(&[8, 9]).unwrap();
    assert_eq!(states.keys().collect::<Vec<_>>(), [&8]);
}

#[test]
fn many_jobs_are_asked_for_in_several_calls() {
    let fakes = Fakes::new().with(
        "squeue",
        "for a; do :; done; echo \"$*\" | sed 's/.*--jobs=//; s/ .*//' | tr , '\\n' | sed 's/$/|PENDING||Priority/'",
    );
    let jobs: Vec<u64> = (1..=450).collect();
    assert_eq!(fakes.client(PATIENT).states(&jobs).unwrap().len(), 450);
    assert_eq!(fakes.calls().len(), 3);
}

#[test]
fn a_run_is_never_submitted_twice() {
    // The answer of the first sbatch is lost: it hangs after Slurm took the job.
    let squeue = "[ -e \"$calls.taken\" ] && echo '41|PENDING|lightbox:r:0'; true";
    let sbatch = "touch \"$calls.taken\"; sleep 600";
    let fakes = Fakes::new().with("squeue", squeue).with("sbatch", sbatch).with("sacct", NO_ACCOUNTING);
    let run = fakes.run_dir("r");
    assert_eq!(fakes.client(PATIENT).find(&run).unwrap(), None);
    assert_eq!(fakes.client(SHORT).submit(&submission(&run)).unwrap(), 41);
    // The daemon ended before it wrote the number down.
    assert_eq!(fakes.client(PATIENT).find(&run).unwrap(), Some(41));
    assert_eq!(fakes.client(PATIENT).submit(&submission(&run)).unwrap(), 41);
    assert_eq!(fakes.calls().iter().filter(|c| c.starts_with("sbatch")).count(), 1);
}

#[test]
fn a_submission_under_way_is_waited_for() {
    let fakes = Fakes::new().with("squeue", "").with("sbatch", "cat > /dev/null; echo 42").with("sacct", NO_ACCOUNTING);
    let run = fakes.run_dir("r");
    // The sbatch of a daemon that was killed: it holds the script as its standard input.
    let script =
        File::options().create(true).truncate(false).read(true).write(true).open(run.file(SCRIPT_FILE)).unwrap();
    script.lock().unwrap();
    let error = fakes.client(SHORT).submit(&submission(&run)).unwrap_err();
    assert!(matches!(error, SlurmError::Busy(_)) && error.is_transient(), "{error}");
    assert!(matches!(fakes.client(SHORT).find(&run), Err(SlurmError::Busy(_))));
    let mut orphan = std::process::Command::new("sleep").arg("0.3").stdin(Stdio::from(script)).spawn().unwrap();
    assert_eq!(fakes.client(PATIENT).submit(&submission(&run)).unwrap(), 42);
    orphan.wait().unwrap();
}

#[test]
fn the_newest_living_job_is_a_runs_job_else_one_of_its_last_attempt() {
    let found = |lines: &str, before: u32| {
        let fakes = Fakes::new().with("squeue", &format!("printf '{lines}'")).with("sacct", NO_ACCOUNTING);
        let run = fakes.run_dir("r");
        let mut entry = run.queue_entry().unwrap().unwrap();
        entry.attempts_before = before;
        run.write_queue_entry(&entry).unwrap();
        std::fs::write(run.file(SCRIPT_FILE), "#!/bin/bash\n").unwrap();
        fakes.client(PATIENT).find(&run).unwrap()
    };
    assert_eq!(found("4|RUNNING|lightbox:r:0\\n5|FAILED|lightbox:r:2\\n", 2), Some(4));
    assert_eq!(found("4|FAILED|lightbox:r:0\\n5|FAILED|lightbox:r:2\\n", 2), Some(5));
    assert_eq!(found("4|FAILED|lightbox:r:0\\n5|COMPLETING|lightbox:r:1\\n", 2), None);
    assert_eq!(found("4|REQUEUE_HOLD|lightbox:r:0\\n5|PENDING|\\n", 0), Some(5));
}

#[test]
fn accounting_remembers_a_job_that_the_controller_forgot() {
    let sacct = "echo '7|COMPLETED|lightbox:r:0'; echo '6|FAILED|lightbox:r:0'; echo '9|FAILED|'";
    let fakes = Fakes::new().with("squeue", "").with("sacct", sacct);
    let run = fakes.run_dir("r");
    std::fs::write(run.file(SCRIPT_FILE), "#!/bin/bash\n").unwrap();
    assert_eq!(fakes.client(PATIENT).find(&run).unwrap(), Some(7));
}

#[test]
fn sbatch_gets_the_script_and_the_paths() {
    let fakes = Fakes::new().with("sbatch", "cat > \"$calls.script\"; echo '12;cluster'");
    let run = fakes.run_dir("r%j");
    let error = fakes.client(PATIENT).submit(&submission(&run)).unwrap_err();
    assert!(error.to_string().contains("letters, digits"), "{error}");
    let run = fakes.run_dir("100%/r");
    assert_eq!(fakes.client(PATIENT).submit(&submission(&run)).unwrap(), 12);
    let given = std::fs::read_to_string(fakes.folder().join("calls.script")).unwrap();
    assert_eq!(given, std::fs::read_to_string(run.file(SCRIPT_FILE)).unwrap());
    let calls = fakes.calls().join("\n");
    assert!(calls.contains("/100%%/r/slurm.log") && calls.contains("/100%/r "), "{calls}");
}

#[test]
fn cancelling_what_has_ended_is_no_error() {
    let fakes = Fakes::new()
        .with("scancel", "echo 'scancel: error: Kill job error on job id 3: Invalid job id specified' >&2; exit 1");
    fakes.client(PATIENT).cancel(3).unwrap();
}
