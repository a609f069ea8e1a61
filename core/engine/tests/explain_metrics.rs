//! Metrics of an explanation against grad-cam 1.5.7, scipy, scikit-learn and RISE's published code.

#![allow(clippy::unwrap_used)] // A test may fail loudly, in its helpers too.

mod oracle;

use std::sync::LazyLock;

use lightbox_engine::explain_metrics::impute::impute;
use lightbox_engine::explain_metrics::measure::{Settings, measure, select};
use lightbox_engine::explain_metrics::order::{Ties, percentile};
use lightbox_engine::explain_metrics::road::{RoadSettings, masked_images, masks, road};
use lightbox_engine::explain_metrics::similarity::{spearman, ssim};
use lightbox_engine::explain_metrics::{
    Image, METRICS, Map, MetricError, Needs, ScoreError, Scorer, Status, confidence, curves, localise,
};
use oracle::{Oracle, largest_difference, number, size};

static ORACLE: LazyLock<Oracle> = LazyLock::new(|| Oracle::run("metrics_explanation.py", |_| {}));

fn bools(name: &str) -> Vec<bool> {
    ORACLE.bytes(&format!("{name}.u8")).into_iter().map(|byte| byte == 1).collect()
}

/// The oracle's network: softmax(<w_k, tanh(x)> + b_k).
struct Network {
    weights: Vec<f32>,
    bias: Vec<f32>,
    target: usize,
    calls: Vec<usize>,
}

impl Scorer for Network {
    fn score(&mut self, batch: &[f32], count: usize) -> Result<Vec<f32>, ScoreError> {
        self.calls.push(count);
        let length = batch.len() / count;
        let score = |image: &[f32]| {
            let features: Vec<f64> = image.iter().map(|v| f64::from(*v).tanh()).collect();
            let logit = |(w, b): (&[f32], &f32)| {
                w.iter().zip(&features).map(|(w, f)| f64::from(*w) * f).sum::<f64>() + f64::from(*b)
            };
            let logits: Vec<f64> = self.weights.chunks_exact(length).zip(&self.bias).map(logit).collect();
            let largest = logits.iter().copied().fold(f64::MIN, f64::max);
            let total: f64 = logits.iter().map(|l| (l - largest).exp()).sum();
            ((logits[self.target] - largest).exp() / total) as f32
        };
        Ok(batch.chunks_exact(length).map(score).collect())
    }
}

struct Case {
    pixels: Vec<f32>,
    map: Vec<f32>,
    size: [usize; 2],
    network: Network,
}

impl Case {
    fn load(case: &serde_json::Value) -> Case {
        let file = |what: &str| ORACLE.f32s(&format!("network-{}-{what}", case["name"].as_str().unwrap()));
        let target = number(case, "target") as usize;
        let network = Network { weights: file("weights"), bias: file("bias"), target, calls: Vec::new() };
        Case { pixels: file("image"), map: file("map"), size: size(case), network }
    }

    fn image(&self, seed: u64) -> Image<'_> {
        Image::new(&self.pixels, [3, self.size[0], self.size[1]], seed).unwrap()
    }

    fn map(&self) -> Map<'_> {
        Map::new(&self.map, self.size).unwrap()
    }
}

#[test]
fn imputation_is_within_a_thousandth_of_a_direct_solution_for_masks_of_all_shapes() {
    for case in ORACLE.cases("imputation") {
        let name = case["name"].as_str().unwrap();
        let [height, width] = size(case);
        let keep = bools(&format!("impute-{name}-keep"));
        let image = ORACLE.f32s(&format!("impute-{name}-image"));
        let exact = ORACLE.f32s(&format!("impute-{name}-exact"));
        assert!(exact.iter().all(|v| v.is_finite()), "{name}");
        let mut ours = image.clone();
        let effort = impute(&mut ours, width, height, &keep).unwrap();
        // 1e-3 is what ROAD needs; the solver is held to a fifth of it.
        let error = largest_difference(&ours, &exact);
        assert!(error <= 2e-4, "{name}: {error} after {effort:?}");
        assert!(effort.cycles <= 15, "{name}: {effort:?}");
        for (channel, before) in ours.chunks(keep.len()).zip(image.chunks(keep.len())) {
            let kept = keep.iter().zip(channel).zip(before).filter(|((keep, _), _)| **keep);
            assert!(kept.into_iter().all(|((_, a), b)| a.to_bits() == b.to_bits()), "{name}: a kept pixel changed");
        }
    }
}

