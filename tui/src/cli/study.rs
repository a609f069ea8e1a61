//! `lightbox study`: datasets x models x folds, then explanations, then tests.

use std::path::{Path, PathBuf};

use clap::{Subcommand, ValueEnum};
use lightbox_data::Dataset;
use lightbox_store::run::{
    Augmentation, ClassWeights, DeviceChoice, ExplainConfig, ModelChoice, SplitRef, TrainConfig, resolve,
};
use lightbox_store::study::{ExplainSection, StudyFile};
use lightbox_store::{GroupId, RunDir, RunId, StoreError, atomic};
use serde::{Deserialize, Serialize};

use super::explain_eval::{self, Template};
use super::splits::{self, Plan};
use super::{Context, jobs, plugins, results, train};
use crate::failure::{Failure, Result};

/// What to do with studies.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Queue a study file's runs; what is finished already is not run again
    Run {
        /// The study file
        file: PathBuf,
        /// Wait for the end and print the tables
        #[arg(long)]
        wait: bool,
    },
    /// The tables of a study
    Show {
        /// Name of the study
        name: String,
    },
    /// The tables of a study in another format
    Export {
        /// Name of the study
        name: String,
        /// Format
        #[arg(long, value_enum)]
        format: Format,
        /// File to write [default: standard output]
        #[arg(long, value_name = "F")]
        out: Option<PathBuf>,
    },
}

/// Formats of `study export`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// One line per cell
    Csv,
    /// Markdown tables
    #[value(alias = "markdown")]
    Md,
    /// LaTeX tables with booktabs
    Latex,
    /// The tables as they are
    Json,
}

/// Which groups belong to a study; kept as `queued.json` in the study's folder.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Queued {
    /// Trainings.
    pub train: Vec<Trained>,
    /// Explanations: dataset and group.
    pub explain: Vec<(String, GroupId)>,
}

/// One model on one dataset.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trained {
    /// Dataset.
    pub dataset: String,
    /// Model id.
    pub model: String,
    /// Group of its runs.
    pub group: GroupId,
}

/// Runs the command.
pub fn run(context: &Context, command: Command) -> Result<()> {
    match command {
        Command::Run { file, wait } => {
            let study = StudyFile::read(&file)?;
            let base = file.parent().map(Path::to_path_buf).unwrap_or_default();
            execute(context, study, &base, wait)
        }
        Command::Show { name } => results::print_study(context, &name),
        Command::Export { name, format, out } => export(context, &name, format, out.as_deref()),
    }
}

/// Queues what is not there yet or was stopped. Explanations wait for the trainings that they explain.
pub fn execute(context: &Context, mut study: StudyFile, base: &Path, wait: bool) -> Result<()> {
    for path in study.train.pretrained.values_mut() {
        *path = std::path::absolute(base.join(&*path)).map_err(Failure::bad)?;
    }
    check_names(context, &study)?;
    let folder = keep(context, &study)?;
    let mut queued: Queued = read_queued(&folder)?;
    for name in &study.datasets {
        let dataset = Dataset::open(context.home.root(), name).map_err(Failure::bad)?;
        let mut plan: Option<Plan> = None;
        for model in &study.models {
            if queued.train.iter().any(|t| &t.dataset == name && &t.model == model) {
                continue;
            }
            let plan = match &plan {
                Some(plan) => plan,
                None => plan.insert(make_plan(context, &study, &dataset)?),
            };
            let group = queue_model(context, &study, &dataset, plan, model)?;
            queued.train.push(Trained { dataset: name.clone(), model: model.clone(), group });
            write_queued(&folder, &queued)?;
        }
    }
    let mut runs = Vec::new();
    for trained in &queued.train {
        runs.extend(resolve(&context.home, &trained.group.0)?);
    }
    if let Some(section) = &study.explain {
        runs.extend(explanations(context, &study, section, &folder, &mut queued)?);
    }
    jobs::enqueue(context, &runs)?;
    super::queue::retry_stopped(context, &runs)?;
    if !wait {
        let name = &study.name;
        context.out.line(name);
        context.out.note(format!(
            "queued {} runs; follow them with: lightbox queue watch {name}, tables with: lightbox study show {name}",
            runs.len()
        ));
        return Ok(());
    }
    jobs::wait(context, &runs)?;
    results::print_study(context, &study.name)
}

