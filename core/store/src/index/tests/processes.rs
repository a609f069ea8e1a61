//! Several processes with one index: readers see whole transactions while another writes.

use std::process::{Child, Command, Stdio};

use super::{Place, everything};
use crate::home::Home;
use crate::index::{Index, RunFilter};
use crate::run::RunDir;

/// Names the home for a process that this test starts: the same program with only the test below.
const HOME: &str = "LIGHTBOX_TEST_INDEX_HOME";
/// Times that a writer adds and takes away its runs.
const ROUNDS: usize = 60;
/// Runs of one transaction.
const RUNS: usize = 8;

fn names(writer: &str) -> Vec<String> {
    (0..RUNS).map(|n| format!("{writer}-{n}")).collect()
}

/// Not a test of its own: what a started process does.
#[test]
fn a_process_of_the_other_tests() {
    let Ok(task) = std::env::var(HOME) else { return };
    let (role, home) = task.split_once(' ').unwrap();
    let home = Home::at(std::path::Path::new(home)).unwrap();
    if role == "read" {
        let index = Index::open(&home).unwrap();
        let (mut changes, mut before) = (0, Some(index.runs(&RunFilter::default()).unwrap().len()));
        std::fs::write(home.root().join(format!("ready-{}", std::process::id())), "").unwrap();
        while index.runs(&RunFilter { ids: Some(super::ids(&["stop"])), ..RunFilter::default() }).unwrap().is_empty() {
            let rows = index.runs(&RunFilter::default()).unwrap();
            for writer in ["a", "b"] {
                let seen = rows.iter().filter(|r| r.run.0.starts_with(writer)).count();
                assert!(seen == 0 || seen == RUNS, "{seen} of {RUNS} runs of a transaction");
            }
            changes += usize::from(before.replace(rows.len()) != Some(rows.len()));
        }
        assert!(changes > 0, "saw nothing change");
        return;
    }
    let dirs: Vec<RunDir> = names(role).iter().map(|n| RunDir::open(&home.runs_dir().join(n)).unwrap()).collect();
    let mut index = Index::open(&home).unwrap();
    for _ in 0..ROUNDS {
        index.ingest(&dirs).unwrap();
        index.remove(&names(role).into_iter().map(crate::run::RunId).collect::<Vec<_>>()).unwrap();
    }
    index.ingest(&dirs).unwrap();
}

/// A process that ends with the test that started it.
struct Started(Child);

impl Drop for Started {
    fn drop(&mut self) {
        // It has ended already when the test went well.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn start(place: &Place, role: &str) -> Started {
    let test = format!("{}::a_process_of_the_other_tests", module_path!().split_once("::").unwrap().1);
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", &test, "--nocapture"])
        .env(HOME, format!("{role} {}", place.home.root().display()))
        .stdout(Stdio::null())
        .spawn();
    Started(child.unwrap())
}

#[test]
fn readers_see_whole_transactions_of_two_writers() {
    let place = Place::new();
    for writer in ["a", "b"] {
        names(writer).iter().for_each(|n| drop(place.train(n)));
    }
    let mut readers = [start(&place, "read"), start(&place, "read")];
    let ready = || {
        let files = std::fs::read_dir(place.home.root()).unwrap().map(|e| e.unwrap().file_name());
        files.filter(|name| name.to_string_lossy().starts_with("ready-")).count()
    };
    while ready() < readers.len() {
        assert!(readers.iter_mut().all(|r| r.0.try_wait().unwrap().is_none()), "a reader ended early");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let mut writers = [start(&place, "a"), start(&place, "b")];
    for writer in &mut writers {
        assert!(writer.0.wait().unwrap().success());
    }
    Index::open(&place.home).unwrap().ingest(&[place.train("stop")]).unwrap();
    for reader in &mut readers {
        assert!(reader.0.wait().unwrap().success());
    }
    assert_eq!(everything(&Index::open(&place.home).unwrap()).len(), 2 * RUNS + 1);
}

#[test]
fn many_may_open_a_home_for_the_first_time_at_once() {
    let place = Place::new();
    place.train("a");
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                let mut index = Index::open(&place.home).unwrap();
                index.refresh(&place.home).unwrap();
                assert_eq!(everything(&index).len(), 1);
            });
        }
    });
}
