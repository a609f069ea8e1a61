//! Deletion and insertion: the area under the confidence while pixels go, or come, from the most relevant on.
//!
//! Petsiuk et al., *RISE*, BMVC 2018, and their evaluation code: each step moves the next share of the pixels from one
//! image to another; softmax of the target; trapezoid over the share moved.

use super::error::MetricError;
use super::order::ascending;
use super::record::Record;
use super::subject::{Image, Map, Scorer, score};

/// Steps of a curve; 224 pixels each at 224 x 224, as in RISE.
pub const STEPS: usize = 224;
/// Width of the blur in pixels.
pub const BLUR_SIZE: usize = 11;
/// Standard deviation of the Gaussian that makes the blur, in pixels.
pub const BLUR_SIGMA: f64 = 5.0;

/// What stands for "no information".
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Baseline {
    /// Zero in normalised space, the mean colour.
    Zero,
    /// The image blurred: 11 pixels, sigma 5.
    Blur,
}

impl Baseline {
    /// As on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Baseline::Zero => "zero",
            Baseline::Blur => "blur",
        }
    }
}

impl std::str::FromStr for Baseline {
    type Err = MetricError;

    fn from_str(text: &str) -> Result<Baseline, MetricError> {
        match text {
            "zero" => Ok(Baseline::Zero),
            "blur" => Ok(Baseline::Blur),
            _ => Err(MetricError::Setting { setting: "baseline", value: text.into(), need: "zero or blur" }),
        }
    }
}

/// Settings of deletion and insertion. The default baselines are those of RISE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CurveSettings {
    /// Steps; fewer where an image has fewer pixels.
    pub steps: usize,
    /// What deletion leaves behind.
    pub deletion: Baseline,
    /// What insertion starts from.
    pub insertion: Baseline,
    /// Images per call of the network.
    pub batch: usize,
}

impl Default for CurveSettings {
    fn default() -> CurveSettings {
        CurveSettings { steps: STEPS, deletion: Baseline::Zero, insertion: Baseline::Blur, batch: 32 }
    }
}

/// Which way pixels move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Curve {
    /// From the image to the baseline; lower is better.
    Deletion,
    /// From the baseline to the image; higher is better.
    Insertion,
}

impl Curve {
    /// Metric id.
    pub fn id(self) -> &'static str {
        match self {
            Curve::Deletion => "deletion",
            Curve::Insertion => "insertion",
        }
    }
}

impl CurveSettings {
    fn baseline(&self, curve: Curve) -> Baseline {
        match curve {
            Curve::Deletion => self.deletion,
            Curve::Insertion => self.insertion,
        }
    }

    /// As `name=value`, joined by `;`.
    pub fn params(&self, curve: Curve) -> String {
        format!("baseline={};steps={}", self.baseline(curve).as_str(), self.steps)
    }

    /// # Errors
    /// When steps or batch are zero.
    pub fn check(&self) -> Result<(), MetricError> {
        for (setting, value) in [("steps", self.steps), ("batch", self.batch)] {
            if value == 0 {
                return Err(MetricError::Setting { setting, value: "0".into(), need: "it must be at least 1" });
            }
        }
        Ok(())
    }
}

/// The confidence at each step, from no pixel moved to all of them: steps + 1 values.
///
/// # Errors
/// When sizes or settings are wrong or the network fails.
pub fn curve(
    curve: Curve,
    image: &Image<'_>,
    map: &Map<'_>,
    settings: &CurveSettings,
    scorer: &mut dyn Scorer,
) -> Result<Vec<f32>, MetricError> {
    settings.check()?;
    map.check_against(image)?;
    let pixels = map.values.len();
    let steps = settings.steps.min(pixels);
    let baseline = match settings.baseline(curve) {
        Baseline::Zero => vec![0.0; image.pixels.len()],
        Baseline::Blur => blur(image),
    };
    let (mut current, finish) = match curve {
        Curve::Deletion => (image.pixels.to_vec(), baseline.as_slice()),
        Curve::Insertion => (baseline, image.pixels),
    };
    let order = ascending(map.values, image.seed);
    let mut relevant_first = order.iter().rev().map(|index| *index as usize);
    let mut scores = Vec::with_capacity(steps + 1);
    let mut batch = Vec::with_capacity(settings.batch.min(steps + 1) * current.len());
    let mut moved = 0;
    for step in 0..=steps {
        let until = step * pixels / steps;
        for pixel in relevant_first.by_ref().take(until - moved) {
            for channel in 0..image.channels {
                current[channel * pixels + pixel] = finish[channel * pixels + pixel];
            }
        }
        moved = until;
        batch.extend_from_slice(&current);
        let count = batch.len() / current.len();
        if count == settings.batch || step == steps {
            scores.extend(score(scorer, &batch, count)?);
            batch.clear();
        }
    }
    Ok(scores)
}