/// The explanation runs of a study, made when they are not there yet.
fn explanations(
    context: &Context,
    study: &StudyFile,
    section: &ExplainSection,
    folder: &Path,
    queued: &mut Queued,
) -> Result<Vec<RunDir>> {
    for trained in queued.train.clone().iter().filter(|t| t.model == section.model) {
        if queued.explain.iter().any(|(dataset, _)| *dataset == trained.dataset) {
            continue;
        }
        let group = GroupId::new("explain");
        let parents = resolve(&context.home, &trained.group.0)?;
        explain_eval::make_runs(context, &parents, &explain_template(study, section)?, &group, Some(&study.name))?;
        queued.explain.push((trained.dataset.clone(), group));
        write_queued(folder, queued)?;
    }
    let mut runs: Vec<RunDir> = Vec::new();
    for (_, group) in &queued.explain {
        runs.extend(resolve(&context.home, &group.0)?);
    }
    Ok(runs)
}

/// Checks all that the file names, before anything is kept or trained: a mistake in the explanations must not show hours later.
fn check_names(context: &Context, study: &StudyFile) -> Result<()> {
    plugins::require_models(context, &study.models)?;
    for name in &study.datasets {
        Dataset::open(context.home.root(), name).map_err(Failure::bad)?;
    }
    results::metrics(&study.statistics.metrics)?;
    results::metrics(std::slice::from_ref(&study.statistics.primary))?;
    let Some(section) = &study.explain else { return Ok(()) };
    results::metrics(&section.metrics)?;
    plugins::require_methods(context, &section.methods)
}

/// Keeps the study file in the home. A study of the same name that asks for other runs is refused; other tests are fine,
/// since they are computed from the same runs.
fn keep(context: &Context, study: &StudyFile) -> Result<PathBuf> {
    let folder = context.home.studies_dir().join(&study.name);
    atomic::create_private_folder(&folder)?;
    let path = folder.join("study.json");
    if path.exists() {
        let mut before = read(context, &study.name)?;
        before.statistics = study.statistics.clone();
        if before != *study {
            return Err(Failure::bad(format!(
                "another study is called {:?} (in {}); give this one another name, or delete that folder",
                study.name,
                folder.display()
            )));
        }
    }
    let text = serde_json::to_vec_pretty(study).map_err(Failure::failed)?;
    atomic::write(&path, &text)?;
    Ok(folder)
}

/// A study that was run.
pub fn read(context: &Context, name: &str) -> Result<StudyFile> {
    lightbox_store::names::check("study", name)?;
    let path = context.home.studies_dir().join(name).join("study.json");
    let text = std::fs::read(&path).map_err(|_| Failure::bad(unknown(context, name)))?;
    serde_json::from_slice(&text).map_err(|e| StoreError::content(&path, e.to_string()).into())
}

/// Says that there is no such study, and which there are.
fn unknown(context: &Context, name: &str) -> String {
    let folders = std::fs::read_dir(context.home.studies_dir()).into_iter().flatten().flatten();
    let studies = folders.filter(|entry| entry.path().join("study.json").is_file());
    let mut known: Vec<String> = studies.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    known.sort();
    if known.is_empty() {
        return format!("no study is called {name:?}; there is none yet, `lightbox study run FILE.toml` makes one");
    }
    format!("no study is called {name:?}; there are: {}", known.join(", "))
}

/// The groups of a study.
pub fn queued(context: &Context, name: &str) -> Result<Queued> {
    read_queued(&context.home.studies_dir().join(name))
}

fn read_queued(folder: &Path) -> Result<Queued> {
    let path = folder.join("queued.json");
    match std::fs::read(&path) {
        Ok(text) => serde_json::from_slice(&text).map_err(|e| StoreError::content(&path, e.to_string()).into()),
        Err(_) => Ok(Queued::default()),
    }
}

fn write_queued(folder: &Path, queued: &Queued) -> Result<()> {
    let text = serde_json::to_vec_pretty(queued).map_err(Failure::failed)?;
    Ok(atomic::write(&folder.join("queued.json"), &text)?)
}

