//! The training loss: cross entropy with label smoothing and class weights, as torch.nn.CrossEntropyLoss defines it.

use tch::{Device, Kind, Reduction, Tensor};

use super::error::TrainError;
use super::settings::ClassWeights;

/// The loss of a run.
#[derive(Debug)]
pub struct Loss {
    weights: Option<Tensor>,
    by_class: Vec<f64>,
    smoothing: f64,
}

/// Weights n / (K n_k) of the labels of a training part, as scikit-learn's `balanced`; K counts the classes present,
/// and a class without images has weight 0.
pub fn balanced_weights(labels: impl Iterator<Item = usize>, classes: usize) -> Vec<f64> {
    let mut counts = vec![0_usize; classes];
    for label in labels {
        if let Some(count) = counts.get_mut(label) {
            *count += 1;
        }
    }
    let n: usize = counts.iter().sum();
    let present = counts.iter().filter(|c| **c > 0).count();
    counts.iter().map(|c| if *c == 0 { 0.0 } else { n as f64 / (present * c) as f64 }).collect()
}

impl Loss {
    /// The loss for a task.
    ///
    /// # Errors
    /// When libtorch cannot place the weights on the device.
    pub fn new(
        weights: &ClassWeights,
        train_labels: impl Iterator<Item = usize>,
        classes: usize,
        smoothing: f64,
        device: Device,
    ) -> Result<Self, TrainError> {
        let by_class = match weights {
            ClassWeights::None => return Ok(Self { weights: None, by_class: vec![1.0; classes], smoothing }),
            ClassWeights::Balanced => balanced_weights(train_labels, classes),
            ClassWeights::Given(given) => given.clone(),
        };
        let weights = Tensor::f_from_slice(&by_class)?.f_to_kind(Kind::Float)?.f_to_device(device)?;
        Ok(Self { weights: Some(weights), by_class, smoothing })
    }

    /// Mean loss of some logits \[N,K\], weighted by class.
    ///
    /// # Errors
    /// When shapes do not fit.
    pub fn mean(&self, logits: &Tensor, labels: &Tensor) -> Result<Tensor, TrainError> {
        const IGNORE_NONE: i64 = -100;
        let weights = self.weights.as_ref();
        Ok(logits.f_cross_entropy_loss(labels, weights, Reduction::Mean, IGNORE_NONE, self.smoothing)?)
    }

    /// What the mean over some images is divided by: the sum of their class weights. The mean over a batch is the mean
    /// over its parts, weighted by this.
    pub fn denominator(&self, labels: &[usize]) -> f64 {
        labels.iter().map(|label| self.by_class.get(*label).copied().unwrap_or(0.0)).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn balanced_weights_leave_absent_classes_out() {
        assert_eq!(balanced_weights([0, 0, 0, 2].into_iter(), 3), [4.0 / 6.0, 0.0, 2.0]);
    }

    #[test]
    fn parts_add_up_to_the_whole() {
        let logits = Tensor::randn([5, 3], (Kind::Float, Device::Cpu));
        let labels = [0, 2, 2, 1, 0];
        let loss =
            Loss::new(&ClassWeights::Given(vec![1.0, 3.0, 0.5]), labels.into_iter(), 3, 0.2, Device::Cpu).unwrap();
        let tensor = |l: &[usize]| Tensor::from_slice(&l.iter().map(|x| *x as i64).collect::<Vec<_>>());
        let value = |t: Tensor| f64::try_from(t).unwrap();
        let whole = value(loss.mean(&logits, &tensor(&labels)).unwrap());
        let parts: f64 = [(0, 2), (2, 3)]
            .into_iter()
            .map(|(start, n)| {
                let part = &labels[start..start + n];
                let mean = value(loss.mean(&logits.narrow(0, start as i64, n as i64), &tensor(part)).unwrap());
                mean * loss.denominator(part) / loss.denominator(&labels)
            })
            .sum();
        assert!((whole - parts).abs() < 1e-6, "{whole} {parts}");
    }
}
