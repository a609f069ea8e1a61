//! Simulations: each default holds its error rate where the naive test does not.
//!
//! Every study is run many times on data without a difference; a test that holds its level rejects 5 % of them. Bounds
//! leave four standard errors of the simulation (0.6 % at 2000 runs), and the naive tests are asserted to fail, so that
//! a simulation that shows nothing fails too. Runs are spread over threads; their seeds are fixed.
#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

mod support;

use lightbox_stats::{
    ExplanationTest, FoldSizes, FoldTest, Groups, MetricId, Outcome, PredictionTest, Predictions, Setting,
    binary::{Discordant, GroupForm, GroupTable, McnemarForm, cochran_q, cochran_q_groups, mcnemar, mcnemar_groups},
    compare_between_seeds, compare_explanations, compare_folds, compare_predictions, compare_seeds,
    distribution::normal_quantile,
    interval_of_difference,
    paired::{WilcoxonForm, nadeau_bengio, paired_t, wilcoxon},
    power::dz_of_folds_with_power,
    ranks::{delong, friedman as friedman_test},
    resampling::permutation_by_group,
};
use rayon::prelude::*;
use support::Random;

/// Four standard errors of a simulated 5 %.
fn slack(runs: usize) -> f64 {
    4.0 * (0.05 * 0.95 / runs as f64).sqrt()
}

/// Share of runs with p < .05, for several tests of the same data at once.
fn rejections<const N: usize>(runs: usize, run: impl Fn(&mut Random) -> [Outcome; N] + Sync) -> [f64; N] {
    let rejected = (0..runs)
        .into_par_iter()
        .map(|seed| run(&mut Random(seed as u64 * 7919 + 1)).map(|o| usize::from(o.p().is_some_and(|p| p < 0.05))))
        .reduce(|| [0; N], |a, b| std::array::from_fn(|i| a[i] + b[i]));
    rejected.map(|count| count as f64 / runs as f64)
}

#[track_caller]
fn holds(what: &str, rate: f64, runs: usize) {
    println!("{what}: {:.1} %", 100.0 * rate);
    assert!(rate <= 0.05 + slack(runs), "{what} rejects {rate}");
}

#[track_caller]
fn fails(what: &str, rate: f64, at_least: f64) {
    println!("{what}: {:.1} % (naive)", 100.0 * rate);
    assert!(rate >= at_least, "{what} rejects only {rate}: the simulation shows nothing");
}

/// Images of two classes; a learner sees one half of the features, so that both learners are equally good.
struct Set {
    features: Vec<[f64; 8]>,
    labels: Vec<bool>,
}

impl Set {
    fn draw(random: &mut Random, n: usize) -> Self {
        let labels: Vec<bool> = (0..n).map(|i| i % 2 == 0).collect();
        let row = |&label: &bool| std::array::from_fn(|_| random.normal() + if label { 0.35 } else { -0.35 });
        let features = labels.iter().map(row).collect();
        Set { features, labels }
    }

    /// Accuracy on `test` of the nearest class mean learnt from `train`, on features `from..from + 4`.
    fn accuracy(&self, train: &[usize], test: &[usize], from: usize) -> f64 {
        let mut means = [[0.0; 4]; 2];
        let mut counts = [0.0; 2];
        for &i in train {
            let class = usize::from(self.labels[i]);
            counts[class] += 1.0;
            means[class].iter_mut().zip(&self.features[i][from..]).for_each(|(mean, x)| *mean += x);
        }
        let distance = |i: usize, class: usize| -> f64 {
            let mean = means[class].iter().map(|sum| sum / f64::max(counts[class], 1.0));
            mean.zip(&self.features[i][from..]).map(|(mean, x)| (x - mean).powi(2)).sum()
        };
        let right = test.iter().filter(|&&i| (distance(i, 1) < distance(i, 0)) == self.labels[i]).count();
        right as f64 / test.len() as f64
    }
}

