//! What one network said about some images: true classes and probabilities.

use crate::Error;

/// How far a row of probabilities may be from a sum of 1 (a CSV with few digits).
const SUM_TOLERANCE: f64 = 1e-3;

/// True classes and predicted probabilities of some images.
#[derive(Debug, Clone, PartialEq)]
pub struct Predictions {
    classes: usize,
    truth: Vec<usize>,
    probabilities: Vec<f64>,
    positive: Option<usize>,
    threshold: Option<f64>,
}

impl Predictions {
    /// From probabilities, row-major `[images, classes]`, each row adding up to 1.
    ///
    /// # Errors
    /// Lengths that do not fit, a class out of range, or a row that is no distribution.
    pub fn from_probabilities(classes: usize, truth: &[usize], probabilities: &[f64]) -> Result<Self, Error> {
        if truth.is_empty() || classes == 0 {
            return Err(Error::Empty { what: "predictions" });
        }
        let expected = truth.len().saturating_mul(classes);
        if probabilities.len() != expected {
            return Err(Error::Length {
                what: "probabilities and images x classes",
                left: probabilities.len(),
                right: expected,
            });
        }
        for (index, (&class, row)) in truth.iter().zip(probabilities.chunks_exact(classes)).enumerate() {
            if class >= classes {
                return Err(Error::Class { index, class, classes });
            }
            let sound = row.iter().all(|p| (-1e-9..=1.0 + 1e-6).contains(p));
            if !sound || (row.iter().sum::<f64>() - 1.0).abs() > SUM_TOLERANCE {
                return Err(Error::Probabilities { index });
            }
        }
        let positive = None;
        Ok(Predictions {
            classes,
            truth: truth.to_vec(),
            probabilities: probabilities.to_vec(),
            positive,
            threshold: None,
        })
    }

    /// From raw logits, row-major `[images, classes]`, divided by `temperature` (1 leaves them) before the softmax.
    ///
    /// # Errors
    /// As [`Predictions::from_probabilities`]; a logit that is not finite spoils its image.
    pub fn from_logits(classes: usize, truth: &[usize], logits: &[f64], temperature: f64) -> Result<Self, Error> {
        let mut probabilities = Vec::with_capacity(logits.len());
        for row in logits.chunks(classes.max(1)) {
            probabilities.extend(softmax(row, temperature));
        }
        Self::from_probabilities(classes, truth, &probabilities)
    }

    /// Names the positive class of a binary task.
    ///
    /// # Errors
    /// A class that does not exist, or a task of more than two classes.
    pub fn with_positive_class(mut self, positive: usize) -> Result<Self, Error> {
        if self.classes != 2 || positive >= self.classes {
            return Err(Error::Class { index: 0, class: positive, classes: self.classes });
        }
        self.positive = Some(positive);
        Ok(self)
    }

    /// Sets the threshold on the positive class's probability that was chosen on validation.
    pub fn with_threshold(mut self, threshold: f64) -> Self {
        self.threshold = Some(threshold);
        self
    }

    /// Number of images.
    pub fn len(&self) -> usize {
        self.truth.len()
    }

    /// Never true: there is at least one image.
    pub fn is_empty(&self) -> bool {
        self.truth.is_empty()
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// True class of each image.
    pub fn truth(&self) -> &[usize] {
        &self.truth
    }

    /// The positive class of a binary task, if named.
    pub fn positive_class(&self) -> Option<usize> {
        self.positive
    }

    /// The threshold chosen on validation, if set.
    pub fn threshold(&self) -> Option<f64> {
        self.threshold
    }

    /// Probabilities, row-major `[images, classes]`.
    pub fn probabilities(&self) -> &[f64] {
        &self.probabilities
    }

    /// Probabilities of one image.
    pub fn row(&self, image: usize) -> &[f64] {
        &self.probabilities[image * self.classes..(image + 1) * self.classes]
    }

    /// Score of one class on every image.
    pub fn scores(&self, class: usize) -> Vec<f64> {
        self.probabilities.iter().skip(class).step_by(self.classes).copied().collect()
    }

    /// Predicted class of one image: the largest probability, the first among equals.
    pub fn predicted(&self, image: usize) -> usize {
        let row = self.row(image);
        (1..row.len()).fold(0, |best, class| if row[class] > row[best] { class } else { best })
    }

    /// Which images are predicted right.
    pub fn right(&self) -> Vec<bool> {
        (0..self.len()).map(|image| self.predicted(image) == self.truth[image]).collect()
    }

    /// Some of the images.
    pub fn subset(&self, images: &[usize]) -> Self {
        Predictions {
            truth: images.iter().map(|&i| self.truth[i]).collect(),
            probabilities: images.iter().flat_map(|&i| self.row(i).iter().copied()).collect(),
            ..*self
        }
    }

    /// Classes that no image has.
    pub fn absent_classes(&self) -> Vec<usize> {
        (0..self.classes).filter(|class| !self.truth.contains(class)).collect()
    }
}

/// Softmax of one row of logits over `temperature`, shifted by the largest so that nothing overflows.
pub fn softmax(logits: &[f64], temperature: f64) -> Vec<f64> {
    let largest = logits.iter().fold(f64::NEG_INFINITY, |a, b| a.max(*b));
    let exponentials: Vec<f64> = logits.iter().map(|logit| ((logit - largest) / temperature).exp()).collect();
    let sum: f64 = exponentials.iter().sum();
    exponentials.iter().map(|e| e / sum).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn softmax_does_not_overflow() {
        let p = softmax(&[1000.0, 1000.0, -1000.0], 1.0);
        assert_eq!(p, [0.5, 0.5, 0.0]);
    }

    #[test]
    fn bad_input_names_the_image() {
        let bad = Predictions::from_probabilities(2, &[0, 1], &[0.5, 0.5, f64::NAN, 0.5]);
        assert_eq!(bad.unwrap_err(), Error::Probabilities { index: 1 });
        let class = Predictions::from_probabilities(2, &[0, 2], &[0.5, 0.5, 0.5, 0.5]);
        assert_eq!(class.unwrap_err(), Error::Class { index: 1, class: 2, classes: 2 });
        assert!(Predictions::from_probabilities(2, &[0], &[0.5]).is_err());
        assert!(Predictions::from_logits(2, &[0], &[f64::INFINITY, 0.0], 1.0).is_err());
        assert!(Predictions::from_probabilities(0, &[], &[]).is_err());
    }
}
