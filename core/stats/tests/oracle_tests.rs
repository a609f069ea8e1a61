//! Every test against scipy, statsmodels, or plain reference code.
//!
//! Tolerances: statistics are short sums, compared to 1e-9 of their size. p-values go through special functions whose
//! implementations differ by some 1e-10 relative (statrs `erfc`: 5e-11); 1e-8 leaves room for the tails (a relative error of t of 1e-10 grows
//! by t^2 there). Interval ends found by root finding in the oracle are compared to what its tolerance allows.
#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

mod support;

use lightbox_stats::{
    Correction, Degrees, FoldSizes, Groups, MetricId, Outcome, PredictionTest, Predictions, Setting, Tested, adjust,
    binary::{Discordant, GroupForm, GroupTable, McnemarForm, cochran_q, mcnemar, mcnemar_groups},
    compare_predictions, distribution,
    effect::hedges_factor,
    paired::{WilcoxonForm, five_by_two, nadeau_bengio, paired_t, paired_t_within, wilcoxon},
    power::dz_with_power,
    ranks::{auroc, delong, friedman},
    resampling::{BcaParts, bca_ends},
};
use serde_json::{Value, json};
use support::{Random, ask, close, number};

const STATISTIC: f64 = 1e-9;
const TAIL: f64 = 1e-8;

type Check = Box<dyn Fn(&Value)>;

fn tested(outcome: &Outcome) -> Tested {
    outcome.tested().unwrap_or_else(|| panic!("not tested: {outcome:?}")).clone()
}

fn check_t(what: String, got: Tested, answer: &Value) {
    close(&format!("{what} t"), got.statistic.value, number(&answer["statistic"]), STATISTIC, 1e-12);
    close(&format!("{what} p"), got.p, number(&answer["p"]), TAIL, 0.0);
    if let (Some(interval), Some(_)) = (got.interval, answer.get("low")) {
        close(&format!("{what} low"), interval.low, number(&answer["low"]), STATISTIC, 1e-12);
        close(&format!("{what} high"), interval.high, number(&answer["high"]), STATISTIC, 1e-12);
    }
    if let (Degrees::One(df), Some(expected)) = (got.degrees, answer.get("df")) {
        assert_eq!(df, number(expected), "{what}");
    }
}

fn tails(cases: &mut Vec<(Value, Check)>) {
    let mut t = Vec::new();
    let dfs = [1.0, 2.0, 4.0, 9.0, 29.5, 100.0, 2000.0, 1e4, 1e6];
    for df in dfs {
        t.extend([1e-6, 0.1, 1.0, 2.5, 6.0, 15.0, 30.0].map(|t| [t, df]));
    }
    let critical: Vec<[f64; 2]> = dfs.iter().flat_map(|&df| [0.05, 0.01, 0.05 / 3.0, 1e-4].map(|a| [a, df])).collect();
    let normal = [0.0, 1e-3, 0.5, 1.96, 4.0, 8.0, 20.0, 37.0];
    let levels = [0.5, 0.05, 0.01, 1e-6];
    let chi: Vec<[f64; 2]> =
        [1.0, 2.0, 6.0, 40.0].iter().flat_map(|&df| [0.01, 1.0, 3.84, 30.0, 200.0].map(|x| [x, df])).collect();
    let f: Vec<[f64; 3]> = [[2.0, 8.0], [3.0, 60.0], [4.0, 4000.0]]
        .iter()
        .flat_map(|&[a, b]| [0.1, 1.0, 4.0, 25.0].map(|x| [x, a, b]))
        .collect();
    let binomial: Vec<(u64, u64, f64)> =
        vec![(0, 1, 0.5), (3, 10, 0.5), (40, 100, 0.5), (7, 24, 0.2), (4900, 10000, 0.5)];
    let hedges = [2.0, 3.0, 9.0, 57.0, 1000.0, 20000.0];
    let case = json!({"kind": "tails", "t": t, "t_critical": critical, "normal": normal, "normal_critical": levels,
        "chi_square": chi, "f": f, "binomial": binomial, "hedges": hedges});
    let check = move |answer: &Value| {
        let all = |key: &str, got: Vec<f64>, tolerance: f64| {
            for (i, got) in got.iter().enumerate() {
                close(&format!("{key}[{i}]"), *got, number(&answer[key][i]), tolerance, 1e-300);
            }
        };
        all("t", t.iter().map(|&[t, df]| distribution::student_t_two_sided(t, df)).collect(), TAIL);
        all("t_critical", critical.iter().map(|&[a, df]| distribution::student_t_critical(a, df)).collect(), STATISTIC);
        all("normal", normal.map(distribution::normal_two_sided).to_vec(), TAIL);
        all("normal_critical", levels.map(distribution::normal_critical).to_vec(), STATISTIC);
        all("chi_square", chi.iter().map(|&[x, df]| distribution::chi_square_upper(x, df)).collect(), TAIL);
        all("f", f.iter().map(|&[x, a, b]| distribution::f_upper(x, a, b)).collect(), TAIL);
        all("binomial", binomial.iter().map(|&(k, n, p)| distribution::binomial_cdf(k, n, p)).collect(), TAIL);
        // Differences of log-gamma lose digits with size: 1e-10 at 20,000.
        all("hedges", hedges.map(|df| hedges_factor(df).unwrap()).to_vec(), 1e-9);
    };
    cases.push((case, Box::new(check)));
}

