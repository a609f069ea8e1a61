//! What every test is told besides the data: level, size of the family, resamples and seed.

use serde::{Deserialize, Serialize};

/// Level, family, resamples and seed of a comparison.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Setting {
    /// Two-sided level; intervals have level `1 - alpha`.
    pub alpha: f64,
    /// Comparisons in the family, for the detectable difference at Holm's first step.
    pub family_size: usize,
    /// Bootstrap and permutation resamples.
    pub resamples: usize,
    /// Seed of the resamples, kept in the record.
    pub seed: u64,
}

impl Default for Setting {
    fn default() -> Self {
        Setting { alpha: 0.05, family_size: 1, resamples: 10_000, seed: 0 }
    }
}

impl Setting {
    /// The level of Holm's first step.
    pub fn first_step_alpha(&self) -> f64 {
        self.alpha / self.family_size.max(1) as f64
    }

    /// The level of the intervals.
    pub fn level(&self) -> f64 {
        1.0 - self.alpha
    }

    pub(crate) fn check(&self) -> Result<(), crate::Error> {
        if !(self.alpha > 0.0 && self.alpha < 1.0) {
            return Err(crate::Error::Alpha { alpha: self.alpha });
        }
        if self.resamples < 100 {
            return Err(crate::Error::Resamples { resamples: self.resamples });
        }
        Ok(())
    }
}
