//! `lightbox explain-eval`: explain the test images of trained runs and score the explanations.

use std::collections::BTreeMap;

use clap::Args;
use lightbox_store::run::{DeviceChoice, ExplainConfig, FORMAT, NewRun, QueueEntry, SplitRows, Target, resolve};
use lightbox_store::{GroupId, JobConfig, JobKind, RunDir, RunId, RunStatus};

use super::preflight::{self, Offer};
use super::{Context, jobs, results, train};
use crate::failure::{Failure, Result};

/// What to explain and how to score it.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Run or group id of a training
    run: String,
    /// Methods, joined by commas
    #[arg(long, value_delimiter = ',', required = true, value_name = "A,B")]
    methods: Vec<String>,
    /// Metrics, joined by commas
    #[arg(long, value_delimiter = ',', required = true, value_name = "X,Y")]
    metrics: Vec<String>,
    /// Class explained
    #[arg(long, value_parser = ["predicted", "truth"], default_value = "predicted")]
    target: String,
    /// Part of the run's split: test, validation, train or all
    #[arg(long, value_parser = ["test", "validation", "train", "all"], default_value = "test")]
    split: String,
    /// At most this many images of each run, evenly over the classes
    #[arg(long, value_name = "N")]
    limit: Option<usize>,
    /// Layers by torchvision's names, joined by commas [default: the model's own]
    #[arg(long, value_delimiter = ',', value_name = "L")]
    layer: Vec<String>,
    /// Method parameter, as METHOD.NAME=VALUE
    #[arg(long = "param", value_name = "K=V")]
    params: Vec<String>,
    /// Percentiles of ROAD, joined by commas
    #[arg(long, value_delimiter = ',', default_value = "10,20,30,40,50,60,70,80,90")]
    road_percentiles: Vec<f64>,
    /// What ROAD does with equal values: a seeded random order, or the oracle's strict comparison
    #[arg(long, value_parser = ["rank", "strict"], default_value = "rank")]
    road_ties: String,
    /// Keep every map as a NumPy file
    #[arg(long)]
    keep_maps: bool,
    /// Seed of seeded methods and of ROAD's noise
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Images per batch
    #[arg(long, default_value_t = 8)]
    batch_size: usize,
    /// Threads of libtorch
    #[arg(long, value_name = "T")]
    threads: Option<usize>,
    /// auto, cpu or cuda:I
    #[arg(long, default_value = "auto")]
    device: String,
    /// Wait for the end and print the tables
    #[arg(long)]
    wait: bool,
}

/// Runs the command.
pub fn run(context: &Context, arguments: Arguments) -> Result<()> {
    let parents = resolve(&context.home, &arguments.run)?;
    let template = template(&arguments)?;
    check_offer(context, &parents, &template.config)?;
    let group = GroupId::new("explain");
    let runs = make_runs(context, &parents, &template, &group, None)?;
    jobs::enqueue_group(context, &group, &runs)?;
    if !arguments.wait {
        context.out.note(format!("queued {} runs; follow them with: lightbox queue watch {group}", runs.len()));
        return Ok(());
    }
    jobs::wait(context, &runs)?;
    results::print_explanations(context, &group)
}

/// Refuses what the methods, the networks or this machine cannot do.
fn check_offer(context: &Context, parents: &[RunDir], config: &ExplainConfig) -> Result<()> {
    let offer = Offer::ask(context)?;
    let methods = config.methods.iter().map(|id| offer.method(id)).collect::<Result<Vec<_>>>()?;
    for method in &methods {
        preflight::parameters(method, config.parameters.get(&method.id).unwrap_or(&BTreeMap::new()))?;
    }
    let mut checked: Vec<String> = Vec::new();
    for parent in parents {
        let JobKind::Train(trained) = parent.config()?.job else { continue };
        if !checked.contains(&trained.model.id) {
            preflight::layers(&offer.model(&trained.model.id)?, &config.layers, &methods)?;
            checked.push(trained.model.id);
        }
    }
    preflight::device(context, &config.device.0)
}