/// Area under a curve over [0, 1] by the trapezoid rule. None for fewer than two points.
pub fn area(scores: &[f32]) -> Option<f64> {
    let intervals = scores.len().checked_sub(1).filter(|n| *n > 0)?;
    let sum: f64 = scores.windows(2).map(|w| (f64::from(w[0]) + f64::from(w[1])) / 2.0).sum();
    Some(sum / intervals as f64)
}

/// [`area`] of [`curve`] as a record; a map that cannot be scored gives its status.
///
/// # Errors
/// Those of [`curve`].
pub fn record(
    which: Curve,
    image: &Image<'_>,
    map: &Map<'_>,
    settings: &CurveSettings,
    scorer: &mut dyn Scorer,
) -> Result<Record, MetricError> {
    let params = settings.params(which);
    settings.check()?;
    if let Some(status) = map.trouble() {
        return Ok(Record::without(which.id(), status, params));
    }
    let scores = curve(which, image, map, settings, scorer)?;
    Ok(Record::new(which.id(), area(&scores).unwrap_or(f64::NAN), params))
}

/// The image blurred as RISE does it, with zeros outside.
pub fn blur(image: &Image<'_>) -> Vec<f32> {
    let kernel = blur_kernel();
    let (width, height) = (image.width, image.height);
    let mut out = Vec::with_capacity(image.pixels.len());
    for channel in image.pixels.chunks_exact(width * height) {
        let rows: Vec<f64> = channel
            .chunks_exact(width)
            .flat_map(|row| (0..width).map(|x| weighted(&kernel, x, width, |i| f64::from(row[i]))))
            .collect();
        for y in 0..height {
            out.extend((0..width).map(|x| weighted(&kernel, y, height, |i| rows[i * width + x]) as f32));
        }
    }
    out
}

fn weighted(kernel: &[f64; BLUR_SIZE], center: usize, length: usize, value: impl Fn(usize) -> f64) -> f64 {
    let first = center.saturating_sub(BLUR_SIZE / 2);
    let last = (center + BLUR_SIZE / 2).min(length - 1);
    (first..=last).map(|i| kernel[i + BLUR_SIZE / 2 - center] * value(i)).sum()
}

/// RISE's kernel in one dimension: `scipy.ndimage.gaussian_filter` of a single one among eleven, whose tails (four sigma)
/// are mirrored back into the eleven. It is nearly flat and sums to one.
fn blur_kernel() -> [f64; BLUR_SIZE] {
    const TAIL: i64 = (4.0 * BLUR_SIGMA + 0.5) as i64;
    let gauss = |d: i64| (-0.5 * (d as f64 / BLUR_SIGMA).powi(2)).exp();
    let total: f64 = (-TAIL..=TAIL).map(gauss).sum();
    let size = BLUR_SIZE as i64;
    let mut kernel = [0.0; BLUR_SIZE];
    for (i, weight) in (0i64..).zip(kernel.iter_mut()) {
        for d in -TAIL..=TAIL {
            // Half-sample mirror: ... 1 0 | 0 1 ... n-1 | n-1 n-2 ...
            let wrapped = (i + d).rem_euclid(2 * size);
            let mirrored = if wrapped < size { wrapped } else { 2 * size - 1 - wrapped };
            if mirrored == size / 2 {
                *weight += gauss(d) / total;
            }
        }
    }
    kernel
}
