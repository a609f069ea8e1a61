//! ROAD, (LeRF - MoRF)/2: confidence without the least relevant pixels, less that without the most relevant ones.
//!
//! Rong et al., ICML 2022, as `ROADCombined` of grad-cam 1.5.7 computes it. Removed pixels are filled in from their
//! neighbours ([`impute`](super::impute)), so that the shape of what was removed gives little away. All masked images of
//! a map go through the network in one batch.

use std::fmt::Write;

use rayon::prelude::*;

use super::error::MetricError;
use super::impute::impute;
use super::noise::{normal_at, seed_for};
use super::order::{Ties, ascending, below_percentile, percentile};
use super::record::Record;
use super::subject::{Image, Map, Scorer, score};

/// Standard deviation of the noise on imputed pixels, in units of the normalised image.
pub const NOISE: f32 = 0.01;

/// Settings of ROAD.
#[derive(Clone, Debug, PartialEq)]
pub struct RoadSettings {
    /// Percentiles of the map at which pixels are removed, between 0 and 100.
    pub percentiles: Vec<f64>,
    /// What is done with equal pixels.
    pub ties: Ties,
    /// Standard deviation of the noise; 0 switches it off.
    pub noise: f32,
}

impl Default for RoadSettings {
    fn default() -> RoadSettings {
        let percentiles = (1..10).map(|tens| f64::from(tens) * 10.0).collect();
        RoadSettings { percentiles, ties: Ties::Rank, noise: NOISE }
    }
}

impl RoadSettings {
    /// # Errors
    /// When there is no percentile, one is not between 0 and 100, or the noise is negative or not finite.
    pub fn check(&self) -> Result<(), MetricError> {
        let text = || join(&self.percentiles);
        if self.percentiles.is_empty() {
            let need = "give at least one, such as 20,40,60,80";
            return Err(MetricError::Setting { setting: "percentiles", value: "empty".into(), need });
        }
        if !self.percentiles.iter().all(|p| *p > 0.0 && *p < 100.0) {
            let need = "each must lie between 0 and 100";
            return Err(MetricError::Setting { setting: "percentiles", value: text(), need });
        }
        if !(self.noise.is_finite() && self.noise >= 0.0) {
            let need = "it must be zero or a positive number";
            return Err(MetricError::Setting { setting: "noise", value: self.noise.to_string(), need });
        }
        Ok(())
    }

    /// As `name=value`, joined by `;`.
    pub fn params(&self) -> String {
        format!("percentiles={};ties={};noise={}", join(&self.percentiles), self.ties.as_str(), self.noise)
    }

    /// Masked images of one map.
    pub fn images(&self) -> usize {
        2 * self.percentiles.len()
    }
}

fn join(numbers: &[f64]) -> String {
    let mut out = String::new();
    for (i, number) in numbers.iter().enumerate() {
        let separator = if i == 0 { "" } else { "," };
        // Writing to a string cannot fail.
        let _ = write!(out, "{separator}{number}");
    }
    out
}

/// Which pixels go first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// MoRF: pixels below the percentile of the map stay.
    MostRelevantFirst,
    /// LeRF: pixels below the percentile of 1 - map stay.
    LeastRelevantFirst,
}

/// The masks of a map: MoRF at each percentile, then LeRF; true where a pixel stays.
///
/// # Errors
/// When the settings are wrong. The map must be finite.
pub fn masks(map: &Map<'_>, settings: &RoadSettings, seed: u64) -> Result<Vec<Vec<bool>>, MetricError> {
    settings.check()?;
    let count = map.values.len();
    let masks = match settings.ties {
        Ties::Rank => {
            let order = ascending(map.values, seed);
            let keep = |pixels: &[u32]| {
                let mut keep = vec![false; count];
                for &pixel in pixels {
                    keep[pixel as usize] = true;
                }
                keep
            };
            let stay = settings.percentiles.iter().map(|&p| below_percentile(count, p));
            let morf = stay.clone().map(|n| keep(&order[..n]));
            let lerf = stay.map(|n| keep(&order[count - n..]));
            morf.chain(lerf).collect()
        }
        Ties::Strict => {
            let inverted: Vec<f32> = map.values.iter().map(|v| 1.0 - v).collect();
            let mut masks = Vec::with_capacity(settings.images());
            for values in [map.values, &inverted] {
                let mut sorted = values.to_vec();
                sorted.sort_unstable_by(f32::total_cmp);
                for &p in &settings.percentiles {
                    let threshold = percentile(&sorted, p).unwrap_or(f32::INFINITY);
                    masks.push(values.iter().map(|v| *v < threshold).collect());
                }
            }
            masks
        }
    };
    Ok(masks)
}