fn t_tests(cases: &mut Vec<(Value, Check)>) {
    let mut random = Random(1);
    for (n, shift) in [(2, 0.5), (5, 0.1), (10, 1.0), (300, 0.05), (5000, 0.2)] {
        let a: Vec<f64> = random.normals(n).iter().map(|x| x + shift).collect();
        let b = random.normals(n);
        let d: Vec<f64> = a.iter().zip(&b).map(|(a, b)| a - b).collect();
        let case = json!({"kind": "paired-t", "a": a, "b": b});
        let kept = d.clone();
        let check = move |answer: &Value| {
            check_t(format!("paired t n {n}"), tested(&paired_t(&kept, &Setting::default())), answer);
        };
        cases.push((case, Box::new(check)));
        if n < 5 {
            continue;
        }
        let sizes = vec![FoldSizes { n_train: 713, n_test: 197 }; n];
        let case = json!({"kind": "nadeau-bengio", "d": d, "n_train": 713, "n_test": 197});
        let kept = d.clone();
        let check = move |answer: &Value| {
            let got = tested(&nadeau_bengio(&kept, &sizes, &Setting::default()));
            check_t(format!("Nadeau-Bengio J {n}"), got, answer);
        };
        cases.push((case, Box::new(check)));
        let strata: Vec<usize> = (0..n).map(|i| i * i % 3).collect();
        let case = json!({"kind": "within", "d": d, "strata": strata});
        let check = move |answer: &Value| {
            let got = tested(&paired_t_within(&d, &strata, &Setting::default()));
            check_t(format!("t within strata n {n}"), got, answer);
        };
        cases.push((case, Box::new(check)));
    }
    let mut d = [[0.0; 2]; 5];
    d.as_flattened_mut().iter_mut().for_each(|d| *d = 0.02 + 0.03 * random.normal());
    let case = json!({"kind": "five-by-two", "d": d.as_flattened()});
    let check = move |answer: &Value| check_t("5x2cv".into(), tested(&five_by_two(&d, &Setting::default())), answer);
    cases.push((case, Box::new(check)));
}

fn signed_ranks(cases: &mut Vec<(Value, Check)>) {
    let mut random = Random(2);
    // n, decimals kept (few make ties and zeros), exact, whether the oracle also inverts the test
    let shapes = [
        (8, 9, true, true),
        (12, 9, true, true),
        (30, 9, true, true),
        (10, 0, true, true),
        (13, 1, true, true),
        (12, 0, true, false),
        (60, 9, false, true),
        (40, 1, false, true),
        (300, 1, false, false),
        (90, 0, false, false),
    ];
    for (n, decimals, exact, interval) in shapes {
        let scale = 10_f64.powi(decimals);
        let d: Vec<f64> = random.normals(n).iter().map(|x| ((x + 0.4) * scale).round() / scale).collect();
        let case = json!({"kind": "wilcoxon", "d": d, "exact": exact, "interval": interval});
        let check = move |answer: &Value| {
            let what = format!("Wilcoxon n {n} decimals {decimals}");
            let form = if exact { WilcoxonForm::Exact } else { WilcoxonForm::Normal };
            let got = tested(&wilcoxon(&d, form, &Setting::default()));
            close(&what, got.p, number(&answer["p"]), TAIL, 0.0);
            close(&format!("{what} estimate"), got.estimate, number(&answer["estimate"]), 0.0, 1e-12);
            if interval {
                let ends = got.interval.unwrap();
                close(&format!("{what} low"), ends.low, number(&answer["low"]), 0.0, 1e-9);
                close(&format!("{what} high"), ends.high, number(&answer["high"]), 0.0, 1e-9);
            }
            if !exact {
                close(&format!("{what} z"), got.statistic.value.abs(), number(&answer["z"]).abs(), STATISTIC, 0.0);
            }
        };
        cases.push((case, Box::new(check)));
    }
}

