//! What lies behind a row: its folds, its confusion matrix, reliability and ROC curves, how it learnt.

use std::collections::BTreeMap;

use lightbox_report::collect::{ModelRuns, TrainedRun};
use lightbox_report::models::predictions;
use lightbox_stats::classification::reliability;
use lightbox_stats::{MetricId, Predictions, evaluate_metric};
use lightbox_store::run::EventKind;
use lightbox_store::{Home, RunDir};

use crate::widgets::charts::Curve;

/// Curves of classes that are drawn; more cannot be told apart.
const MOST_CURVES: usize = 6;

/// What lies behind a row of a table of models.
#[derive(Clone, Debug, Default)]
pub struct Details {
    /// The row.
    pub name: String,
    /// Class names.
    pub classes: Vec<String>,
    /// Each fold or seed: its name and the value of each metric.
    pub folds: Vec<(String, Vec<Option<f64>>)>,
    /// The metrics of [`folds`](Self::folds).
    pub metrics: Vec<MetricId>,
    /// Images by true and predicted class, over all folds.
    pub confusion: Vec<Vec<usize>>,
    /// Mean confidence and share of right answers by bin.
    pub reliability: Vec<(f64, f64)>,
    /// False against true positives, for each class against the others (or the positive one).
    pub roc: Vec<Curve>,
    /// Loss by epoch, mean of the folds and their range.
    pub learning: Vec<Curve>,
}

/// Reads and computes what lies behind a row.
pub fn read(home: &Home, model: &ModelRuns, metrics: &[MetricId]) -> Result<Details, String> {
    let pools: Vec<Predictions> =
        model.runs.iter().map(predictions).collect::<Result<_, _>>().map_err(|e| e.to_string())?;
    let first = model.runs.first().ok_or("no finished run")?;
    let classes = first.config.dataset.classes.clone();
    let value = |p: &Predictions, m: &MetricId| evaluate_metric(*m, p).ok().flatten();
    let fold = |run: &TrainedRun, p: &Predictions| {
        let name = match run.config.split.folds {
            0 | 1 => format!("seed {}", run.config.seed),
            n => format!("fold {}/{n}", run.config.split.fold + 1),
        };
        (name, metrics.iter().map(|m| value(p, m)).collect())
    };
    Ok(Details {
        name: model.label.clone(),
        folds: model.runs.iter().zip(&pools).map(|(r, p)| fold(r, p)).collect(),
        metrics: metrics.to_vec(),
        confusion: confusion(&pools, classes.len()),
        reliability: pooled_reliability(&pools),
        roc: roc_curves(&pools, &classes, first.config.dataset.positive),
        learning: learning(home, &model.runs),
        classes,
    })
}

fn confusion(pools: &[Predictions], classes: usize) -> Vec<Vec<usize>> {
    let mut counts = vec![vec![0; classes]; classes];
    for pool in pools {
        for (image, truth) in pool.truth().iter().enumerate() {
            counts[*truth][pool.predicted(image)] += 1;
        }
    }
    counts
}

/// Images that a bin must hold to be drawn: the share that is right among one or two says nothing.
const FEWEST_IN_BIN: f64 = 5.0;

/// Bins of all folds together, each weighted by its images.
fn pooled_reliability(pools: &[Predictions]) -> Vec<(f64, f64)> {
    let mut bins: BTreeMap<usize, (f64, f64, f64)> = BTreeMap::new();
    for pool in pools {
        for (at, bin) in reliability(pool).iter().enumerate() {
            if let (Some(confidence), Some(accuracy)) = (bin.confidence, bin.accuracy) {
                let entry = bins.entry(at).or_default();
                let n = bin.count as f64;
                (entry.0, entry.1, entry.2) = (entry.0 + n, entry.1 + n * confidence, entry.2 + n * accuracy);
            }
        }
    }
    let bins = bins.values().filter(|(n, ..)| *n >= FEWEST_IN_BIN);
    bins.map(|(n, confidence, accuracy)| (confidence / n, accuracy / n)).collect()
}

fn roc_curves(pools: &[Predictions], classes: &[String], positive: Option<usize>) -> Vec<Curve> {
    let of_class = |(color, k): (usize, usize)| {
        let mut scored: Vec<(f64, bool)> = Vec::new();
        for pool in pools {
            scored.extend(pool.truth().iter().enumerate().map(|(i, t)| (pool.row(i)[k], *t == k)));
        }
        let points = roc(&mut scored)?;
        let figure = Some(area_below(&points));
        Some(Curve { name: classes.get(k)?.clone(), points, color, figure, ..Curve::default() })
    };
    match positive {
        Some(k) => of_class((0, k)).into_iter().collect(),
        None => (0..classes.len()).take(MOST_CURVES).enumerate().filter_map(of_class).collect(),
    }
}

