//! From run directories into the tables.

use rusqlite::{Connection, TransactionBehavior, params};

use super::Index;
use super::row::{PassedOver, RunRow, folder_name, passed_over};
use super::trouble::{Attempt, Trouble};
use crate::error::Result;
use crate::run::{RunDir, RunId};

const PUT_RUN: &str = "INSERT OR REPLACE INTO runs VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)";
const DROP_RUN: &str = "DELETE FROM runs WHERE run = ?";

/// All statements, for checking a file's tables against them.
pub(super) const STATEMENTS: [&str; 2] = [PUT_RUN, DROP_RUN];

impl Index {
    /// Reads these run directories, again or for the first time, in one transaction. A directory that cannot be read
    /// loses its row and is returned with the reason.
    ///
    /// # Errors
    /// When the index cannot be written; nothing has changed then.
    pub fn ingest(&mut self, runs: &[RunDir]) -> Result<PassedOver> {
        // Read within the transaction, so that what another process has read later is never replaced by older state.
        self.write(|db| put(db, runs))
    }

    /// Forgets these runs; unknown ones are no error.
    ///
    /// # Errors
    /// When the index cannot be written; nothing has changed then.
    pub fn remove(&mut self, runs: &[RunId]) -> Result<()> {
        self.write(|db| runs.iter().try_for_each(|run| forget(db, &run.0)))
    }

    /// Replaces all rows by those of `runs`, in one transaction.
    pub(super) fn replace_all(&mut self, runs: &[RunDir]) -> Result<PassedOver> {
        self.write(|db| {
            db.execute_batch("DELETE FROM runs")?;
            put(db, runs)
        })
    }

    fn write<T>(&mut self, work: impl FnOnce(&Connection) -> Attempt<T>) -> Result<T> {
        let outcome = (|| {
            let transaction = self.db.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let value = work(&transaction)?;
            transaction.commit()?;
            Ok(value)
        })();
        outcome.map_err(|trouble: Trouble| trouble.into_error("write", &self.path))
    }
}

/// Puts the rows of `runs` within a transaction of the caller.
pub(super) fn put(db: &Connection, runs: &[RunDir]) -> Attempt<PassedOver> {
    let mut passed = PassedOver::new();
    for dir in runs {
        match RunRow::read_named(dir) {
            Ok(row) => write_row(db, &row)?,
            Err(error) => {
                if let Some(run) = folder_name(dir.path()) {
                    forget(db, run)?;
                }
                passed.push(passed_over(dir.path().to_path_buf(), &error));
            }
        }
    }
    Ok(passed)
}

fn forget(db: &Connection, run: &str) -> Attempt<()> {
    db.prepare_cached(DROP_RUN)?.execute([run])?;
    Ok(())
}

fn write_row(db: &Connection, row: &RunRow) -> Attempt<()> {
    let whole = |n: Option<u64>| n.and_then(|n| i64::try_from(n).ok());
    db.prepare_cached(PUT_RUN)?.execute(params![
        row.run.0,
        row.group.0,
        row.study,
        row.kind,
        row.model,
        row.dataset,
        whole(row.fold),
        whole(row.folds),
        // As text: SQLite's integers end at half of what a seed may be.
        row.seed.map(|s| s.to_string()),
        row.parent.as_ref().map(|p| &p.0),
        row.status,
        row.error,
        row.attempts,
        row.priority,
        row.order,
        row.created,
        row.started,
        row.ended,
    ])?;
    Ok(())
}
