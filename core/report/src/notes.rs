//! What stands under a table: which test stands behind which column, on how much, what it could have found, and why there
//! are dashes. Only what the table shows is explained, and everything once.

use lightbox_stats::{Comparison as Tested, Correction, MetricId, Note, Outcome};

use crate::cell::counts;
use crate::number::significant;
use crate::table::{Column, Row};

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
    /// The baseline's row.
    fn baseline(&self) -> &str;
}

/// A comparison that stands in the table.
#[derive(Clone, Copy)]
pub(crate) struct Shown<'a> {
    /// Its row.
    pub row: &'a str,
    /// Its record.
    pub tested: &'a Tested,
}

/// Notes on the comparisons of all columns, a list a column.
pub(crate) fn notes(columns: &[Vec<Shown<'_>>], design: &impl Figures) -> Vec<String> {
    let mut notes = tests(columns);
    if !notes.is_empty() {
        let family = match design.correction() {
            Correction::None => "p unadjusted".to_owned(),
            correction => format!("p after {} over {} per metric", correction.name(), design.planned()),
        };
        notes.push(format!("{family}; * p<.05 ** p<.01 *** p<.001, ns not significant"));
    }
    match design.primary() {
        Some(metric) => notes.push(format!("† {} is confirmatory, the others are exploratory", metric.name())),
        None => notes.push("all metrics are exploratory".to_owned()),
    }
    if design.post_hoc() {
        notes.push("post hoc: the baseline was chosen after the study".to_owned());
    }
    notes.extend(conditions(columns));
    notes.extend(detectable(columns, design));
    let reasons = |shown: &Shown<'_>| match &shown.tested.outcome {
        Outcome::NotTestable { reason } => Some(format!("–: not testable, {reason}")),
        _ => None,
    };
    notes.extend(gathered(columns, reasons).into_iter().map(|(reason, place)| format!("{reason} ({place})")));
    if columns.iter().flatten().any(|shown| matches!(shown.tested.outcome, Outcome::Identical)) {
        notes.push("≡: identical by construction".to_owned());
    }
    notes
}

/// Which rows have no value at all, by column: a dash without a test has its reason too.
pub(crate) fn without_value(columns: &[Column], rows: &[Row]) -> Option<String> {
    let of_column = |(at, column): (usize, &Column)| {
        let empty = |row: &&Row| row.cells.get(at).is_some_and(|cell| cell.estimate.is_none());
        let names: Vec<&str> = rows.iter().filter(empty).map(|row| row.name.as_str()).collect();
        match names.len() {
            0 => None,
            n if n == rows.len() => Some(column.name.clone()),
            _ => Some(format!("{}: {}", column.name, names.join(", "))),
        }
    };
    let places: Vec<String> = columns.iter().enumerate().filter_map(of_column).collect();
    (!places.is_empty()).then(|| format!("–: no value ({})", places.join("; ")))
}

