//! The index says what the directories say, whatever happened before: its tables are those of a rebuild.

use std::fs;

use proptest::prelude::*;
use serde_json::json;

use super::{Place, append, event, everything};
use crate::index::{Index, read_rows};
use crate::run::{QueueEntry, RunDir, RunId, Wish};

/// Runs that a sequence of steps works on.
const RUNS: usize = 5;

/// Something that happens to a run's directory, or to the index.
#[derive(Clone, Debug)]
enum Step {
    Make(usize),
    Start(usize),
    Finish(usize),
    Fail(usize),
    Interrupt(usize),
    Queue(usize, i32, u8),
    /// The last line of the events, torn by a crash.
    TearEvents(usize),
    /// A configuration of a newer program, or no JSON at all.
    Spoil(usize, bool),
    Delete(usize),
    Ingest(Vec<usize>),
    Refresh,
    Reopen,
}

fn step() -> impl Strategy<Value = Step> {
    let run = 0..RUNS;
    prop_oneof![
        4 => run.clone().prop_map(Step::Make),
        3 => run.clone().prop_map(Step::Start),
        3 => run.clone().prop_map(Step::Finish),
        1 => run.clone().prop_map(Step::Fail),
        1 => run.clone().prop_map(Step::Interrupt),
        3 => (run.clone(), -3..3, 0u8..3).prop_map(|(r, p, w)| Step::Queue(r, p, w)),
        1 => run.clone().prop_map(Step::TearEvents),
        1 => (run.clone(), any::<bool>()).prop_map(|(r, newer)| Step::Spoil(r, newer)),
        2 => run.clone().prop_map(Step::Delete),
        4 => proptest::collection::vec(run, 1..4).prop_map(Step::Ingest),
        2 => Just(Step::Refresh),
        1 => Just(Step::Reopen),
    ]
}

fn name(run: usize) -> String {
    format!("20260101-00000{run}-m-f{run}-abcd")
}

fn dir(place: &Place, run: usize) -> Option<RunDir> {
    RunDir::open(&place.home.runs_dir().join(name(run))).ok()
}