fn shuffled(random: &mut Random, n: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..n).collect();
    (1..n).rev().for_each(|last| order.swap(last, random.below(last + 1)));
    order
}

/// Accuracies of both learners on each split (train, test).
fn learn(set: &Set, splits: &[(Vec<usize>, Vec<usize>)]) -> (Vec<f64>, Vec<f64>) {
    let of = |from| splits.iter().map(|(train, test)| set.accuracy(train, test, from)).collect();
    (of(0), of(4))
}

fn compare(test: FoldTest, (a, b): &(Vec<f64>, Vec<f64>), n_train: usize, n_test: usize) -> Outcome {
    let sizes = vec![FoldSizes { n_train, n_test }; a.len()];
    compare_folds(MetricId::Accuracy, a, b, &sizes, test, &Setting::default()).unwrap().outcome
}

/// Accuracies by fold of a learner that keeps the one of four features that is best in training. Which one it keeps
/// depends on the data set, and is mostly the same in all folds: that is what overlapping training sets do.
fn best_feature(random: &mut Random, n: usize, folds: usize) -> Vec<f64> {
    let mut right = vec![[0_usize; 4]; folds];
    for image in 0..n {
        for (feature, strength) in [0.45, 0.5, 0.55, 0.6].into_iter().enumerate() {
            right[image % folds][feature] += usize::from(random.normal() < strength);
        }
    }
    let accuracy = |test: usize| {
        let trained = |feature: usize| (0..folds).filter(|&fold| fold != test).map(|fold| right[fold][feature]).sum();
        let kept = (0..4).max_by_key(|&feature| -> usize { trained(feature) }).unwrap();
        right[test][kept] as f64 / (n / folds) as f64
    };
    (0..folds).map(accuracy).collect()
}

#[test]
fn folds_share_their_training_images() {
    let (runs, n) = (2000, 500);
    for folds in [5, 10] {
        let [corrected, plain] = rejections(runs, |random| {
            let values = (best_feature(random, n, folds), best_feature(random, n, folds));
            [FoldTest::NadeauBengio, FoldTest::PairedT].map(|test| compare(test, &values, n - n / folds, n / folds))
        });
        fails(&format!("paired t, {folds} folds"), plain, 0.09);
        if folds == 5 {
            holds("Nadeau-Bengio, 5 folds", corrected, runs);
        } else {
            // The correction takes the correlation of folds to be n_test / n. A learner this fickle has more of it, and
            // ten folds leave a little over: about 7 %, where the plain test has twice as much or more.
            println!("Nadeau-Bengio, {folds} folds: {:.1} %", 100.0 * corrected);
            assert!(corrected <= 0.09 && plain >= 2.0 * corrected, "{corrected} {plain}");
        }
    }
}

#[test]
fn repeated_splits_share_even_more() {
    let (runs, n) = (2000, 100);
    let [corrected, plain, signed] = rejections(runs, |random| {
        let set = Set::draw(random, n);
        let split = |random: &mut Random| {
            let mut train = shuffled(random, n);
            let test = train.split_off(80);
            (train, test)
        };
        let splits: Vec<_> = (0..15).map(|_| split(random)).collect();
        let values = learn(&set, &splits);
        [FoldTest::NadeauBengio, FoldTest::PairedT, FoldTest::Wilcoxon].map(|test| compare(test, &values, 80, 20))
    });
    holds("Nadeau-Bengio, 15 splits", corrected, runs);
    fails("paired t, 15 splits", plain, 0.2);
    fails("Wilcoxon, 15 splits", signed, 0.2);
}

#[test]
fn five_by_two_holds() {
    let (runs, n) = (2000, 200);
    let [rate] = rejections(runs, |random| {
        let set = Set::draw(random, n);
        let mut splits = Vec::new();
        for _ in 0..5 {
            let mut first = shuffled(random, n);
            let second = first.split_off(n / 2);
            splits.push((second.clone(), first.clone()));
            splits.push((first, second));
        }
        [compare(FoldTest::FiveByTwo, &learn(&set, &splits), n / 2, n / 2)]
    });
    holds("5x2cv", rate, runs);
}

