//! `lightbox data check`: integrity and leakage; and which images show the same pixels, for splits.

use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use lightbox_data::Dataset;
use lightbox_data::leakage::{self, ClassCounts, Crossing, LeakageReport, dedup};
use lightbox_store::atomic;
use serde_json::json;

use super::Context;
use crate::failure::{Failure, Result};

/// Findings named in the terminal; `--json` has all.
const SHOWN: usize = 5;

/// Runs the command.
pub fn run(context: &Context, name: &str, dedup: bool) -> Result<()> {
    let dataset = Dataset::open_with_copies(context.home.root(), name)?;
    let report = check(context, &dataset)?;
    let plan = if dedup { Some(dedup::plan(&dataset, &report)?) } else { None };
    if let Some(plan) = &plan {
        dedup::apply(&dataset, plan)?;
    }
    if context.out.json {
        let dropped = plan.as_ref().map(|p| json!({"dropped": p.record.dropped, "before": p.before, "after": p.after}));
        return context.out.record(&json!({"report": report, "dedup": dropped}));
    }
    print(context, &dataset, &report);
    if let Some(plan) = plan {
        context
            .out
            .line(format!("dropped {} training copies of test images; before and after:", plan.record.dropped.len()));
        let rows = plan.before.iter().zip(&plan.after).map(|(b, a)| {
            let pair = |b: usize, a: usize| if a == b { b.to_string() } else { format!("{b} → {a}") };
            vec![b.class.clone(), pair(b.train, a.train), pair(b.validation, a.validation), pair(b.test, a.test)]
        });
        context.out.table(&["class", "train", "validation", "test"], &rows.collect::<Vec<_>>());
    }
    if !report.unreadable.is_empty() {
        let all = report.unreadable.len();
        return Err(Failure::bad(format!("{all} of {} images cannot be read; they are named above", report.images)));
    }
    Ok(())
}

/// Checks a dataset with a progress bar.
fn check(context: &Context, dataset: &Dataset) -> Result<LeakageReport> {
    let bar = Mutex::new(context.out.progress("reading images", dataset.images().len()));
    let furthest = AtomicUsize::new(0);
    let progress = |done: usize, _: usize| {
        if furthest.fetch_max(done, Ordering::Relaxed) < done
            && let Ok(mut bar) = bar.try_lock()
        {
            bar.set(done);
        }
        ControlFlow::Continue(())
    };
    Ok(leakage::check(dataset, &progress)?)
}

fn print(context: &Context, dataset: &Dataset, report: &LeakageReport) {
    let row = |c: &ClassCounts| {
        vec![c.class.clone(), c.train.to_string(), c.validation.to_string(), c.test.to_string(), c.unsplit.to_string()]
    };
    let rows: Vec<Vec<String>> = report.counts.iter().map(row).collect();
    context.out.table(&["class", "train", "validation", "test", "no part"], &rows);
    let line = |text: String| context.out.line(text);
    line(format!("{} images read, {} unreadable", report.images, report.unreadable.len()));
    for bad in report.unreadable.iter().take(SHOWN) {
        line(format!("  {}", bad.reason));
    }
    for crossing in &report.crossings {
        print_crossing(context, crossing);
    }
    for split in [
        Some(lightbox_data::Split::Train),
        Some(lightbox_data::Split::Validation),
        Some(lightbox_data::Split::Test),
        None,
    ] {
        let clusters: Vec<_> = report.repeats_within(split).collect();
        let images: usize = clusters.iter().map(|c| c.images.len()).sum();
        let part = split.map_or_else(|| "the dataset".to_owned(), |s| s.name().to_owned());
        if !clusters.is_empty() {
            line(format!(
                "identical images within {part}: {} sets, {images} images; splits keep each set together",
                clusters.len()
            ));
        }
    }
    if !report.across_groups.is_empty() {
        line(format!(
            "identical images of different groups: {} sets; splits join those groups",
            report.across_groups.len()
        ));
    }
    if !report.label_conflicts.is_empty() {
        line(format!("identical images with different labels: {} sets", report.label_conflicts.len()));
        for conflict in report.label_conflicts.iter().take(SHOWN) {
            let named: Vec<String> = conflict.images.iter().map(|i| format!("{} ({})", i.image, i.class)).collect();
            line(format!("  {}", named.join(", ")));
        }
    }
    if !report.look_alikes.is_empty() {
        line(format!("sets of images that look almost the same: {}; --json names them", report.look_alikes.len()));
    }
    if !dataset.images().iter().any(|i| i.group.is_some()) {
        line("no patient or lesion is known: copies and look-alikes are all that can be checked".to_owned());
    }
}

