//! What the index keeps of a run, read from its directory.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use time::PrimitiveDateTime;
use time::macros::format_description;

use crate::error::{Result, StoreError};
use crate::home::Home;
use crate::run::{Event, EventKind, GroupId, JobKind, RunDir, RunId, RunStatus, list_runs};

/// A run in a list: what it is, its state and its place in the queue.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunRow {
    /// Its name.
    pub run: RunId,
    /// The group it belongs to.
    pub group: GroupId,
    /// The study that queued it.
    pub study: Option<String>,
    /// `train`, `evaluate` or `explain-eval`.
    pub kind: String,
    /// The network that it trains, or that its parent trained; none when the parent is not here.
    pub model: Option<String>,
    /// Name of its dataset.
    pub dataset: String,
    /// Its fold, from 0; training runs only.
    pub fold: Option<u64>,
    /// Folds of the whole design; training runs only.
    pub folds: Option<u64>,
    /// Its seed, when its kind has one.
    pub seed: Option<u64>,
    /// The trained run that it evaluates or explains, the first when there are several.
    pub parent: Option<RunId>,
    /// [`RunStatus::word`] when it was read.
    pub status: String,
    /// Why it failed.
    pub error: Option<String>,
    /// How often it was started.
    pub attempts: u32,
    /// Larger goes first; none when it was never queued.
    pub priority: Option<i32>,
    /// Among equal priorities, smaller goes first; none when it was never queued.
    pub order: Option<i64>,
    /// When it was made, in Unix seconds, from its name.
    pub created: Option<f64>,
    /// When its last attempt started, in Unix seconds.
    pub started: Option<f64>,
    /// When its last attempt ended, in Unix seconds; none while it runs and when its worker ended without a word.
    pub ended: Option<f64>,
    /// Its directory.
    pub path: PathBuf,
}

/// The directories that were passed over, each with a sentence.
pub type PassedOver = Vec<(PathBuf, String)>;

impl RunRow {
    /// Reads the row of one run directory, without an index. The network of a parent is not looked up.
    ///
    /// # Errors
    /// When `config.json`, `events.jsonl` or `queue.json` cannot be read, or is of a newer format.
    pub fn read(dir: &RunDir) -> Result<Self> {
        let config = dir.config()?;
        let (events, entry) = (dir.events()?, dir.queue_entry()?);
        let status = RunStatus::of(&events, entry.as_ref());
        let whole = |n: usize| i64::try_from(n).ok().map(i64::unsigned_abs);
        let (mut model, mut fold, mut folds, mut seed, mut parent) = (None, None, None, None, None);
        match &config.job {
            JobKind::Train(job) => {
                model = Some(job.model.id.clone());
                (fold, folds, seed) = (whole(job.split.fold), whole(job.split.folds), Some(job.seed));
            }
            JobKind::Evaluate(job) => parent = job.parents.first().cloned(),
            JobKind::ExplainEval(job) => (seed, parent) = (Some(job.seed), Some(job.parent.clone())),
        }
        let (started, ended) = last_attempt(&events);
        Ok(Self {
            created: time_in_name(&config.run.0),
            run: config.run,
            group: config.group,
            study: config.study,
            kind: config.job.name().to_owned(),
            model,
            dataset: config.job.dataset().name.clone(),
            fold,
            folds,
            seed,
            parent,
            status: status.word().to_owned(),
            error: if let RunStatus::Failed { error } = status { Some(error) } else { None },
            attempts: events.iter().map(|e| e.attempt).max().unwrap_or(0),
            priority: entry.as_ref().map(|e| e.priority),
            order: entry.as_ref().map(|e| e.order),
            started,
            ended,
            path: dir.path().to_path_buf(),
        })
    }

    /// Reads the row of a run directory, which must be called as its `config.json` says.
    pub(super) fn read_named(dir: &RunDir) -> Result<Self> {
        let row = Self::read(dir)?;
        if folder_name(dir.path()) != Some(row.run.0.as_str()) {
            let message = format!(
                "it holds the run {}, so its folder must be called that; rename it, or take it in with `lightbox runs \
                 import`",
                row.run
            );
            return Err(StoreError::content(dir.path(), message));
        }
        Ok(row)
    }
}

/// Reads all rows of a home from its run directories, without an index, ordered by id.
///
/// # Errors
/// When the folder of runs cannot be read.
pub fn read_rows(home: &Home) -> Result<(Vec<RunRow>, PassedOver)> {
    let (mut rows, mut passed) = (Vec::new(), PassedOver::new());
    for dir in list_runs(home)? {
        match RunRow::read_named(&dir) {
            Ok(row) => rows.push(row),
            Err(error) => passed.push(passed_over(dir.path().to_path_buf(), &error)),
        }
    }
    let models: HashMap<RunId, String> = rows.iter().filter_map(|r| Some((r.run.clone(), r.model.clone()?))).collect();
    for row in rows.iter_mut().filter(|r| r.model.is_none()) {
        row.model = row.parent.as_ref().and_then(|p| models.get(p)).cloned();
    }
    Ok((rows, passed))
}

/// A path with the reason why it was passed over; the path is not said twice.
pub(super) fn passed_over(path: PathBuf, error: &StoreError) -> (PathBuf, String) {
    let reason = match error {
        StoreError::Content { path: at, message } if *at == path => message.clone(),
        other => other.to_string(),
    };
    (path, reason)
}

/// The name of a run directory; none when it is not UTF-8, which no run's name is.
pub(super) fn folder_name(path: &Path) -> Option<&str> {
    path.file_name().and_then(|name| name.to_str())
}

/// When the last attempt started and ended.
fn last_attempt(events: &[Event]) -> (Option<f64>, Option<f64>) {
    let (mut started, mut ended) = (None, None);
    for event in events {
        match event.kind {
            EventKind::Started { .. } => (started, ended) = (Some(event.time), None),
            EventKind::Finished | EventKind::Failed { .. } | EventKind::Interrupted => ended = Some(event.time),
            _ => {}
        }
    }
    (started, ended)
}

/// The time that a run's name begins with, in Unix seconds.
fn time_in_name(name: &str) -> Option<f64> {
    let format = format_description!("[year][month][day]-[hour][minute][second]");
    let time = PrimitiveDateTime::parse(name.get(..15)?, format).ok()?;
    Some(time.assume_utc().unix_timestamp() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_a_name_is_utc_and_other_names_have_none() {
        assert_eq!(time_in_name("19700102-000001-resnet50-f0-abcd"), Some(86_401.0));
        for name in ["", "résumé-of-a-run", "20261399-000000-x", "2026112\u{e9}-00000-x"] {
            assert_eq!(time_in_name(name), None, "{name}");
        }
    }

    #[test]
    fn an_attempt_that_goes_on_has_no_end() {
        let event = |time, text: &str| -> Event {
            serde_json::from_str(&format!("{{\"time\":{time},\"attempt\":1,\"step\":0,{text}}}")).unwrap()
        };
        let start = r#""event":"started","pid":1,"pid_start":2,"host":"h""#;
        let mut events = vec![event(5.0, start), event(7.0, r#""event":"interrupted""#)];
        assert_eq!(last_attempt(&events), (Some(5.0), Some(7.0)));
        events.push(event(9.0, start));
        assert_eq!(last_attempt(&events), (Some(9.0), None));
    }
}
