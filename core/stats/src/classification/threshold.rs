//! The threshold of a binary task, chosen on the validation part and nowhere else.

use serde::{Deserialize, Serialize};

/// What the threshold maximises.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ThresholdCriterion {
    /// Sensitivity + specificity - 1 (Youden 1950).
    #[default]
    Youden,
    /// F1 of the positive class.
    F1,
}

/// A threshold and what it reached on validation.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Threshold {
    /// Positive from this score on.
    pub value: f64,
    /// What it maximised.
    pub criterion: ThresholdCriterion,
    /// Sensitivity on validation.
    pub sensitivity: f64,
    /// Specificity on validation.
    pub specificity: f64,
}

/// Chooses a threshold on validation scores of the positive class.
///
/// Candidates lie half-way between neighbouring scores; among equals the one nearest to 0.5 wins. None unless both
/// classes are there and all scores are finite: the caller then stays with 0.5 and says so.
pub fn choose_threshold(scores: &[f64], positive: &[bool], criterion: ThresholdCriterion) -> Option<Threshold> {
    let positives = positive.iter().filter(|p| **p).count();
    let negatives = positive.len() - positives;
    if positives == 0 || negatives == 0 || scores.len() != positive.len() || scores.iter().any(|s| !s.is_finite()) {
        return None;
    }
    let mut order: Vec<usize> = (0..scores.len()).collect();
    order.sort_by(|&a, &b| scores[a].total_cmp(&scores[b]));
    let merit = |hits: usize, alarms: usize| match criterion {
        ThresholdCriterion::Youden => hits as f64 / positives as f64 - alarms as f64 / negatives as f64,
        ThresholdCriterion::F1 => 2.0 * hits as f64 / (positives + hits + alarms) as f64,
    };
    let (mut hits, mut alarms) = (positives, negatives);
    let mut best: Option<(f64, f64, usize, usize)> = None;
    for (at, &row) in order.iter().enumerate() {
        if positive[row] {
            hits -= 1;
        } else {
            alarms -= 1;
        }
        let Some(&next) = order.get(at + 1) else { break };
        if scores[next] == scores[row] {
            continue;
        }
        let value = scores[row] + 0.5 * (scores[next] - scores[row]);
        // Between neighbouring floats the middle rounds onto one of them; the upper one cuts the same.
        let value = if value <= scores[row] { scores[next] } else { value };
        let gain = merit(hits, alarms);
        let nearer = |other: f64| (value - 0.5).abs() < (other - 0.5).abs();
        if best.is_none_or(|(other, most, _, _)| gain > most || (gain == most && nearer(other))) {
            best = Some((value, gain, hits, alarms));
        }
    }
    best.map(|(value, _, hits, alarms)| Threshold {
        value,
        criterion,
        sensitivity: hits as f64 / positives as f64,
        specificity: 1.0 - alarms as f64 / negatives as f64,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn youden_by_hand() {
        let scores = [0.1, 0.2, 0.35, 0.4, 0.8];
        let positive = [false, false, true, false, true];
        let threshold = choose_threshold(&scores, &positive, ThresholdCriterion::Youden).unwrap();
        // At 0.275: 1 - 1/3; at 0.6: 1/2 - 0.
        assert!((threshold.value - 0.275).abs() < 1e-12);
        assert_eq!((threshold.sensitivity, threshold.specificity), (1.0, 1.0 - 1.0 / 3.0));
    }

    #[test]
    fn one_class_or_one_score_has_no_threshold() {
        assert_eq!(choose_threshold(&[0.1, 0.2], &[true, true], ThresholdCriterion::Youden), None);
        assert_eq!(choose_threshold(&[0.2, 0.2], &[true, false], ThresholdCriterion::F1), None);
    }
}
