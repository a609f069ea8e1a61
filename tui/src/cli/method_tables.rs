//! Tables of explanation methods: of a study as its file asks for them, or of a group that belongs to none.

use lightbox_report::Table;
use lightbox_report::collect::{Unfinished, explained};
use lightbox_report::latest::{Latest, latest};
use lightbox_report::methods::{MethodDesign, Selection, methods_table};
use lightbox_stats::{Correction, MetricId};
use lightbox_store::run::{DeviceChoice, ExplainConfig, resolve};
use lightbox_store::study::StudyFile;
use lightbox_store::{GroupId, JobConfig, JobKind, RunDir, RunId, StoreError};

use super::results::{add_unfinished, correction, left_out, metrics};
use super::{Context, study};
use crate::failure::Result;

/// The method that others are compared with when nobody chose one, if it is among them.
const USUAL_BASELINE: &str = "gradcam";

/// The tables of a study's explanations; `shown` limits their metrics, unless it is empty.
pub fn of_study(context: &Context, file: &StudyFile, queued: &study::Queued, shown: &[MetricId]) -> Result<Vec<Table>> {
    let Some(section) = &file.explain else { return Ok(Vec::new()) };
    let design = MethodDesign {
        baseline: section.baseline.clone(),
        primary: None,
        correction: correction(&file.statistics.correction)?,
        alpha: file.statistics.alpha,
        methods: section.methods.clone(),
        metrics: limited(metrics(&section.metrics)?, shown),
        seed: file.train.seed,
    };
    let design = MethodDesign { primary: design.metrics.first().copied(), ..design };
    let mut tables = Vec::new();
    for (_, group) in &queued.explain {
        tables.extend(of_runs(context, &resolve(&context.home, &group.0)?, &design, section.per_class)?);
    }
    Ok(tables)
}

/// The tables of one group of explanations. Nobody fixed a family or a confirmatory metric: all is exploratory.
pub fn of_group(context: &Context, runs: &[RunDir], shown: &[MetricId]) -> Result<Vec<Table>> {
    let Some(config) = runs.first().map(explain_config).transpose()?.flatten() else { return Ok(Vec::new()) };
    let usual = config.methods.iter().find(|method| *method == USUAL_BASELINE).or_else(|| config.methods.first());
    let design = MethodDesign {
        baseline: usual.cloned().unwrap_or_default(),
        primary: None,
        correction: Correction::Holm,
        alpha: 0.05,
        metrics: limited(metrics(&config.metrics)?, shown),
        methods: config.methods,
        seed: config.seed,
    };
    of_runs(context, runs, &design, false)
}

/// What makes explanations repetitions of one experiment: the trainings explained, and everything asked for but where and
/// how fast it ran.
#[derive(Clone, Debug, PartialEq)]
pub struct Explained {
    trained: GroupId,
    config: ExplainConfig,
}

/// Of each explanation among `runs` the latest group that finished.
pub fn latest_groups(context: &Context, runs: &[RunDir]) -> Result<Latest<Explained>> {
    let key = |config: &JobConfig| {
        let JobKind::ExplainEval(explain) = &config.job else { return None };
        // A training that was removed takes its explanations' networks with it: there is nothing to say about them.
        let trained = parent(context, &explain.parent).and_then(|parent| parent.config()).ok()?.group;
        let config = ExplainConfig {
            parent: RunId(String::new()),
            keep_maps: false,
            batch_size: 0,
            threads: 0,
            device: DeviceChoice(String::new()),
            ..explain.clone()
        };
        Some(Explained { trained, config })
    };
    Ok(latest(runs, key)?)
}

/// The tables of those of `runs` that explain: of each explanation the latest group that finished.
pub fn of_latest(context: &Context, runs: &[RunDir], shown: &[MetricId]) -> Result<Vec<Table>> {
    let latest = latest_groups(context, runs)?;
    let mut tables = Vec::new();
    for group in &latest.shown {
        let members: Vec<RunDir> = group.runs().cloned().collect();
        tables.extend(of_group(context, &members, shown)?);
    }
    let unfinished: Vec<Unfinished> =
        latest.left_out.iter().map(|l| left_out(&l.key.config.dataset.name, "explanations", l)).collect();
    add_unfinished(&mut tables, &unfinished);
    Ok(tables)
}

fn explain_config(run: &RunDir) -> Result<Option<ExplainConfig>> {
    Ok(match run.config()?.job {
        JobKind::ExplainEval(config) => Some(config),
        _ => None,
    })
}

fn parent(context: &Context, id: &RunId) -> std::result::Result<RunDir, StoreError> {
    RunDir::open(&context.home.runs_dir().join(&id.0))
}

fn limited(planned: Vec<MetricId>, shown: &[MetricId]) -> Vec<MetricId> {
    if shown.is_empty() { planned } else { planned.into_iter().filter(|metric| shown.contains(metric)).collect() }
}

/// All images, correct and misclassified ones apart, and each class if asked for.
fn of_runs(context: &Context, runs: &[RunDir], design: &MethodDesign, per_class: bool) -> Result<Vec<Table>> {
    let (runs, unfinished) = explained(runs, |id| parent(context, id))?;
    let Some(first) = runs.first() else { return Ok(Vec::new()) };
    let mut selections = vec![Selection::All, Selection::Correct(true), Selection::Correct(false)];
    if per_class {
        selections.extend(first.classes.iter().cloned().map(Selection::Class));
    }
    let mut tables = Vec::new();
    for selection in &selections {
        // Every part is an exploratory family of its own.
        let primary = design.primary.filter(|_| *selection == Selection::All);
        tables.push(methods_table(&runs, selection, &MethodDesign { primary, ..design.clone() })?);
    }
    add_unfinished(&mut tables, &unfinished);
    Ok(tables)
}
