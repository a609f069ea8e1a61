//! `lightbox data`: register, list, look at, check and split datasets.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use lightbox_data::Dataset;
use lightbox_data::dataset::{self, AddRequest, Summary};
use lightbox_data::layout::{Hints, Understood, describe};
use serde_json::json;

use super::{Context, splits};
use crate::failure::{Failure, Result};

/// What to do with datasets.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Register a dataset in place: class folders, train/test folders, or a CSV
    Add(Box<Add>),
    /// Registered datasets
    List,
    /// Counts per class, split and group
    Show {
        /// Name of the dataset
        name: String,
        /// Print the manifest, to edit and give to `data add --manifest`
        #[arg(long)]
        manifest: bool,
    },
    /// Integrity and leakage: unreadable images, copies, near-duplicates, groups across the split
    Check {
        /// Name of the dataset
        name: String,
        /// Leave out the training copies of test images from now on
        #[arg(long)]
        dedup: bool,
    },
    /// Write synthetic images with exact lesion masks, to try things out
    Phantom(Phantom),
    /// Write a split file, to edit and give to `train --split-file`
    Split(Split),
}

/// What is known of the dataset; the rest is guessed from the folder.
#[derive(Debug, Args)]
pub struct Add {
    /// The folder of images, or the CSV
    path: PathBuf,
    /// Name to register it under
    #[arg(long, value_name = "N")]
    name: String,
    /// A manifest that says how the folder is read, see docs/manifest.md
    #[arg(long, value_name = "F")]
    manifest: Option<PathBuf>,
    /// CSV column with the image
    #[arg(long, value_name = "C")]
    image_col: Option<String>,
    /// CSV column with the class; several columns with 0 and 1, joined by commas, for one-hot
    #[arg(long, value_name = "C")]
    label_col: Option<String>,
    /// CSV column with the patient or lesion
    #[arg(long, value_name = "C")]
    group_col: Option<String>,
    /// Regular expression on the path whose match is the patient or lesion
    #[arg(long, value_name = "R", conflicts_with = "group_col")]
    group_regex: Option<String>,
    /// CSV column with train, validation or test
    #[arg(long, value_name = "C")]
    split_col: Option<String>,
    /// Folder that the CSV's paths are relative to
    #[arg(long, value_name = "DIR")]
    root: Option<PathBuf>,
    /// Positive class of a task with two classes
    #[arg(long, value_name = "CLASS")]
    positive: Option<String>,
}

/// What to draw.
#[derive(Debug, Args)]
pub struct Phantom {
    /// brain, skin or chest
    kind: String,
    /// Folder to write; it must be new or empty
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
    /// Images
    #[arg(long, default_value_t = 480, value_name = "N")]
    images: usize,
    /// Side in pixels
    #[arg(long, default_value_t = 128, value_name = "P")]
    size: u32,
    /// Seed
    #[arg(long, default_value_t = 0, value_name = "S")]
    seed: u64,
}

/// How to split.
#[derive(Debug, Args)]
pub struct Split {
    /// Name of the dataset
    name: String,
    /// Folds
    #[arg(long, value_name = "K")]
    folds: usize,
    /// Seed
    #[arg(long, default_value_t = 0, value_name = "S")]
    seed: u64,
    /// Share of each training part that becomes the validation part
    #[arg(long, default_value_t = 0.1, value_name = "V")]
    val_fraction: f64,
    /// The split file to write
    #[arg(long, value_name = "F.csv")]
    out: PathBuf,
}

impl From<lightbox_data::Error> for Failure {
    fn from(error: lightbox_data::Error) -> Self {
        match error {
            lightbox_data::Error::Cancelled => Self::Interrupted,
            error if error.is_bad_input() => Self::bad(error),
            error => Self::failed(error),
        }
    }
}

