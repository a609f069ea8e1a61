//! From a dataset to the parts of each fold, ready to be written into run directories.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use lightbox_data::split::{self, Crossing, Design, Folds, Groups, OwnSplitPlan};
use lightbox_data::{Dataset, Split};
use lightbox_store::run::{ClassWeights, Part, Schedule, SplitRows, TrainConfig};

use super::{Context, check};
use crate::failure::{Failure, Result};

/// The folds of one experiment.
pub struct Plan {
    /// `k-fold`, `repeated`, `own-test`, `file`.
    pub kind: String,
    /// Parts of each fold.
    pub folds: Vec<SplitRows>,
    /// Seed of the split.
    pub seed: u64,
    /// Hash of the whole split.
    pub hash: String,
    /// The split as the data crate made it, for split files; none once the plan was cut down.
    source: Option<Folds>,
}

/// The share of the training part that becomes the validation part, as the user gave it.
pub fn validation_share(given: f64) -> Result<f64> {
    if given > 0.0 && given < 0.9 {
        return Ok(given);
    }
    Err(Failure::bad(format!("--val-fraction {given}: give a number above 0 and below 0.9")))
}

/// Whether the dataset has a test part of its own.
pub fn has_own_test(dataset: &Dataset) -> bool {
    dataset.images().iter().any(|image| image.split == Some(Split::Test))
}

/// Stratified, grouped folds; images with the same pixels are one group.
pub fn k_fold(
    context: &Context,
    dataset: &Dataset,
    folds: usize,
    repeats: usize,
    seed: u64,
    share: f64,
) -> Result<Plan> {
    let groups = groups(context, dataset)?;
    let plan = split::Plan { folds, repeats, seed, validation_fraction: share };
    let made = split::split_with(dataset, &groups, &plan)?;
    Ok(Plan::new(context, dataset, made, seed, if repeats > 1 { "repeated" } else { "k-fold" }))
}

/// The dataset's own test part; validation is its own or cut from training.
pub fn own_test(context: &Context, dataset: &Dataset, seed: u64, share: f64) -> Result<Plan> {
    if !has_own_test(dataset) {
        return Err(Failure::bad(format!("{} has no test part of its own; use folds", dataset.name())));
    }
    let plan = OwnSplitPlan { seeds: vec![seed], validation_fraction: share, recut_validation: false };
    let made = split::own_split_with(dataset, &groups(context, dataset)?, &plan)?;
    Ok(Plan::new(context, dataset, made, seed, "own-test"))
}

/// A split file.
pub fn from_file(context: &Context, dataset: &Dataset, path: &Path) -> Result<Plan> {
    let made = split::read_file(path, dataset, &groups(context, dataset)?, Crossing::Refuse)?;
    Ok(Plan::new(context, dataset, made, 0, "file"))
}

/// The manifest's groups, joined where images show the same pixels.
fn groups(context: &Context, dataset: &Dataset) -> Result<Groups> {
    let mut groups = Groups::of(dataset);
    groups.merge_groups(&check::identical(context, dataset)?);
    Ok(groups)
}

impl Plan {
    fn new(context: &Context, dataset: &Dataset, made: Folds, seed: u64, kind: &str) -> Self {
        for notice in &made.notices {
            context.out.note(format!("note: {notice}"));
        }
        if matches!(made.design, Design::Irregular { .. }) {
            context.out.note("note: the folds are irregular; tests between folds may not apply");
        }
        let rows = |fold: &split::Fold| {
            let mut rows: Vec<(usize, Part)> = Vec::new();
            for (from, to) in
                [(Split::Train, Part::Train), (Split::Validation, Part::Validation), (Split::Test, Part::Test)]
            {
                rows.extend(fold.part(from).iter().map(|index| (*index, to)));
            }
            rows.sort_by_key(|(index, _)| *index);
            SplitRows {
                rows: rows.into_iter().map(|(index, part)| (dataset.images()[index].id.clone(), part)).collect(),
            }
        };
        Self {
            kind: kind.to_owned(),
            folds: made.folds.iter().map(rows).collect(),
            seed,
            hash: made.hash.clone(),
            source: Some(made),
        }
    }

    /// Writes a split file.
    pub fn write(&self, dataset: &Dataset, path: &Path) -> Result<()> {
        match &self.source {
            Some(folds) => Ok(split::write_file(path, dataset, folds)?),
            None => Err(Failure::failed("a split that was cut down is not written as a file")),
        }
    }