/// The images without what the masks of `map` remove, [2 P, C, H, W]: MoRF at each percentile, then LeRF.
///
/// # Errors
/// When sizes or settings are wrong.
pub fn masked_images(image: &Image<'_>, map: &Map<'_>, settings: &RoadSettings) -> Result<Vec<f32>, MetricError> {
    map.check_against(image)?;
    let masks = masks(map, settings, image.seed)?;
    let mut batch = vec![0.0; masks.len() * image.pixels.len()];
    let (width, height) = (image.width, image.height);
    batch.par_chunks_exact_mut(image.pixels.len()).zip(masks.par_iter()).enumerate().try_for_each(
        |(index, (out, keep))| {
            out.copy_from_slice(image.pixels);
            impute(out, width, height, keep)?;
            let percentiles = settings.percentiles.len();
            let direction = match index < percentiles {
                true => Direction::MostRelevantFirst,
                false => Direction::LeastRelevantFirst,
            };
            let seed = noise_seed(image.seed, settings.percentiles[index % percentiles], direction);
            add_noise(out, keep, settings.noise, seed);
            Ok(())
        },
    )?;
    Ok(batch)
}

/// The stream of the noise. The method has no part in it, so methods are compared on the same noise.
fn noise_seed(image: u64, percentile: f64, direction: Direction) -> u64 {
    let direction = match direction {
        Direction::MostRelevantFirst => 0,
        Direction::LeastRelevantFirst => 1,
    };
    seed_for("noise of ROAD", &[image, percentile.to_bits(), direction])
}

/// Adds noise where a pixel was removed, independent per channel; a pixel's noise depends on its place alone.
fn add_noise(image: &mut [f32], keep: &[bool], deviation: f32, seed: u64) {
    if deviation == 0.0 {
        return;
    }
    let mut position = 0;
    for channel in image.chunks_exact_mut(keep.len()) {
        for (pixel, keep) in channel.iter_mut().zip(keep) {
            if !keep {
                *pixel += deviation * normal_at(seed, position);
            }
            position += 1;
        }
    }
}

/// ROAD of one map, with what it is made of.
#[derive(Clone, Debug, PartialEq)]
pub struct Road {
    /// (mean of LeRF - mean of MoRF) / 2.
    pub value: f64,
    /// Confidence at each percentile, most relevant pixels removed.
    pub most_relevant_first: Vec<f32>,
    /// Confidence at each percentile, least relevant pixels removed.
    pub least_relevant_first: Vec<f32>,
}

/// Asks the network for all masked images of `map` in one batch.
///
/// # Errors
/// When sizes or settings are wrong or the network fails.
pub fn road(
    image: &Image<'_>,
    map: &Map<'_>,
    settings: &RoadSettings,
    scorer: &mut dyn Scorer,
) -> Result<Road, MetricError> {
    let batch = masked_images(image, map, settings)?;
    let mut morf = score(scorer, &batch, settings.images())?;
    let lerf = morf.split_off(settings.percentiles.len());
    let mean = |scores: &[f32]| scores.iter().map(|s| f64::from(*s)).sum::<f64>() / scores.len() as f64;
    let value = (mean(&lerf) - mean(&morf)) / 2.0;
    Ok(Road { value, most_relevant_first: morf, least_relevant_first: lerf })
}

/// [`road`] as a record; a map that cannot be scored gives its status.
///
/// # Errors
/// Those of [`road`].
pub fn record(
    image: &Image<'_>,
    map: &Map<'_>,
    settings: &RoadSettings,
    scorer: &mut dyn Scorer,
) -> Result<Record, MetricError> {
    settings.check()?;
    Ok(match map.trouble() {
        Some(status) => Record::without("road", status, settings.params()),
        None => Record::new("road", road(image, map, settings, scorer)?.value, settings.params()),
    })
}
