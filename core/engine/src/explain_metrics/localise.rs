//! Localisation: how well the map marks the pixels of a mask.
//!
//! The mask has the map's size: it went through the image's own geometry, by nearest neighbour. An image whose mask is
//! empty has nothing to find and is left out with a status, never counted as a hit or a miss.

use super::error::MetricError;
use super::record::{Record, Status};
use super::subject::Map;

/// Ids of the metrics that this module computes.
pub const IDS: [&str; 5] = ["energy", "pointing", "iou", "auprc", "area-fraction"];

/// The share of the map's sum that lies inside: sum(map mask) / sum(map). Values below zero count as zero. None for a
/// map without positive values.
pub fn energy(map: &[f32], mask: &[bool]) -> Option<f64> {
    let positive = |v: &f32| f64::from(v.max(0.0));
    let total: f64 = map.iter().map(positive).sum();
    let inside: f64 = map.iter().zip(mask).filter(|(_, m)| **m).map(|(v, _)| positive(v)).sum();
    (total > 0.0).then(|| inside / total)
}

/// Whether any pixel that holds the maximum lies inside; no pixel outside is forgiven (tolerance 0).
pub fn pointing(map: &[f32], mask: &[bool]) -> bool {
    let maximum = map.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    map.iter().zip(mask).any(|(v, m)| *m && *v == maximum)
}

/// Intersection over union of the mask and the k most relevant pixels, k the size of the mask.
///
/// Where pixels of equal value compete for the last places, each gets the same share of them: the intersection is its
/// expected value over all orders of the equals.
pub fn iou(map: &[f32], mask: &[bool]) -> f64 {
    let k = mask.iter().filter(|m| **m).count();
    if k == 0 {
        return 0.0;
    }
    let mut sorted = map.to_vec();
    let (_, threshold, _) = sorted.select_nth_unstable_by(k - 1, |a, b| b.total_cmp(a));
    let threshold = *threshold;
    let (mut above, mut above_inside, mut equal, mut equal_inside) = (0usize, 0usize, 0usize, 0usize);
    for (v, m) in map.iter().zip(mask) {
        if *v > threshold {
            above += 1;
            above_inside += usize::from(*m);
        } else if *v == threshold {
            equal += 1;
            equal_inside += usize::from(*m);
        }
    }
    let places = k.saturating_sub(above) as f64;
    let intersection = above_inside as f64 + places * equal_inside as f64 / equal.max(1) as f64;
    intersection / (2.0 * k as f64 - intersection)
}

/// Average precision of the pixels, the mask as truth: the sum of (R_n - R_(n-1)) P_n over the distinct values of the
/// map, from the highest. None for an empty mask.
pub fn average_precision(map: &[f32], mask: &[bool]) -> Option<f64> {
    let positives = mask.iter().filter(|m| **m).count();
    if positives == 0 {
        return None;
    }
    let mut pixels: Vec<(f32, bool)> = map.iter().zip(mask).map(|(v, m)| (*v, *m)).collect();
    pixels.sort_unstable_by(|a, b| b.0.total_cmp(&a.0));
    let (mut seen, mut found, mut sum) = (0usize, 0usize, 0.0);
    for equals in pixels.chunk_by(|a, b| a.0 == b.0) {
        let inside = equals.iter().filter(|(_, m)| *m).count();
        seen += equals.len();
        found += inside;
        sum += inside as f64 * found as f64 / seen as f64;
    }
    Some(sum / positives as f64)
}

/// The share of the image that the mask covers.
pub fn area_fraction(mask: &[bool]) -> f64 {
    mask.iter().filter(|m| **m).count() as f64 / mask.len() as f64
}

