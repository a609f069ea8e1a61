//! `lightbox results`: tables with significance markers.

use std::collections::BTreeMap;

use clap::Args;
use lightbox_report::collect::{ByDataset, ModelRuns, Unfinished, incomparable, trained};
use lightbox_report::latest::{Group, LeftOut, latest};
use lightbox_report::models::{Design, default_metrics, models_table, named};
use lightbox_report::settings::{Settings, settings};
use lightbox_report::{ReportError, Table, render};
use lightbox_stats::{Correction, FoldTest, MetricId};
use lightbox_store::run::{list_runs, resolve};
use lightbox_store::study::StudyFile;
use lightbox_store::{GroupId, JobConfig, JobKind, RunDir, names};

use super::{Context, method_tables, study};
use crate::failure::{Failure, Result};

/// Which tables.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Name of a study [default: all runs that belong to none]
    #[arg(long, value_name = "S")]
    study: Option<String>,
    /// Metrics, joined by commas [default: the study's]
    #[arg(long, value_delimiter = ',', value_name = "M")]
    metric: Vec<String>,
    /// Baseline model; another than the study's is marked as post hoc
    #[arg(long, value_name = "B")]
    baseline: Option<String>,
}

impl From<ReportError> for Failure {
    fn from(error: ReportError) -> Self {
        match error {
            ReportError::Store(inner) => inner.into(),
            other => Self::bad(other),
        }
    }
}

/// Runs the command.
pub fn run(context: &Context, arguments: Arguments) -> Result<()> {
    let metrics = metrics(&arguments.metric)?;
    print(context, &tables(context, arguments.study.as_deref(), metrics, arguments.baseline.as_deref())?)
}

/// The tables of a study, or of the runs that belong to none.
pub fn tables(
    context: &Context,
    study: Option<&str>,
    metrics: Vec<MetricId>,
    baseline: Option<&str>,
) -> Result<Vec<Table>> {
    match study {
        Some(name) => {
            let file = study::read(context, name)?;
            tables_of_study(context, &file, metrics, baseline)
        }
        None => {
            let loose = loose_runs(context)?;
            let explained = method_tables::of_latest(context, &loose, &metrics)?;
            let mut tables = latest_tables(&loose, metrics, baseline)?;
            tables.extend(explained);
            Ok(tables)
        }
    }
}

/// The runs behind the tables of a study, or of the runs that belong to none.
pub fn runs_behind(context: &Context, study: Option<&str>) -> Result<Vec<RunDir>> {
    let Some(name) = study else {
        let loose = loose_runs(context)?;
        let trained = latest(&loose, experiment)?.shown;
        let explained = method_tables::latest_groups(context, &loose)?.shown;
        let runs = trained.iter().flat_map(Group::runs).chain(explained.iter().flat_map(Group::runs));
        return Ok(runs.cloned().collect());
    };
    let queued = study::queued(context, name)?;
    let groups = queued.train.iter().map(|t| &t.group).chain(queued.explain.iter().map(|(_, group)| group));
    let mut runs = Vec::new();
    for group in groups {
        runs.extend(resolve(&context.home, &group.0)?);
    }
    Ok(runs)
}

/// The runs that belong to no study.
fn loose_runs(context: &Context) -> Result<Vec<RunDir>> {
    let mut runs = list_runs(&context.home)?;
    runs.retain(|run| run.config().is_ok_and(|c| c.study.is_none()));
    Ok(runs)
}

/// Prints the tables of a study.
pub fn print_study(context: &Context, name: &str) -> Result<()> {
    print(context, &study_tables(context, name)?)
}

/// Prints the table of the runs of one group.
pub fn print_group(context: &Context, group: &GroupId) -> Result<()> {
    let runs = resolve(&context.home, &group.0)?;
    print(context, &latest_tables(&runs, Vec::new(), None)?)
}

/// Prints the tables of a group of explanations.
pub fn print_explanations(context: &Context, group: &GroupId) -> Result<()> {
    let runs = resolve(&context.home, &group.0)?;
    print(context, &method_tables::of_group(context, &runs, &[])?)
}

/// The tables of a study as its file asks for them.
pub fn study_tables(context: &Context, name: &str) -> Result<Vec<Table>> {
    let file = study::read(context, name)?;
    tables_of_study(context, &file, Vec::new(), None)
}

