//! What the validation part decides about reading a network's scores: temperature, and the threshold of a binary task.

use serde::{Deserialize, Serialize};

use super::predict::Predicted;
use lightbox_stats::{Threshold, ThresholdCriterion, choose_threshold, fit_temperature};

/// Chosen on the validation part and used on the test part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Calibration {
    /// Divides the logits before the softmax; none where the validation part cannot give one.
    pub temperature: Option<f64>,
    /// On the positive class's probability (at temperature 1), Youden's; none unless binary with both classes present.
    pub threshold: Option<Threshold>,
}

/// Chooses temperature and threshold on the predictions of the validation part. `positive` is the positive class of a
/// binary task.
pub fn calibrate(validation: &Predicted, truth: &[usize], classes: usize, positive: Option<usize>) -> Calibration {
    let temperature = fit_temperature(classes, truth, &validation.flat());
    let threshold = positive.filter(|class| classes == 2 && *class < 2).and_then(|class| {
        let scored = validation.scored(classes, truth).ok()?;
        let is_positive: Vec<bool> = truth.iter().map(|label| *label == class).collect();
        choose_threshold(&scored.scores(class), &is_positive, ThresholdCriterion::Youden)
    });
    Calibration { temperature, threshold }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn overconfident_scores_are_cooled_and_a_shifted_threshold_is_found() {
        // The positive class gets about the odds e^-4 .. e^4 shifted by -3, and one image in four is wrong.
        let rows = [(0.0, 0), (-9.0, 0), (-8.0, 0), (-7.0, 1), (-2.0, 1), (-1.0, 1), (1.0, 1), (-8.5, 0)];
        let validation = Predicted {
            logits: rows.iter().map(|(odds, _)| vec![0.0, *odds as f32]).collect(),
            images_per_second: None,
        };
        let truth: Vec<usize> = rows.iter().map(|(_, label)| *label).collect();
        let chosen = calibrate(&validation, &truth, 2, Some(1));
        assert!(chosen.temperature.unwrap() > 1.0);
        let threshold = chosen.threshold.unwrap();
        assert!(threshold.value < 0.01, "{threshold:?}");
        assert_eq!((threshold.sensitivity, threshold.specificity), (1.0, 0.75));
        assert_eq!(calibrate(&validation, &truth, 2, None).threshold, None);
    }
}
