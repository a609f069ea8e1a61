//! The store's index as the daemon keeps it. It is a cache: without it the daemon reads run directories, and goes on.

use lightbox_store::run::{RunId, list_runs};
use lightbox_store::{Index, RunDir, RunFilter, StoreError};

use super::Supervisor;
use crate::Result;

impl Supervisor {
    /// Opens the index, mending it where it is damaged, and gives the runs that may have to be taken up: those that were not
    /// settled when it was last written, and those that it does not know.
    pub(super) fn open_index(&mut self) -> Result<Vec<RunDir>> {
        match self.candidates() {
            Ok(candidates) => Ok(candidates),
            Err(error) => {
                self.complain(format!("the index cannot be used, so all run directories are read: {error}"));
                self.index = None;
                Ok(list_runs(&self.home)?)
            }
        }
    }

    fn candidates(&mut self) -> std::result::Result<Vec<RunDir>, StoreError> {
        let (mut index, remark) = Index::open_or_rebuild(&self.home)?;
        let rebuilt = remark.is_some();
        remark.into_iter().for_each(|remark| self.complain(remark));
        // A rebuilt index has seen what workers wrote meanwhile as settled: all runs are looked at again.
        let mut dirs = if rebuilt { list_runs(&self.home)? } else { index.unknown(&self.home)? };
        if !rebuilt {
            let unsettled = index.runs(&RunFilter { unsettled: true, ..RunFilter::default() })?;
            dirs.extend(unsettled.iter().filter_map(|row| RunDir::open(&row.path).ok()));
        }
        for (path, reason) in index.refresh(&self.home)? {
            self.complain(format!("passed over {}: {reason}", path.display()));
        }
        self.index = Some(index);
        Ok(dirs)
    }

    /// Remembers that a run's row must be read anew.
    pub(super) fn touch(&mut self, run: &RunId) {
        self.touched.insert(run.clone());
    }

    /// Brings the index up to date, in one transaction for all that happened since.
    pub(super) fn update_index(&mut self) {
        if self.touched.is_empty() {
            return;
        }
        let touched = std::mem::take(&mut self.touched);
        let Some(index) = &mut self.index else { return };
        let folder = self.home.runs_dir();
        let opened = touched.iter().map(|run| (run, RunDir::open(&folder.join(&run.0))));
        let (mut dirs, mut gone) = (Vec::new(), Vec::new());
        for (run, dir) in opened {
            match dir {
                Ok(dir) => dirs.push(dir),
                Err(_) => gone.push(run.clone()),
            }
        }
        let updated = index.ingest(&dirs).and_then(|_| index.remove(&gone));
        if let Err(error) = updated {
            // It is brought up to date by the next daemon or by the next `runs list`.
            self.complain(format!("the index is not up to date: {error}"));
        }
    }
}