fn make_plan(context: &Context, study: &StudyFile, dataset: &Dataset) -> Result<Plan> {
    let split = &study.split;
    let share = study.train.val_fraction;
    let plan = match split.folds {
        Some(folds) => splits::k_fold(context, dataset, folds, split.repeats, split.seed, share)?,
        None => splits::own_test(context, dataset, split.seed, share)?,
    };
    let plan = if split.dedup { plan.without_copies(context, dataset)? } else { plan };
    match split.limit {
        Some(limit) => plan.limited(context, dataset, limit, split.seed),
        None => Ok(plan),
    }
}

fn queue_model(context: &Context, study: &StudyFile, dataset: &Dataset, plan: &Plan, model: &str) -> Result<GroupId> {
    let group = GroupId::new(model);
    let mut template = train_template(study, dataset, model)?;
    let seeds = if study.split.seeds.is_empty() { vec![study.train.seed] } else { study.split.seeds.clone() };
    for seed in seeds {
        template.seed = seed;
        train::make_runs(context, dataset, plan, &template, &group, Some(&study.name))?;
    }
    Ok(group)
}

fn train_template(study: &StudyFile, dataset: &Dataset, model: &str) -> Result<TrainConfig> {
    let t = &study.train;
    Ok(TrainConfig {
        dataset: train::dataset_ref(dataset),
        split: SplitRef { kind: String::new(), folds: 0, fold: 0, seed: study.split.seed, hash: String::new() },
        model: ModelChoice { id: model.to_owned(), options: t.options.get(model).cloned().unwrap_or_default() },
        pretrained: t.pretrained.get(model).map(|p| train::pretrained(p)).transpose()?,
        channels: train::channels(dataset, t.channels)?,
        image_size: t.image_size,
        epochs: t.epochs,
        batch_size: t.batch_size,
        optimizer: t.optimizer,
        lr: t.lr,
        weight_decay: t.weight_decay,
        schedule: t.schedule,
        warmup_epochs: t.warmup_epochs,
        label_smoothing: t.label_smoothing,
        class_weights: ClassWeights::parse(&t.class_weights)
            .map_err(|e| Failure::bad(format!("train.class_weights: {e}")))?,
        clip_norm: t.clip_norm,
        patience: t.patience,
        augment: Augmentation::parse(&t.augment).map_err(|e| Failure::bad(format!("train.augment: {e}")))?,
        seed: t.seed,
        threads: train::threads(t.threads)?,
        device: DeviceChoice(t.device.clone()),
        precision: t.precision,
        channels_last: true,
        deterministic: false,
        max_bad_fraction: 0.01,
    })
}

fn explain_template(study: &StudyFile, section: &ExplainSection) -> Result<Template> {
    let config = ExplainConfig {
        parent: RunId(String::new()),
        dataset: train::no_dataset(),
        methods: section.methods.clone(),
        parameters: section.parameters.clone(),
        metrics: section.metrics.clone(),
        layers: section.layers.clone(),
        target: section.target,
        part: "test".into(),
        limit: section.limit,
        road_percentiles: section.road_percentiles.clone(),
        road_ties: section.road_ties.clone(),
        keep_maps: section.keep_maps,
        seed: study.train.seed,
        batch_size: section.batch_size,
        threads: train::threads(study.train.threads)?,
        device: DeviceChoice(study.train.device.clone()),
    };
    Ok(Template { config })
}

fn export(context: &Context, name: &str, format: Format, out: Option<&Path>) -> Result<()> {
    let tables = results::study_tables(context, name)?;
    let text = match format {
        Format::Csv => lightbox_report::render::csv(&tables),
        Format::Md => tables.iter().map(lightbox_report::render::markdown).collect::<Vec<_>>().join("\n"),
        Format::Latex => tables.iter().map(lightbox_report::render::latex).collect::<Vec<_>>().join("\n"),
        Format::Json => serde_json::to_string_pretty(&tables).map_err(Failure::failed)? + "\n",
    };
    match out {
        Some(path) => Ok(atomic::write(path, text.as_bytes())?),
        None => {
            context.out.line(text.trim_end());
            Ok(())
        }
    }
}