/// Runs the command.
pub fn run(context: &Context, command: Command) -> Result<()> {
    match command {
        Command::Add(arguments) => add(context, *arguments),
        Command::List => list(context),
        Command::Show { name, manifest } => show(context, &name, manifest),
        Command::Check { name, dedup } => super::check::run(context, &name, dedup),
        Command::Phantom(arguments) => phantom(context, &arguments),
        Command::Split(arguments) => split(context, &arguments),
    }
}

fn add(context: &Context, a: Add) -> Result<()> {
    let hints = Hints {
        image_column: a.image_col,
        label_column: a.label_col,
        group_column: a.group_col,
        group_regex: a.group_regex,
        split_column: a.split_col,
        root: a.root,
        positive: a.positive,
    };
    let request = AddRequest { path: a.path, name: a.name, manifest: a.manifest, hints };
    let added = Dataset::add(context.home.root(), &request)?;
    let summary = added.dataset.summary();
    if context.out.json {
        let understood: Vec<_> = added
            .understood
            .iter()
            .map(|u| json!({"aspect": u.aspect, "value": u.value, "reason": u.reason}))
            .collect();
        let record = json!({
            "name": added.dataset.name(), "understood": understood, "summary": summary, "notices": added.dataset.notices(),
            "warnings": summary.warnings(),
        });
        return context.out.record(&record);
    }
    context.out.line("understood as:");
    print_understood(context, &added.understood);
    print_summary(context, &added.dataset, &summary);
    context.out.note(format!(
        "registered {}; next: lightbox data check {}",
        added.dataset.name(),
        added.dataset.name()
    ));
    Ok(())
}

/// One line for each aspect, with the reason where there is one.
fn print_understood(context: &Context, understood: &[Understood]) {
    let width = understood.iter().map(|u| u.aspect.len()).max().unwrap_or(0);
    for u in understood {
        let reason = if u.reason.is_empty() { String::new() } else { format!("  ({})", u.reason) };
        context.out.line(format!("  {:width$}  {}{reason}", u.aspect, u.value));
    }
}

fn print_summary(context: &Context, dataset: &Dataset, summary: &Summary) {
    let mut columns = vec!["class", "images"];
    let total = &summary.total;
    let has = [
        total.train + total.validation + total.test > 0,
        summary.groups.is_some(),
        total.with_boxes > 0,
        total.with_masks > 0,
    ];
    // Only the parts that the dataset has.
    let parts: Vec<usize> = (0..3).filter(|p| [total.train, total.validation, total.test][*p] > 0).collect();
    if has[0] {
        columns.extend(parts.iter().map(|p| ["train", "validation", "test"][*p]));
    }
    let optional = ["groups", "with boxes", "with mask"];
    columns.extend(has[1..].iter().zip(optional).filter(|(has, _)| **has).map(|(_, name)| name));
    let row = |c: &dataset::ClassCount| {
        let mut cells = vec![c.class.clone(), c.images.to_string()];
        if has[0] {
            cells.extend(parts.iter().map(|p| [c.train, c.validation, c.test][*p].to_string()));
        }
        for (n, _) in
            [(c.groups, has[1]), (c.with_boxes, has[2]), (c.with_masks, has[3])].iter().filter(|(_, has)| *has)
        {
            cells.push(n.to_string());
        }
        cells
    };
    let rows: Vec<Vec<String>> = summary.classes.iter().chain([total]).map(row).collect();
    context.out.table(&columns, &rows);
    match &summary.groups {
        Some(g) => {
            let mut text =
                format!("{} groups, {} with several images, largest {}", g.named, g.with_several_images, g.largest);
            if g.images_without > 0 {
                text += &format!("; {} images without a group stand alone", g.images_without);
            }
            if g.across_split > 0 {
                text += &format!("; {} groups stand on both sides of the dataset's own split", g.across_split);
            }
            context.out.line(text);
        }
        None => context.out.line(
            "no groups: images are split one by one (name the patient or lesion with --group-col or --group-regex)",
        ),
    }
    if let Some(positive) = dataset.positive() {
        context.out.line(format!("positive class: {}", dataset.classes()[positive]));
    }
    if !dataset.dedup().dropped.is_empty() {
        context
            .out
            .line(format!("{} copies of test images are left out (data check --dedup)", dataset.dedup().dropped.len()));
    }
    for warning in summary.warnings() {
        context.out.line(format!("WARNING: {warning}"));
    }
    for notice in dataset.notices() {
        context.out.note(format!("note: {notice}"));
    }
}

