//! From the statistics' records to cells and notes of a table.

use std::collections::BTreeSet;

use lightbox_stats::{Better, Comparison as Tested, Correction, EffectKind, MetricId, Note, Outcome};

use crate::table::{Column, Comparison};

/// What notes need to know of a design.
pub(crate) trait Figures {
    /// Adjustment within a family.
    fn correction(&self) -> Correction;
    /// Whether the baseline was moved after the fact.
    fn post_hoc(&self) -> bool;
    /// The confirmatory metric.
    fn primary(&self) -> Option<MetricId>;
    /// Comparisons in a family.
    fn planned(&self) -> usize;
}

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

/// Notes under a table: tests and families, markers, detectable differences, reasons for dashes.
pub(crate) fn notes_of_family(families: &[Vec<Tested>], design: &impl Figures) -> Vec<String> {
    let all = || families.iter().flatten();
    let tests: BTreeSet<&str> = all().filter_map(|c| c.outcome.tested()).map(|t| t.test.name()).collect();
    let mut notes = Vec::new();
    if !tests.is_empty() {
        let tests: Vec<&str> = tests.into_iter().collect();
        let family = match design.correction() {
            Correction::None => "unadjusted".to_owned(),
            correction => format!("{} over {} per metric", correction.name(), design.planned()),
        };
        notes.push(format!("tests: {}; {family}; * p<.05 ** p<.01 *** p<.001", tests.join(", ")));
    }
    match design.primary() {
        Some(metric) => notes.push(format!("† {} is confirmatory, the others are exploratory", metric.name())),
        None => notes.push("all metrics are exploratory".to_owned()),
    }
    if design.post_hoc() {
        notes.push("post hoc: the baseline was chosen after the study".to_owned());
    }
    notes.extend(conditions(families));
    notes.extend(detectable(families, design));
    let reasons: BTreeSet<String> = all()
        .filter_map(|c| c.outcome.reason().map(|r| format!("–: {r} ({})", c.metric.name())))
        .chain(all().filter(|c| crate::models::is_identical(c)).map(|_| "≡: identical by construction".to_owned()))
        .collect();
    notes.extend(reasons);
    notes
}

/// What the comparisons depend on, each condition once: metrics with values in fewer folds have fewer strata.
fn conditions(families: &[Vec<Tested>]) -> Vec<String> {
    let notes = || families.iter().flatten().flat_map(|c| &c.notes);
    let strata = |n: &Note| if let Note::ConditionalOnNetworks { strata } = n { Some(*strata) } else { None };
    let (fewest, most) = (notes().filter_map(strata).min(), notes().filter_map(strata).max());
    let networks = match (fewest, most) {
        (Some(fewest), Some(most)) if fewest < most => {
            Some(format!("conditional on the networks, {fewest} to {most} folds as strata, by metric"))
        }
        (_, most) => most.map(|strata| Note::ConditionalOnNetworks { strata }.to_string()),
    };
    let others: BTreeSet<String> = notes().filter(|n| strata(n).is_none()).map(ToString::to_string).collect();
    networks.into_iter().chain(others.into_iter().filter(|n| n != "split by image")).collect()
}

/// The smallest difference that the design could have called significant, for the confirmatory metric or the first one.
fn detectable(families: &[Vec<Tested>], design: &impl Figures) -> Option<String> {
    let of = |metric: MetricId| families.iter().find(|f| f.first().is_some_and(|c| c.metric == metric));
    let family = design.primary().and_then(of).or_else(|| families.first())?;
    let metric = family.first()?.metric;
    let smallest = |pick: fn(&lightbox_stats::Detectable) -> Option<f64>| {
        family
            .iter()
            .filter_map(|c| c.outcome.tested()?.detectable.as_ref().and_then(pick))
            .filter(|v| v.is_finite())
            .fold(None, |least: Option<f64>, v| Some(least.map_or(v, |l| l.min(v))))
    };
    let plain = smallest(|d| d.difference)?;
    let first = smallest(|d| d.first_step_difference);
    let first = first.map(|d| format!(", {} at the first step of the adjustment", readable(d))).unwrap_or_default();
    Some(format!("detectable: a difference of {} in {}{first}", readable(plain), metric.name()))
}

/// Three decimals, and as many more as two significant digits need: a small difference must not read as none.
fn readable(value: f64) -> String {
    let leading = if value > 0.0 { -value.log10().floor() } else { 0.0 };
    format!("{value:.*}", (leading as usize + 1).clamp(3, 12))
}

#[cfg(test)]
mod tests {
    use super::readable;

    #[test]
    fn a_small_difference_does_not_read_as_none() {
        assert_eq!(readable(0.12345), "0.123");
        assert_eq!(readable(0.000_412_9), "0.00041");
        assert_eq!(readable(12.5), "12.500");
        assert_eq!(readable(0.0), "0.000");
    }
}
