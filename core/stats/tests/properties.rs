//! Properties that hold for any data: symmetry, bounds, indifference to order, and agreement of p and interval.
#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use lightbox_stats::{
    Comparison, Correction, EffectKind, ExplanationTest, FoldSizes, FoldTest, Groups, MetricId, Outcome,
    PredictionTest, Predictions, Reason, Setting, adjust, adjust_family, compare_explanations, compare_folds,
    compare_out_of_fold, compare_predictions, compare_seeds, evaluate,
};
use proptest::{collection::vec, prelude::*};

const SETTING: Setting = Setting { alpha: 0.05, family_size: 2, resamples: 200, seed: 1 };

fn sound(comparison: &Comparison) -> Result<(), TestCaseError> {
    if let Outcome::Tested(tested) = &comparison.outcome {
        prop_assert!(tested.p > 0.0 && tested.p <= 1.0, "{tested:?}");
        prop_assert!(tested.estimate.is_finite() && tested.statistic.value.is_finite());
        if let Some(interval) = tested.interval {
            let inside = interval.low - 1e-9 <= tested.estimate && tested.estimate <= interval.high + 1e-9;
            prop_assert!(inside, "{tested:?}");
        }
        if let Some(effect) = tested.effect {
            let bounded = effect.kind != EffectKind::RankBiserial || effect.value.abs() <= 1.0 + 1e-12;
            prop_assert!(effect.value.is_finite() && bounded);
        }
    }
    // A record survives JSON: no NaN, no infinity anywhere.
    let text = serde_json::to_string(comparison).unwrap();
    prop_assert_eq!(&serde_json::from_str::<Comparison>(&text).unwrap(), comparison);
    Ok(())
}

/// Exchanging candidate and baseline turns the signs and nothing else.
fn mirrored(forth: &Comparison, back: &Comparison) -> Result<(), TestCaseError> {
    match (&forth.outcome, &back.outcome) {
        (Outcome::Tested(a), Outcome::Tested(b)) => {
            prop_assert!((a.p - b.p).abs() <= 1e-9 * a.p.max(b.p), "{} {}", a.p, b.p);
            let scale = 1.0 + a.estimate.abs();
            prop_assert!((a.estimate + b.estimate).abs() < 1e-9 * scale);
            if let (Some(i), Some(j)) = (a.interval, b.interval) {
                let scale = scale + i.low.abs() + i.high.abs();
                prop_assert!(
                    (i.low + j.high).abs() < 1e-6 * scale && (i.high + j.low).abs() < 1e-6 * scale,
                    "{i:?} {j:?}"
                );
            }
        }
        (a, b) => prop_assert_eq!(a, b),
    }
    Ok(())
}

fn usual_values(n: usize) -> impl Strategy<Value = Vec<f64>> {
    prop_oneof![vec(-1.0..1.0_f64, n), vec((-3..4_i32).prop_map(|v| f64::from(v) / 4.0), n)]
}

fn values(n: usize) -> impl Strategy<Value = Vec<f64>> {
    prop_oneof![
        2 => usual_values(n),
        1 => vec(prop_oneof![Just(0.0), Just(1e-300), Just(1e150), Just(-1e150), Just(1e-9)], n),
    ]
}

fn any_values(n: usize) -> impl Strategy<Value = Vec<f64>> {
    prop_oneof![4 => values(n), 1 => vec(any::<f64>(), n)]
}

fn predictions(classes: usize, n: usize) -> impl Strategy<Value = Vec<f64>> {
    prop_oneof![vec(-4.0..4.0_f64, n * classes), vec((-1..2_i32).prop_map(f64::from), n * classes)]
}

fn explained(a: &[f64], b: &[f64], keys: &[u8], folds: &[usize], test: ExplanationTest) -> Comparison {
    compare_explanations(MetricId::Road, a, b, &Groups::from_keys(keys), Some(folds), test, &SETTING).unwrap()
}

const VALUE_TESTS: [ExplanationTest; 3] =
    [ExplanationTest::PairedT, ExplanationTest::Wilcoxon, ExplanationTest::Permutation];

