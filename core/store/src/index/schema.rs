//! The tables of the index, and how an older file becomes one of today.
//!
//! A published migration is never edited: a change of the tables is a new migration, and a new fixture
//! `tests/fixtures/index-vN.sql` beside it.

use rusqlite::{Connection, TransactionBehavior};

use super::trouble::Trouble;

/// Marks the file as an index of Lightbox: the letters `LBix`.
pub(super) const APPLICATION_ID: i32 = 0x4C42_6978;

/// The version that this program reads and writes.
pub(super) const VERSION: i32 = MIGRATIONS.len() as i32;

/// The migration at place `n` makes version `n + 1` out of version `n`; version 0 is an empty file.
pub(super) const MIGRATIONS: &[&str] = &[
    "
CREATE TABLE runs (
    run TEXT PRIMARY KEY,
    run_group TEXT NOT NULL,
    study TEXT,
    kind TEXT NOT NULL,
    model TEXT,
    dataset TEXT NOT NULL,
    fold INTEGER,
    folds INTEGER,
    seed TEXT,
    parent TEXT,
    status TEXT NOT NULL,
    error TEXT,
    attempts INTEGER NOT NULL,
    priority INTEGER,
    queue_order INTEGER,
    created REAL,
    started REAL,
    ended REAL
) STRICT, WITHOUT ROWID;
CREATE INDEX runs_by_group ON runs (run_group);
CREATE INDEX runs_by_study ON runs (study) WHERE study IS NOT NULL;
CREATE INDEX runs_unsettled ON runs (run) WHERE status NOT IN ('finished', 'failed', 'cancelled');
CREATE TABLE metrics (
    run TEXT NOT NULL,
    part TEXT NOT NULL,
    name TEXT NOT NULL,
    value REAL NOT NULL,
    PRIMARY KEY (run, part, name)
) STRICT, WITHOUT ROWID;
",
    "
DROP TABLE metrics;
",
];

/// Brings the tables to today's version, each step in a transaction of its own, so that a crash leaves a version whole.
pub(super) fn migrate(db: &mut Connection) -> Result<(), Trouble> {
    let began = version(db)?;
    while version(db)? < VERSION {
        let step = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
        // Read again: another process may have taken this step since.
        let from = version(&step)?;
        if let Some(migration) = usize::try_from(from).ok().and_then(|n| MIGRATIONS.get(n)) {
            step.execute_batch(migration)?;
            step.pragma_update(None, "application_id", APPLICATION_ID)?;
            step.pragma_update(None, "user_version", from + 1)?;
        }
        step.commit()?;
    }
    if (1..VERSION).contains(&began) {
        // Gives what was dropped back to the disk. Where another process is in the way, its pages are used again instead.
        let _ = db.execute_batch("VACUUM");
    }
    Ok(())
}

/// The file's version; an error when the file is another program's, or a newer one's.
fn version(db: &Connection) -> Result<i32, Trouble> {
    let number = |name: &str| db.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
    let (owner, version) = (number("application_id")?, number("user_version")?);
    if (owner, version) == (0, 0) {
        let tables: i64 = db.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
        return if tables == 0 { Ok(0) } else { Err(Trouble::Damaged("it is not an index of Lightbox".into())) };
    }
    match version {
        _ if owner != APPLICATION_ID => Err(Trouble::Damaged("it is not an index of Lightbox".into())),
        1..=VERSION => Ok(version),
        n if n > VERSION => Err(Trouble::Newer(n)),
        n => Err(Trouble::Damaged(format!("its version {n} does not exist"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a database was made of, table by table.
    fn tables(db: &Connection) -> Vec<(String, String)> {
        let mut query = db.prepare("SELECT name, sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY name").unwrap();
        query.query_map([], |row| Ok((row.get(0)?, row.get(1)?))).unwrap().collect::<Result<_, _>>().unwrap()
    }

    fn fixture(version: usize) -> String {
        let path = format!("{}/tests/fixtures/index-v{version}.sql", env!("CARGO_MANIFEST_DIR"));
        std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{path}: {e}; each version has its fixture"))
    }

    fn loaded(version: usize) -> Connection {
        let db = Connection::open_in_memory().unwrap();
        db.execute_batch(&fixture(version)).unwrap();
        db
    }

    #[test]
    fn every_published_version_is_still_made_as_it_was_published() {
        let made = Connection::open_in_memory().unwrap();
        for (n, migration) in MIGRATIONS.iter().enumerate() {
            made.execute_batch(migration).unwrap();
            let published = tables(&loaded(n + 1));
            assert_eq!(
                tables(&made),
                published,
                "the tables of version {} changed: leave published migrations as they are, add one, and a fixture \
                 index-v{}.sql",
                n + 1,
                MIGRATIONS.len() + 1
            );
        }
        let next = format!("{}/tests/fixtures/index-v{}.sql", env!("CARGO_MANIFEST_DIR"), VERSION + 1);
        assert!(!std::path::Path::new(&next).exists(), "{next} has no migration");
    }

    #[test]
    fn every_published_version_migrates_to_today_and_keeps_its_rows() {
        for from in 1..=MIGRATIONS.len() {
            let mut db = loaded(from);
            assert_eq!(version(&db).unwrap(), i32::try_from(from).unwrap());
            let runs = |db: &Connection| -> Vec<String> {
                let mut query = db.prepare("SELECT run FROM runs ORDER BY run").unwrap();
                query.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
            };
            let before = runs(&db);
            migrate(&mut db).unwrap();
            assert_eq!((version(&db).unwrap(), before.len() >= 3), (VERSION, true));
            assert_eq!(runs(&db), before);
        }
    }

    #[test]
    fn an_empty_file_becomes_todays_and_a_step_that_fails_leaves_no_trace() {
        let mut db = Connection::open_in_memory().unwrap();
        migrate(&mut db).unwrap();
        assert_eq!(tables(&db), tables(&loaded(MIGRATIONS.len())));

        // Too few pages for the tables: the transaction fails as on a full disk.
        let mut small = Connection::open_in_memory().unwrap();
        small.pragma_update(None, "max_page_count", 2).unwrap();
        assert!(migrate(&mut small).is_err());
        assert_eq!((version(&small).unwrap(), tables(&small).len()), (0, 0));
    }

    #[test]
    fn files_of_others_and_of_newer_programs_are_told_apart() {
        let with = |owner: i32, version: i32| {
            let mut db = Connection::open_in_memory().unwrap();
            db.pragma_update(None, "application_id", owner).unwrap();
            db.pragma_update(None, "user_version", version).unwrap();
            migrate(&mut db)
        };
        assert!(matches!(with(APPLICATION_ID, VERSION + 1), Err(Trouble::Newer(_))));
        assert!(matches!(with(APPLICATION_ID, -1), Err(Trouble::Damaged(_))));
        assert!(matches!(with(77, VERSION), Err(Trouble::Damaged(_))));
        let mut stranger = Connection::open_in_memory().unwrap();
        stranger.execute_batch("CREATE TABLE songs (title TEXT)").unwrap();
        assert!(matches!(migrate(&mut stranger), Err(Trouble::Damaged(_))));
    }
}