#[test]
fn everything_removed_is_the_mean_colour_and_bad_input_an_error() {
    let mut image = vec![3.0; 3 * 20];
    impute(&mut image, 5, 4, &[false; 20]).unwrap();
    assert!(image.iter().all(|v| *v == 0.0));
    assert!(matches!(impute(&mut image, 5, 4, &[true; 19]), Err(MetricError::Size { .. })));
    let mut broken = vec![f32::NAN; 20];
    let mut keep = [false; 20];
    keep[3] = true;
    assert!(matches!(impute(&mut broken, 5, 4, &keep), Err(MetricError::NotFinite { .. })));
}

#[test]
fn percentiles_are_numpys_to_the_last_bit() {
    for (i, case) in ORACLE.cases("percentiles").iter().enumerate() {
        let mut values = ORACLE.f32s(&format!("percentile-{i}"));
        values.sort_by(f32::total_cmp);
        let list = |key: &str| case[key].as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect::<Vec<_>>();
        for (p, expected) in list("p").into_iter().zip(list("value")) {
            let ours = percentile(&values, p).unwrap();
            assert_eq!(f64::from(ours), expected, "percentile {p} of array {i}");
        }
    }
}

#[test]
fn road_without_noise_is_grad_cams_combined_road() {
    for case in ORACLE.cases("networks") {
        let mut loaded = Case::load(case);
        for (percentiles, expected) in case["road"].as_object().unwrap() {
            let percentiles: Vec<f64> = serde_json::from_str(percentiles).unwrap();
            let images = 2 * percentiles.len();
            let settings = RoadSettings { percentiles, ties: Ties::Strict, noise: 0.0 };
            let mut network = std::mem::replace(
                &mut loaded.network,
                Network { weights: vec![], bias: vec![], target: 0, calls: vec![] },
            );
            let ours = road(&loaded.image(1), &loaded.map(), &settings, &mut network).unwrap();
            assert_eq!(network.calls, [images], "one batch");
            loaded.network = network;
            let difference = (ours.value - expected.as_f64().unwrap()).abs();
            assert!(difference < 1e-4, "{}: {} is not {expected}", case["name"], ours.value);
        }
    }
}

#[test]
fn rank_removes_what_strict_removes_unless_pixels_are_equal() {
    for case in ORACLE.cases("networks") {
        let loaded = Case::load(case);
        let removed = |ties: Ties| -> Vec<usize> {
            let settings = RoadSettings { ties, ..RoadSettings::default() };
            let masks = masks(&loaded.map(), &settings, 3).unwrap();
            masks.iter().map(|m| m.iter().filter(|keep| !**keep).count()).collect()
        };
        let pixels = loaded.map.len() as f64;
        let (rank, strict) = (removed(Ties::Rank), removed(Ties::Strict));
        for (i, removed) in rank.iter().enumerate() {
            let share = 1.0 - (i % 9 + 1) as f64 / 10.0;
            assert!((*removed as f64 / pixels - share).abs() <= 1.0 / pixels, "{removed} of {pixels} at {share}");
        }
        match case["name"].as_str().unwrap() {
            // A few pixels of 50,176 are equal in f32 and may straddle a percentile.
            "smooth" | "wide" => assert!(rank.iter().zip(&strict).all(|(r, s)| r.abs_diff(*s) <= 4)),
            // Four fifths of this map are zero: strict removes every pixel up to the 70th percentile.
            "sparse" => assert_eq!(strict[..7], [loaded.map.len(); 7]),
            _ => {}
        }
    }
}

