//! Which class is explained, and the seed of each image.

use super::{ExplainError, Result};

/// The class whose raw logit is explained.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Target {
    /// The class with the largest logit, the first among equals.
    #[default]
    Predicted,
    /// The true class.
    Truth,
    /// This class.
    Class(usize),
}

impl Target {
    /// The target class of each image.
    ///
    /// # Errors
    ///
    /// A class that the network does not have, or true classes that are not known.
    pub(super) fn resolve(self, predicted: &[usize], truths: Option<&[usize]>, classes: usize) -> Result<Vec<usize>> {
        let targets = match self {
            Target::Predicted => predicted.to_vec(),
            Target::Truth => truths.ok_or(ExplainError::NoTruth)?.to_vec(),
            Target::Class(class) => vec![class; predicted.len()],
        };
        match targets.iter().find(|&&class| class >= classes) {
            Some(&class) => Err(ExplainError::NoClass { class, classes }),
            None => Ok(targets),
        }
    }
}

/// The class with the largest logit, the first among equals; NaN is never the largest.
pub(super) fn largest(scores: &[f32]) -> usize {
    let mut best = 0;
    for (class, score) in scores.iter().enumerate() {
        if *score > scores[best] || scores[best].is_nan() && !score.is_nan() {
            best = class;
        }
    }
    best
}

/// The seed of an image: it follows from the seed of the request and the image's id alone, never from batch or order.
pub fn image_seed(seed: u64, id: &str) -> u64 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&seed.to_le_bytes());
    hasher.update(id.as_bytes());
    let hash = hasher.finalize();
    hash.as_bytes().iter().take(8).fold(0, |seed, byte| seed << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_and_their_errors() {
        let predicted = [2, 0];
        assert_eq!(Target::Predicted.resolve(&predicted, None, 3).unwrap(), [2, 0]);
        assert_eq!(Target::Truth.resolve(&predicted, Some(&[1, 1]), 3).unwrap(), [1, 1]);
        assert_eq!(Target::Class(1).resolve(&predicted, None, 3).unwrap(), [1, 1]);
        assert_eq!(
            Target::Class(3).resolve(&predicted, None, 3).unwrap_err().to_string(),
            "the target class 3 does not exist: the network has 3 classes, 0 to 2"
        );
        let error = Target::Truth.resolve(&predicted, None, 3).unwrap_err().to_string();
        assert!(error.starts_with("the target is the true class, but"), "{error}");
        assert!(Target::Truth.resolve(&predicted, Some(&[1, 7]), 3).is_err());
    }

    #[test]
    fn the_largest_is_the_first_among_equals_and_never_nan() {
        assert_eq!(largest(&[1.0, 3.0, 3.0]), 1);
        assert_eq!(largest(&[f32::NAN, -3.0, -2.0]), 2);
        assert_eq!(largest(&[f32::NAN, f32::NAN]), 0);
    }

    #[test]
    fn seeds_follow_from_seed_and_id() {
        assert_eq!(image_seed(1, "a.png"), image_seed(1, "a.png"));
        assert_ne!(image_seed(1, "a.png"), image_seed(2, "a.png"));
        assert_ne!(image_seed(1, "a.png"), image_seed(1, "b.png"));
    }
}