/// The records of `ids`, each one of [`IDS`]; `mask` is none where the image has no annotation.
///
/// # Errors
/// When map and mask differ in size.
pub fn records(ids: &[&'static str], map: &Map<'_>, mask: Option<&[bool]>) -> Result<Vec<Record>, MetricError> {
    if let Some(mask) = mask
        && mask.len() != map.values.len()
    {
        return Err(MetricError::Size { what: "mask", expected: map.values.len(), found: mask.len() });
    }
    Ok(ids.iter().filter_map(|id| record(id, map, mask)).collect())
}

fn record(id: &'static str, map: &Map<'_>, mask: Option<&[bool]>) -> Option<Record> {
    let without = |status| Some(Record::without(id, status, String::new()));
    let Some(mask) = mask else { return without(Status::NoMask) };
    if !mask.contains(&true) {
        return without(Status::EmptyMask);
    }
    // The mask's area says something of the image, whatever the map.
    if id != "area-fraction"
        && let Some(status) = map.trouble()
    {
        return without(status);
    }
    let value = match id {
        "energy" => energy(map.values, mask),
        "pointing" => Some(f64::from(u8::from(pointing(map.values, mask)))),
        "iou" => Some(iou(map.values, mask)),
        "auprc" => average_precision(map.values, mask),
        "area-fraction" => Some(area_fraction(mask)),
        _ => return None,
    };
    // A map without positive values marks nothing, as a constant one.
    value.map_or_else(|| without(Status::ConstantMap), |value| Some(Record::new(id, value, String::new())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn figures_worked_by_hand() {
        let map = [0.1, 0.9, 0.5, 0.5];
        let mask = [false, true, true, false];
        assert!((energy(&map, &mask).unwrap() - 0.7).abs() < 1e-7);
        assert!(pointing(&map, &mask));
        assert!(!pointing(&[1.0, 0.0], &[false, true]));
        assert!(pointing(&[1.0, 1.0], &[false, true]), "any maximum inside is a hit");
        // Two places: 0.9 takes one, two pixels share the other, so 1.5 of 2 are expected inside.
        assert!((iou(&map, &mask) - 1.5 / 2.5).abs() < 1e-12);
        // Recall 1/2 at precision 1, then recall 1 at precision 2/3.
        assert!((average_precision(&map, &mask).unwrap() - (0.5 + 0.5 * 2.0 / 3.0)).abs() < 1e-12);
        assert!((area_fraction(&mask) - 0.5).abs() < 1e-12);
    }

    #[test]
    fn what_cannot_be_scored_says_why() {
        let status = |map: &[f32], mask: Option<&[bool]>| {
            let map = Map::new(map, [1, map.len()]).unwrap();
            records(&IDS, &map, mask).unwrap().into_iter().map(|r| (r.metric, r.status)).collect::<Vec<_>>()
        };
        let all = |s: Status| IDS.map(|id| (id, s)).to_vec();
        assert_eq!(status(&[0.0, 1.0], None), all(Status::NoMask));
        assert_eq!(status(&[0.0, 1.0], Some(&[false, false])), all(Status::EmptyMask));
        let flat = status(&[0.3, 0.3], Some(&[true, false]));
        assert!(flat[..4].iter().all(|(_, s)| *s == Status::ConstantMap) && flat[4].1 == Status::Ok);
        assert_eq!(status(&[f32::NAN, 1.0], Some(&[true, false]))[0].1, Status::NanMap);
        assert_eq!(status(&[-1.0, -2.0], Some(&[true, false]))[0].1, Status::ConstantMap);
        let map = Map::new(&[0.0, 1.0], [1, 2]).unwrap();
        assert!(matches!(records(&IDS, &map, Some(&[true])), Err(MetricError::Size { what: "mask", .. })));
    }

    proptest! {
        #[test]
        fn figures_stay_in_range_and_a_perfect_map_is_perfect(
            pixels in prop::collection::vec((0u8..6, any::<bool>()), 2..80)
        ) {
            let map: Vec<f32> = pixels.iter().map(|p| f32::from(p.0) / 5.0).collect();
            let mask: Vec<bool> = pixels.iter().map(|p| p.1).collect();
            prop_assume!(mask.contains(&true));
            let perfect: Vec<f32> = mask.iter().map(|m| f32::from(u8::from(*m))).collect();
            for value in [energy(&map, &mask), Some(iou(&map, &mask)), average_precision(&map, &mask)] {
                prop_assert!(value.is_none_or(|v| (0.0..=1.0 + 1e-12).contains(&v)));
            }
            prop_assert_eq!(iou(&perfect, &mask), 1.0);
            prop_assert_eq!(average_precision(&perfect, &mask), Some(1.0));
            prop_assert_eq!(energy(&perfect, &mask), Some(1.0));
        }
    }
}