/// 1 to 7 images a patient; half of the variance lies between patients (ICC 0.5).
fn patients(random: &mut Random, count: usize) -> (Vec<usize>, Vec<f64>) {
    let (mut group, mut values) = (Vec::new(), Vec::new());
    for patient in 0..count {
        let own = random.normal();
        for _ in 0..1 + random.below(7) {
            group.push(patient);
            values.push(own + random.normal());
        }
    }
    (group, values)
}

#[test]
fn patients_have_several_images() {
    let runs = 2000;
    let [t, ranks, images] = rejections(runs, |random| {
        let (group, values) = patients(random, 40);
        let zero = vec![0.0; values.len()];
        let groups = Groups::from_keys(&group);
        let by_group = |test| {
            let setting = Setting::default();
            compare_explanations(MetricId::Road, &values, &zero, &groups, None, test, &setting).unwrap().outcome
        };
        [
            by_group(ExplanationTest::PairedT),
            by_group(ExplanationTest::Wilcoxon),
            paired_t(&values, &Setting::default()),
        ]
    });
    holds("t on patient means", t, runs);
    holds("Wilcoxon on patient means", ranks, runs);
    fails("t on images", images, 0.2);
}

/// Two classifiers whose rightness has a part that all images of a patient share.
fn right_by_patient(random: &mut Random, count: usize) -> (Vec<usize>, Vec<bool>, Vec<bool>) {
    let (mut group, mut a, mut b) = (Vec::new(), Vec::new(), Vec::new());
    for patient in 0..count {
        let (own_a, own_b) = (random.normal(), random.normal());
        for _ in 0..1 + random.below(7) {
            group.push(patient);
            a.push(own_a + random.normal() < 0.8);
            b.push(own_b + random.normal() < 0.8);
        }
    }
    (group, a, b)
}

#[test]
fn mcnemar_by_patient() {
    let runs = 2000;
    for count in [15, 60] {
        let [auto, obuchowski, durkalski, images] = rejections(runs, |random| {
            let (group, a, b) = right_by_patient(random, count);
            let setting = Setting::default();
            let table = GroupTable::count(&a, &b, &Groups::from_keys(&group));
            let by_group = |form| mcnemar_groups(&table, form, &setting);
            [
                by_group(GroupForm::Auto),
                by_group(GroupForm::Obuchowski),
                by_group(GroupForm::Durkalski),
                mcnemar(Discordant::count(&a, &b), McnemarForm::Auto, &setting),
            ]
        });
        holds(&format!("McNemar by {count} patients, default"), auto, runs);
        holds(&format!("Obuchowski, {count} patients"), obuchowski, runs);
        // Durkalski's form is asymptotic and a little liberal with few groups; it is never the default.
        if count >= 60 {
            holds(&format!("Durkalski, {count} patients"), durkalski, runs);
        }
        fails(&format!("McNemar on images, {count} patients"), images, 0.12);
    }
}

#[test]
fn cochran_by_patient() {
    let runs = 800;
    let setting = Setting { resamples: 499, ..Setting::default() };
    let [by_group, by_image] = rejections(runs, |random| {
        let (mut group, mut methods) = (Vec::new(), vec![Vec::new(); 3]);
        for patient in 0..30 {
            let own = [0; 3].map(|_| random.normal());
            for _ in 0..1 + random.below(7) {
                group.push(patient);
                methods.iter_mut().zip(own).for_each(|(hits, own)| hits.push(own + random.normal() < 0.3));
            }
        }
        let methods: Vec<&[bool]> = methods.iter().map(Vec::as_slice).collect();
        [cochran_q_groups(&methods, &Groups::from_keys(&group), &setting), cochran_q(&methods)]
    });
    holds("Cochran's Q over patients", by_group, runs);
    fails("Cochran's Q over images", by_image, 0.15);
}