/// What all runs of one explanation study share; the parent and the dataset are filled in for each.
pub struct Template {
    /// Everything but parent and dataset.
    pub config: ExplainConfig,
}

fn template(arguments: &Arguments) -> Result<Template> {
    let target = if arguments.target == "truth" { Target::Truth } else { Target::Predicted };
    if arguments.road_percentiles.iter().any(|p| !(*p > 0.0 && *p < 100.0)) {
        return Err(Failure::bad("--road-percentiles: each must lie between 0 and 100"));
    }
    train::check_count("--batch-size", arguments.batch_size)?;
    arguments.limit.map_or(Ok(()), |images| train::check_count("--limit", images))?;
    preflight::each_once("--methods", &arguments.methods)?;
    preflight::each_once("--metrics", &arguments.metrics)?;
    preflight::each_once("--layer", &arguments.layer)?;
    preflight::explanation_metrics(&arguments.metrics)?;
    let mut parameters: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    for (name, value) in super::explain::pairs(&arguments.params)? {
        let Some((method, parameter)) = name.split_once('.') else {
            return Err(Failure::bad(format!("--param {name}={value}: write METHOD.NAME=VALUE")));
        };
        if !arguments.methods.iter().any(|m| m == method) {
            return Err(Failure::bad(format!("--param {name}={value}: {method:?} is not among --methods")));
        }
        parameters.entry(method.to_owned()).or_default().insert(parameter.to_owned(), value);
    }
    let config = ExplainConfig {
        parent: RunId(String::new()),
        dataset: super::train::no_dataset(),
        methods: arguments.methods.clone(),
        parameters,
        metrics: arguments.metrics.clone(),
        layers: arguments.layer.clone(),
        target,
        part: arguments.split.clone(),
        limit: arguments.limit,
        road_percentiles: arguments.road_percentiles.clone(),
        road_ties: arguments.road_ties.clone(),
        keep_maps: arguments.keep_maps,
        seed: arguments.seed,
        batch_size: arguments.batch_size,
        threads: train::threads(arguments.threads)?,
        device: DeviceChoice(arguments.device.clone()),
    };
    Ok(Template { config })
}

/// Makes an explanation run for each training run among `parents`; it starts when that one is finished.
pub fn make_runs(
    context: &Context,
    parents: &[RunDir],
    template: &Template,
    group: &GroupId,
    study: Option<&str>,
) -> Result<Vec<RunDir>> {
    let mut planned: Vec<(JobConfig, SplitRows, QueueEntry)> = Vec::new();
    for parent in parents {
        let config = parent.config()?;
        let JobKind::Train(trained) = &config.job else { continue };
        let status = parent.status()?;
        if matches!(status, RunStatus::Failed { .. } | RunStatus::Cancelled) {
            return Err(Failure::bad(format!(
                "{} is {}; queue it again first: lightbox queue retry {}",
                config.run,
                status.word(),
                config.run
            )));
        }
        let mut explain = template.config.clone();
        explain.parent = config.run.clone();
        explain.dataset = trained.dataset.clone();
        let run = RunId::new(&format!("explain-{}", trained.model.id), &format!("f{}", trained.split.fold));
        let job = JobConfig {
            format: FORMAT,
            run,
            group: group.clone(),
            study: study.map(str::to_owned),
            job: JobKind::ExplainEval(explain),
        };
        let after = if status == RunStatus::Finished { Vec::new() } else { vec![config.run.clone()] };
        planned.push((job, parent.split()?, QueueEntry { after, ..QueueEntry::now(planned.len()) }));
    }
    if planned.is_empty() {
        return Err(Failure::bad("there is no training run among these; explain-eval takes the id of a training"));
    }
    let new: Vec<NewRun<'_>> = planned
        .iter()
        .map(|(config, split, entry)| NewRun { config: config.clone(), split: Some(split), entry: entry.clone() })
        .collect();
    Ok(RunDir::create_all(&context.home, &new)?)
}
