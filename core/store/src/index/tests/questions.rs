//! What the index answers, and what it says of directories that it cannot read.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use super::{Place, event, everything, ids, train_config};
use crate::index::{Index, RunFilter, path, read_rows};
use crate::run::{GroupId, QueueEntry, RunDir, RunId};

#[test]
fn a_row_holds_what_the_directory_says() {
    let place = Place::new();
    let (train, explain) = ("20260102-030405-resnet50-f2-abcd", "20260102-030406-gradcam-abcd");
    let dir = place.train(train);
    dir.write_queue_entry(&QueueEntry { priority: -2, order: 7, ..QueueEntry::default() }).unwrap();
    event(&dir, 5, 1, json!({"event": "started", "pid": 1, "pid_start": 0, "host": "elsewhere"}));
    event(&dir, 9, 1, json!({"event": "failed", "error": "out of memory"}));
    let mut index = Index::open(&place.home).unwrap();
    assert_eq!(index.ingest(&[dir, place.explain(explain, train)]).unwrap(), []);

    let rows = index.runs(&RunFilter::default()).unwrap();
    let row = &rows[0];
    assert_eq!((row.run.0.as_str(), row.kind.as_str(), row.model.as_deref()), (train, "train", Some("resnet50")));
    assert_eq!((row.fold, row.folds, row.seed, &row.parent), (Some(2), Some(5), Some(u64::MAX), &None));
    assert_eq!((row.status.as_str(), row.error.as_deref()), ("failed", Some("out of memory")));
    assert_eq!((row.attempts, row.priority, row.order), (1, Some(-2), Some(7)));
    assert_eq!((row.created, row.started, row.ended), (Some(1_767_323_045.0), Some(5.0), Some(9.0)));
    assert_eq!(row.path, place.home.runs_dir().join(train));
    let row = &rows[1];
    assert_eq!((row.kind.as_str(), row.model.as_deref(), row.fold), ("explain-eval", Some("resnet50"), None));
    assert_eq!((row.parent.clone(), row.status.as_str()), (Some(RunId(train.into())), "queued"));
    assert_eq!((row.priority, row.order, row.attempts), (None, None, 0));

    index.remove(&ids(&[train, "stranger"])).unwrap();
    assert_eq!(index.runs(&RunFilter::default()).unwrap()[0].model, None);
}

#[test]
fn filters_narrow_together() {
    let place = Place::new();
    let dirs: Vec<RunDir> = ["a", "b", "cc", "dd"].iter().map(|n| place.train(n)).collect();
    event(&dirs[1], 1, 1, json!({"event": "finished"}));
    event(&dirs[2], 1, 1, json!({"event": "interrupted"}));
    let mut index = Index::open(&place.home).unwrap();
    index.ingest(&dirs).unwrap();
    index.ingest(&[place.explain("ee", "a")]).unwrap();
    let names =
        |filter: RunFilter| -> Vec<String> { index.runs(&filter).unwrap().into_iter().map(|r| r.run.0).collect() };
    let all = RunFilter::default;
    assert_eq!(names(all()), ["a", "b", "cc", "dd", "ee"]);
    assert_eq!(names(RunFilter { unsettled: true, ..all() }), ["a", "cc", "dd", "ee"]);
    assert_eq!(names(RunFilter { group: Some(GroupId("g-2".into())), ..all() }), ["cc", "dd", "ee"]);
    assert_eq!(names(RunFilter { study: Some("t".into()), ..all() }), [] as [&str; 0]);
    assert_eq!(names(RunFilter { study: Some("s".into()), kind: Some("train".into()), ..all() }).len(), 4);
    assert_eq!(names(RunFilter { status: Some("interrupted".into()), ..all() }), ["cc"]);
    assert_eq!(names(RunFilter { ids: Some(ids(&["dd", "b", "x'\""])), ..all() }), ["b", "dd"]);
    assert_eq!(names(RunFilter { ids: Some(vec![]), ..all() }), [] as [&str; 0]);
    assert_eq!(names(RunFilter { unsettled: true, limit: Some(2), ..all() }), ["a", "cc"]);
    assert_eq!(names(RunFilter { limit: Some(usize::MAX), ..all() }).len(), 5);
}