/// Changes the directories; those of unknown runs stay as they are.
fn happen(place: &Place, step: &Step) {
    let (Step::Make(run)
    | Step::Start(run)
    | Step::Finish(run)
    | Step::Fail(run)
    | Step::Interrupt(run)
    | Step::Queue(run, _, _)
    | Step::TearEvents(run)
    | Step::Spoil(run, _)
    | Step::Delete(run)) = step
    else {
        return;
    };
    if let Step::Make(run) = step {
        match run % 2 {
            0 => place.train(&name(*run)),
            _ => place.explain(&name(*run), &name(run - 1)),
        };
    }
    let Some(dir) = dir(place, *run) else { return };
    let attempt = dir.events().unwrap().last().map_or(1, |e| e.attempt);
    match step {
        // A worker that is long gone, so that the state does not depend on the machine's processes.
        Step::Start(_) => {
            event(
                &dir,
                5,
                attempt + 1,
                json!({"event": "started", "pid": 1, "pid_start": u64::MAX, "host": "elsewhere"}),
            );
        }
        Step::Finish(_) => {
            event(&dir, 9, attempt, json!({"event": "finished"}));
        }
        Step::Fail(_) => event(&dir, 8, attempt, json!({"event": "failed", "error": "no\u{0}memory"})),
        Step::Interrupt(_) => event(&dir, 7, attempt, json!({"event": "interrupted"})),
        Step::Queue(_, priority, wish) => {
            let wish = [Wish::Run, Wish::Pause, Wish::Cancel][usize::from(*wish)];
            let entry = QueueEntry { priority: *priority, order: 12, wish, ..QueueEntry::default() };
            fs::write(dir.file("queue.json"), serde_json::to_string(&entry).unwrap()).unwrap();
        }
        Step::TearEvents(_) => append(&dir.file("events.jsonl"), b"{\"time\": 3, \"att\n"),
        Step::Spoil(_, true) => {
            let text = fs::read(dir.file("config.json")).unwrap();
            let text = String::from_utf8_lossy(&text).replace("\"format\":1", "\"format\":2");
            fs::write(dir.file("config.json"), text).unwrap();
        }
        Step::Spoil(_, false) => fs::write(dir.file("config.json"), b"\xff{").unwrap(),
        Step::Delete(_) => fs::remove_dir_all(dir.path()).unwrap(),
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_history_ends_in_the_tables_of_a_rebuild(steps in proptest::collection::vec(step(), 0..40)) {
        let place = Place::new();
        let mut index = Index::open(&place.home).unwrap();
        // Runs that changed since they were last read.
        let mut stale = std::collections::BTreeSet::new();
        for step in &steps {
            happen(&place, step);
            match step {
                Step::Ingest(runs) => {
                    let there: Vec<RunDir> = runs.iter().filter_map(|r| dir(&place, *r)).collect();
                    index.ingest(&there).unwrap();
                    let gone: Vec<usize> = runs.iter().copied().filter(|r| dir(&place, *r).is_none()).collect();
                    index.remove(&gone.iter().map(|r| RunId(name(*r))).collect::<Vec<_>>()).unwrap();
                    runs.iter().for_each(|r| { stale.remove(r); });
                }
                Step::Refresh => { index.refresh(&place.home).unwrap(); }
                Step::Reopen => {
                    drop(index);
                    index = Index::open(&place.home).unwrap();
                }
                Step::Make(r) | Step::Start(r) | Step::Finish(r) | Step::Fail(r) | Step::Interrupt(r)
                | Step::Queue(r, _, _) | Step::TearEvents(r) | Step::Spoil(r, _)
                | Step::Delete(r) => { stale.insert(*r); }
            }
        }
        let gone = index.vanished(&place.home).unwrap();
        index.remove(&gone).unwrap();
        let changed: Vec<RunDir> = stale.iter().filter_map(|r| dir(&place, *r)).collect();
        index.ingest(&changed).unwrap();

        let live = everything(&index);
        prop_assert_eq!(&live, &read_rows(&place.home).unwrap().0);
        drop(index);
        let rebuilt = Index::rebuild(&place.home).unwrap();
        prop_assert_eq!(rebuilt.runs, live.len());
        prop_assert_eq!(everything(&Index::open(&place.home).unwrap()), live);
    }

    #[test]
    fn a_refresh_alone_finds_what_happened_to_runs_that_were_not_finished(
        steps in proptest::collection::vec(step(), 0..30)
    ) {
        let place = Place::new();
        let mut index = Index::open(&place.home).unwrap();
        for step in &steps {
            // A finished directory is never changed; all else may happen to it between two looks.
            let touched = match step {
                Step::Start(r) | Step::Finish(r) | Step::Fail(r) | Step::Interrupt(r) | Step::Queue(r, _, _)
                | Step::TearEvents(r) | Step::Spoil(r, _) | Step::Make(r) => Some(*r),
                _ => None,
            };
            let word = touched.and_then(|r| dir(&place, r)).and_then(|d| d.status().ok().map(|s| s.word()));
            if word != Some("finished") {
                happen(&place, step);
            }
            if matches!(step, Step::Refresh | Step::Delete(_)) {
                index.refresh(&place.home).unwrap();
            }
        }
        index.refresh(&place.home).unwrap();
        let live = everything(&index);
        // Nothing is left to do.
        let before = index.db.total_changes();
        let passed = index.refresh(&place.home).unwrap();
        prop_assert!(index.db.total_changes() == before || !passed.is_empty());
        drop(index);
        Index::rebuild(&place.home).unwrap();
        prop_assert_eq!(everything(&Index::open(&place.home).unwrap()), live);
    }
}

#[test]
fn a_rebuild_beside_an_open_index_is_seen_by_it() {
    let place = Place::new();
    let mut index = Index::open(&place.home).unwrap();
    index.ingest(&[place.train("a")]).unwrap();
    fs::remove_dir_all(place.home.runs_dir().join("a")).unwrap();
    place.train("b");
    assert_eq!(Index::rebuild(&place.home).unwrap().runs, 1);
    assert_eq!(everything(&index)[0].run.0, "b");
    assert_eq!(everything(&Index::open(&place.home).unwrap()).len(), 1);
}