/// Shares of false and true positives at every threshold; none where one kind is missing. Equal scores are one step.
fn roc(scored: &mut [(f64, bool)]) -> Option<Vec<(f64, f64)>> {
    let positives = scored.iter().filter(|s| s.1).count();
    let negatives = scored.len() - positives;
    if positives == 0 || negatives == 0 {
        return None;
    }
    scored.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut points = vec![(0.0, 0.0)];
    let (mut right, mut wrong) = (0_usize, 0_usize);
    for (i, (score, positive)) in scored.iter().enumerate() {
        if *positive {
            right += 1
        } else {
            wrong += 1
        }
        if scored.get(i + 1).is_none_or(|next| next.0 != *score) {
            points.push((wrong as f64 / negatives as f64, right as f64 / positives as f64));
        }
    }
    Some(points)
}

/// The area under a curve of straight lines: of a ROC curve the AUROC, equal scores counted half.
fn area_below(points: &[(f64, f64)]) -> f64 {
    points.windows(2).map(|pair| (pair[1].0 - pair[0].0) * (pair[0].1 + pair[1].1) / 2.0).sum()
}

/// Losses by epoch: the mean over folds, and their range as a band.
fn learning(home: &Home, runs: &[TrainedRun]) -> Vec<Curve> {
    let mut by_name: BTreeMap<&str, BTreeMap<usize, Vec<f64>>> = BTreeMap::new();
    let wanted = [("train/loss", "training loss"), ("validation/loss", "validation loss")];
    for run in runs {
        let events = RunDir::open(&home.runs_dir().join(&run.id.0)).and_then(|dir| dir.events()).unwrap_or_default();
        let mut of_run: BTreeMap<(&str, usize), f64> = BTreeMap::new();
        for event in &events {
            if let EventKind::Epoch { epoch, metrics } = &event.kind {
                // An epoch that was run again after an interruption replaces the earlier one.
                for (key, name) in wanted {
                    if let Some(value) = metrics.get(key) {
                        of_run.insert((name, epoch + 1), *value);
                    }
                }
            }
        }
        for ((name, epoch), value) in of_run {
            by_name.entry(name).or_default().entry(epoch).or_default().push(value);
        }
    }
    let curve = |(color, (name, epochs)): (usize, (&str, BTreeMap<usize, Vec<f64>>))| {
        let mut curve = Curve { name: name.to_owned(), color, ..Curve::default() };
        for (epoch, values) in epochs {
            let x = epoch as f64;
            curve.points.push((x, values.iter().sum::<f64>() / values.len() as f64));
            let (low, high) = values.iter().fold((f64::MAX, f64::MIN), |(l, h), v| (l.min(*v), h.max(*v)));
            if values.len() > 1 {
                curve.band.push((x, low, high));
            }
        }
        curve
    };
    by_name.into_iter().enumerate().map(curve).collect()
}

/// Images on which two models disagree: one is right and the other wrong, by the same fold.
pub fn disagreements(a: &ModelRuns, b: &ModelRuns) -> Vec<String> {
    let right = |model: &ModelRuns| -> BTreeMap<(usize, u64, String), bool> {
        let mut all = BTreeMap::new();
        for run in &model.runs {
            for row in &run.test {
                let best = (0..row.logits.len()).max_by(|x, y| row.logits[*x].total_cmp(&row.logits[*y]));
                all.insert((run.config.split.fold, run.config.seed, row.image.clone()), best == Some(row.truth));
            }
        }
        all
    };
    let (ours, theirs) = (right(a), right(b));
    let differs = |(key, right): (&(usize, u64, String), &bool)| {
        theirs.get(key).is_some_and(|other| other != right).then(|| key.2.clone())
    };
    ours.iter().filter_map(differs).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_roc_curve_steps_over_equal_scores_at_once() {
        // scikit-learn's roc_curve([1, 1, 0, 1, 0], [.9, .8, .8, .3, .1], drop_intermediate=False)
        let mut scored = vec![(0.3, true), (0.9, true), (0.8, false), (0.8, true), (0.1, false)];
        let third = 1.0 / 3.0;
        let expected = [(0.0, 0.0), (0.0, third), (0.5, 2.0 * third), (0.5, 1.0), (1.0, 1.0)];
        let points = roc(&mut scored).unwrap();
        assert_eq!(points.len(), expected.len());
        for (ours, theirs) in points.iter().zip(expected) {
            assert!((ours.0 - theirs.0).abs() < 1e-12 && (ours.1 - theirs.1).abs() < 1e-12, "{points:?}");
        }
        // scikit-learn's roc_auc_score of the same.
        assert!((area_below(&points) - 0.75).abs() < 1e-12);
        assert_eq!(roc(&mut [(0.5, true)]), None);
    }
}