/// Predictions of two equally good binary models, images of a patient alike.
fn predictions_by_patient(random: &mut Random, count: usize) -> (Groups, Predictions, Predictions) {
    let (mut group, mut truth, mut a, mut b) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for patient in 0..count {
        let class = patient % 2;
        let sign = if class == 1 { 1.0 } else { -1.0 };
        let own = [0, 1].map(|_| 0.8 * sign + random.normal());
        for _ in 0..1 + random.below(7) {
            group.push(patient);
            truth.push(class);
            a.extend([0.0, own[0] + 0.7 * random.normal()]);
            b.extend([0.0, own[1] + 0.7 * random.normal()]);
        }
    }
    let pool =
        |logits: &[f64]| Predictions::from_logits(2, &truth, logits, 1.0).unwrap().with_positive_class(1).unwrap();
    (Groups::from_keys(&group), pool(&a), pool(&b))
}

#[test]
fn permutation_by_patient() {
    let runs = 800;
    let setting = Setting { resamples: 499, ..Setting::default() };
    let metrics = [MetricId::Auroc, MetricId::F1Macro, MetricId::Mcc, MetricId::Ece];
    let rates = rejections(runs, |random| {
        let (groups, a, b) = predictions_by_patient(random, 30);
        let images = Groups::by_image(groups.n_images());
        let run = |metric, groups| {
            compare_predictions(metric, &a, &b, groups, PredictionTest::Permutation, &setting).unwrap().outcome
        };
        let naive = run(MetricId::Auroc, &images);
        let [auroc, f1, mcc, ece] = metrics.map(|metric| run(metric, &groups));
        [auroc, f1, mcc, ece, naive]
    });
    for (metric, rate) in metrics.iter().zip(rates) {
        holds(&format!("permutation over patients, {metric}"), rate, runs);
    }
    fails("permutation over images, auroc", rates[4], 0.15);
}

#[test]
fn delong_of_independent_images_and_not_of_patients() {
    let runs = 2000;
    let [images, patients] = rejections(runs, |random| {
        let independent: Vec<bool> = (0..120).map(|i| i % 3 == 0).collect();
        let mut scores =
            || -> Vec<f64> { independent.iter().map(|&p| random.normal() + if p { 1.0 } else { 0.0 }).collect() };
        let (first, second) = (scores(), scores());
        let (_, a, b) = predictions_by_patient(random, 30);
        let truth: Vec<bool> = a.truth().iter().map(|&class| class == 1).collect();
        [
            delong(&first, &second, &independent, &Setting::default()),
            delong(&a.scores(1), &b.scores(1), &truth, &Setting::default()),
        ]
    });
    holds("DeLong, independent images", images, runs);
    fails("DeLong, patients with several images", patients, 0.15);
}

#[test]
fn seeds_of_one_test_set_are_no_new_patients() {
    let runs = 800;
    let setting = Setting { resamples: 499, ..Setting::default() };
    let [permutation, between] = rejections(runs, |random| {
        // Each method has images that suit it, the same for every seed; over all images both are equally good.
        let n = 60;
        let truth: Vec<usize> = (0..n).map(|i| i % 2).collect();
        let mut side = || -> Vec<Predictions> {
            let suits = random.normals(n);
            (0..5)
                .map(|_| {
                    let margins = suits.iter().map(|own| 0.8 + own + 1.2 * random.normal());
                    let logits: Vec<f64> = margins
                        .zip(&truth)
                        .flat_map(|(margin, &class)| if class == 1 { [0.0, margin] } else { [margin, 0.0] })
                        .collect();
                    Predictions::from_logits(2, &truth, &logits, 1.0).unwrap()
                })
                .collect()
        };
        let (a, b) = (side(), side());
        let groups = Groups::by_image(n);
        let by_seed = |side: &[Predictions]| -> Vec<f64> {
            side.iter().map(|p| p.right().iter().filter(|r| **r).count() as f64 / n as f64).collect()
        };
        [
            compare_seeds(MetricId::Accuracy, &a, &b, &groups, &setting).unwrap().outcome,
            compare_between_seeds(MetricId::Accuracy, &by_seed(&a), &by_seed(&b), &setting).unwrap().outcome,
        ]
    });
    holds("permutation over images of the mean over seeds", permutation, runs);
    fails("t between seeds", between, 0.15);
}

