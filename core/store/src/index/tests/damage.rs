//! Files that are broken, foreign, newer or too large for the disk: a sentence, and a way out.

use std::fs;
use std::sync::LazyLock;

use proptest::prelude::*;

use super::{Place, event, everything, ids};
use crate::error::StoreError;
use crate::index::{Index, RunFilter, path, read_rows, schema};

/// A home with some runs and a closed index of them.
fn indexed() -> Place {
    let place = Place::new();
    for n in 0..40 {
        place.train(&format!("20260101-0000{n:02}-resnet50-f0-abcd"));
    }
    let rebuilt = Index::rebuild(&place.home).unwrap();
    assert_eq!((rebuilt.runs, rebuilt.passed_over.len()), (40, 0));
    place
}

/// The home that damage is done to, one case after the other, and its good index.
static WHOLE: LazyLock<(Place, Vec<u8>)> = LazyLock::new(|| {
    let place = indexed();
    let bytes = fs::read(path(&place.home)).unwrap();
    (place, bytes)
});

/// Takes away all index files of earlier cases.
fn clear(place: &Place) {
    let folder = fs::read_dir(place.home.root()).unwrap().map(|e| e.unwrap());
    let files = folder.filter(|e| e.file_name().to_string_lossy().starts_with("index.sqlite"));
    files.for_each(|e| fs::remove_file(e.path()).unwrap());
}

/// Bytes in the place of the index.
#[derive(Clone, Debug)]
enum Harm {
    Random(Vec<u8>),
    Cut(prop::sample::Index),
    Flip(Vec<(prop::sample::Index, u8)>),
    /// Flips within the first bytes, where the header and the tables' definitions are.
    FlipHead(Vec<(prop::sample::Index, u8)>),
    Overwrite(prop::sample::Index, Vec<u8>),
    /// Leftovers of another file beside a good one.
    Companion(Vec<u8>),
}

fn harm() -> impl Strategy<Value = Harm> {
    let place = any::<prop::sample::Index>;
    let bytes = || proptest::collection::vec(any::<u8>(), 1..3000);
    prop_oneof![
        1 => bytes().prop_map(Harm::Random),
        2 => place().prop_map(Harm::Cut),
        3 => proptest::collection::vec((place(), 1u8..), 1..50).prop_map(Harm::Flip),
        3 => proptest::collection::vec((place(), 1u8..), 1..4).prop_map(Harm::FlipHead),
        2 => (place(), bytes()).prop_map(|(at, b)| Harm::Overwrite(at, b)),
        1 => bytes().prop_map(Harm::Companion),
    ]
}

fn harmed(good: &[u8], harm: &Harm) -> Vec<u8> {
    let mut bytes = good.to_vec();
    match harm {
        Harm::Random(random) => bytes.clone_from(random),
        Harm::Cut(at) => bytes.truncate(at.index(good.len())),
        Harm::Flip(flips) => flips.iter().for_each(|(at, bits)| bytes[at.index(good.len())] ^= bits),
        Harm::FlipHead(flips) => flips.iter().for_each(|(at, bits)| bytes[at.index(200)] ^= bits),
        Harm::Overwrite(at, with) => {
            let at = at.index(good.len());
            let end = (at + with.len()).min(good.len());
            bytes[at..end].copy_from_slice(&with[..end - at]);
        }
        Harm::Companion(_) => {}
    }
    bytes
}

/// The schema version in a file's header.
fn version(bytes: &[u8]) -> Option<i32> {
    Some(i32::from_be_bytes(bytes.get(60..64)?.try_into().ok()?))
}

/// Every error names the index and says what to do.
fn is_a_sentence(error: &StoreError) -> bool {
    let text = error.to_string();
    text.contains("index.sqlite")
        && (matches!(error, StoreError::Io { .. }) || text.contains("`lightbox store rebuild`"))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_damage_ends_in_a_sentence_or_a_new_index(harm in harm()) {
        let (place, good) = &*WHOLE;
        clear(place);
        let file = path(&place.home);
        let bytes = harmed(good, &harm);
        fs::write(&file, &bytes).unwrap();
        if let Harm::Companion(bytes) = &harm {
            for end in ["-wal", "-shm", "-journal"] {
                fs::write(file.with_file_name(format!("index.sqlite{end}")), bytes).unwrap();
            }
        }
        match Index::open(&place.home) {
            Ok(mut index) => {
                let asked = index.runs(&RunFilter::default()).map(|_| ());
                let listed = index.refresh(&place.home).map(|_| ());
                let removed = index.remove(&ids(&["20260101-000003-resnet50-f0-abcd"]));
                for error in [asked, listed, removed].into_iter().filter_map(Result::err) {
                    prop_assert!(is_a_sentence(&error), "{error}");
                }
            }
            Err(error) => prop_assert!(is_a_sentence(&error), "{error}"),
        }
        match Index::open_or_rebuild(&place.home) {
            Ok((mut index, remark)) => {
                index.runs(&RunFilter::default()).unwrap();
                index.refresh(&place.home).unwrap();
                if remark.is_some() {
                    let rows = everything(&index);
                    prop_assert_eq!(rows, read_rows(&place.home).unwrap().0);
                    prop_assert!(file.with_file_name("index.sqlite.damaged-1").exists());
                }
            }
            // Flipped bits that look like a newer version: only the user may throw that away.
            Err(error) => {
                prop_assert!(version(&bytes).is_some_and(|v| v > schema::VERSION), "{error}");
                prop_assert!(error.to_string().contains("newer"), "{error}");
            }
        }
        Index::rebuild(&place.home).unwrap();
        let rows = everything(&Index::open(&place.home).unwrap());
        prop_assert_eq!(rows, read_rows(&place.home).unwrap().0);
    }
}