    /// Leaves out the training (and validation) copies of each fold's test images.
    pub fn without_copies(mut self, context: &Context, dataset: &Dataset) -> Result<Self> {
        let clusters = check::identical(context, dataset)?;
        let ids =
            |cluster: &Vec<usize>| cluster.iter().map(|i| dataset.images()[*i].id.clone()).collect::<BTreeSet<_>>();
        let clusters: Vec<BTreeSet<String>> = clusters.iter().map(ids).collect();
        for fold in &mut self.folds {
            let tested: BTreeSet<String> = fold.part(Part::Test).map(str::to_owned).collect();
            let copies: BTreeSet<&String> = clusters.iter().filter(|c| !c.is_disjoint(&tested)).flatten().collect();
            fold.rows.retain(|(image, part)| *part == Part::Test || !copies.contains(image));
        }
        self.rehash("dedup");
        Ok(self)
    }

    /// Keeps about `limit` images: whole groups in a seeded order, each class by its share.
    pub fn limited(mut self, context: &Context, dataset: &Dataset, limit: usize, seed: u64) -> Result<Self> {
        let images = dataset.images();
        if limit >= images.len() {
            return Ok(self);
        }
        let groups = groups(context, dataset)?;
        let mut members: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for index in 0..images.len() {
            members.entry(groups.of_image(index)).or_default().push(index);
        }
        let mut order: Vec<(blake3::Hash, &Vec<usize>)> = members
            .values()
            .map(|group| (blake3::hash(format!("{seed}\0{}", images[group[0]].id).as_bytes()), group))
            .collect();
        order.sort_by_key(|(hash, _)| *hash.as_bytes());
        let mut quota: Vec<usize> = vec![0; dataset.classes().len()];
        images.iter().for_each(|image| quota[image.label] += 1);
        // A small class keeps at least as many images as there are folds and one more for validation.
        let least = self.folds.len() * 2;
        quota.iter_mut().for_each(|n| *n = (*n * limit).div_ceil(images.len()).max(least));
        let mut kept: BTreeSet<&str> = BTreeSet::new();
        for (_, group) in order {
            let label = images[group[0]].label;
            if quota[label] > 0 {
                quota[label] = quota[label].saturating_sub(group.len());
                kept.extend(group.iter().map(|index| images[*index].id.as_str()));
            }
        }
        for fold in &mut self.folds {
            fold.rows.retain(|(image, _)| kept.contains(image.as_str()));
        }
        self.rehash(&format!("limit {limit} {seed}"));
        self.check_parts(dataset)?;
        Ok(self)
    }

    fn rehash(&mut self, what: &str) {
        self.hash = blake3::hash(format!("{}\0{what}", self.hash).as_bytes()).to_hex().to_string();
        self.source = None;
    }

    fn check_parts(&self, dataset: &Dataset) -> Result<()> {
        for (number, fold) in self.folds.iter().enumerate() {
            for (part, name) in [(Part::Train, "training"), (Part::Validation, "validation"), (Part::Test, "test")] {
                if fold.part(part).next().is_none() {
                    return Err(Failure::bad(format!(
                        "{}: with this limit the {name} part of fold {number} is empty; raise split.limit or lower the folds",
                        dataset.name()
                    )));
                }
            }
        }
        Ok(())
    }

    /// Refuses a training that decides by validation images where a split file gives none.
    pub fn check_validation(&self, config: &TrainConfig) -> Result<()> {
        let flag = match (config.patience, config.schedule) {
            (Some(_), _) => "--patience",
            (None, Schedule::Plateau) => "--schedule plateau",
            (None, _) => return Ok(()),
        };
        match self.folds.iter().position(|fold| fold.part(Part::Validation).next().is_none()) {
            Some(fold) => Err(Failure::bad(format!("{flag} needs validation images, and fold {fold} has none"))),
            None => Ok(()),
        }
    }
}

/// Refuses class weights that are not one a class.
pub fn check_class_weights(config: &TrainConfig, dataset: &Dataset) -> Result<()> {
    match &config.class_weights {
        ClassWeights::Given(weights) if weights.len() != dataset.classes().len() => Err(Failure::bad(format!(
            "class weights: {} numbers for {} classes ({})",
            weights.len(),
            dataset.classes().len(),
            dataset.classes().join(", ")
        ))),
        ClassWeights::Given(weights) if weights.iter().all(|weight| *weight == 0.0) => {
            Err(Failure::bad("class weights: all are 0, so that nothing could be learnt"))
        }
        _ => Ok(()),
    }
}