#[test]
fn folds_as_strata_hold_for_given_networks() {
    let runs = 2000;
    let [strata, power] = rejections(runs, |random| {
        // Networks differ by fold, but add up to nothing: conditional on them there is no difference.
        let folds: Vec<usize> = (0..50).map(|i| i % 5).collect();
        let shifts = [-2.0, -1.0, 0.0, 1.0, 2.0];
        let values: Vec<f64> = folds.iter().map(|&fold| shifts[fold] + random.normal()).collect();
        let moved: Vec<f64> = values.iter().map(|v| v + 0.5).collect();
        let (zero, groups) = (vec![0.0; 50], Groups::by_image(50));
        let run = |values: &[f64]| {
            let (test, setting) = (ExplanationTest::PairedT, Setting::default());
            compare_explanations(MetricId::Road, values, &zero, &groups, Some(&folds), test, &setting).unwrap().outcome
        };
        [run(&values), run(&moved)]
    });
    holds("t within folds", strata, runs);
    // 0.5 sd on 50 patients: t has noncentrality 3.5, power 94 %; without strata the spread of the shifts hides it.
    assert!(power > 0.9, "{power}");
}

#[test]
fn small_samples_hold() {
    let runs = 4000;
    let [t, exact, normal, binomial, mid, friedman] = rejections(runs, |random| {
        let d = random.normals(9);
        let many: Vec<f64> = (0..60).map(|_| (3.0 * random.normal()).round()).collect();
        let b = (0..18).filter(|_| random.chance(0.5)).count() as u64;
        let table = Discordant { candidate_only: b, baseline_only: 18 - b, n: 100 };
        let blocks: Vec<Vec<f64>> = (0..6).map(|_| random.normals(4)).collect();
        let blocks: Vec<&[f64]> = blocks.iter().map(Vec::as_slice).collect();
        let setting = Setting::default();
        [
            paired_t(&d, &setting),
            wilcoxon(&d, WilcoxonForm::Auto, &setting),
            wilcoxon(&many, WilcoxonForm::Auto, &setting),
            mcnemar(table, McnemarForm::Exact, &setting),
            mcnemar(table, McnemarForm::MidP, &setting),
            friedman_test(&blocks),
        ]
    });
    let rates = [t, exact, normal, binomial, mid, friedman];
    let names = ["paired t", "Wilcoxon exact", "Wilcoxon normal", "McNemar exact", "McNemar mid-p", "Friedman"];
    names.iter().zip(rates).for_each(|(name, rate)| holds(name, rate, runs));
}

