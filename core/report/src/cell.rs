//! From the statistics' records to the cells of a table.

use lightbox_stats::{Better, Comparison as Tested, EffectKind, MetricId, Note, Outcome};

use crate::table::{Column, Comparison};

/// The column of a metric.
pub(crate) fn column(metric: MetricId, primary: bool) -> Column {
    let higher_is_better = match metric.better() {
        Better::Higher => Some(true),
        Better::Lower => Some(false),
        Better::Neither => None,
    };
    let decimals = match metric {
        MetricId::Parameters => 0,
        MetricId::ImagesPerSecond => 1,
        MetricId::SecondsPerImage => 4,
        _ => 3,
    };
    Column { id: metric.id().to_owned(), name: metric.name().to_owned(), higher_is_better, decimals, primary }
}

/// Mean and standard deviation (n - 1), as far as there are values.
pub(crate) fn moments(values: &[f64]) -> (Option<f64>, Option<f64>) {
    let n = values.len() as f64;
    if values.is_empty() {
        return (None, None);
    }
    let mean = values.iter().sum::<f64>() / n;
    if values.len() == 1 {
        return (Some(mean), None);
    }
    let variance = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>() / (n - 1.0);
    (Some(mean), Some(variance.sqrt()))
}

/// A comparison as a table shows it.
pub(crate) fn from_comparison(tested: &Tested) -> Comparison {
    let record = tested.outcome.tested();
    let effect = record.and_then(|r| r.effect);
    let reason = match &tested.outcome {
        Outcome::Identical => Some("identical by construction".to_owned()),
        other => other.reason().map(ToString::to_string),
    };
    Comparison {
        marker: tested.marker().symbol().to_owned(),
        direction: tested.direction.symbol().to_owned(),
        difference: record.map(|r| r.estimate).or(tested.difference),
        interval: record.and_then(|r| r.interval).map(|i| (i.low, i.high)),
        p: tested.outcome.p(),
        p_adjusted: tested.adjusted.map(|a| a.p),
        effect: effect.map(|e| e.value),
        effect_name: effect.map(|e| effect_name(e.kind).to_owned()).unwrap_or_default(),
        test: record.map(|r| r.test.name().to_owned()).unwrap_or_default(),
        n_images: tested.n_images,
        n_groups: tested.n_groups,
        counts: counts(tested),
        reason,
    }
}

fn effect_name(kind: EffectKind) -> &'static str {
    match kind {
        EffectKind::RawDifference => "difference",
        EffectKind::HedgesDz => "d_z (Hedges)",
        EffectKind::RankBiserial => "rank-biserial",
        EffectKind::KendallW => "Kendall's W",
    }
}

/// What a comparison rests on, in words: folds or groups, then images.
pub(crate) fn counts(tested: &Tested) -> String {
    let images = count(tested.n_images, "image");
    let by_image = tested.notes.contains(&Note::SplitByImage);
    let of_tests = match (tested.n_folds, by_image) {
        (Some(folds), _) => format!("{}, {images}", count(folds, "fold")),
        (None, false) if tested.n_groups > 0 => format!("{}, {images}", count(tested.n_groups, "group")),
        _ => images,
    };
    match tested.n_seeds {
        Some(seeds) => format!("{of_tests}, {}", count(seeds, "seed")),
        None => of_tests,
    }
}

/// A number of things.
pub(crate) fn count(n: usize, what: &str) -> String {
    if n == 1 { format!("{n} {what}") } else { format!("{n} {what}s") }
}
