//! Questions to the index.

use rusqlite::types::Value;
use rusqlite::{Row, params_from_iter};

use super::Index;
use super::row::RunRow;
use super::trouble::{Attempt, Trouble};
use crate::error::Result;
use crate::run::{GroupId, RunId};

/// The columns of a [`RunRow`]; a run without a network of its own has its parent's.
const COLUMNS: &str = "SELECT r.run, r.run_group, r.study, r.kind, coalesce(r.model, p.model), r.dataset, r.fold, \
                       r.folds, r.seed, r.parent, r.status, r.error, r.attempts, r.priority, r.queue_order, r.created, \
                       r.started, r.ended FROM runs r LEFT JOIN runs p ON p.run = r.parent";
const IDS: &str = "SELECT run FROM runs ORDER BY run";
const UNFINISHED: &str = "SELECT run FROM runs WHERE status <> 'finished' ORDER BY run";

/// All fixed statements, for checking a file's tables against them.
pub(super) const STATEMENTS: [&str; 3] = [COLUMNS, IDS, UNFINISHED];

/// Which runs are wanted; all that is left out does not matter.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RunFilter {
    /// Only runs that are neither finished nor failed nor cancelled.
    pub unsettled: bool,
    /// Of this group.
    pub group: Option<GroupId>,
    /// Of this study.
    pub study: Option<String>,
    /// Of this kind: `train`, `evaluate` or `explain-eval`.
    pub kind: Option<String>,
    /// With this word as their status.
    pub status: Option<String>,
    /// Among these.
    pub ids: Option<Vec<RunId>>,
    /// At most so many, the first by id.
    pub limit: Option<usize>,
}

impl Index {
    /// The runs that fit, ordered by id, which is by age.
    ///
    /// # Errors
    /// When the index cannot be read.
    pub fn runs(&self, filter: &RunFilter) -> Result<Vec<RunRow>> {
        self.read(|| self.rows(filter))
    }

    pub(super) fn rows(&self, filter: &RunFilter) -> Attempt<Vec<RunRow>> {
        let (text, values) = filter.statement();
        let mut query = self.db.prepare_cached(&text)?;
        let rows = query.query_map(params_from_iter(values), |row| self.run_row(row))?;
        Ok(rows.collect::<rusqlite::Result<_>>()?)
    }

    /// The names of all runs.
    pub(super) fn ids(&self) -> Result<Vec<String>> {
        self.names(IDS)
    }

    /// The names of the runs that may still change: a failed or cancelled one can be run again by hand.
    pub(super) fn unfinished(&self) -> Result<Vec<String>> {
        self.names(UNFINISHED)
    }

    fn names(&self, text: &str) -> Result<Vec<String>> {
        self.read(|| {
            let mut query = self.db.prepare_cached(text)?;
            let rows = query.query_map([], |row| row.get(0))?;
            Ok(rows.collect::<rusqlite::Result<_>>()?)
        })
    }

    fn read<T>(&self, work: impl FnOnce() -> Attempt<T>) -> Result<T> {
        work().map_err(|trouble: Trouble| trouble.into_error("read", &self.path))
    }

    fn run_row(&self, row: &Row<'_>) -> rusqlite::Result<RunRow> {
        let run: String = row.get(0)?;
        let whole = |n: Option<i64>| n.map(i64::unsigned_abs);
        Ok(RunRow {
            path: self.runs.join(&run),
            run: RunId(run),
            group: GroupId(row.get(1)?),
            study: row.get(2)?,
            kind: row.get(3)?,
            model: row.get(4)?,
            dataset: row.get(5)?,
            fold: whole(row.get(6)?),
            folds: whole(row.get(7)?),
            seed: row.get::<_, Option<String>>(8)?.and_then(|s| s.parse().ok()),
            parent: row.get::<_, Option<String>>(9)?.map(RunId),
            status: row.get(10)?,
            error: row.get(11)?,
            attempts: row.get(12)?,
            priority: row.get(13)?,
            order: row.get(14)?,
            created: row.get(15)?,
            started: row.get(16)?,
            ended: row.get(17)?,
        })
    }
}

impl RunFilter {
    /// The statement and its values.
    fn statement(&self) -> (String, Vec<Value>) {
        let (mut terms, mut values) = (Vec::new(), Vec::new());
        // The words of the partial index, so that a few unsettled runs are found among many.
        if self.unsettled {
            terms.push("r.status NOT IN ('finished', 'failed', 'cancelled')");
        }
        let wanted = [
            ("r.run_group = ?", self.group.as_ref().map(|g| &g.0)),
            ("r.study = ?", self.study.as_ref()),
            ("r.kind = ?", self.kind.as_ref()),
            ("r.status = ?", self.status.as_ref()),
        ];
        for (term, value) in wanted {
            if let Some(value) = value {
                terms.push(term);
                values.push(Value::from(value.clone()));
            }
        }
        if let Some(ids) = &self.ids {
            terms.push("r.run IN (SELECT value FROM json_each(?))");
            values.push(Value::from(serde_json::Value::from_iter(ids.iter().map(|id| id.0.as_str())).to_string()));
        }
        let filter = if terms.is_empty() { String::new() } else { format!(" WHERE {}", terms.join(" AND ")) };
        // In SQLite a negative limit is none.
        values.push(Value::from(self.limit.map_or(-1, |n| i64::try_from(n).unwrap_or(i64::MAX))));
        (format!("{COLUMNS}{filter} ORDER BY r.run LIMIT ?"), values)
    }
}
