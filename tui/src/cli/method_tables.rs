//! Tables of explanation methods: of a study as its file asks for them, or of a group that belongs to none.

use lightbox_report::Table;
use lightbox_report::collect::explained;
use lightbox_report::methods::{MethodDesign, Selection, methods_table};
use lightbox_stats::{Correction, MetricId};
use lightbox_store::run::{ExplainConfig, resolve};
use lightbox_store::study::StudyFile;
use lightbox_store::{GroupId, JobKind, RunDir, RunId, StoreError};

use super::results::{add_unfinished, correction, metrics};
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

/// The tables of those of `runs` that explain: the last group for each group of trainings.
pub fn of_latest(context: &Context, runs: &[RunDir], shown: &[MetricId]) -> Result<Vec<Table>> {
    let mut last: Vec<(GroupId, GroupId, Vec<RunDir>)> = Vec::new();
    for run in runs {
        let Some(config) = explain_config(run)? else { continue };
        // A training that was removed takes its explanations' networks with it: there is nothing to say about them.
        let Ok(parent) = parent(context, &config.parent).and_then(|parent| parent.config()) else { continue };
        let group = run.config()?.group;
        match last.iter_mut().find(|(trained, ..)| *trained == parent.group) {
            Some((_, known, members)) if *known == group => members.push(run.clone()),
            Some(entry) => *entry = (parent.group, group, vec![run.clone()]),
            None => last.push((parent.group, group, vec![run.clone()])),
        }
    }
    let mut tables = Vec::new();
    for (.., members) in &last {
        tables.extend(of_group(context, members, shown)?);
    }
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
