//! Reordering.

use lightbox_store::run::RunId;

use super::super::job::Phase;
use super::Supervisor;
use super::actions::Done;
use crate::protocol::Place;
use crate::{Result, SchedulerError};

impl Supervisor {
    /// Moves jobs that wait, keeping their order among themselves.
    pub(super) fn move_jobs(&mut self, names: &[String], to: &Place) -> Result<Done> {
        let mut done = Done::default();
        let (runs, others): (Vec<RunId>, Vec<RunId>) = self
            .resolve(names)?
            .into_iter()
            .partition(|run| matches!(self.jobs.get(run).map(|job| &job.phase), Some(Phase::Waiting)));
        done.remarks.extend(others.iter().map(|run| format!("{run} is {}; it has no place in line", self.word(run))));
        for run in &runs {
            self.line.remove(run);
        }
        let places = self.places(&runs, to);
        match places {
            Ok(places) => {
                for (run, (priority, order)) in runs.into_iter().zip(places) {
                    self.change(&run, |job| (job.entry.priority, job.entry.order) = (priority, order))?;
                    self.after_change(&run);
                    done.jobs.push(run);
                }
                Ok(done)
            }
            Err(error) => {
                for run in &runs {
                    self.after_change(run);
                }
                Err(error)
            }
        }
    }

    fn places(&mut self, runs: &[RunId], to: &Place) -> Result<Vec<(i32, i64)>> {
        let priority_of = |run: &RunId| self.jobs.get(run).map_or(0, |job| job.entry.priority);
        match to {
            Place::Priority { priority } => {
                Ok(self.line.behind_all(*priority, runs.len()).into_iter().map(|order| (*priority, order)).collect())
            }
            Place::First | Place::Last => {
                let priority = runs.iter().map(priority_of).max().unwrap_or(0);
                let first = *to == Place::First;
                let count = runs.len();
                let orders = match first {
                    true => self.line.before_all(priority, count),
                    false => self.line.behind_all(priority, count),
                };
                Ok(orders.into_iter().map(|order| (priority, order)).collect())
            }
            Place::Before { job } => self.before(runs, job),
        }
    }

    /// Makes room before another job: those behind it move on.
    fn before(&mut self, runs: &[RunId], name: &str) -> Result<Vec<(i32, i64)>> {
        let others = self.resolve(&[name.to_owned()])?;
        let target = others.iter().find(|run| !runs.contains(run) && self.line.place(run).is_some());
        let Some((target, (priority, order))) = target.and_then(|run| Some((run.clone(), self.line.place(run)?)))
        else {
            return Err(SchedulerError::Refused(format!("{name} does not wait in line, so nothing can go before it")));
        };
        let behind = self.line.from(&target);
        let mut next = order.saturating_add(runs.len() as i64);
        for run in behind {
            let place = self.line.place(&run).map_or(next, |(_, order)| order);
            if place >= next {
                break;
            }
            self.change(&run, |job| job.entry.order = next)?;
            self.after_change(&run);
            next = next.saturating_add(1);
        }
        Ok((0..runs.len() as i64).map(|i| (priority, order.saturating_add(i))).collect())
    }
}