#[test]
fn noise_belongs_to_image_percentile_and_direction_and_not_to_the_map() {
    let case = &ORACLE.cases("networks")[1];
    let loaded = Case::load(case);
    let mirrored: Vec<f32> = loaded.map.iter().rev().copied().collect();
    let settings = |noise: f32| RoadSettings { noise, ..RoadSettings::default() };
    let noise = |map: &[f32], seed: u64| -> Vec<f32> {
        let map = Map::new(map, loaded.size).unwrap();
        let [with, without] =
            [0.01, 0.0].map(|noise| masked_images(&loaded.image(seed), &map, &settings(noise)).unwrap());
        with.iter().zip(&without).map(|(a, b)| a - b).collect()
    };
    let (one, other, elsewhere) = (noise(&loaded.map, 5), noise(&mirrored, 5), noise(&loaded.map, 6));
    assert_eq!(one, noise(&loaded.map, 5));
    let both = one.iter().zip(&other).filter(|(a, b)| **a != 0.0 && **b != 0.0);
    let (count, differ) = both.fold((0, 0), |(n, d), (a, b)| (n + 1, d + usize::from((a - b).abs() > 1e-5)));
    assert!(count > 1000 && differ == 0, "{differ} of {count} differ between maps");
    assert!(one.iter().zip(&elsewhere).filter(|(a, b)| **a != 0.0 && **b != 0.0).all(|(a, b)| a != b));
    let deviation = |v: &[f32]| {
        let noisy: Vec<f64> = v.iter().filter(|v| **v != 0.0).map(|v| f64::from(*v)).collect();
        (noisy.iter().map(|v| v * v).sum::<f64>() / noisy.len() as f64).sqrt()
    };
    assert!((deviation(&one) - 0.01).abs() < 2e-4, "{}", deviation(&one));
    // Each image and channel has its own: no plane is correlated with another where both have noise.
    let planes: Vec<&[f32]> = one.chunks_exact(loaded.map.len()).collect();
    for (i, a) in planes.iter().enumerate() {
        for b in &planes[i + 1..] {
            let pairs: Vec<(f32, f32)> =
                a.iter().zip(*b).filter(|(a, b)| **a != 0.0 && **b != 0.0).map(|(a, b)| (*a, *b)).collect();
            let product: f64 = pairs.iter().map(|(a, b)| f64::from(a * b)).sum::<f64>() / 1e-4;
            let bound = 6.0 * (pairs.len() as f64).sqrt();
            assert!(product.abs() <= bound, "planes of {} pixels correlate: {product}", pairs.len());
        }
    }
}

#[test]
fn confidence_metrics_are_grad_cams() {
    let (mut drops, mut increases) = (0, 0);
    for case in ORACLE.cases("networks") {
        let Case { pixels, map, size: [h, w], mut network } = Case::load(case);
        let (image, map) = (Image::new(&pixels, [3, h, w], 0).unwrap(), Map::new(&map, [h, w]).unwrap());
        let ours = confidence::confidence(&image, &map, &mut network).unwrap();
        for (value, key) in [(ours.change(), "change"), (ours.drop(), "drop"), (ours.increase(), "increase")] {
            assert!((value - number(case, key)).abs() < 1e-6, "{key} of {}: {value}", case["name"]);
        }
        let relative = number(case, "drop") / ours.image;
        assert!((ours.average_drop() - relative).abs() < 1e-5);
        drops += usize::from(ours.drop() > 0.0);
        increases += usize::from(ours.increase() > 0.0);
    }
    assert!(drops > 0 && increases > 0, "both must occur, or this says nothing");
}

#[test]
fn deletion_and_insertion_are_rises() {
    for case in ORACLE.cases("networks").iter().filter(|case| case["steps"].is_number()) {
        let name = case["name"].as_str().unwrap();
        let Case { pixels, map, size: [h, w], mut network } = Case::load(case);
        let (image, map) = (Image::new(&pixels, [3, h, w], 0).unwrap(), Map::new(&map, [h, w]).unwrap());
        let blurred = ORACLE.f32s(&format!("network-{name}-blurred"));
        assert!(largest_difference(&curves::blur(&image), &blurred) < 1e-5);
        let steps = number(case, "steps") as usize;
        let settings = curves::CurveSettings { steps, ..curves::CurveSettings::default() };
        for curve in [curves::Curve::Deletion, curves::Curve::Insertion] {
            let ours = curves::record(curve, &image, &map, &settings, &mut network).unwrap();
            let expected = number(case, curve.id());
            assert!((ours.value.unwrap() - expected).abs() < 1e-5, "{} of {name}: {ours:?}", curve.id());
        }
        assert_eq!(network.calls.iter().sum::<usize>(), 2 * (steps + 1));
        assert!(network.calls.iter().all(|n| *n <= settings.batch));
    }
}

#[test]
fn localisation_agrees_with_scikit_learn_and_numpy() {
    for (i, case) in ORACLE.cases("localisation").iter().enumerate() {
        let map = ORACLE.f32s(&format!("place-{i}-map"));
        let mask = bools(&format!("place-{i}-mask"));
        let records = localise::records(&localise::IDS, &Map::new(&map, size(case)).unwrap(), Some(&mask)).unwrap();
        for record in records {
            // The oracle draws 200 orders of equal pixels; ours is their exact mean.
            let tolerance = if record.metric == "iou" && case["ties"] == true { 0.01 } else { 1e-9 };
            let expected = number(case, record.metric);
            assert!((record.value.unwrap() - expected).abs() < tolerance, "case {i}: {record:?}, not {expected}");
        }
    }
}