/// What each design says it detects is found about four times in five when it is there.
#[test]
fn detectable_differences_are_found() {
    let runs = 1500;
    let slack = 4.0 * (0.8 * 0.2 / runs as f64).sqrt();
    // Differences between folds have the correlation that Nadeau and Bengio suppose.
    let folds = [FoldSizes { n_train: 720, n_test: 200 }; 5];
    let (shared, own) = ((200.0_f64 / 920.0).sqrt(), (720.0_f64 / 920.0).sqrt());
    let dz = dz_of_folds_with_power(&folds, 0.05, 0.8).unwrap();
    let [corrected] = rejections(runs, |random| {
        let common = shared * random.normal();
        let d: Vec<f64> = (0..5).map(|_| own * (dz + random.normal()) + common).collect();
        [nadeau_bengio(&d, &folds, &Setting::default())]
    });
    println!("Nadeau-Bengio finds {:.1} %", 100.0 * corrected);
    assert!((corrected - 0.8).abs() < slack, "{corrected}");
    // The others from the spread seen in a large sample: the design's own spread, 1.
    let n = 40;
    let places: Vec<f64> = (0..n).map(|i| normal_quantile((f64::from(i) + 0.5) / f64::from(n))).collect();
    let difference = |outcome: Outcome| outcome.tested().unwrap().detectable.unwrap().difference.unwrap();
    let permuted = |d: &[f64]| {
        let mean = |swaps: &[bool]| {
            Some(d.iter().zip(swaps).map(|(d, swap)| if *swap { -d } else { *d }).sum::<f64>() / d.len() as f64)
        };
        permutation_by_group(d.len(), mean, &Setting { resamples: 499, ..Setting::default() })
    };
    let setting = Setting::default();
    let shifts = [
        difference(paired_t(&places, &setting)),
        difference(wilcoxon(&places, WilcoxonForm::Auto, &setting)),
        difference(permuted(&places)),
    ];
    let found = rejections(runs, |random| {
        let noise = random.normals(n as usize);
        let shifted = |by: f64| noise.iter().map(|x| x + by).collect::<Vec<f64>>();
        [
            paired_t(&shifted(shifts[0]), &setting),
            wilcoxon(&shifted(shifts[1]), WilcoxonForm::Auto, &setting),
            permuted(&shifted(shifts[2])),
        ]
    });
    println!("paired t, Wilcoxon and permutation find {found:?}");
    // The normal approximation of the last two is good to some per cent.
    assert!(found.iter().all(|rate| (rate - 0.8).abs() < slack + 0.03), "{found:?}");
}

#[test]
fn bootstrap_by_patient_covers_and_by_image_does_not() {
    let runs = 250;
    let setting = Setting { resamples: 600, ..Setting::default() };
    let missed = (0..runs)
        .into_par_iter()
        .map(|seed| {
            let (groups, a, b) = predictions_by_patient(&mut Random(seed * 31 + 5), 60);
            let images = Groups::by_image(groups.n_images());
            [&groups, &images].map(|groups| {
                let interval = interval_of_difference(MetricId::F1Macro, &a, &b, groups, &setting).unwrap().unwrap();
                usize::from(!interval.contains_zero())
            })
        })
        .reduce(|| [0; 2], |a, b| [a[0] + b[0], a[1] + b[1]]);
    let [by_patient, by_image] = missed.map(|count| count as f64 / runs as f64);
    holds("BCa over patients, F1", by_patient, runs as usize);
    fails("BCa over images, F1", by_image, 0.15);
}

#[test]
fn identical_maps_would_fool_the_t_test() {
    // One map in two ways of rounding: a bias in the last digit is highly significant and means nothing.
    let mut random = Random(5);
    let exact: Vec<f64> = (0..200).map(|_| random.uniform()).collect();
    let rounded: Vec<f64> = exact.iter().map(|v| v + 1e-8 * (1.0 + random.normal())).collect();
    let d: Vec<f64> = rounded.iter().zip(&exact).map(|(a, b)| a - b).collect();
    assert!(paired_t(&d, &Setting::default()).p().unwrap() < 1e-6);
    let groups = Groups::by_image(200);
    for test in [ExplanationTest::PairedT, ExplanationTest::Wilcoxon, ExplanationTest::Permutation] {
        let setting = Setting::default();
        let got = compare_explanations(MetricId::Road, &rounded, &exact, &groups, None, test, &setting).unwrap();
        assert_eq!((got.outcome.clone(), got.marker().symbol()), (Outcome::Identical, "≡"));
    }
}
