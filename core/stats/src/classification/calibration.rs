//! Calibration: reliability diagram, expected calibration error, temperature.

use super::Predictions;
use crate::distribution::bisect;
use serde::{Deserialize, Serialize};

/// Bins of the reliability diagram and of ECE.
pub const ECE_BINS: usize = 15;

/// Smallest and largest temperature that is considered.
const TEMPERATURES: (f64, f64) = (1e-2, 1e2);

/// One bar of a reliability diagram: images whose top probability lies in `(low, high]`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct ReliabilityBin {
    /// Lower edge, not included (except 0 in the first bin).
    pub low: f64,
    /// Upper edge, included.
    pub high: f64,
    /// Images in the bin.
    pub count: usize,
    /// Their mean top probability; none for an empty bin.
    pub confidence: Option<f64>,
    /// Their share of right predictions; none for an empty bin.
    pub accuracy: Option<f64>,
}

/// Bin, top probability and rightness of each row.
#[derive(Debug)]
pub(crate) struct CalibrationRows {
    bins: Vec<u8>,
    /// Top probability minus 1 for a right prediction; a bin's sum is its count times the gap.
    gaps: Vec<f64>,
}

impl CalibrationRows {
    pub fn new<'a>(rows: impl Iterator<Item = (&'a Predictions, usize)>) -> Self {
        let (mut bins, mut gaps) = (Vec::new(), Vec::new());
        for (pool, image) in rows {
            let predicted = pool.predicted(image);
            let confidence = pool.row(image)[predicted];
            bins.push(bin_of(confidence) as u8);
            gaps.push(confidence - f64::from(u8::from(predicted == pool.truth()[image])));
        }
        CalibrationRows { bins, gaps }
    }

    /// `sum over bins of |sum of gaps| / n`, which is the share of the bin times `|confidence - accuracy|`.
    pub fn ece(&self, weights: &[u32]) -> Option<f64> {
        let mut sums = [0.0_f64; ECE_BINS];
        let mut total = 0_u64;
        for ((&bin, gap), &weight) in self.bins.iter().zip(&self.gaps).zip(weights) {
            sums[usize::from(bin)] += gap * f64::from(weight);
            total += u64::from(weight);
        }
        (total > 0).then(|| sums.iter().map(|sum| sum.abs()).sum::<f64>() / total as f64)
    }
}

/// The bin `(i / 15, (i + 1) / 15]` of a probability; 0 falls into the first.
fn bin_of(confidence: f64) -> usize {
    let edge = |bin: usize| bin as f64 / ECE_BINS as f64;
    let guess = ((confidence * ECE_BINS as f64).ceil() as usize).clamp(1, ECE_BINS) - 1;
    // The product may round across an edge; the edges themselves decide.
    if guess > 0 && confidence <= edge(guess) {
        guess - 1
    } else if guess + 1 < ECE_BINS && confidence > edge(guess + 1) {
        guess + 1
    } else {
        guess
    }
}

/// The reliability diagram of the top label: 15 bins of equal width. Source: Guo et al. 2017, equation 3.
pub fn reliability(predictions: &Predictions) -> Vec<ReliabilityBin> {
    let mut sums = [(0_usize, 0.0, 0_usize); ECE_BINS];
    for image in 0..predictions.len() {
        let predicted = predictions.predicted(image);
        let confidence = predictions.row(image)[predicted];
        let bin = &mut sums[bin_of(confidence)];
        bin.0 += 1;
        bin.1 += confidence;
        bin.2 += usize::from(predicted == predictions.truth()[image]);
    }
    let bar = |(bin, &(count, confidence, right)): (usize, &(usize, f64, usize))| ReliabilityBin {
        low: bin as f64 / ECE_BINS as f64,
        high: (bin + 1) as f64 / ECE_BINS as f64,
        count,
        confidence: (count > 0).then(|| confidence / count as f64),
        accuracy: (count > 0).then(|| right as f64 / count as f64),
    };
    sums.iter().enumerate().map(bar).collect()
}

/// The temperature that minimises the mean negative log-likelihood of validation logits, row-major `[images, classes]`.
///
/// The likelihood is convex in `1 / T`, so its slope has one root: found by bisection between 0.01 and 100, whose ends
/// are given where the optimum lies outside (every image right, or no better than chance). Predicted classes do not
/// change. Source: Guo et al. 2017. None for no images, or lengths or logits that do not fit.
pub fn fit_temperature(classes: usize, truth: &[usize], logits: &[f64]) -> Option<f64> {
    let fits = classes > 0 && !truth.is_empty() && logits.len() == truth.len().checked_mul(classes)?;
    if !fits || logits.iter().any(|l| !l.is_finite()) || truth.iter().any(|&class| class >= classes) {
        return None;
    }
    // Slope of the negative log-likelihood in the inverse temperature: expected minus true logit.
    let slope = |inverse: f64| -> f64 {
        let rows = logits.chunks_exact(classes).zip(truth);
        rows.map(|(row, &class)| {
            let p = super::softmax(row, 1.0 / inverse);
            p.iter().zip(row).map(|(p, logit)| p * logit).sum::<f64>() - row[class]
        })
        .sum()
    };
    let log = bisect(-TEMPERATURES.1.ln(), -TEMPERATURES.0.ln(), |log_inverse| slope(log_inverse.exp()) < 0.0);
    Some((-log).exp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_edge_belongs_to_the_bin_below() {
        assert_eq!(bin_of(0.0), 0);
        assert_eq!(bin_of(1.0 / 15.0), 0);
        assert_eq!(bin_of(1.0 / 15.0 + 1e-12), 1);
        assert_eq!(bin_of(0.2), 2);
        assert_eq!(bin_of(1.0), 14);
        for bin in 1..=ECE_BINS {
            assert_eq!(bin_of(bin as f64 / ECE_BINS as f64), bin - 1);
        }
    }

    #[test]
    fn ece_by_hand() {
        // Confidence 0.9 right and 0.9 wrong: |0.9 - 0.5|; confidence 0.6 right: |0.6 - 1|. (2 * 0.4 + 0.4) / 3.
        let p = Predictions::from_probabilities(2, &[0, 1, 0], &[0.9, 0.1, 0.9, 0.1, 0.6, 0.4]).unwrap();
        let rows = CalibrationRows::new((0..3).map(|image| (&p, image)));
        assert!((rows.ece(&[1; 3]).unwrap() - 0.4).abs() < 1e-12);
        assert_eq!(reliability(&p).iter().map(|bin| bin.count).sum::<usize>(), 3);
    }

    #[test]
    fn temperature_of_overconfident_logits() {
        // Two of three right at a logit of 4: the best confidence is 2/3, so 4 / T = ln 2.
        let temperature = fit_temperature(2, &[0, 0, 1], &[4.0, 0.0, 4.0, 0.0, 4.0, 0.0]).unwrap();
        assert!((temperature - 4.0 / 2.0_f64.ln()).abs() < 1e-9);
        assert_eq!(fit_temperature(2, &[], &[]), None);
    }
}