#[test]
fn similarity_agrees_with_scipy() {
    for (i, case) in ORACLE.cases("similarity").iter().enumerate() {
        let (a, b) = (ORACLE.f32s(&format!("alike-{i}-a")), ORACLE.f32s(&format!("alike-{i}-b")));
        let correlation = spearman(&a, &b).unwrap();
        assert!((correlation - number(case, "spearman")).abs() < 1e-10, "{correlation} {case}");
        let similarity = ssim(&a, &b, size(case)).unwrap();
        assert!((similarity - number(case, "ssim")).abs() < 1e-8, "{similarity} {case}");
    }
}

#[test]
fn measuring_gives_a_record_for_each_metric_in_the_order_asked() {
    let Case { pixels, map, size: [h, w], mut network } = Case::load(&ORACLE.cases("networks")[1]);
    let image = Image::new(&pixels, [3, h, w], 9).unwrap();
    let mask: Vec<bool> = map.iter().map(|v| *v > 0.5).collect();
    let mut ids: Vec<&str> = METRICS.iter().map(|m| m.id).collect();
    ids.reverse();
    let metrics = select(&ids).unwrap();
    let settings = Settings::default();
    let map = Map::new(&map, [h, w]).unwrap();
    let records = measure(&metrics, &image, &map, Some(&mask), &settings, &mut network).unwrap();
    assert!(records.iter().map(|r| r.metric).eq(ids.iter().copied()));
    for (record, metric) in records.iter().zip(&metrics) {
        let value = record.value.unwrap();
        assert!((metric.range.0..=metric.range.1).contains(&value), "{record:?}");
    }
    let road = records.iter().find(|r| r.metric == "road").unwrap();
    assert_eq!(road.params, "percentiles=10,20,30,40,50,60,70,80,90;ties=rank;noise=0.01");
    assert!(matches!(select(&["rod"]), Err(MetricError::Unknown { .. })));
}

#[test]
fn a_map_without_a_ranking_has_a_status_and_costs_no_forward_pass() {
    let pixels = vec![0.5; 3 * 64];
    let image = Image::new(&pixels, [3, 8, 8], 0).unwrap();
    let mask = [true; 64];
    let metrics = select(&METRICS.iter().map(|m| m.id).collect::<Vec<_>>()).unwrap();
    let mut asked = |_: &[f32], _: usize| -> Result<Vec<f32>, ScoreError> { Err("the network was asked".into()) };
    for (value, status) in [(0.25, Status::ConstantMap), (f32::NAN, Status::NanMap)] {
        let map = [value; 64];
        let map = Map::new(&map, [8, 8]).unwrap();
        let records = measure(&metrics, &image, &map, Some(&mask), &Settings::default(), &mut asked).unwrap();
        for (record, metric) in records.iter().zip(&metrics) {
            let expected = if metric.id == "area-fraction" { Status::Ok } else { status };
            assert_eq!((record.status, record.value.is_some()), (expected, expected == Status::Ok), "{record:?}");
        }
    }
    let varied: Vec<f32> = (0..64).map(|i| i as f32).collect();
    let map = Map::new(&varied, [8, 8]).unwrap();
    let mut broken = |_: &[f32], n: usize| -> Result<Vec<f32>, ScoreError> { Ok(vec![f32::NAN; n]) };
    let records = measure(&metrics, &image, &map, Some(&mask), &Settings::default(), &mut broken).unwrap();
    for (record, metric) in records.iter().zip(&metrics) {
        let expected = if metric.needs == Needs::Scores { Status::NanScore } else { Status::Ok };
        assert_eq!(record.status, expected, "{record:?}");
    }
    assert!(matches!(
        measure(&metrics, &image, &map, None, &Settings::default(), &mut asked),
        Err(MetricError::Network(_))
    ));
    let mut short = |_: &[f32], _: usize| -> Result<Vec<f32>, ScoreError> { Ok(vec![0.5]) };
    let outcome = measure(&metrics, &image, &map, None, &Settings::default(), &mut short);
    assert!(matches!(outcome, Err(MetricError::Scores { expected: 2, found: 1 })));
}

#[test]
fn settings_outside_their_range_are_refused() {
    for percentiles in [vec![], vec![0.0], vec![100.0], vec![f64::NAN]] {
        let settings = RoadSettings { percentiles, ..RoadSettings::default() };
        assert!(matches!(settings.check(), Err(MetricError::Setting { setting: "percentiles", .. })));
    }
    let noisy = RoadSettings { noise: f32::NAN, ..RoadSettings::default() };
    assert!(matches!(noisy.check(), Err(MetricError::Setting { setting: "noise", .. })));
    assert!("ranked".parse::<Ties>().is_err() && "rank".parse::<Ties>().is_ok());
}