fn print(context: &Context, tables: &[Table]) -> Result<()> {
    if context.out.json {
        return context.out.record(&tables);
    }
    for table in tables {
        context.out.line(render::terminal(table, context.out.color));
    }
    if tables.is_empty() {
        context.out.note("no finished runs to show; `lightbox runs list` lists all runs, `lightbox study show NAME` a study's results");
    }
    Ok(())
}

/// Reads metric names.
pub fn metrics(given: &[String]) -> Result<Vec<MetricId>> {
    given.iter().map(|name| metric(name)).collect()
}

fn metric(name: &str) -> Result<MetricId> {
    MetricId::ALL.iter().copied().find(|m| m.id() == name).ok_or_else(|| {
        let known = || MetricId::ALL.iter().map(|m| m.id());
        let hint = names::nearest(name, known()).map(|n| format!("did you mean {n:?}?"));
        let hint = hint.unwrap_or_else(|| format!("there are: {}", known().collect::<Vec<_>>().join(", ")));
        Failure::bad(format!("no metric is called {name:?}; {hint}"))
    })
}

fn tables_of_study(
    context: &Context,
    file: &StudyFile,
    metrics: Vec<MetricId>,
    baseline: Option<&str>,
) -> Result<Vec<Table>> {
    let queued = study::queued(context, &file.name)?;
    let mut runs: Vec<RunDir> = Vec::new();
    for one in &queued.train {
        runs.extend(resolve(&context.home, &one.group.0)?);
    }
    let (by_dataset, unfinished) = trained(&runs)?;
    check_baseline(&by_dataset, baseline)?;
    let mut tables = Vec::new();
    for (dataset, models) in &by_dataset {
        let positive = models.iter().flat_map(|m| &m.runs).any(|r| r.config.dataset.positive.is_some());
        let shown = if !metrics.is_empty() {
            metrics.iter().copied().filter(|m| m.is_of_predictions()).collect()
        } else if file.statistics.metrics.is_empty() {
            default_metrics(positive)
        } else {
            self::metrics(&file.statistics.metrics)?
        };
        let design = Design {
            baseline: baseline.unwrap_or(&file.baseline).to_owned(),
            post_hoc: baseline.is_some_and(|b| b != file.baseline),
            primary: Some(metric(&file.statistics.primary)?),
            test: fold_test(&file.statistics.test)?,
            correction: correction(&file.statistics.correction)?,
            alpha: file.statistics.alpha,
            metrics: shown,
            planned_models: file.models.len(),
            seed: file.train.seed,
        };
        tables.extend(comparable_table(dataset, models, &design)?);
    }
    add_unfinished(&mut tables, &unfinished);
    tables.extend(method_tables::of_study(context, file, &queued, &metrics)?);
    Ok(tables)
}

/// What makes trainings repetitions of one experiment: dataset, model, settings and seed.
#[derive(Clone, Debug, PartialEq)]
struct Experiment {
    dataset: String,
    model: String,
    settings: Settings,
    seed: u64,
}

fn experiment(config: &JobConfig) -> Option<Experiment> {
    let JobKind::Train(train) = &config.job else { return None };
    let dataset = train.dataset.name.clone();
    Some(Experiment { dataset, model: train.model.id.clone(), settings: settings(train), seed: train.seed })
}

/// Tables of runs that belong to no study: of each experiment the latest group that finished, on each dataset those with
/// the baseline's split.
fn latest_tables(runs: &[RunDir], metrics: Vec<MetricId>, baseline: Option<&str>) -> Result<Vec<Table>> {
    let latest = latest(runs, experiment)?;
    let shown: Vec<RunDir> = latest.shown.iter().flat_map(Group::runs).cloned().collect();
    let (by_dataset, _) = trained(&shown)?;
    check_baseline(&by_dataset, baseline)?;
    let mut tables = Vec::new();
    for (dataset, models) in &by_dataset {
        let first = models.first().map(|m| m.label.clone());
        let Some(reference) = baseline.map(str::to_owned).or(first) else { continue };
        let positive = models.iter().flat_map(|m| &m.runs).any(|r| r.config.dataset.positive.is_some());
        let design = Design {
            baseline: reference.clone(),
            post_hoc: baseline.is_some(),
            primary: None,
            test: FoldTest::NadeauBengio,
            correction: Correction::Holm,
            alpha: 0.05,
            metrics: if metrics.is_empty() { default_metrics(positive) } else { metrics.clone() },
            planned_models: comparable(dataset, models, &reference).len(),
            seed: 0,
        };
        tables.extend(comparable_table(dataset, models, &design)?);
    }
    let left_out: Vec<Unfinished> = latest.left_out.iter().map(|l| left_out(&l.key.dataset, &l.key.model, l)).collect();
    add_unfinished(&mut tables, &left_out);
    Ok(tables)
}

