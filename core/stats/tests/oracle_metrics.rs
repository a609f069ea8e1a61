//! Every metric of predictions against scikit-learn, on cases with ties, absent classes and skewed class sizes.
//!
//! Tolerance: sums of at most a thousand terms of size 1, so 1e-12 with room for the order of summation.
#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

mod support;

use lightbox_stats::{
    MetricId, Predictions, ThresholdCriterion, choose_threshold, classification::softmax, evaluate, fit_temperature,
};
use serde_json::{Value, json};
use support::{Random, ask, close, number};

struct Case {
    classes: usize,
    truth: Vec<usize>,
    logits: Vec<f64>,
    probabilities: Vec<f64>,
    positive: Option<usize>,
    threshold: f64,
}

fn case(random: &mut Random, classes: usize, n: usize, truths: usize, levels: f64, signal: f64) -> Case {
    let truth: Vec<usize> = (0..n).map(|_| random.below(truths).min(random.below(truths))).collect();
    let mut logits = Vec::new();
    for &class in &truth {
        logits.extend((0..classes).map(|c| 1.5 * random.normal() + if c == class { signal } else { 0.0 }));
    }
    let mut probabilities = Vec::new();
    for row in logits.chunks(classes) {
        let p = softmax(row, 1.0);
        // Whole parts of `levels` make ties; the first class takes the rest so that rows still add up to 1.
        let mut parts: Vec<f64> = p.iter().map(|p| (p * levels).floor() / levels).collect();
        parts[0] = (1.0 - parts[1..].iter().sum::<f64>()).max(0.0);
        probabilities.extend(parts);
    }
    let positive = (classes == 2).then_some(random.below(2));
    Case { classes, truth, logits, probabilities, positive, threshold: 0.3 }
}

#[test]
fn every_metric_agrees_with_scikit_learn() {
    let mut random = Random(11);
    let mut cases = Vec::new();
    for (classes, n, truths, levels, signal) in [
        (2, 40, 2, 1e9, 1.0),
        (2, 200, 2, 10.0, 2.0),
        (2, 30, 1, 1e9, 1.0),
        (3, 100, 3, 1e9, 1.0),
        (4, 400, 4, 20.0, 3.0),
        (7, 1000, 7, 1e9, 2.0),
        (5, 60, 3, 1e9, 0.0),
        (4, 25, 4, 3.0, -1.0),
    ] {
        cases.push(case(&mut random, classes, n, truths, levels, signal));
    }
    let rows = |case: &Case, values: &[f64]| values.chunks(case.classes).map(<[f64]>::to_vec).collect::<Vec<_>>();
    let questions: Vec<Value> = cases
        .iter()
        .map(|case| {
            json!({"truth": case.truth, "probabilities": rows(case, &case.probabilities),
                "logits": rows(case, &case.logits), "positive": case.positive, "threshold": case.threshold})
        })
        .collect();
    for (case, answer) in cases.iter().zip(ask("stats_metrics.py", &questions)) {
        check(case, &answer);
    }
}

fn check(case: &Case, answer: &Value) {
    let what = format!("{} classes, {} images", case.classes, case.truth.len());
    let mut predictions = Predictions::from_probabilities(case.classes, &case.truth, &case.probabilities).unwrap();
    if let Some(positive) = case.positive {
        predictions = predictions.with_positive_class(positive).unwrap().with_threshold(case.threshold);
    }
    let evaluation = evaluate(&predictions);
    let mut compared = 0;
    for metric in MetricId::ALL.iter().filter(|metric| metric.is_of_predictions()) {
        let Some(expected) = answer.get(metric.id()) else {
            assert_eq!(evaluation.value(*metric), None, "{what}: {metric} has no oracle");
            continue;
        };
        match (evaluation.value(*metric), expected) {
            (None, Value::Null) => {}
            (Some(got), expected) => close(&format!("{what}: {metric}"), got, number(expected), 1e-12, 1e-12),
            (None, expected) => panic!("{what}: {metric} is undefined, expected {expected}"),
        }
        compared += 1;
    }
    assert!(compared >= 14, "{what}: {compared} metrics compared");
    assert_eq!(json!(evaluation.confusion.rows()), answer["confusion"], "{what}");
    let counts: Vec<usize> = evaluation.reliability.iter().map(|bin| bin.count).collect();
    assert_eq!(json!(counts), answer["bins"], "{what}");

    if let (Some(positive), true) = (case.positive, evaluation.absent_classes.is_empty()) {
        let is_positive: Vec<bool> = case.truth.iter().map(|&class| class == positive).collect();
        let scores = predictions.scores(positive);
        let threshold = choose_threshold(&scores, &is_positive, ThresholdCriterion::Youden).unwrap();
        let merit = threshold.sensitivity + threshold.specificity - 1.0;
        close(&format!("{what}: Youden"), merit, number(&answer["youden"]), 0.0, 1e-12);
    }

    let temperature = fit_temperature(case.classes, &case.truth, &case.logits).unwrap();
    let expected = number(&answer["temperature"]);
    // At an end of the range the oracle's bounded search stays a little inside.
    let tolerance = if (0.02..50.0).contains(&expected) { 1e-5 } else { 1e-3 };
    close(&format!("{what}: temperature"), temperature, expected, tolerance, 0.0);
}
