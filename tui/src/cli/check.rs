//! `lightbox data check`: integrity and leakage; and which images show the same pixels, for splits.

use std::collections::{BTreeMap, HashMap};
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use lightbox_data::dataset::DedupRecord;
use lightbox_data::leakage::dedup::{self, DedupPlan};
use lightbox_data::leakage::{self, ClassCounts, Crossing, LeakageReport};
use lightbox_data::{Dataset, Split};
use lightbox_store::atomic;
use serde_json::json;

use super::Context;
use crate::failure::{Failure, Result};

/// Findings named in the terminal; `--json` has all.
const SHOWN: usize = 5;

/// Runs the command.
pub fn run(context: &Context, name: &str, dedup: bool) -> Result<()> {
    // What is left out already is not checked again, unless it is to be decided anew.
    let dataset = match dedup {
        true => Dataset::open_with_copies(context.home.root(), name)?,
        false => Dataset::open(context.home.root(), name)?,
    };
    if dedup {
        dedup::check_test_part(&dataset)?;
    }
    let report = check(context, &dataset)?;
    let plan = if dedup { Some(dedup::plan(&dataset, &report)?) } else { None };
    if let Some(plan) = &plan {
        dedup::apply(&dataset, plan)?;
    }
    let kept = DedupRecord::path(dataset.folder());
    let left_out = dataset.dedup().dropped.len();
    if context.out.json {
        let dropped = plan.as_ref().map(|p| json!({"dropped": p.record.dropped, "before": p.before, "after": p.after}));
        let warnings = dataset.summary().warnings();
        context.out.record(&json!({"report": report, "warnings": warnings, "left_out": left_out, "dedup": dropped}))?;
    } else {
        print(context, &dataset, &report, dedup);
        if left_out > 0 {
            let file = kept.display();
            context.out.line(format!(
                "{left_out} copies of test images were left out before (--dedup) and not read; delete {file} to have them back"
            ));
        }
        if let Some(plan) = plan {
            print_drop(context, &plan, &kept);
        }
    }
    match (report.unreadable.len(), report.bad_masks.len()) {
        (0, 0) => Ok(()),
        (0, masks) => Err(Failure::bad(format!(
            "{}: {masks} of {} masks cannot be used, the first is that of {}; replace them or leave [masks] out of the manifest",
            dataset.name(),
            masks_of(&dataset),
            report.bad_masks[0].image
        ))),
        (all, _) => Err(Failure::bad(format!(
            "{}: {all} of {} images cannot be read, the first is {}; replace them or leave them out of the dataset",
            dataset.name(),
            report.images,
            report.unreadable[0].image
        ))),
    }
}

fn print_drop(context: &Context, plan: &DedupPlan, kept: &Path) {
    context.out.line("");
    context.out.line(format!(
        "dropped {} copies of test images from training; images per class before → after:",
        plan.record.dropped.len()
    ));
    let parts = Parts::of(&plan.before);
    let mut rows: Vec<Vec<String>> = Vec::new();
    for (b, a) in with_total(&plan.before).iter().zip(&with_total(&plan.after)) {
        let pair = |part: usize| {
            let (b, a) = (Parts::count(b, part), Parts::count(a, part));
            if a == b { b.to_string() } else { format!("{b} → {a}") }
        };
        rows.push([vec![b.class.clone()], parts.0.iter().map(|part| pair(*part)).collect()].concat());
    }
    context.out.table(&parts.header(), &rows);
    context.out.line(format!("kept in {}; delete it to have the copies back", kept.display()));
}

fn masks_of(dataset: &Dataset) -> usize {
    dataset.images().iter().filter(|image| image.mask.is_some()).count()
}

/// The parts that a dataset has, as indices into the counts of a class.
struct Parts(Vec<usize>);

impl Parts {
    const NAMES: [&str; 4] = ["train", "validation", "test", "images"];

    fn of(counts: &[ClassCounts]) -> Self {
        Self((0..Self::NAMES.len()).filter(|part| counts.iter().any(|c| Self::count(c, *part) > 0)).collect())
    }

    fn count(c: &ClassCounts, part: usize) -> usize {
        [c.train, c.validation, c.test, c.unsplit][part]
    }

    fn header(&self) -> Vec<&'static str> {
        [vec!["class"], self.0.iter().map(|part| Self::NAMES[*part]).collect()].concat()
    }
}