/// A line a test: its columns, and what it rests on.
fn tests(columns: &[Vec<Shown<'_>>]) -> Vec<String> {
    let name = |shown: &Shown<'_>| shown.tested.outcome.tested().map(|t| t.test.name().to_owned());
    let line = |(test, place): (String, String)| {
        let of_test = columns.iter().flatten().filter(|shown| name(shown).is_some_and(|n| n == test));
        format!("test: {test} ({place}); n = {}", spans(&of_test.map(|s| s.tested).collect::<Vec<_>>()))
    };
    // A column's rows are named only where it has several tests: what was not tested says so in a line of its own.
    let only_tested: Vec<Vec<Shown<'_>>> =
        columns.iter().map(|column| column.iter().filter(|shown| name(shown).is_some()).copied().collect()).collect();
    gathered_of(filled(columns), &only_tested, name).into_iter().map(line).collect()
}

/// What the comparisons of a test rest on; where they differ, from the fewest to the most.
fn spans(tested: &[&Tested]) -> String {
    let size = |t: &&&Tested| (t.n_groups, t.n_images);
    let (fewest, most) = (tested.iter().min_by_key(size), tested.iter().max_by_key(size));
    match (fewest.map(|t| counts(t)), most.map(|t| counts(t))) {
        (Some(fewest), Some(most)) if fewest != most => match (fewest.split_once(' '), most.split_once(' ')) {
            (Some((least, what)), Some((greatest, same))) if what == same => format!("{least} to {greatest} {what}"),
            _ => format!("{fewest} to {most}"),
        },
        (fewest, _) => fewest.unwrap_or_default(),
    }
}

/// What the comparisons depend on, each condition once.
fn conditions(columns: &[Vec<Shown<'_>>]) -> Vec<String> {
    let notes = || columns.iter().flatten().flat_map(|shown| &shown.tested.notes);
    let strata = |n: &Note| if let Note::ConditionalOnNetworks { strata } = n { Some(*strata) } else { None };
    let (fewest, most) = (notes().filter_map(strata).min(), notes().filter_map(strata).max());
    let networks = match (fewest, most) {
        (Some(fewest), Some(most)) if fewest < most => {
            Some(format!("conditional on the networks, {fewest} to {most} folds as strata, by metric"))
        }
        (_, most) => most.map(|strata| Note::ConditionalOnNetworks { strata }.to_string()),
    };
    let mut lines: Vec<String> = networks.into_iter().collect();
    // The missing grouping is said once for the whole table.
    let of_kind = |picks: fn(&Note) -> bool| {
        gathered(columns, move |shown: &Shown<'_>| {
            shown.tested.notes.iter().find(|note| picks(note)).map(ToString::to_string)
        })
    };
    let kinds: [fn(&Note) -> bool; 3] = [
        |note| matches!(note, Note::ForTheseNetworks),
        |note| matches!(note, Note::BetweenSeedsOnly),
        |note| matches!(note, Note::Excluded { .. }),
    ];
    lines.extend(kinds.into_iter().flat_map(of_kind).map(|(note, place)| format!("{note} ({place})")));
    lines
}

/// The texts that comparisons have, each with the columns that have it, and their rows where not all of a column do.
fn gathered(columns: &[Vec<Shown<'_>>], text: impl Fn(&Shown<'_>) -> Option<String>) -> Vec<(String, String)> {
    gathered_of(filled(columns), columns, text)
}

/// How many columns have comparisons.
fn filled(columns: &[Vec<Shown<'_>>]) -> usize {
    columns.iter().filter(|column| !column.is_empty()).count()
}

/// The same, of a table with so many columns of comparisons.
fn gathered_of(
    filled: usize,
    columns: &[Vec<Shown<'_>>],
    text: impl Fn(&Shown<'_>) -> Option<String>,
) -> Vec<(String, String)> {
    let mut texts: Vec<(String, Vec<String>, usize)> = Vec::new();
    for column in columns {
        let mut of_column: Vec<(String, Vec<&str>)> = Vec::new();
        for shown in column {
            let Some(text) = text(shown) else { continue };
            match of_column.iter_mut().find(|(known, _)| *known == text) {
                Some((_, rows)) => rows.push(shown.row),
                None => of_column.push((text, vec![shown.row])),
            }
        }
        for (text, rows) in of_column {
            let Some(first) = column.first() else { continue };
            let whole = rows.len() == column.len();
            let metric = first.tested.metric.name();
            let place = if whole { metric.to_owned() } else { format!("{metric}: {}", rows.join(", ")) };
            match texts.iter_mut().find(|(known, ..)| *known == text) {
                Some((_, places, wholes)) => {
                    places.push(place);
                    *wholes += usize::from(whole);
                }
                None => texts.push((text, vec![place], usize::from(whole))),
            }
        }
    }
    let place = |places: &[String], wholes: usize| {
        if wholes == filled && filled > 1 { "all metrics".to_owned() } else { places.join("; ") }
    };
    texts.into_iter().map(|(text, places, wholes)| (text, place(&places, wholes))).collect()
}

/// The smallest differences that the tests of the confirmatory metric, or of the first one, find with the power aimed at.
fn detectable(columns: &[Vec<Shown<'_>>], design: &impl Figures) -> Option<String> {
    let of = |metric: MetricId| columns.iter().find(|c| c.first().is_some_and(|s| s.tested.metric == metric));
    let column = design.primary().and_then(of).or_else(|| columns.iter().find(|c| !c.is_empty()))?;
    let metric = column.first()?.tested.metric;
    let found: Vec<(&str, &lightbox_stats::Detectable)> =
        column.iter().filter_map(|s| Some((s.row, s.tested.outcome.tested()?.detectable.as_ref()?))).collect();
    let plain = range(&found, metric, |d| d.difference)?;
    let (_, any) = found.first()?;
    let strictest = match design.correction() {
        Correction::None => None,
        _ if design.planned() < 2 => None,
        Correction::Holm => Some("at Holm's first step"),
        Correction::Bonferroni => Some("after Bonferroni"),
        Correction::BenjaminiHochberg => Some("at the strictest step of Benjamini and Hochberg"),
    };
    let first = strictest.and_then(|step| {
        let least = range(&found, metric, |d| d.first_step_difference);
        Some(format!("; {step}, alpha = {}/{}, {}", any.alpha, design.planned(), least?.0))
    });
    let pairs = plain.1.map(|rows| format!(" ({rows} against {})", design.baseline())).unwrap_or_default();
    let power = 100.0 * any.power;
    let (name, first) = (metric.name(), first.unwrap_or_default());
    Some(format!("detectable with {power} % power in {name}: a difference of {}{pairs}{first}", plain.0))
}

/// The smallest and the largest of what is found, and the rows that they belong to.
fn range(
    found: &[(&str, &lightbox_stats::Detectable)],
    metric: MetricId,
    pick: impl Fn(&lightbox_stats::Detectable) -> Option<f64>,
) -> Option<(String, Option<String>)> {
    let mut values: Vec<(f64, &str)> = found.iter().filter_map(|(row, d)| Some((pick(d)?, *row))).collect();
    values.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (least, most) = (values.first()?, values.last()?);
    let (low, high) = metric.info().range;
    let text = |value: f64| {
        let possible = value <= high - low;
        if possible { significant(value, 3) } else { format!("more than {} (none that is possible)", high - low) }
    };
    let (a, b) = (text(least.0), text(most.0));
    Some(if a == b {
        let rows = if values.len() == 1 { least.1.to_owned() } else { "each".to_owned() };
        (a, Some(rows))
    } else {
        (format!("{a} to {b}"), Some(format!("{} to {}", least.1, most.1)))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use lightbox_stats::{FoldSizes, FoldTest, Setting, compare_folds};

    struct Plan(Correction);

    impl Figures for Plan {
        fn correction(&self) -> Correction {
            self.0
        }
        fn post_hoc(&self) -> bool {
            false
        }
        fn primary(&self) -> Option<MetricId> {
            None
        }
        fn planned(&self) -> usize {
            2
        }
        fn baseline(&self) -> &str {
            "base"
        }
    }

    fn tested(metric: MetricId, values: &[f64]) -> Tested {
        let sizes = vec![FoldSizes { n_train: 80, n_test: 20 }; values.len()];
        let setting = Setting { family_size: 2, ..Setting::default() };
        let baseline = vec![0.5; values.len()];
        compare_folds(metric, values, &baseline, &sizes, FoldTest::NadeauBengio, &setting).unwrap()
    }

    fn lines(columns: &[Vec<(&'static str, Tested)>], correction: Correction) -> Vec<String> {
        let shown: Vec<Vec<Shown<'_>>> =
            columns.iter().map(|column| column.iter().map(|(row, tested)| Shown { row, tested }).collect()).collect();
        notes(&shown, &Plan(correction))
    }

    #[test]
    fn each_test_names_its_metrics_and_counts_and_each_reason_stands_once() {
        use MetricId::*;
        let columns = [
            vec![("a", tested(Accuracy, &[0.6, 0.7, 0.8])), ("b", tested(Accuracy, &[0.6, 0.6, 0.6]))],
            vec![("a", tested(Mcc, &[0.6, 0.7, 0.9])), ("b", tested(Mcc, &[0.6, 0.6, 0.6]))],
            vec![("a", tested(Auroc, &[0.6, f64::NAN, 0.9])), ("b", tested(Auroc, &[0.6, f64::NAN, 0.6]))],
        ];
        let lines = lines(&columns, Correction::Holm);
        assert_eq!(lines[0], "test: Nadeau–Bengio paired t (accuracy; MCC); n = 3 folds, 60 images");
        assert_eq!(lines[1], "p after Holm over 2 per metric; * p<.05 ** p<.01 *** p<.001, ns not significant");
        let dashes: Vec<&String> = lines.iter().filter(|l| l.starts_with('–')).collect();
        assert_eq!(dashes.len(), 2, "{lines:?}");
        assert_eq!(dashes[0], "–: not testable, zero variance (accuracy: b; MCC: b)");
        assert_eq!(dashes[1], "–: not testable, 1 values missing or not finite (AUROC)");
    }

    #[test]
    fn what_is_detectable_names_pair_power_and_level() {
        let columns = [vec![
            ("a", tested(MetricId::Accuracy, &[0.50, 0.52, 0.54, 0.53, 0.51])),
            ("b", tested(MetricId::Accuracy, &[0.50, 0.52, 0.54, 0.53, 0.61])),
        ]];
        let line = |correction| lines(&columns, correction).into_iter().find(|l| l.starts_with("detectable")).unwrap();
        let holm = line(Correction::Holm);
        let start = "detectable with 80 % power in accuracy: a difference of 0.0";
        assert!(holm.starts_with(start), "{holm}");
        assert!(holm.contains(" (a to b against base); at Holm's first step, alpha = 0.05/2, 0.0"), "{holm}");
        assert!(!line(Correction::None).contains("first step"));
    }

    #[test]
    fn a_difference_that_cannot_be_is_not_called_detectable() {
        let columns = [vec![("a", tested(MetricId::Accuracy, &[0.1, 0.9]))]];
        let lines = lines(&columns, Correction::None);
        let line = lines.iter().find(|l| l.starts_with("detectable")).unwrap();
        assert!(line.contains("more than 1 (none that is possible) (a against base)"), "{line}");
    }

    #[test]
    fn without_comparisons_nothing_is_explained() {
        assert_eq!(lines(&[vec![], vec![]], Correction::Holm), ["all metrics are exploratory"]);
    }
}
