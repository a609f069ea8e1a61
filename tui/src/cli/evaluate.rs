//! `lightbox evaluate`: metrics and per-image predictions of trained runs, on their own or on another dataset.

use clap::Args;
use lightbox_store::run::{DeviceChoice, EvaluateConfig, FORMAT, NewRun, Part, QueueEntry, SplitRows, resolve};
use lightbox_store::{GroupId, JobConfig, JobKind, RunDir, RunId, RunStatus};
use serde_json::Value;

use super::{Context, jobs, train};
use crate::failure::{Failure, Result};

/// What to evaluate on what.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Run or group id of a training; the folds of a group are evaluated by their mean probability on another dataset
    run: String,
    /// Another registered dataset [default: the run's own]
    #[arg(long, value_name = "N")]
    data: Option<String>,
    /// Part: test, validation, train or all; of another dataset, its own parts [default: test, else all]
    #[arg(long, value_parser = ["test", "validation", "train", "all"])]
    split: Option<String>,
    /// Classes of the other dataset by class of the network, a line each: `dataset class = network class`
    #[arg(long, value_name = "F", requires = "data")]
    class_map: Option<std::path::PathBuf>,
    /// Images per batch
    #[arg(long, default_value_t = 32)]
    batch_size: usize,
    /// Threads of libtorch
    #[arg(long, value_name = "T")]
    threads: Option<usize>,
    /// auto, cpu or cuda:I
    #[arg(long, default_value = "auto")]
    device: String,
}

/// Runs the command.
pub fn run(context: &Context, arguments: Arguments) -> Result<()> {
    let mut parents = Vec::new();
    for run in resolve(&context.home, &arguments.run)? {
        if let JobKind::Train(config) = run.config()?.job
            && run.status()? == RunStatus::Finished
        {
            parents.push((run, *config));
        }
    }
    if parents.is_empty() {
        return Err(Failure::bad(format!("{} has no finished training run", arguments.run)));
    }
    train::check_count("--batch-size", arguments.batch_size)?;
    super::preflight::device(context, &arguments.device)?;
    let group = GroupId::new("evaluate");
    let runs = match &arguments.data {
        Some(name) => vec![external(context, &arguments, &parents, name, &group)?],
        None => own(context, &arguments, &parents, &group)?,
    };
    jobs::enqueue_group(context, &group, &runs)?;
    jobs::wait(context, &runs)?;
    let records = runs.iter().map(|run| Ok(run.read_json("metrics.json")?)).collect::<Result<Vec<Value>>>()?;
    if context.out.json {
        return records.iter().try_for_each(|record| context.out.record(record));
    }
    let (header, rows) = table(&records);
    context.out.table(&header.iter().map(String::as_str).collect::<Vec<_>>(), &rows);
    context.out.note("per class, confusion, reliability and each image: metrics.json and predictions.csv of the run");
    Ok(())
}

/// A row for each metric. Each record has a column, and so has each fold's network where a record is of their mean.
fn table(records: &[Value]) -> (Vec<String>, Vec<Vec<String>>) {
    let mut columns: Vec<(String, &Value)> = Vec::new();
    for (index, record) in records.iter().enumerate() {
        match record["each_fold"].as_array().filter(|folds| folds.len() > 1) {
            Some(folds) => {
                columns.push(("mean of the folds".to_owned(), &record["figures"]));
                columns.extend(folds.iter().enumerate().map(|(fold, figures)| (format!("fold {}", fold + 1), figures)));
            }
            None => columns.push((format!("run {}", index + 1), &record["figures"])),
        }
    }
    let names = columns.first().and_then(|(_, figures)| figures["metrics"].as_array()).into_iter().flatten();
    let row = |name: &str| {
        let figure = |figures: &Value| {
            let metrics = figures["metrics"].as_array();
            let found = metrics.into_iter().flatten().find(|metric| metric["metric"] == name);
            found.and_then(|metric| metric["value"].as_f64()).map_or("–".to_owned(), |value| format!("{value:.3}"))
        };
        std::iter::once(name.to_owned()).chain(columns.iter().map(|(_, figures)| figure(figures))).collect()
    };
    let rows = names.filter_map(|metric| metric["metric"].as_str()).map(row).collect();
    (std::iter::once("metric".to_owned()).chain(columns.iter().map(|(title, _)| title.clone())).collect(), rows)
}

type Parent = (RunDir, lightbox_store::run::TrainConfig);

