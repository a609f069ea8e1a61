//! What a metric looks at: an image as the network sees it, a map of the same size, and the network's confidence.

use super::error::{MetricError, ScoreError};
use super::record::Status;

/// One image as the network sees it: normalised, [C, H, W].
#[derive(Clone, Copy, Debug)]
pub struct Image<'a> {
    pub(super) pixels: &'a [f32],
    pub(super) channels: usize,
    pub(super) width: usize,
    pub(super) height: usize,
    pub(super) seed: u64,
}

impl<'a> Image<'a> {
    /// `seed` belongs to the image, never to the method: noise and the order of equal pixels follow from it, so that all
    /// methods meet the same ones.
    ///
    /// # Errors
    /// When the number of values is not C x H x W or one is not finite.
    pub fn new(pixels: &'a [f32], [channels, height, width]: [usize; 3], seed: u64) -> Result<Image<'a>, MetricError> {
        check_size("image", &[channels, height, width], pixels.len())?;
        if pixels.iter().any(|v| !v.is_finite()) {
            return Err(MetricError::NotFinite { what: "image" });
        }
        Ok(Image { pixels, channels, width, height, seed })
    }
}

/// An attribution map after the pipeline, [H, W], at the size of the network's input.
#[derive(Clone, Copy, Debug)]
pub struct Map<'a> {
    pub(super) values: &'a [f32],
    pub(super) width: usize,
    pub(super) height: usize,
}

impl<'a> Map<'a> {
    /// A map of any values; see [`Map::trouble`].
    ///
    /// # Errors
    /// When the number of values is not H x W.
    pub fn new(values: &'a [f32], [height, width]: [usize; 2]) -> Result<Map<'a>, MetricError> {
        check_size("map", &[height, width], values.len())?;
        Ok(Map { values, width, height })
    }

    /// Why this map cannot be scored, if so: it is constant or not finite.
    pub fn trouble(&self) -> Option<Status> {
        let first = self.values.first()?;
        if self.values.iter().any(|v| !v.is_finite()) {
            Some(Status::NanMap)
        } else if self.values.iter().all(|v| v == first) {
            Some(Status::ConstantMap)
        } else {
            None
        }
    }

    pub(super) fn check_against(&self, image: &Image<'_>) -> Result<(), MetricError> {
        if (self.width, self.height) == (image.width, image.height) {
            return Ok(());
        }
        Err(MetricError::Size { what: "map", expected: image.width * image.height, found: self.values.len() })
    }
}

fn check_size(what: &'static str, shape: &[usize], found: usize) -> Result<(), MetricError> {
    let expected = shape.iter().try_fold(1usize, |product, n| product.checked_mul(*n)).unwrap_or(usize::MAX);
    if expected == 0 || expected != found {
        return Err(MetricError::Size { what, expected, found });
    }
    Ok(())
}

/// The network as a metric sees it.
pub trait Scorer {
    /// The softmax probability of the explained class for each image of `batch`, [`count`, C, H, W].
    ///
    /// # Errors
    /// Whatever the network fails with.
    fn score(&mut self, batch: &[f32], count: usize) -> Result<Vec<f32>, ScoreError>;
}

impl<F> Scorer for F
where
    F: FnMut(&[f32], usize) -> Result<Vec<f32>, ScoreError>,
{
    fn score(&mut self, batch: &[f32], count: usize) -> Result<Vec<f32>, ScoreError> {
        self(batch, count)
    }
}

/// [`Scorer::score`], with the number of its values checked.
pub(super) fn score(scorer: &mut dyn Scorer, batch: &[f32], count: usize) -> Result<Vec<f32>, MetricError> {
    let scores = scorer.score(batch, count).map_err(MetricError::Network)?;
    if scores.len() != count {
        return Err(MetricError::Scores { expected: count, found: scores.len() });
    }
    Ok(scores)
}
