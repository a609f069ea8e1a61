//! What changed on disk since the index was written.

use std::collections::{HashMap, HashSet};
use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStrExt;

use super::row::PassedOver;
use super::{Index, RunFilter, RunRow};
use crate::error::{Result, StoreError};
use crate::home::Home;
use crate::run::{RunDir, RunId};

impl Index {
    /// The run directories that the index lacks, ordered by name. Only the names of known ones are looked at.
    ///
    /// # Errors
    /// When the index or the folder of runs cannot be read.
    pub fn unknown(&self, home: &Home) -> Result<Vec<RunDir>> {
        let known: HashSet<String> = self.ids()?.into_iter().collect();
        let mut names = folder_names(home)?;
        names.retain(|name| name.to_str().is_none_or(|name| !known.contains(name)));
        names.sort();
        let folder = home.runs_dir();
        Ok(names.iter().filter_map(|name| RunDir::open(&folder.join(name)).ok()).collect())
    }

    /// The runs whose directory is gone.
    ///
    /// # Errors
    /// When the index or the folder of runs cannot be read.
    pub fn vanished(&self, home: &Home) -> Result<Vec<RunId>> {
        let there: HashSet<OsString> = folder_names(home)?.into_iter().collect();
        Ok(self.ids()?.into_iter().filter(|id| !there.contains(id.as_ref() as &std::ffi::OsStr)).map(RunId).collect())
    }

    /// Takes in what is new, what changed among the runs that are not finished, and forgets what is gone. Writes nothing
    /// when nothing changed, so that many may do it at once. Returns what was passed over.
    ///
    /// # Errors
    /// When the index cannot be read or written, or the folder of runs cannot be read.
    pub fn refresh(&mut self, home: &Home) -> Result<PassedOver> {
        let mut gone = self.vanished(home)?;
        let mut stale = self.unknown(home)?;
        let unfinished: Vec<RunId> = self.unfinished()?.into_iter().map(RunId).collect();
        let known = self.runs(&RunFilter { ids: Some(unfinished.clone()), ..RunFilter::default() })?;
        let known: HashMap<RunId, _> = known.into_iter().map(|row| (row.run.clone(), row)).collect();
        for run in unfinished {
            let Ok(dir) = RunDir::open(&home.runs_dir().join(&run.0)) else {
                gone.push(run);
                continue;
            };
            let same = RunRow::read_named(&dir).is_ok_and(|mut fresh| {
                let row = known.get(&run);
                // The network of a parent is looked up when the index is asked.
                fresh.model = fresh.model.or_else(|| row.and_then(|r| r.model.clone()));
                row == Some(&fresh)
            });
            if !same {
                stale.push(dir);
            }
        }
        if !gone.is_empty() {
            self.remove(&gone)?;
        }
        if stale.is_empty() { Ok(PassedOver::new()) } else { self.ingest(&stale) }
    }
}

/// The names in the folder of runs, without those that are hidden.
fn folder_names(home: &Home) -> Result<Vec<OsString>> {
    let folder = home.runs_dir();
    let entries = fs::read_dir(&folder).map_err(|e| StoreError::io("read", &folder, e))?;
    let names = entries.map(|entry| entry.map(|e| e.file_name()).map_err(|e| StoreError::io("read", &folder, e)));
    names.filter(|name| !matches!(name, Ok(name) if name.as_bytes().starts_with(b"."))).collect()
}
