//! Test-time augmentation smoothing: the mean of the heatmaps of six versions of each image.
//!
//! The versions are grad-cam's: as it is and flipped left to right, times 0.9, 1 and 1.1. The mean is not scaled again.

use tch::Tensor;

use super::{Explanations, Outcome};

/// One version of the input.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Version {
    flipped: bool,
    factor: f64,
}

/// The image as it is, whose scores and predictions are reported.
pub(super) const PLAIN: Version = Version { flipped: false, factor: 1.0 };

/// The other five versions.
pub(super) const OTHERS: [Version; 5] = [
    Version { flipped: false, factor: 0.9 },
    Version { flipped: false, factor: 1.1 },
    Version { flipped: true, factor: 0.9 },
    Version { flipped: true, factor: 1.0 },
    Version { flipped: true, factor: 1.1 },
];

impl Version {
    /// This version of a normalised input \[N,C,H,W\].
    pub fn of(self, input: &Tensor) -> Result<Tensor, tch::TchError> {
        let _no_graph = tch::no_grad_guard();
        let input = if self.flipped { input.f_flip([3])? } else { input.shallow_clone() };
        if self.factor == 1.0 { Ok(input) } else { input.f_mul_scalar(self.factor) }
    }

    /// Turns heatmaps of this version back to the image's own orientation.
    pub fn undo(self, explanations: &mut Explanations) {
        if self.flipped {
            let width = explanations.size.1.max(1);
            for method in &mut explanations.methods {
                method.heatmaps.chunks_exact_mut(width).for_each(<[f32]>::reverse);
            }
        }
    }
}

/// Adds the heatmaps, peaks and seconds of another version.
pub(super) fn add(total: &mut Explanations, other: &Explanations) {
    for (total, other) in total.methods.iter_mut().zip(&other.methods) {
        total.heatmaps.iter_mut().zip(&other.heatmaps).for_each(|(total, value)| *total += value);
        total.peaks.iter_mut().zip(&other.peaks).for_each(|(total, value)| *total += value);
        total.seconds += other.seconds;
    }
}

/// Divides the sums of all versions by their number, and says anew what became of each map.
pub(super) fn mean(total: &mut Explanations) {
    let count = (OTHERS.len() + 1) as f32;
    let pixels = (total.size.0 * total.size.1).max(1);
    for method in &mut total.methods {
        method.heatmaps.iter_mut().for_each(|value| *value /= count);
        method.peaks.iter_mut().for_each(|value| *value /= count);
        method.outcomes = method.heatmaps.chunks_exact(pixels).map(Outcome::of).collect();
    }
}