fn yes_or_no(cases: &mut Vec<(Value, Check)>) {
    for (b, c, n) in [(1, 7, 21), (0, 6, 40), (12, 3, 90), (9, 9, 50), (31, 14, 200), (120, 80, 3000), (25, 0, 25)] {
        let case = json!({"kind": "mcnemar", "b": b, "c": c, "n": n});
        let check = move |answer: &Value| {
            let table = Discordant { candidate_only: b, baseline_only: c, n };
            let run = |form| tested(&mcnemar(table, form, &Setting::default()));
            let what = format!("McNemar {b} {c} {n}");
            let (exact, chi, mid) = (run(McnemarForm::Exact), run(McnemarForm::Asymptotic), run(McnemarForm::MidP));
            close(&format!("{what} exact"), exact.p, number(&answer["exact"]), TAIL, 0.0);
            close(&format!("{what} chi"), chi.p, number(&answer["asymptotic"]), TAIL, 0.0);
            close(&format!("{what} statistic"), chi.statistic.value, number(&answer["statistic"]), STATISTIC, 0.0);
            close(&format!("{what} mid"), mid.p, number(&answer["mid_p"]), TAIL, 0.0);
            let ends = |tested: &Tested| tested.interval.map(|i| [i.low, i.high]).unwrap();
            for side in 0..2 {
                let expected = number(&answer["clopper_pearson"][side]);
                close(&format!("{what} Clopper-Pearson"), ends(&exact)[side], expected, 1e-8, 1e-10);
                // The oracle maximises a likelihood numerically: flat at its top, so good to about 1e-7.
                let expected = number(&answer["tango"][side]);
                if expected.abs() < 0.99 {
                    close(&format!("{what} Tango"), ends(&chi)[side], expected, 0.0, 1e-6);
                }
            }
        };
        cases.push((case, Box::new(check)));
    }
    let mut random = Random(3);
    for groups in [6, 11, 14] {
        let group: Vec<usize> = (0..groups * 3).map(|_| random.below(groups)).chain(0..groups).collect();
        let hits = |random: &mut Random, p| -> Vec<bool> { (0..group.len()).map(|_| random.chance(p)).collect() };
        let (a, b) = (hits(&mut random, 0.8), hits(&mut random, 0.5));
        let numbers = |hits: &[bool]| hits.iter().map(|&h| u8::from(h)).collect::<Vec<_>>();
        let case = json!({"kind": "groups", "a": numbers(&a), "b": numbers(&b), "group": group});
        let check = move |answer: &Value| {
            let table = GroupTable::count(&a, &b, &Groups::from_keys(&group));
            let run = |form| tested(&mcnemar_groups(&table, form, &Setting::default()));
            for (form, key) in [(GroupForm::Obuchowski, "obuchowski"), (GroupForm::Durkalski, "durkalski")] {
                let got = run(form);
                close(key, got.statistic.value, number(&answer[key][0]), STATISTIC, 0.0);
                close(key, got.p, number(&answer[key][1]), TAIL, 0.0);
            }
            close("sign flips", run(GroupForm::Exact).p, number(&answer["exact"]), 1e-12, 0.0);
        };
        cases.push((case, Box::new(check)));
    }
    for (k, n) in [(2, 20), (3, 40), (6, 200)] {
        let methods: Vec<Vec<bool>> =
            (0..k).map(|j| (0..n).map(|_| random.chance(0.5 + 0.05 * j as f64)).collect()).collect();
        let case = json!({"kind": "cochran", "methods": methods});
        let check = move |answer: &Value| {
            let slices: Vec<&[bool]> = methods.iter().map(Vec::as_slice).collect();
            check_t(format!("Cochran k {k}"), tested(&cochran_q(&slices)), answer);
        };
        cases.push((case, Box::new(check)));
    }
}

