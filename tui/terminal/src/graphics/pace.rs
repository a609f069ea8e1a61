//! When a large picture may be sent, so that holding a key down does not fill a slow link with pictures that nobody sees.
//!
//! A single step is shown at once. While pictures change quickly, they are sent at some 1 MB/s at most; the one that the
//! cursor rests on follows when it has rested for a moment.

use std::time::{Duration, Instant};

/// What is smaller is sent at once.
const SMALL: usize = 16 << 10;
/// Bytes per millisecond while pictures change quickly.
const RATE: u64 = 1000;
/// A cursor that did not move for this long rests.
const REST: Duration = Duration::from_millis(80);
/// No picture takes longer than this out of the rate.
const LONGEST: u64 = 1000;

/// Decides when to send.
#[derive(Debug)]
pub struct Pace {
    changed: Instant,
    free_at: Instant,
}

impl Pace {
    /// Nothing was sent yet.
    pub fn new(now: Instant) -> Pace {
        Pace { changed: now, free_at: now }
    }

    /// Something else is to be seen.
    pub fn change(&mut self, now: Instant) {
        self.changed = now;
    }

    /// Whether this many bytes may be sent now; otherwise how long to wait.
    pub fn may_send(&mut self, bytes: usize, now: Instant) -> Result<(), Duration> {
        if bytes < SMALL {
            return Ok(());
        }
        let at = self.free_at.min(self.changed + REST);
        if now < at {
            return Err(at - now);
        }
        let takes = (bytes as u64 / RATE).min(LONGEST);
        self.free_at = self.free_at.max(now) + Duration::from_millis(takes);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_step_is_sent_at_once_and_a_quick_series_waits_for_rest() {
        let start = Instant::now();
        let at = |ms: u64| start + Duration::from_millis(ms);
        let mut pace = Pace::new(start);
        pace.change(at(0));
        assert_eq!(pace.may_send(300_000, at(0)), Ok(()));
        pace.change(at(30));
        assert_eq!(pace.may_send(300_000, at(30)), Err(REST));
        assert_eq!(pace.may_send(5_000, at(30)), Ok(()));
        pace.change(at(60));
        assert_eq!(pace.may_send(300_000, at(80)), Err(Duration::from_millis(60)));
        assert_eq!(pace.may_send(300_000, at(140)), Ok(()));
    }
}