fn list(context: &Context) -> Result<()> {
    let all = dataset::list(context.home.root())?;
    let described: Vec<(String, String, String)> = all
        .into_iter()
        .map(|one| match one.manifest {
            Ok(m) => {
                let gone = m.root.as_ref().is_some_and(|root| !root.is_dir());
                let root = m.root.map(|r| r.display().to_string()).unwrap_or_default();
                (one.name, m.title.unwrap_or_default(), if gone { format!("{root} (gone)") } else { root })
            }
            Err(error) => (one.name, format!("error: {error}"), String::new()),
        })
        .collect();
    if context.out.json {
        let records: Vec<_> =
            described.iter().map(|(name, title, root)| json!({"name": name, "title": title, "root": root})).collect();
        return context.out.record(&records);
    }
    if described.is_empty() {
        context.out.note("no datasets yet; `lightbox data add PATH --name N` registers one");
        return Ok(());
    }
    let rows: Vec<Vec<String>> = described.into_iter().map(|(name, title, root)| vec![name, title, root]).collect();
    context.out.table(&["name", "title", "root"], &rows);
    Ok(())
}

fn show(context: &Context, name: &str, manifest: bool) -> Result<()> {
    let dataset = Dataset::open(context.home.root(), name)?;
    if manifest {
        context.out.line(dataset.manifest().to_toml().trim_end());
        return Ok(());
    }
    let summary = dataset.summary();
    if context.out.json {
        let positive = dataset.positive().map(|p| dataset.classes()[p].clone());
        let record = json!({
            "name": name, "root": dataset.manifest().root, "positive": positive, "summary": summary,
            "notices": dataset.notices(), "warnings": summary.warnings(), "dropped": dataset.dedup().dropped.len(),
        });
        return context.out.record(&record);
    }
    if let Some(title) = &dataset.manifest().title {
        context.out.line(title);
    }
    let root = dataset.manifest().root.as_ref().map(|r| r.display().to_string()).unwrap_or_default();
    let root = Understood { aspect: "root", value: root, reason: String::new() };
    print_understood(context, &[vec![root], describe(dataset.manifest())].concat());
    print_summary(context, &dataset, &summary);
    Ok(())
}

fn phantom(context: &Context, a: &Phantom) -> Result<()> {
    let kind: lightbox_phantom::Kind = a.kind.parse().map_err(Failure::bad)?;
    let made = lightbox_phantom::generate(kind, a.images, a.size, a.seed, &a.out).map_err(|e| match e {
        lightbox_phantom::Error::Write { .. } => Failure::failed(e),
        other => Failure::bad(other),
    })?;
    let manifest = made.manifest.display();
    context.out.line(format!("wrote {} images of {} patients or lesions", made.images, made.groups));
    context.out.note(format!("next: lightbox data add {} --name N --manifest {manifest}", made.folder.display()));
    Ok(())
}

fn split(context: &Context, a: &Split) -> Result<()> {
    let share = splits::validation_share(a.val_fraction)?;
    let dataset = Dataset::open(context.home.root(), &a.name)?;
    let plan = splits::k_fold(context, &dataset, a.folds, 1, a.seed, share)?;
    plan.write(&dataset, &a.out)?;
    if context.out.json {
        return context.out.record(&json!({"file": a.out, "folds": a.folds, "seed": a.seed, "hash": plan.hash}));
    }
    context.out.line(format!("wrote {}: {} folds, hash {}", a.out.display(), a.folds, plan.hash));
    Ok(())
}
