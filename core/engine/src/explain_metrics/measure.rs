//! Several metrics of one map at once: what they share is computed once.

use super::curves::{self, Curve, CurveSettings};
use super::describe::{METRICS, MetricDescriptor, descriptor};
use super::error::MetricError;
use super::record::Record;
use super::road::{self, RoadSettings};
use super::subject::{Image, Map, Scorer};
use super::{confidence, localise};

/// Settings of all metrics.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Settings {
    /// Of `road`.
    pub road: RoadSettings,
    /// Of `deletion` and `insertion`.
    pub curves: CurveSettings,
}

impl Settings {
    /// # Errors
    /// When a setting is outside its range.
    pub fn check(&self) -> Result<(), MetricError> {
        self.road.check()?;
        self.curves.check()
    }
}

/// The metrics of these ids, in their order, each once.
///
/// # Errors
/// When there is no metric of an id.
pub fn select<S: AsRef<str>>(ids: &[S]) -> Result<Vec<&'static MetricDescriptor>, MetricError> {
    let mut chosen: Vec<&'static MetricDescriptor> = Vec::new();
    for id in ids {
        let id = id.as_ref();
        let metric = descriptor(id).ok_or_else(|| {
            let known = METRICS.iter().map(|m| m.id).collect::<Vec<_>>().join(", ");
            MetricError::Unknown { id: id.into(), known }
        })?;
        if !chosen.contains(&metric) {
            chosen.push(metric);
        }
    }
    Ok(chosen)
}

/// The records of `metrics` for one map, in their order. `mask` has the map's size; none where there is no annotation.
///
/// # Errors
/// When sizes or settings are wrong or the network fails.
pub fn measure(
    metrics: &[&'static MetricDescriptor],
    image: &Image<'_>,
    map: &Map<'_>,
    mask: Option<&[bool]>,
    settings: &Settings,
    scorer: &mut dyn Scorer,
) -> Result<Vec<Record>, MetricError> {
    let among = |ids: &[&str]| metrics.iter().map(|metric| metric.id).filter(|id| ids.contains(id)).collect::<Vec<_>>();
    let (products, places) = (among(&confidence::IDS), among(&localise::IDS));
    let mut records = Vec::with_capacity(metrics.len());
    if !products.is_empty() {
        records.extend(confidence::records(&products, image, map, scorer)?);
    }
    records.extend(localise::records(&places, map, mask)?);
    for metric in metrics {
        match metric.id {
            "road" => records.push(road::record(image, map, &settings.road, scorer)?),
            "deletion" => records.push(curves::record(Curve::Deletion, image, map, &settings.curves, scorer)?),
            "insertion" => records.push(curves::record(Curve::Insertion, image, map, &settings.curves, scorer)?),
            _ => {}
        }
    }
    let position = |record: &Record| metrics.iter().position(|metric| metric.id == record.metric);
    records.sort_by_key(position);
    Ok(records)
}
