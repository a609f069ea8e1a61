//! Explanations of a batch, as plain numbers.

use super::Outcome;

/// Explanations of N images.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanations {
    /// Height and width of every heatmap: the network's input.
    pub size: (usize, usize),
    /// Number of classes, K.
    pub classes: usize,
    /// The class explained, N.
    pub targets: Vec<usize>,
    /// The class with the largest logit, N.
    pub predicted: Vec<usize>,
    /// Raw logits \[N,K\].
    pub scores: Vec<f32>,
    /// One entry for each method, in the order asked for.
    pub methods: Vec<MethodMaps>,
}

/// What one method says of N images.
#[derive(Clone, Debug, PartialEq)]
pub struct MethodMaps {
    /// Id of the method.
    pub method: String,
    /// Heatmaps \[N,H,W\] in \[0,1\]; NaN everywhere where the outcome is [`Outcome::NanMap`].
    pub heatmaps: Vec<f32>,
    /// The peak of each raw map before it was scaled, N.
    pub peaks: Vec<f32>,
    /// What became of each map, N.
    pub outcomes: Vec<Outcome>,
    /// Seconds that the method took, and its share of what all methods used together.
    pub seconds: f64,
}

impl MethodMaps {
    /// The heatmap of one image, \[H,W\]; none when there is no such image.
    pub fn heatmap(&self, image: usize) -> Option<&[f32]> {
        let pixels = self.heatmaps.len().checked_div(self.peaks.len())?;
        self.heatmaps.get(image.checked_mul(pixels)?..)?.get(..pixels)
    }
}

impl Explanations {
    /// Number of images, N.
    pub fn images(&self) -> usize {
        self.targets.len()
    }

    /// The raw logits of one image; none when there is no such image.
    pub fn logits(&self, image: usize) -> Option<&[f32]> {
        self.scores.get(image.checked_mul(self.classes)?..)?.get(..self.classes)
    }

    /// Softmax of the explained class of one image; none when there is no such image.
    pub fn probability(&self, image: usize) -> Option<f64> {
        let logits = self.logits(image)?;
        let largest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let exponential = |logit: f32| (f64::from(logit) - f64::from(largest)).exp();
        Some(exponential(logits[self.targets[image]]) / logits.iter().copied().map(exponential).sum::<f64>())
    }

    /// Adds the explanations of further images, made with the same methods.
    pub(super) fn append(&mut self, other: Explanations) {
        self.targets.extend(other.targets);
        self.predicted.extend(other.predicted);
        self.scores.extend(other.scores);
        for (own, other) in self.methods.iter_mut().zip(other.methods) {
            own.heatmaps.extend(other.heatmaps);
            own.peaks.extend(other.peaks);
            own.outcomes.extend(other.outcomes);
            own.seconds += other.seconds;
        }
    }
}
