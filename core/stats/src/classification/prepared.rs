//! A metric made ready to be read at any weights of the images.

use super::{Confusion, Predictions, calibration::CalibrationRows, sorted_scores::SortedScores};
use crate::{Error, MetricId};

/// A metric of a pool of predictions, to be read at any whole-number weights.
#[derive(Debug)]
pub(crate) struct Prepared(Form);

#[derive(Debug)]
enum Form {
    /// Cell of the confusion matrix of each row.
    Confusion { metric: MetricId, classes: usize, cells: Vec<u32> },
    /// A share: part of whole, both by row.
    Share { part: Vec<bool>, whole: Vec<bool>, empty_is_zero: bool },
    /// Scores of each class that counts.
    Ranking { precision: bool, classes: Vec<SortedScores> },
    /// A mean over rows.
    Mean(Vec<f64>),
    /// Expected calibration error.
    Calibration(CalibrationRows),
}

impl Prepared {
    /// Prepares a metric of pools laid end to end: row i of the second pool has weight `pools[0].len() + i`.
    pub fn new(metric: MetricId, pools: &[&Predictions]) -> Result<Self, Error> {
        probe(metric, pools)?;
        let classes = pools.first().map_or(0, |pool| pool.classes());
        let positive = pools.first().and_then(|pool| pool.positive_class());
        let rows = || pools.iter().flat_map(|pool| (0..pool.len()).map(move |image| (*pool, image)));
        let form = match metric {
            MetricId::Auroc | MetricId::AveragePrecision => {
                // Binary: both one-against-rest AUROCs are the same number; the average precisions are not.
                let counted: Vec<usize> = positive.map_or_else(|| (0..classes).collect(), |class| vec![class]);
                let one = |&class: &usize| {
                    let scores: Vec<f64> = rows().map(|(pool, image)| pool.row(image)[class]).collect();
                    let truth: Vec<bool> = rows().map(|(pool, image)| pool.truth()[image] == class).collect();
                    SortedScores::new(&scores, &truth)
                };
                let precision = metric == MetricId::AveragePrecision;
                Form::Ranking { precision, classes: counted.iter().map(one).collect() }
            }
            MetricId::Brier => Form::Mean(rows().map(|(pool, image)| brier(pool, image)).collect()),
            MetricId::Ece => Form::Calibration(CalibrationRows::new(rows())),
            _ if metric.needs_positive_class() => {
                let positive = positive.unwrap_or(0);
                let truth: Vec<bool> = rows().map(|(pool, image)| pool.truth()[image] == positive).collect();
                let called: Vec<bool> =
                    rows().map(|(pool, image)| pool.row(image)[positive] >= cut(metric, pool)).collect();
                share(metric, &truth, &called)
            }
            _ => {
                let cell = |(pool, image): (&Predictions, usize)| {
                    (pool.truth()[image] * classes + pool.predicted(image)) as u32
                };
                Form::Confusion { metric, classes, cells: rows().map(cell).collect() }
            }
        };
        Ok(Prepared(form))
    }

    /// The metric at these weights, one per row; none where it has no value.
    pub fn value(&self, weights: &[u32]) -> Option<f64> {
        match &self.0 {
            Form::Confusion { metric, classes, cells } => confusion(*classes, cells, weights).metric(*metric),
            Form::Share { part, whole, empty_is_zero } => {
                let (mut of, mut hit) = (0_u64, 0_u64);
                for ((&part, &whole), &weight) in part.iter().zip(whole).zip(weights) {
                    of += u64::from(weight) * u64::from(whole);
                    hit += u64::from(weight) * u64::from(part);
                }
                match of {
                    0 => empty_is_zero.then_some(0.0),
                    of => Some(hit as f64 / of as f64),
                }
            }
            Form::Ranking { precision, classes } => {
                let read = |scores: &SortedScores| {
                    let area = scores.auroc(weights)?;
                    if *precision { scores.average_precision(weights) } else { Some(area) }
                };
                let values: Vec<f64> = classes.iter().filter_map(read).collect();
                (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
            }
            Form::Mean(values) => {
                let total: u64 = weights.iter().map(|w| u64::from(*w)).sum();
                let sum: f64 = values.iter().zip(weights).map(|(value, &w)| value * f64::from(w)).sum();
                (total > 0).then(|| sum / total as f64)
            }
            Form::Calibration(rows) => rows.ece(weights),
        }
    }
}

/// Confusion matrix of weighted rows.
pub(crate) fn confusion(classes: usize, cells: &[u32], weights: &[u32]) -> Confusion {
    let mut matrix = Confusion::new(classes);
    cells.iter().zip(weights).for_each(|(&cell, &weight)| matrix.add(cell as usize, weight));
    matrix
}

/// Refuses a metric that these predictions cannot have.
pub(crate) fn probe(metric: MetricId, pools: &[&Predictions]) -> Result<(), Error> {
    let refuse = |problem| Err(Error::Metric { metric, problem });
    if !metric.is_of_predictions() {
        return refuse("is not computed from predictions");
    }
    if pools.windows(2).any(|pair| pair[0].classes() != pair[1].classes()) {
        return refuse("needs the same classes in all predictions");
    }
    if pools.windows(2).any(|pair| pair[0].positive_class() != pair[1].positive_class()) {
        return refuse("needs the same positive class in all predictions");
    }
    if metric.needs_positive_class() && pools.iter().any(|pool| pool.positive_class().is_none()) {
        return refuse("needs a binary task with a positive class; name it in the manifest");
    }
    let tuned = matches!(metric, MetricId::SensitivityTuned | MetricId::SpecificityTuned);
    if tuned && pools.iter().any(|pool| pool.threshold().is_none()) {
        return refuse("needs the threshold that was chosen on validation");
    }
    Ok(())
}

/// The threshold on the positive class's probability that a metric uses.
fn cut(metric: MetricId, pool: &Predictions) -> f64 {
    match metric {
        MetricId::SensitivityTuned | MetricId::SpecificityTuned => pool.threshold().unwrap_or(0.5),
        _ => 0.5,
    }
}

fn share(metric: MetricId, truth: &[bool], called: &[bool]) -> Form {
    let both = |part: fn(bool, bool) -> bool| truth.iter().zip(called).map(|(&t, &c)| part(t, c)).collect();
    let (part, whole, empty_is_zero) = match metric {
        MetricId::Sensitivity | MetricId::SensitivityTuned => (both(|t, c| t && c), both(|t, _| t), false),
        MetricId::Specificity | MetricId::SpecificityTuned => (both(|t, c| !t && !c), both(|t, _| !t), false),
        _ => (both(|t, c| t && c), both(|_, c| c), true),
    };
    Form::Share { part, whole, empty_is_zero }
}

/// Sum over classes of the squared distance from probability to truth.
fn brier(pool: &Predictions, image: usize) -> f64 {
    let truth = pool.truth()[image];
    pool.row(image).iter().enumerate().map(|(class, p)| (p - f64::from(u8::from(class == truth))).powi(2)).sum()
}
