//! ctrl-c and SIGTERM, as something that loops can ask about.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::{Result, SchedulerError};

/// Counts how often the user asked to stop.
#[derive(Clone, Debug)]
pub struct Interrupt {
    count: Arc<AtomicUsize>,
}

impl Interrupt {
    /// Begins to watch SIGINT, SIGTERM and SIGHUP, which from then on no longer end the process.
    ///
    /// # Errors
    /// When the operating system refuses.
    pub fn watch() -> Result<Self> {
        let count = Arc::new(AtomicUsize::new(0));
        let mut signals =
            signal_hook::iterator::Signals::new([SIGINT, SIGTERM, SIGHUP]).map_err(SchedulerError::Signals)?;
        let counter = Arc::clone(&count);
        std::thread::spawn(move || {
            for _ in signals.forever() {
                counter.fetch_add(1, Ordering::SeqCst);
            }
        });
        Ok(Self { count })
    }

    /// How often the user asked to stop.
    pub fn count(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }
}