#[test]
fn what_cannot_be_read_is_passed_over_with_a_sentence() {
    let place = Place::new();
    let runs = place.home.runs_dir();
    place.train("good");
    let mut newer = train_config("newer");
    newer["format"] = json!(99);
    place.put("newer", &newer);
    place.put("other-name", &train_config("its-name"));
    place.put("no-run", &json!([]));
    fs::write(place.train("bad-queue").file("queue.json"), "{").unwrap();
    fs::create_dir(place.train("bad-events").file("events.jsonl")).unwrap();
    fs::create_dir_all(runs.join("not-a-run/folder")).unwrap();
    fs::write(runs.join("a-file"), "x").unwrap();
    let strange = runs.join(OsStr::from_bytes(b"run-\xff"));
    fs::create_dir(&strange).unwrap();
    fs::write(strange.join("config.json"), train_config("run-?").to_string()).unwrap();

    let expected = ["bad-events", "bad-queue", "newer", "no-run", "other-name", "run-\u{fffd}"];
    let said = |passed: &[(std::path::PathBuf, String)]| -> Vec<String> {
        let name = |p: &std::path::PathBuf| p.strip_prefix(&runs).unwrap().to_string_lossy().into_owned();
        passed.iter().map(|(p, _)| name(p).split('/').next().unwrap().to_owned()).collect()
    };
    let rebuilt = Index::rebuild(&place.home).unwrap();
    assert_eq!(said(&rebuilt.passed_over), expected);
    let sentence = |i: usize| rebuilt.passed_over[i].1.as_str();
    assert!(sentence(2).contains("update Lightbox") && sentence(4).contains("its-name"), "{rebuilt:?}");
    let mut index = Index::open(&place.home).unwrap();
    let names = |index: &Index| -> Vec<String> { everything(index).into_iter().map(|row| row.run.0).collect() };
    assert_eq!(names(&index), ["good"]);
    assert_eq!(read_rows(&place.home).unwrap().0.len(), 1);
    // The same is said again as long as it is so, and a run that goes bad loses its row.
    fs::write(runs.join("good/config.json"), "").unwrap();
    let passed = index.refresh(&place.home).unwrap();
    assert_eq!(passed.len(), expected.len() + 1);
    assert_eq!(names(&index), [] as [&str; 0]);
}

#[test]
fn unknown_and_vanished_runs_are_found_by_name() {
    let place = Place::new();
    let mut index = Index::open(&place.home).unwrap();
    index.ingest(&[place.train("a"), place.train("b")]).unwrap();
    place.train("d");
    place.train("c");
    fs::create_dir(place.home.runs_dir().join(".e.tmp")).unwrap();
    fs::write(place.home.runs_dir().join(".e.tmp/config.json"), "{}").unwrap();
    fs::remove_dir_all(place.home.runs_dir().join("a")).unwrap();
    let unknown: Vec<_> = index.unknown(&place.home).unwrap().iter().map(|d| d.path().to_path_buf()).collect();
    assert_eq!(unknown, ["c", "d"].map(|n| place.home.runs_dir().join(n)));
    assert_eq!(index.vanished(&place.home).unwrap(), ids(&["a"]));
}

#[test]
fn only_the_owner_can_read_it() {
    let place = Place::new();
    let mut index = Index::open(&place.home).unwrap();
    index.ingest(&[place.train("a")]).unwrap();
    let folder = fs::read_dir(place.home.root()).unwrap().map(|e| e.unwrap());
    let files: Vec<_> = folder.filter(|e| e.file_name().to_string_lossy().contains("index")).collect();
    assert_eq!(files.len(), 4, "{files:?}");
    for file in files {
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600, "{file:?}");
    }
    drop(index);
    Index::rebuild(&place.home).unwrap();
    assert_eq!(fs::metadata(path(&place.home)).unwrap().permissions().mode() & 0o777, 0o600);
}
