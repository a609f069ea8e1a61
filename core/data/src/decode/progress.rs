//! Telling the caller how far a long job is, from any thread.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use crate::error::{Error, Result};

/// Called with (images done, images in all) from any thread, in no particular order; `Break` cancels.
pub type Progress<'a> = &'a (dyn Fn(usize, usize) -> ControlFlow<()> + Sync);

/// For callers that neither watch nor cancel.
pub fn silent(_done: usize, _total: usize) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

/// Counts and reports what many threads have done.
pub(crate) struct Counter<'a> {
    progress: Progress<'a>,
    total: usize,
    done: AtomicUsize,
    cancelled: AtomicBool,
}

impl<'a> Counter<'a> {
    /// A counter to `total`; reports 0 at once.
    pub fn new(progress: Progress<'a>, total: usize) -> Self {
        let cancelled = AtomicBool::new(progress(0, total).is_break());
        Self { progress, total, done: AtomicUsize::new(0), cancelled }
    }

    /// True once the caller asked to stop.
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.load(Ordering::Relaxed)
    }

    /// So many more need nothing done.
    pub fn skip(&self, count: usize) {
        self.done.fetch_add(count, Ordering::Relaxed);
    }

    /// One more is done.
    pub fn step(&self) {
        let done = self.done.fetch_add(1, Ordering::Relaxed) + 1;
        if (self.progress)(done, self.total).is_break() {
            self.cancelled.store(true, Ordering::Relaxed);
        }
    }

    /// [`Error::Cancelled`] once the caller asked to stop.
    pub fn check(&self) -> Result<()> {
        if self.is_cancelled() { Err(Error::Cancelled) } else { Ok(()) }
    }
}