/// One evaluation for each run, on a part of its own split.
fn own(context: &Context, arguments: &Arguments, parents: &[Parent], group: &GroupId) -> Result<Vec<RunDir>> {
    let part = arguments.split.clone().unwrap_or_else(|| "test".to_owned());
    let make = |(run, config): &Parent| {
        let split = run.split()?;
        let job = job(arguments, vec![run.config()?.run], config.dataset.clone(), Default::default(), &part, group)?;
        Ok(RunDir::create(&context.home, &NewRun { config: job, split: Some(&split), entry: QueueEntry::now(0) })?)
    };
    parents.iter().map(make).collect()
}

/// One evaluation of all runs together on another dataset.
fn external(
    context: &Context,
    arguments: &Arguments,
    parents: &[Parent],
    name: &str,
    group: &GroupId,
) -> Result<RunDir> {
    let dataset = lightbox_data::Dataset::open(context.home.root(), name).map_err(Failure::bad)?;
    let rows: Vec<(String, Part)> = dataset
        .images()
        .iter()
        .map(|image| {
            let part = match image.split {
                Some(lightbox_data::Split::Train) => Part::Train,
                Some(lightbox_data::Split::Validation) => Part::Validation,
                Some(lightbox_data::Split::Test) | None => Part::Test,
            };
            (image.id.clone(), part)
        })
        .collect();
    let class_map = match &arguments.class_map {
        Some(path) => read_class_map(path)?,
        None => Default::default(),
    };
    if let Some(class) = class_map.keys().find(|class| !dataset.classes().contains(class)) {
        let known = dataset.classes().join(", ");
        return Err(Failure::bad(format!("--class-map: {class:?} is not a class of {name} ({known})")));
    }
    if parents.iter().any(|(_, config)| config.dataset.fingerprint == dataset.listing_hash()) {
        context.out.note(format!(
            "warning: these networks learnt from {name}, so this is no external test; without --data each is evaluated on \
             images that it has not seen"
        ));
    }
    let known = &parents[0].1.dataset.classes;
    for class in dataset.classes() {
        let mapped = class_map.get(class).unwrap_or(class);
        if !known.contains(mapped) {
            return Err(Failure::bad(format!(
                "class {class:?} of {name} is not a class of the network ({}); say which it is with --class-map",
                known.join(", ")
            )));
        }
    }
    let runs = parents.iter().map(|(run, _)| Ok(run.config()?.run)).collect::<Result<Vec<_>>>()?;
    let part = arguments.split.clone().unwrap_or_else(|| "test".to_owned());
    let job = job(arguments, runs, train::dataset_ref(&dataset), class_map, &part, group)?;
    let split = SplitRows { rows };
    Ok(RunDir::create(&context.home, &NewRun { config: job, split: Some(&split), entry: QueueEntry::now(0) })?)
}

fn job(
    arguments: &Arguments,
    parents: Vec<RunId>,
    dataset: lightbox_store::run::DatasetRef,
    class_map: std::collections::BTreeMap<String, String>,
    part: &str,
    group: &GroupId,
) -> Result<JobConfig> {
    let job = JobKind::Evaluate(EvaluateConfig {
        parents,
        dataset,
        class_map,
        part: part.to_owned(),
        batch_size: arguments.batch_size,
        threads: train::threads(arguments.threads)?,
        device: DeviceChoice(arguments.device.clone()),
    });
    Ok(JobConfig { format: FORMAT, run: RunId::new("evaluate", ""), group: group.clone(), study: None, job })
}

fn read_class_map(path: &std::path::Path) -> Result<std::collections::BTreeMap<String, String>> {
    let text =
        std::fs::read_to_string(path).map_err(|e| Failure::bad(format!("cannot read {}: {e}", path.display())))?;
    let mut map = std::collections::BTreeMap::new();
    for (number, line) in text.lines().enumerate().filter(|(_, l)| !l.trim().is_empty() && !l.trim().starts_with('#')) {
        let Some((from, to)) = line.split_once('=') else {
            return Err(Failure::bad(format!(
                "{}: line {}: write `dataset class = network class`",
                path.display(),
                number + 1
            )));
        };
        map.insert(from.trim().to_owned(), to.trim().to_owned());
    }
    Ok(map)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_mean_of_folds_stands_beside_each() {
        let figures = |value: f64| json!({"metrics": [{"metric": "accuracy", "value": value}, {"metric": "auroc", "value": null}]});
        let mean = json!({"figures": figures(0.5), "each_fold": [figures(0.25), figures(0.75)]});
        let (header, rows) = table(&[mean]);
        assert_eq!(header, ["metric", "mean of the folds", "fold 1", "fold 2"]);
        assert_eq!(rows, [["accuracy", "0.500", "0.250", "0.750"], ["auroc", "–", "–", "–"]]);
        let (header, rows) = table(&[json!({"figures": figures(1.0)})]);
        assert_eq!((header.len(), rows[0][1].as_str()), (2, "1.000"));
    }
}