const FOLD_TESTS: [FoldTest; 4] = [FoldTest::NadeauBengio, FoldTest::PairedT, FoldTest::Wilcoxon, FoldTest::FiveByTwo];

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn folds(n in 1..14_usize, seed in any::<u32>(), (a, b) in (any_values(14), any_values(14))) {
        let sizes: Vec<FoldSizes> = (0..n).map(|i| FoldSizes { n_train: 90 + i, n_test: 95 + seed as usize % 9 }).collect();
        for test in FOLD_TESTS {
            let run = |a: &[f64], b: &[f64]| compare_folds(MetricId::Auroc, &a[..n], &b[..n], &sizes, test, &SETTING).unwrap();
            let (forth, back) = (run(&a, &b), run(&b, &a));
            sound(&forth)?;
            mirrored(&forth, &back)?;
            if n == 1 {
                prop_assert_eq!(forth.outcome.reason(), Some(&Reason::OneFold));
            }
        }
    }

    #[test]
    fn p_and_interval_agree_on_folds((a, b) in (vec(0.0..1.0_f64, 10), vec(0.0..1.0_f64, 10)), shift in 0.0..0.5_f64) {
        let sizes = [FoldSizes { n_train: 100, n_test: 100 }; 10];
        let a: Vec<f64> = a.iter().map(|v| v + shift).collect();
        for test in FOLD_TESTS {
            let got = compare_folds(MetricId::Auroc, &a, &b, &sizes, test, &SETTING).unwrap();
            let tested = got.outcome.tested().unwrap();
            let interval = tested.interval.unwrap();
            prop_assert_eq!(tested.p < 0.05, !interval.contains_zero(), "{:?}", tested);
            // What is found with 80 % power is more than what is just significant, and no less at a stricter level.
            let detectable = tested.detectable.unwrap();
            let difference = detectable.difference.unwrap();
            prop_assert!(difference > interval.high - tested.estimate, "{:?}", tested);
            prop_assert!(detectable.first_step_difference.is_none_or(|first| first >= difference), "{:?}", tested);
        }
    }

    #[test]
    fn explanations(
        n in 1..40_usize, (a, b) in (any_values(40), any_values(40)), keys in vec(0..12_u8, 40), strata in vec(0..3_usize, 12),
    ) {
        let (a, b, keys) = (&a[..n], &b[..n], &keys[..n]);
        let folds: Vec<usize> = keys.iter().map(|&key| strata[usize::from(key)]).collect();
        for test in VALUE_TESTS {
            let forth = explained(a, b, keys, &folds, test);
            sound(&forth)?;
            mirrored(&forth, &explained(b, a, keys, &folds, test))?;
        }
    }

    #[test]
    fn the_order_of_images_does_not_matter((a, b) in (usual_values(30), usual_values(30)), keys in vec(0..10_u8, 30), turn in 1..30_usize) {
        let folds = vec![0; 30];
        let turned = |values: &[f64]| { let mut v = values.to_vec(); v.rotate_left(turn); v };
        let mut turned_keys = keys.clone();
        turned_keys.rotate_left(turn);
        for test in [ExplanationTest::PairedT, ExplanationTest::Wilcoxon] {
            let straight = explained(&a, &b, &keys, &folds, test);
            let other = explained(&turned(&a), &turned(&b), &turned_keys, &folds, test);
            if let (Some(p), Some(q)) = (straight.outcome.p(), other.outcome.p()) {
                prop_assert!((p - q).abs() <= 1e-6 * p.max(q), "{test:?} {p} {q}");
            } else {
                prop_assert_eq!(straight.marker(), other.marker());
            }
        }
    }

    #[test]
    fn predictions_of_images(
        truth in vec(0..3_usize, 24), (a, b) in (predictions(3, 24), predictions(3, 24)), keys in vec(0..24_u8, 24),
    ) {
        let pool = |logits: &[f64]| Predictions::from_logits(3, &truth, logits, 1.0).unwrap();
        let (a, b) = (pool(&a), pool(&b));
        for groups in [Groups::by_image(24), Groups::from_keys(&keys)] {
            for &metric in MetricId::ALL.iter().filter(|m| m.is_of_predictions() && !m.needs_positive_class()) {
                let run = |a, b| compare_predictions(metric, a, b, &groups, PredictionTest::Default, &SETTING).unwrap();
                let (forth, back) = (run(&a, &b), run(&b, &a));
                sound(&forth)?;
                mirrored(&forth, &back)?;
                prop_assert_eq!(run(&a, &a).outcome, Outcome::Identical);
            }
            let one = std::slice::from_ref(&a);
            let other = std::slice::from_ref(&b);
            sound(&compare_out_of_fold(one, other, &groups, PredictionTest::Default, &SETTING).unwrap())?;
            // One seed is the plain permutation.
            let seeds = compare_seeds(MetricId::F1Macro, one, other, &groups, &SETTING).unwrap();
            let plain =
                compare_predictions(MetricId::F1Macro, &a, &b, &groups, PredictionTest::Permutation, &SETTING).unwrap();
            prop_assert_eq!(seeds.outcome, plain.outcome);
        }
    }

    #[test]
    fn metrics_keep_their_range(truth in vec(0..4_usize, 1..30), logits in vec(-30.0..30.0_f64, 120)) {
        let predictions = Predictions::from_logits(4, &truth, &logits[..truth.len() * 4], 1.0).unwrap();
        for entry in evaluate(&predictions).metrics {
            let (low, high) = entry.metric.info().range;
            if let Some(value) = entry.value {
                prop_assert!((low - 1e-12..=high + 1e-12).contains(&value), "{entry:?}");
            }
        }
    }

    #[test]
    fn adjusted_p_keep_order_and_bounds(p in vec(prop_oneof![Just(None), (1e-12..1.0_f64).prop_map(Some)], 1..12)) {
        for correction in [Correction::Holm, Correction::Bonferroni, Correction::BenjaminiHochberg] {
            let adjusted = adjust(correction, &p);
            for (i, (raw, new)) in p.iter().zip(&adjusted).enumerate() {
                prop_assert_eq!(raw.is_some(), new.is_some());
                let (Some(raw), Some(new)) = (raw, new) else { continue };
                prop_assert!(*new >= *raw && *new <= 1.0);
                for j in 0..i {
                    if let (Some(other), Some(other_new)) = (p[j], adjusted[j]) {
                        prop_assert!((raw < &other) <= (new <= &other_new));
                    }
                }
            }
        }
        // Holm lies between Bonferroni and nothing.
        let (holm, bonferroni) = (adjust(Correction::Holm, &p), adjust(Correction::Bonferroni, &p));
        prop_assert!(holm.iter().zip(&bonferroni).all(|(h, b)| h <= b));
    }
}

#[test]
fn a_family_keeps_its_planned_size() {
    let sizes = [FoldSizes { n_train: 80, n_test: 20 }; 5];
    let baseline = [0.80, 0.82, 0.79, 0.81, 0.83];
    let run = |d: [f64; 5]| {
        let candidate: Vec<f64> = baseline.iter().zip(d).map(|(b, d)| b - d).collect();
        compare_folds(MetricId::Accuracy, &candidate, &baseline, &sizes, FoldTest::NadeauBengio, &SETTING).unwrap()
    };
    let mut family = [run([0.05, 0.06, 0.055, 0.04, 0.052]), run([0.02; 5])];
    adjust_family(&mut family, 3, Correction::Holm);
    let adjusted = family[0].adjusted.unwrap();
    assert_eq!(adjusted.family_size, 3);
    assert!((adjusted.p - 3.0 * family[0].outcome.p().unwrap()).abs() < 1e-15);
    assert_eq!((family[1].marker().symbol(), family[1].adjusted), ("–", None));
    assert_eq!(family[1].outcome.reason().unwrap().to_string(), "zero variance");
}