/// The classes, and all together.
fn with_total(counts: &[ClassCounts]) -> Vec<ClassCounts> {
    let sum = |part: usize| counts.iter().map(|c| Parts::count(c, part)).sum();
    let total =
        ClassCounts { class: "all".to_owned(), train: sum(0), validation: sum(1), test: sum(2), unsplit: sum(3) };
    counts.iter().cloned().chain([total]).collect()
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

fn print(context: &Context, dataset: &Dataset, report: &LeakageReport, dedup: bool) {
    let parts = Parts::of(&report.counts);
    let row = |c: &ClassCounts| {
        let counts = parts.0.iter().map(|part| Parts::count(c, *part).to_string());
        [vec![c.class.clone()], counts.collect()].concat()
    };
    let rows: Vec<Vec<String>> = with_total(&report.counts).iter().map(row).collect();
    context.out.table(&parts.header(), &rows);
    let line = |text: String| context.out.line(text);
    line(format!("{} images read, {} unreadable", report.images, report.unreadable.len()));
    some(context, &report.unreadable, |bad| bad.reason.clone());
    let masks = masks_of(dataset);
    if masks > 0 {
        line(format!("{masks} masks read, {} unusable", report.bad_masks.len()));
        some(context, &report.bad_masks, |bad| bad.reason.clone());
    }
    for crossing in &report.crossings {
        print_crossing(context, crossing);
    }
    let test_leaks = report.crossings.iter().any(|c| c.held == Split::Test && !c.exact.is_empty());
    if test_leaks && !dedup {
        line(format!("  `lightbox data check {} --dedup` leaves the copies out of training", dataset.name()));
    }
    for split in [Some(Split::Train), Some(Split::Validation), Some(Split::Test), None] {
        let clusters: Vec<_> = report.repeats_within(split).collect();
        let images: usize = clusters.iter().map(|c| c.images.len()).sum();
        let part = split.map_or_else(|| "the dataset".to_owned(), |s| format!("the {} part", part_name(s)));
        if !clusters.is_empty() {
            line(format!(
                "{} clusters of identical images within {part} ({images} images); folds keep each cluster together",
                clusters.len()
            ));
        }
    }
    if !report.across_groups.is_empty() {
        line(format!(
            "{} clusters of identical images span several groups; folds join those groups",
            report.across_groups.len()
        ));
    }
    if !report.label_conflicts.is_empty() {
        line(format!("WARNING: {} clusters of identical images carry different labels", report.label_conflicts.len()));
        some(context, &report.label_conflicts, |conflict| {
            let named = conflict.images.iter().map(|i| format!("{} ({})", i.image, i.class));
            named.collect::<Vec<_>>().join(", ")
        });
    }
    for warning in dataset.summary().warnings() {
        line(format!("WARNING: {warning}"));
    }
    if !report.look_alikes.is_empty() {
        line(format!(
            "{} sets of images look almost the same (perhaps one patient's; --json names them)",
            report.look_alikes.len()
        ));
    }
    if !dataset.images().iter().any(|i| i.group.is_some()) {
        line("no patient or lesion is known, so that only copies and look-alikes can be found".to_owned());
    }
}

/// The first few of some findings, indented, and how many more there are.
fn some<T>(context: &Context, findings: &[T], text: impl Fn(&T) -> String) {
    for finding in findings.iter().take(SHOWN) {
        context.out.line(format!("  {}", text(finding)));
    }
    if findings.len() > SHOWN {
        context.out.line(format!("  ... and {} more (--json names all)", findings.len() - SHOWN));
    }
}

fn part_name(split: Split) -> &'static str {
    match split {
        Split::Train => "training",
        Split::Validation => "validation",
        Split::Test => "test",
    }
}

fn print_crossing(context: &Context, c: &Crossing) {
    let (held, other) = (part_name(c.held), part_name(c.other));
    let line = |text: String| context.out.line(text);
    if c.exact.is_empty() && c.near.is_empty() && c.groups.is_empty() {
        line(format!("{held} against {other}: no copies, no look-alikes, no shared groups"));
        return;
    }
    if c.exact.is_empty() {
        line(format!("{held} against {other}: no copies"));
    } else {
        line(format!(
            "LEAKAGE: {} of {} {held} images decode to the same pixels as a {other} image ({} are byte-identical files); \
             {} {other} images are such copies",
            c.exact.len(),
            c.held_images,
            c.byte_identical,
            c.copied
        ));
        some(context, &c.exact, |leak| format!("{} = {}", leak.image, leak.copies.join(", ")));
        let left = c.without_copies.iter().map(|l| format!("{} {} of {}", l.class, l.after, l.before));
        line(format!("  without them, of the {held} images remain: {}", left.collect::<Vec<_>>().join(", ")));
    }
    if !c.near.is_empty() {
        line(format!("  {} more {held} images look almost like a {other} image", c.near.len()));
        some(context, &c.near, |near| format!("{} ~ {}", near.image, near.like));
    }
    if !c.groups.is_empty() {
        line(format!("LEAKAGE: {} groups have images in both {held} and {other}", c.groups.len()));
        some(context, &c.groups, Clone::clone);
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
