//! `lightbox compare`: two trained groups or runs against each other, every metric with its test.

use clap::Args;
use lightbox_report::collect::{ModelRuns, trained};
use lightbox_report::models::{Design, default_metrics, models_table};
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
        baseline: baseline.model.clone(),
        post_hoc: false,
        primary: None,
        test: super::results::fold_test(&arguments.test)?,
        correction: Correction::None,
        alpha: 0.05,
        metrics,
        planned_models: 2,
        seed: 0,
    };
    let table = models_table(&dataset.name, &[baseline, candidate], &design)?;
    if context.out.json {
        return context.out.record(&table);
    }
    print(context, &table);
    Ok(())
}

/// The finished training runs that a name stands for, labelled by that name so that two groups of one model differ.
fn one(context: &Context, name: &str, side: &str) -> Result<ModelRuns> {
    let (datasets, unfinished) = trained(&resolve(&context.home, name)?)?;
    if let Some(first) = unfinished.first() {
        return Err(Failure::bad(format!("{name}: {first}; see `lightbox queue list {name}`")));
    }
    let mut models: Vec<ModelRuns> = datasets.into_iter().flat_map(|(_, models)| models).collect();
    match (models.pop(), models.pop()) {
        (Some(mut only), None) => {
            only.model = format!("{side}: {}", only.model);
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
        let number = |v: Option<f64>| v.map(|v| format!("{v:.d$}")).unwrap_or_else(|| "–".into());
        let c = a.comparison.as_ref();
        let interval = c.and_then(|c| c.interval).map(|(l, h)| format!("[{l:.d$}, {h:.d$}]")).unwrap_or_default();
        let effect = c.and_then(|c| c.effect.map(|e| format!("{e:.3} {}", c.effect_name))).unwrap_or_default();
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
        ]);
    }
    context.out.line(format!("{} against {}, {}", candidate.name, base.name, table.dataset));
    let header = ["metric", "A", "B", "A - B", "95 % interval", "p", "", "effect", "test"];
    context.out.table(&header, &rows);
    for note in &table.notes {
        context.out.line(note);
    }
}