/// What is said of a group that is not shown, or in part.
pub fn left_out<K>(dataset: &str, what: &str, group: &LeftOut<K>) -> Unfinished {
    let how = if group.shown { "shown in part" } else { "not shown" };
    Unfinished { dataset: dataset.to_owned(), what: format!("{what} {}, {}; {how}", group.id, group.state) }
}

/// Refuses a baseline that stands in no table.
fn check_baseline(by_dataset: &ByDataset, baseline: Option<&str>) -> Result<()> {
    let Some(name) = baseline else { return Ok(()) };
    let mut refused = None;
    for (dataset, models) in by_dataset {
        match named(dataset, models, name) {
            Ok(_) => return Ok(()),
            Err(error) => refused = refused.or(Some(error)),
        }
    }
    Err(refused.map_or_else(
        || Failure::bad(format!("baseline {name:?} has no finished runs: there are none at all")),
        Failure::from,
    ))
}

/// The models that stand on the same splits, folds and seeds as the baseline.
fn comparable(dataset: &str, models: &[ModelRuns], baseline: &str) -> Vec<ModelRuns> {
    let Ok(reference) = named(dataset, models, baseline) else { return Vec::new() };
    let fits = |m: &&ModelRuns| incomparable(&[reference.clone(), (*m).clone()]).is_none();
    models.iter().filter(fits).cloned().collect()
}

/// The table of a dataset's comparable models, which says who is left out and why; none before the baseline has finished runs.
fn comparable_table(dataset: &str, models: &[ModelRuns], design: &Design) -> Result<Option<Table>> {
    let Ok(reference) = named(dataset, models, &design.baseline) else { return Ok(None) };
    let kept = comparable(dataset, models, &design.baseline);
    let mut table = models_table(dataset, &kept, design)?;
    let reasons = models.iter().filter_map(|m| incomparable(&[reference.clone(), m.clone()]));
    table.notes.extend(reasons.map(|reason| format!("left out: {reason}")));
    Ok(Some(table))
}

/// Says what is not finished, once: under the first table of its dataset, or the last table where it has none.
pub fn add_unfinished(tables: &mut [Table], unfinished: &[Unfinished]) {
    const SAID: usize = 5;
    let mut by_table: BTreeMap<usize, Vec<&str>> = BTreeMap::new();
    for one in unfinished {
        let at = tables.iter().position(|table| table.dataset == one.dataset);
        let Some(at) = at.or(tables.len().checked_sub(1)) else { return };
        by_table.entry(at).or_default().push(&one.what);
    }
    for (at, lines) in by_table {
        let notes = &mut tables[at].notes;
        notes.extend(lines.iter().take(SAID).map(|line| format!("not finished: {line}")));
        if lines.len() > SAID {
            notes.push(format!("not finished: {} more", lines.len() - SAID));
        }
    }
}

/// Reads the name of a test over folds.
pub fn fold_test(name: &str) -> Result<FoldTest> {
    match name {
        "nadeau-bengio" => Ok(FoldTest::NadeauBengio),
        "paired-t" => Ok(FoldTest::PairedT),
        "wilcoxon" => Ok(FoldTest::Wilcoxon),
        "5x2cv" => Ok(FoldTest::FiveByTwo),
        _ => Err(Failure::bad(format!("no test between folds is called {name:?}"))),
    }
}

/// Reads the name of an adjustment.
pub fn correction(name: &str) -> Result<Correction> {
    match name {
        "holm" => Ok(Correction::Holm),
        "bonferroni" => Ok(Correction::Bonferroni),
        "benjamini-hochberg" => Ok(Correction::BenjaminiHochberg),
        "none" => Ok(Correction::None),
        _ => Err(Failure::bad(format!("no correction is called {name:?}"))),
    }
}