fn ranks(cases: &mut Vec<(Value, Check)>) {
    let mut random = Random(4);
    for (n, decimals) in [(12, 9), (60, 1), (400, 2)] {
        let positive: Vec<bool> = (0..n).map(|i| i % 3 == 0).collect();
        let scale = 10_f64.powi(decimals);
        let mut scores = |signal: f64| -> Vec<f64> {
            positive
                .iter()
                .map(|&p| ((random.normal() + if p { signal } else { 0.0 }) * scale).round() / scale)
                .collect()
        };
        let (a, b) = (scores(1.2), scores(0.6));
        let case = json!({"kind": "delong", "a": a, "b": b, "positive": positive});
        let check = move |answer: &Value| {
            let got = tested(&delong(&a, &b, &positive, &Setting::default()));
            for (scores, expected) in [(&a, &answer["area"][0]), (&b, &answer["area"][1])] {
                close("AUROC", auroc(scores, &positive).unwrap(), number(expected), 1e-12, 0.0);
            }
            close(&format!("DeLong z n {n}"), got.statistic.value, number(&answer["z"]), STATISTIC, 0.0);
            close("DeLong p", got.p, number(&answer["p"]), TAIL, 0.0);
            let half = got.interval.unwrap().high - got.estimate;
            close("DeLong interval", half, 1.959_963_984_540_054 * number(&answer["se"]), STATISTIC, 0.0);
        };
        cases.push((case, Box::new(check)));
    }
    for (n, k, decimals) in [(5, 3, 9), (8, 4, 1), (30, 6, 0)] {
        let scale = 10_f64.powi(decimals);
        let mut block =
            || (0..k).map(|j| ((random.normal() + 0.3 * j as f64) * scale).round() / scale).collect::<Vec<f64>>();
        let blocks: Vec<Vec<f64>> = (0..n).map(|_| block()).collect();
        let case = json!({"kind": "friedman", "blocks": blocks});
        let check = move |answer: &Value| {
            let slices: Vec<&[f64]> = blocks.iter().map(Vec::as_slice).collect();
            check_t(format!("Friedman {n} x {k}"), tested(&friedman(&slices)), answer);
        };
        cases.push((case, Box::new(check)));
    }
}

fn corrections(cases: &mut Vec<(Value, Check)>) {
    let mut random = Random(5);
    for m in [1, 3, 10] {
        let p: Vec<f64> = (0..m).map(|_| random.uniform().powi(3)).collect();
        let case = json!({"kind": "adjust", "p": p});
        let check = move |answer: &Value| {
            let given: Vec<Option<f64>> = p.iter().copied().map(Some).collect();
            let forms = [
                (Correction::Holm, "holm"),
                (Correction::Bonferroni, "bonferroni"),
                (Correction::BenjaminiHochberg, "bh"),
            ];
            for (correction, key) in forms {
                for (i, adjusted) in adjust(correction, &given).iter().enumerate() {
                    close(key, adjusted.unwrap(), number(&answer[key][i]), 1e-12, 0.0);
                }
            }
        };
        cases.push((case, Box::new(check)));
    }
}