fn print_crossing(context: &Context, c: &Crossing) {
    let (held, other) = (c.held.name(), c.other.name());
    if c.exact.is_empty() && c.near.is_empty() && c.groups.is_empty() {
        context.out.line(format!("{held} and {other}: no copies, no look-alikes, no shared groups"));
        return;
    }
    context.out.line(format!(
        "LEAKAGE: {} of {} {held} images decode to the same pixels as a {other} image ({} are byte-identical files); {} {other} \
         images are such copies",
        c.exact.len(),
        c.held_images,
        c.byte_identical,
        c.copied
    ));
    for leak in c.exact.iter().take(SHOWN) {
        context.out.line(format!("  {} = {}", leak.image, leak.copies.join(", ")));
    }
    if !c.exact.is_empty() {
        let left: Vec<String> =
            c.without_copies.iter().map(|l| format!("{} {} of {}", l.class, l.after, l.before)).collect();
        context.out.line(format!("  without them {held} keeps: {}", left.join(", ")));
    }
    if !c.near.is_empty() {
        context.out.line(format!("  {} more {held} images look almost like a {other} image", c.near.len()));
    }
    if !c.groups.is_empty() {
        context.out.line(format!("  {} groups have images in both {held} and {other}", c.groups.len()));
    }
}

/// Sets of images that show the same pixels, by index. The answer is kept in the cache for as long as no file changes.
pub fn identical(context: &Context, dataset: &Dataset) -> Result<Vec<Vec<usize>>> {
    let folder = context.home.cache_dir().join("identical");
    let file = folder.join(format!("{}.json", state_of_files(dataset)));
    let known: Option<Vec<Vec<usize>>> = std::fs::read(&file).ok().and_then(|text| serde_json::from_slice(&text).ok());
    if let Some(known) = known {
        return Ok(known);
    }
    let clusters = clusters(dataset, &check(context, dataset)?);
    atomic::create_private_folder(&folder)?;
    atomic::write(&file, &serde_json::to_vec(&clusters).map_err(Failure::failed)?)?;
    Ok(clusters)
}

/// A hash over names, lengths and times of all image files.
fn state_of_files(dataset: &Dataset) -> String {
    let mut hasher = blake3::Hasher::new();
    hasher.update(env!("CARGO_PKG_VERSION").as_bytes());
    hasher.update(format!("{:?}", dataset.manifest().intensity).as_bytes());
    for image in dataset.images() {
        let metadata = std::fs::metadata(&image.path).ok();
        let time = metadata.as_ref().and_then(|m| m.modified().ok());
        hasher.update(format!("{}\0{:?}\0{time:?}\n", image.id, metadata.map(|m| m.len())).as_bytes());
    }
    hasher.finalize().to_hex().to_string()
}

/// Joins the report's copies across and within parts into sets.
fn clusters(dataset: &Dataset, report: &LeakageReport) -> Vec<Vec<usize>> {
    let index: HashMap<&str, usize> = dataset.images().iter().enumerate().map(|(i, r)| (r.id.as_str(), i)).collect();
    let within = report.repeats.iter().map(|c| c.images.clone());
    let across =
        report.crossings.iter().flat_map(|c| &c.exact).map(|e| [vec![e.image.clone()], e.copies.clone()].concat());
    let mut set_of: Vec<usize> = (0..dataset.images().len()).collect();
    fn root(set_of: &[usize], mut at: usize) -> usize {
        while set_of[at] != at {
            at = set_of[at];
        }
        at
    }
    for names in within.chain(across) {
        let members: Vec<usize> = names.iter().filter_map(|n| index.get(n.as_str()).copied()).collect();
        for pair in members.windows(2) {
            let (a, b) = (root(&set_of, pair[0]), root(&set_of, pair[1]));
            set_of[a.max(b)] = a.min(b);
        }
    }
    let mut sets: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for image in 0..set_of.len() {
        sets.entry(root(&set_of, image)).or_default().push(image);
    }
    sets.into_values().filter(|set| set.len() > 1).collect()
}
