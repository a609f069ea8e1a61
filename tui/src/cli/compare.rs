//! `lightbox compare`: two trained groups or runs against each other, every metric with its test.

use std::collections::BTreeSet;

use clap::Args;
use lightbox_report::collect::{ModelRuns, trained};
use lightbox_report::models::{Design, default_metrics, models_table};
use lightbox_report::readable;
use lightbox_report::settings::{Difference, Settings, described, differences, settings, surroundings};
use lightbox_report::table::bracketed;
use lightbox_stats::{Correction, MetricId, format_p};
use lightbox_store::run::resolve;

use super::Context;
use crate::failure::{Failure, Result};

/// What to compare.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Candidate: a run or group id
    a: String,
    /// Baseline: a run or group id
    b: String,
    /// Test over folds
    #[arg(long, value_parser = ["nadeau-bengio", "paired-t", "wilcoxon", "5x2cv"], default_value = "nadeau-bengio")]
    test: String,
}

/// Runs the command.
pub fn run(context: &Context, arguments: Arguments) -> Result<()> {
    let candidate = one(context, &arguments.a, "A")?;
    let baseline = one(context, &arguments.b, "B")?;
    let dataset = baseline.runs[0].config.dataset.clone();
    if candidate.runs[0].config.dataset.name != dataset.name {
        return Err(Failure::bad(format!(
            "{} was trained on {}, {} on {}; only runs on the same dataset and split are compared",
            arguments.a, candidate.runs[0].config.dataset.name, arguments.b, dataset.name
        )));
    }
    let mut metrics = default_metrics(dataset.positive.is_some());
    metrics.extend(
        MetricId::ALL.iter().copied().filter(|m| m.is_of_predictions() && !metrics.contains(m)).collect::<Vec<_>>(),
    );
    let design = Design {
        baseline: baseline.label.clone(),
        post_hoc: false,
        primary: None,
        test: super::results::fold_test(&arguments.test)?,
        correction: Correction::None,
        alpha: 0.05,
        metrics,
        planned_models: 2,
        seed: 0,
    };
    let (a, b) = (all_settings(&candidate), all_settings(&baseline));
    let groups = format!("A: group {}; B: group {}", candidate.group, baseline.group);
    let mut table = models_table(&dataset.name, &[baseline, candidate], &design)?;
    table.notes.push(groups);
    table.notes.push(said(&differences(&a, &b)));
    if context.out.json {
        return context.out.record(&table);
    }
    print(context, &table);
    Ok(())
}

/// Everything that a group was told; of several seeds all.
fn all_settings(model: &ModelRuns) -> Settings {
    let config = &model.runs[0].config;
    let mut all = settings(config);
    all.extend(surroundings(config));
    let seeds: BTreeSet<u64> = model.runs.iter().map(|r| r.config.seed).collect();
    all.insert("seed".into(), seeds.iter().map(u64::to_string).collect::<Vec<_>>().join("+"));
    all
}

fn said(differences: &[Difference]) -> String {
    let one = |d: &Difference| format!("{} {} in A, {} in B", d.name, d.candidate, d.baseline);
    match differences {
        [] => "A and B were trained with the same settings".to_owned(),
        some => format!("settings that differ: {}", some.iter().map(one).collect::<Vec<_>>().join("; ")),
    }
}

/// The finished training runs that a name stands for, labelled by that name so that two groups of one model differ.
fn one(context: &Context, name: &str, side: &str) -> Result<ModelRuns> {
    let (datasets, unfinished) = trained(&resolve(&context.home, name)?)?;
    if let Some(first) = unfinished.first() {
        return Err(Failure::bad(format!("{name}: {}; see `lightbox queue list {name}`", first.what)));
    }
    let mut models: Vec<ModelRuns> = datasets.into_iter().flat_map(|(_, models)| models).collect();
    match (models.pop(), models.pop()) {
        (Some(mut only), None) => {
            only.label = format!("{side}: {}", described(&only.runs[0].config));
            Ok(only)
        }
        (None, _) => Err(Failure::bad(format!("{name} has no finished training run"))),
        _ => Err(Failure::bad(format!("{name} has runs of several models or datasets; name one group"))),
    }
}

fn print(context: &Context, table: &lightbox_report::Table) {
    let (base, candidate) = (&table.rows[0], &table.rows[1]);
    let mut rows = Vec::new();
    for ((column, b), a) in table.columns.iter().zip(&base.cells).zip(&candidate.cells) {
        let d = column.decimals;
        let number = |v: Option<f64>| v.map(|v| readable(v, d)).unwrap_or_else(|| "–".into());
        let c = a.comparison.as_ref();
        let interval = c.and_then(|c| c.interval).map(|ends| bracketed(ends, d)).unwrap_or_default();
        let effect =
            c.and_then(|c| c.effect.map(|e| format!("{} {}", readable(e, 3), c.effect_name))).unwrap_or_default();
        rows.push(vec![
            column.name.clone(),
            a.figure(d),
            b.figure(d),
            number(c.and_then(|c| c.difference)),
            interval,
            c.and_then(|c| c.p).map(format_p).unwrap_or_default(),
            c.map(|c| c.mark()).unwrap_or_default(),
            effect,
            c.map(|c| c.reason.clone().unwrap_or_else(|| c.test.clone())).unwrap_or_default(),
            c.map(|c| c.counts.clone()).unwrap_or_default(),
        ]);
    }
    context.out.line(format!("{} against {}, {}", candidate.name, base.name, table.dataset));
    let header = ["metric", "A", "B", "A - B", "95 % interval", "p", "", "effect", "test", "n"];
    context.out.table(&header, &rows);
    for note in &table.notes {
        context.out.line(note);
    }
}