#[test]
fn a_newer_index_is_refused_and_kept() {
    let place = indexed();
    let db = rusqlite::Connection::open(path(&place.home)).unwrap();
    db.pragma_update(None, "user_version", schema::VERSION + 1).unwrap();
    drop(db);
    let before = fs::read(path(&place.home)).unwrap();
    for error in [Index::open(&place.home).unwrap_err(), Index::open_or_rebuild(&place.home).unwrap_err()] {
        let text = error.to_string();
        assert!(text.contains("update Lightbox, or run `lightbox store rebuild`"), "{text}");
    }
    assert_eq!(fs::read(path(&place.home)).unwrap(), before);
    assert_eq!(Index::rebuild(&place.home).unwrap().runs, 40);
    assert_eq!(everything(&Index::open(&place.home).unwrap()).len(), 40);
}

#[test]
fn damaged_files_are_kept_side_by_side_with_their_companions() {
    let place = indexed();
    let beside = |end: &str| path(&place.home).with_file_name(format!("index.sqlite{end}"));
    for round in 1..=2 {
        fs::write(beside(""), b"not a database, but long enough to be taken for one").unwrap();
        fs::write(beside("-wal"), b"w").unwrap();
        let (index, remark) = Index::open_or_rebuild(&place.home).unwrap();
        assert!(remark.unwrap().contains("damaged"));
        assert_eq!(everything(&index).len(), 40);
        assert!(beside(&format!(".damaged-{round}")).exists());
    }
    let (index, remark) = Index::open_or_rebuild(&place.home).unwrap();
    assert_eq!((everything(&index).len(), remark), (40, None));
}

#[test]
fn a_missing_index_is_made_without_the_leftovers_of_another() {
    let place = indexed();
    let mut index = Index::open(&place.home).unwrap();
    index.remove(&ids(&["20260101-000000-resnet50-f0-abcd"])).unwrap();
    // What a crash leaves: the changes of the old file, but not the file.
    let wal = path(&place.home).with_file_name("index.sqlite-wal");
    let leftovers = fs::read(&wal).unwrap();
    assert!(!leftovers.is_empty());
    drop(index);
    fs::remove_file(path(&place.home)).unwrap();
    fs::write(&wal, &leftovers).unwrap();
    assert_eq!(everything(&Index::open(&place.home).unwrap()).len(), 0);

    fs::remove_file(path(&place.home)).unwrap();
    fs::write(&wal, &leftovers).unwrap();
    let (index, remark) = Index::open_or_rebuild(&place.home).unwrap();
    assert_eq!((everything(&index).len(), remark), (40, None));
}

#[test]
fn a_full_disk_is_named_and_the_index_stays_readable() {
    let place = indexed();
    let mut index = Index::open(&place.home).unwrap();
    let before = everything(&index);
    let pages: i64 = index.db.pragma_query_value(None, "page_count", |row| row.get(0)).unwrap();
    index.db.pragma_update(None, "max_page_count", pages).unwrap();
    let many: Vec<_> = (0..60).map(|n| place.train(&format!("20260202-0000{n:02}-vgg16-f0-abcd"))).collect();
    let error = index.ingest(&many).unwrap_err();
    assert!(
        matches!(&error, StoreError::Io { source, .. } if source.kind() == std::io::ErrorKind::StorageFull),
        "{error:?}"
    );
    assert!(error.to_string().contains("index.sqlite"), "{error}");
    assert_eq!(everything(&index), before);
    assert_eq!(everything(&Index::open(&place.home).unwrap()), before);
    index.db.pragma_update(None, "max_page_count", 1_000_000).unwrap();
    index.ingest(&many).unwrap();
    assert_eq!(everything(&index).len(), 100);
}

#[test]
fn a_damaged_index_in_use_is_not_pulled_away() {
    let place = indexed();
    let index = Index::open(&place.home).unwrap();
    fs::write(path(&place.home), b"not a database, but long enough to be taken for one").unwrap();
    let error = Index::rebuild(&place.home).unwrap_err();
    assert!(error.to_string().contains("another process has it open"), "{error}");
    drop(index);
    assert_eq!(Index::rebuild(&place.home).unwrap().runs, 40);
}

#[test]
fn a_folder_of_runs_that_is_gone_leaves_the_old_index() {
    let place = indexed();
    event(&place.train("a"), 1, 1, serde_json::json!({"event": "finished"}));
    let away = place.home.root().join("away");
    fs::rename(place.home.runs_dir(), &away).unwrap();
    let error = Index::rebuild(&place.home).unwrap_err();
    assert!(error.to_string().contains("runs"), "{error}");
    assert_eq!(everything(&Index::open(&place.home).unwrap()).len(), 40);
}

#[test]
fn of_the_damaged_files_the_newest_two_are_kept() {
    let place = indexed();
    let file = path(&place.home);
    let aside = |end: &str| file.with_file_name(format!("index.sqlite.damaged-{end}"));
    for n in 1..=4_u8 {
        fs::write(&file, [n; 5000]).unwrap();
        assert!(Index::open_or_rebuild(&place.home).unwrap().1.is_some());
        assert_eq!(fs::read(aside(&n.to_string())).unwrap(), [n; 5000]);
    }
    let there = |n: usize| aside(&n.to_string()).exists();
    assert_eq!([1, 2, 3, 4].map(there), [false, false, true, true]);
    // Companions go with their file.
    fs::write(aside("3-wal"), "w").unwrap();
    fs::write(&file, [5; 5000]).unwrap();
    Index::open_or_rebuild(&place.home).unwrap();
    assert_eq!(([3, 4, 5].map(there), aside("3-wal").exists()), ([false, true, true], false));
}
