//! Confidence on the image multiplied with the map: change, drop, increase (grad-cam's) and average drop (the papers').

use super::error::MetricError;
use super::record::Record;
use super::subject::{Image, Map, Scorer, score};

/// Ids of the metrics that this module computes, all from one call of the network.
pub const IDS: [&str; 4] = ["confidence-change", "drop", "increase", "average-drop"];

/// Confidence with and without the map.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Confidence {
    /// Y: softmax of the target on the image.
    pub image: f64,
    /// O: softmax of the target on the normalised image times the map.
    pub product: f64,
}

impl Confidence {
    /// O - Y.
    pub fn change(self) -> f64 {
        self.product - self.image
    }

    /// max(Y - O, 0).
    pub fn drop(self) -> f64 {
        // NaN must stay NaN, which f64::max would hide.
        if self.change() > 0.0 { 0.0 } else { -self.change() }
    }

    /// 1 where O > Y, else 0.
    pub fn increase(self) -> f64 {
        if self.change().is_nan() { f64::NAN } else { f64::from(u8::from(self.change() > 0.0)) }
    }

    /// max(Y - O, 0) / Y, as a fraction. Zero where Y is zero, as there is nothing to lose.
    pub fn average_drop(self) -> f64 {
        if self.image == 0.0 && !self.product.is_nan() { 0.0 } else { self.drop() / self.image }
    }

    /// The metric of this id, one of [`IDS`].
    pub fn metric(self, id: &str) -> Option<f64> {
        match id {
            "confidence-change" => Some(self.change()),
            "drop" => Some(self.drop()),
            "increase" => Some(self.increase()),
            "average-drop" => Some(self.average_drop()),
            _ => None,
        }
    }
}

/// Asks the network for the image and for the image times the map, in one batch.
///
/// # Errors
/// When sizes are wrong or the network fails.
pub fn confidence(image: &Image<'_>, map: &Map<'_>, scorer: &mut dyn Scorer) -> Result<Confidence, MetricError> {
    map.check_against(image)?;
    let mut batch = Vec::with_capacity(2 * image.pixels.len());
    batch.extend_from_slice(image.pixels);
    for channel in image.pixels.chunks_exact(map.values.len()) {
        batch.extend(channel.iter().zip(map.values).map(|(pixel, map)| pixel * map));
    }
    let scores = score(scorer, &batch, 2)?;
    Ok(Confidence { image: f64::from(scores[0]), product: f64::from(scores[1]) })
}

/// The records of `ids`, each one of [`IDS`].
///
/// # Errors
/// Those of [`confidence`].
pub fn records(
    ids: &[&'static str],
    image: &Image<'_>,
    map: &Map<'_>,
    scorer: &mut dyn Scorer,
) -> Result<Vec<Record>, MetricError> {
    if let Some(status) = map.trouble() {
        return Ok(ids.iter().map(|id| Record::without(id, status, String::new())).collect());
    }
    let confidence = confidence(image, map, scorer)?;
    let record = |id: &&'static str| confidence.metric(id).map(|value| Record::new(id, value, String::new()));
    Ok(ids.iter().filter_map(record).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_four_forms() {
        let fell = Confidence { image: 0.8, product: 0.6 };
        assert!((fell.change() + 0.2).abs() < 1e-12 && (fell.drop() - 0.2).abs() < 1e-12);
        assert!(fell.increase() == 0.0 && (fell.average_drop() - 0.25).abs() < 1e-12);
        let rose = Confidence { image: 0.5, product: 0.75 };
        assert_eq!((rose.change(), rose.drop(), rose.increase(), rose.average_drop()), (0.25, 0.0, 1.0, 0.0));
        assert_eq!(Confidence { image: 0.0, product: 0.0 }.average_drop(), 0.0);
        let broken = Confidence { image: 0.5, product: f64::NAN };
        assert!(IDS.iter().all(|id| broken.metric(id).is_some_and(f64::is_nan)));
    }
}