fn resampling(cases: &mut Vec<(Value, Check)>) {
    let mut random = Random(6);
    for (statistic, n) in [("mean", 25), ("deviation", 40)] {
        let values: Vec<f64> = random.normals(n).iter().map(|x| x.exp()).collect();
        let case = json!({"kind": "bca", "values": values, "statistic": statistic, "seed": 7});
        let check = move |answer: &Value| {
            let list = |key: &str| answer[key].as_array().unwrap().iter().map(number).collect::<Vec<f64>>();
            let parts = BcaParts {
                estimate: number(&answer["estimate"]),
                replicates: list("replicates"),
                jackknife: vec![list("jackknife")],
            };
            let (low, high) = bca_ends(&parts, 0.05).unwrap();
            // The same replicates: only the normal quantile's last digits differ.
            close("BCa low", low, number(&answer["low"]), 1e-9, 0.0);
            close("BCa high", high, number(&answer["high"]), 1e-9, 0.0);
        };
        cases.push((case, Box::new(check)));
    }
    let truth: Vec<usize> = (0..30).map(|i| i % 3).collect();
    let group: Vec<usize> = (0..30).map(|i| i * 5 % 8).collect();
    let mut predict = |signal: f64| -> Vec<f64> {
        let row = |&class: &usize, random: &mut Random| -> Vec<f64> {
            let logits: Vec<f64> = (0..3).map(|c| random.normal() + if c == class { signal } else { 0.0 }).collect();
            lightbox_stats::classification::softmax(&logits, 1.0)
        };
        truth.iter().flat_map(|class| row(class, &mut random)).collect()
    };
    let (a, b) = (predict(2.5), predict(0.4));
    let rows = |p: &[f64]| p.chunks(3).map(<[f64]>::to_vec).collect::<Vec<_>>();
    let case = json!({"kind": "permutation", "truth": truth, "group": group, "a": rows(&a), "b": rows(&b)});
    let check = move |answer: &Value| {
        let groups = Groups::from_keys(&group);
        let pool = |p: &[f64]| Predictions::from_probabilities(3, &truth, p).unwrap();
        for metric in [MetricId::F1Macro, MetricId::Mcc, MetricId::Auroc, MetricId::Ece] {
            let test = PredictionTest::Permutation;
            let got = compare_predictions(metric, &pool(&a), &pool(&b), &groups, test, &Setting::default()).unwrap();
            close(metric.id(), tested(&got.outcome).p, number(&answer[metric.id()]), 1e-12, 0.0);
        }
    };
    cases.push((case, Box::new(check)));
    let designs = [(5.0, 0.05, 0.8), (20.0, 0.05, 0.8), (200.0, 0.01, 0.9)];
    let check = move |answer: &Value| {
        for (i, (n, alpha, power)) in designs.iter().enumerate() {
            let got = dz_with_power(*n as usize, *alpha, *power).unwrap();
            // statsmodels stops its root search at 1e-6 or so.
            close("power", got, number(&answer[i]), 1e-5, 0.0);
        }
    };
    cases.push((json!({"kind": "power", "designs": designs}), Box::new(check)));
}

fn detectable(cases: &mut Vec<(Value, Check)>) {
    let mut random = Random(7);
    let tables = [[9, 3, 40], [1, 11, 12], [20, 30, 400]];
    for (n, family_size) in [(5, 1), (5, 3), (10, 2), (60, 4)] {
        let d: Vec<f64> = random.normals(n).iter().map(|x| 0.02 + 0.03 * x).collect();
        let setting = Setting { family_size, ..Setting::default() };
        let alpha = setting.first_step_alpha();
        let case = json!({"kind": "detectable", "d": d, "alpha": alpha, "power": 0.8, "n_train": 713, "n_test": 197,
            "mcnemar": tables});
        let check = move |answer: &Value| {
            let first = |outcome: &Outcome| tested(outcome).detectable.unwrap().first_step_difference.unwrap();
            let sizes = vec![FoldSizes { n_train: 713, n_test: 197 }; n];
            // statsmodels stops its root search at 1e-6 or so.
            close("detectable, paired t", first(&paired_t(&d, &setting)), number(&answer["paired-t"]), 1e-5, 0.0);
            let folds = first(&nadeau_bengio(&d, &sizes, &setting));
            close("detectable, folds", folds, number(&answer["folds"]), 1e-7, 0.0);
            for (i, [only, other, total]) in tables.into_iter().enumerate() {
                let table = Discordant { candidate_only: only, baseline_only: other, n: total };
                let got = first(&mcnemar(table, McnemarForm::Exact, &setting));
                close("detectable, McNemar", got, number(&answer["mcnemar"][i]), 1e-8, 0.0);
                // One image a group: the same by group.
                let signs = |count: u64, sign: i64| vec![sign; count as usize];
                let all = [signs(only, 1), signs(other, -1), signs(total - only - other, 0)].concat();
                let groups = GroupTable::from_parts(all, vec![1; total as usize]);
                let got = first(&mcnemar_groups(&groups, GroupForm::Exact, &setting));
                close("detectable, McNemar by group", got, number(&answer["mcnemar"][i]), 1e-8, 0.0);
            }
        };
        cases.push((case, Box::new(check)));
    }
}

#[test]
fn every_test_agrees_with_its_oracle() {
    let mut cases = Vec::new();
    for add in [tails, t_tests, signed_ranks, yes_or_no, ranks, corrections, resampling, detectable] {
        add(&mut cases);
    }
    let (questions, checks): (Vec<Value>, Vec<Check>) = cases.into_iter().unzip();
    let answers = ask("stats_tests.py", &questions);
    for (check, answer) in checks.iter().zip(&answers) {
        check(answer);
    }
}
