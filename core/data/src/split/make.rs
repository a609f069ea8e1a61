//! Making splits: k folds, repeats of them, or the dataset's own test part.

use super::random::Stream;
use super::stratify::deal;
use super::{Design, Fold, Folds, Groups, hash};
use crate::dataset::{Dataset, Notices, Split};
use crate::error::{Error, Result};

/// Repeated k-fold.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Plan {
    /// Folds of a repeat, at least 2.
    pub folds: usize,
    /// Repeats, at least 1.
    pub repeats: usize,
    /// The seed.
    pub seed: u64,
    /// The share of the training part that validation takes, from 0 to below 1.
    pub validation_fraction: f64,
}

/// The dataset's own test part, fitted once per seed.
#[derive(Debug, Clone, PartialEq)]
pub struct OwnSplitPlan {
    /// A fold for each.
    pub seeds: Vec<u64>,
    /// The share of the training part that validation takes where the dataset has no validation part of its own.
    pub validation_fraction: f64,
    /// Ignore the dataset's own validation part: it joins the training part, from which validation is then cut.
    pub recut_validation: bool,
}

/// Stratified, grouped k-fold by the manifest's groups; validation is cut from each training part.
pub fn k_fold(dataset: &Dataset, folds: usize, seed: u64, validation_fraction: f64) -> Result<Folds> {
    let plan = Plan { folds, repeats: 1, seed, validation_fraction };
    split_with(dataset, &Groups::of(dataset), &plan)
}

/// Five repeats of two folds, as the 5x2cv tests want it.
pub fn five_by_two(dataset: &Dataset, groups: &Groups, seed: u64, validation_fraction: f64) -> Result<Folds> {
    split_with(dataset, groups, &Plan { folds: 2, repeats: 5, seed, validation_fraction })
}

/// The dataset's own test part by the manifest's groups.
pub fn from_own_split(dataset: &Dataset, seeds: &[u64], validation_fraction: f64) -> Result<Folds> {
    let plan = OwnSplitPlan { seeds: seeds.to_vec(), validation_fraction, recut_validation: false };
    own_split_with(dataset, &Groups::of(dataset), &plan)
}

/// Repeated, stratified, grouped k-fold.
pub fn split_with(dataset: &Dataset, groups: &Groups, plan: &Plan) -> Result<Folds> {
    check_groups(dataset, groups)?;
    check_fraction(plan.validation_fraction)?;
    let all: Vec<usize> = (0..dataset.images().len()).collect();
    let units = groups.among(&all);
    if plan.folds < 2 || plan.repeats < 1 {
        return Err(Error::argument(
            format!("{} folds, {} repeats", plan.folds, plan.repeats),
            "a split needs 2 folds or more and 1 repeat or more",
        ));
    }
    if units.len() < plan.folds {
        let problem = format!("{} folds need as many groups, and there are {}", plan.folds, units.len());
        return Err(Error::argument(problem, "use fewer folds"));
    }
    let labels = labels_of(dataset, &units);
    let shares = vec![1.0 / plan.folds as f64; plan.folds];
    let weights = vec![1.0; plan.folds];
    let mut notices = Notices::default();
    for (class, count) in scarce(dataset, &labels, plan.folds) {
        let message = "classes with fewer images, patients or lesions than folds, so that not every fold can test them";
        notices.count(message, &format!("{class}: {count} for {} folds", plan.folds));
    }
    let mut folds = Vec::with_capacity(plan.folds * plan.repeats);
    for repeat in 0..plan.repeats {
        let mut stream = Stream::new(plan.seed, "test", repeat, 0);
        let fold_of = deal(&labels, dataset.classes().len(), &shares, &weights, &mut stream);
        for number in 0..plan.folds {
            let (test, rest): (Vec<_>, Vec<_>) = units.iter().zip(&fold_of).partition(|(_, fold)| **fold == number);
            let flatten = |chosen: Vec<(&Vec<usize>, &usize)>| -> Vec<usize> {
                let mut images: Vec<usize> = chosen.into_iter().flat_map(|(unit, _)| unit.iter().copied()).collect();
                images.sort_unstable();
                images
            };
            let stream = Stream::new(plan.seed, "validation", repeat, number);
            let (train, validation) = cut_validation(dataset, groups, flatten(rest), plan.validation_fraction, stream)?;
            folds.push(Fold {
                name: if plan.repeats > 1 { format!("{repeat}-{number}") } else { number.to_string() },
                repeat,
                number,
                seed: Some(plan.seed),
                train,
                validation,
                test: flatten(test),
            });
        }
    }
    finish(dataset, folds, &mut notices)
}

/// The dataset's own test part, with a validation part (its own, or cut from training), once per seed.
pub fn own_split_with(dataset: &Dataset, groups: &Groups, plan: &OwnSplitPlan) -> Result<Folds> {
    check_groups(dataset, groups)?;
    check_fraction(plan.validation_fraction)?;
    if plan.seeds.is_empty() {
        return Err(Error::argument("no seed for the dataset's own split", "give one seed or more"));
    }
    let of = |split: Split| -> Vec<usize> {
        let images = dataset.images().iter().enumerate();
        images.filter(|(_, image)| image.split == Some(split)).map(|(index, _)| index).collect()
    };
    let (mut train, mut own_validation, test) = (of(Split::Train), of(Split::Validation), of(Split::Test));
    if test.is_empty() || train.is_empty() {
        let problem = format!("dataset {:?} has no train and test part of its own", dataset.name());
        return Err(Error::argument(problem, "use folds"));
    }
    if plan.recut_validation {
        train.append(&mut own_validation);
        train.sort_unstable();
    }
    let mut notices = Notices::default();
    for (example, crossing) in crossing_groups(dataset, groups, &[&train, &own_validation, &test]) {
        if crossing {
            notices.count("groups that the dataset's own split divides between its parts", &example);
        }
    }
    let mut folds = Vec::with_capacity(plan.seeds.len());
    for (number, seed) in plan.seeds.iter().enumerate() {
        let (train, validation) = if own_validation.is_empty() {
            let stream = Stream::new(*seed, "validation", 0, 0);
            cut_validation(dataset, groups, train.clone(), plan.validation_fraction, stream)?
        } else {
            (train.clone(), own_validation.clone())
        };
        folds.push(Fold {
            name: number.to_string(),
            repeat: 0,
            number,
            seed: Some(*seed),
            train,
            validation,
            test: test.clone(),
        });
    }
    finish(dataset, folds, &mut notices)
}

/// Cuts a validation part out of a training part, by group and stratified; gives (train, validation).
fn cut_validation(
    dataset: &Dataset,
    groups: &Groups,
    images: Vec<usize>,
    fraction: f64,
    mut stream: Stream,
) -> Result<(Vec<usize>, Vec<usize>)> {
    if fraction == 0.0 {
        return Ok((images, Vec::new()));
    }
    let units = groups.among(&images);
    if units.len() < 2 {
        let problem = "the training part is a single group, so that no validation part can be cut from it";
        return Err(Error::argument(problem, "use a validation fraction of 0"));
    }
    // Training must not lose a class to validation: its lack weighs more than any number of classes missing there.
    let weights = [dataset.classes().len() as f64 + 1.0, 1.0];
    let labels = labels_of(dataset, &units);
    let parts = deal(&labels, dataset.classes().len(), &[1.0 - fraction, fraction], &weights, &mut stream);
    let (mut train, mut validation) = (Vec::new(), Vec::new());
    for (unit, part) in units.iter().zip(parts) {
        if part == 0 { train.extend(unit) } else { validation.extend(unit) }
    }
    train.sort_unstable();
    validation.sort_unstable();
    Ok((train, validation))
}

/// The classes with fewer units than folds, and how many they have.
fn scarce<'a>(dataset: &'a Dataset, labels: &[Vec<usize>], folds: usize) -> Vec<(&'a str, usize)> {
    let units_with = |class: usize| labels.iter().filter(|unit| unit.contains(&class)).count();
    let counted = dataset.classes().iter().enumerate().map(|(class, name)| (name.as_str(), units_with(class)));
    counted.filter(|(_, count)| *count < folds).collect()
}

fn labels_of(dataset: &Dataset, units: &[Vec<usize>]) -> Vec<Vec<usize>> {
    units.iter().map(|unit| unit.iter().map(|index| dataset.images()[*index].label).collect()).collect()
}

fn check_fraction(fraction: f64) -> Result<()> {
    if (0.0..1.0).contains(&fraction) {
        return Ok(());
    }
    Err(Error::argument(format!("validation fraction {fraction}"), "give a number from 0 to below 1, as 0.1"))
}

fn check_groups(dataset: &Dataset, groups: &Groups) -> Result<()> {
    if groups.len() == dataset.images().len() {
        return Ok(());
    }
    let problem = format!("groups of {} images for a dataset of {}", groups.len(), dataset.images().len());
    Err(Error::argument(problem, "make the groups of this dataset, after dropping copies"))
}

/// Each group with two images or more: an example image, and whether it stands in more than one of the parts.
pub(super) fn crossing_groups(dataset: &Dataset, groups: &Groups, parts: &[&[usize]]) -> Vec<(String, bool)> {
    let mut part_of: std::collections::BTreeMap<usize, (usize, bool)> = std::collections::BTreeMap::new();
    for (part, images) in parts.iter().enumerate() {
        for image in *images {
            let group = groups.of_image(*image);
            part_of.entry(group).and_modify(|(first, crossing)| *crossing |= *first != part).or_insert((part, false));
        }
    }
    let name = |index: usize| {
        let image = &dataset.images()[index];
        image.group.clone().unwrap_or_else(|| image.id.clone())
    };
    part_of.into_iter().map(|(group, (_, crossing))| (name(group), crossing)).collect()
}

/// Checks what a split needs in any case, and seals it with its hash.
pub(super) fn finish(dataset: &Dataset, folds: Vec<Fold>, notices: &mut Notices) -> Result<Folds> {
    for fold in &folds {
        for part in [Split::Train, Split::Test] {
            if fold.part(part).is_empty() {
                let problem = format!("fold {} has no {part} images", fold.name);
                return Err(Error::argument(problem, "use fewer folds or a smaller validation fraction"));
            }
        }
        for part in [Split::Train, Split::Validation, Split::Test] {
            let images = fold.part(part);
            if images.is_empty() {
                continue;
            }
            let mut present = vec![false; dataset.classes().len()];
            for index in images {
                present[dataset.images()[*index].label] = true;
            }
            for (class, _) in dataset.classes().iter().zip(&present).filter(|(_, present)| !**present) {
                let message = format!("folds whose {part} part has no image of a class");
                notices.count(&message, &format!("{class} in fold {}", fold.name));
            }
        }
    }
    let design = Design::of(&folds, dataset.images().len());
    let hash = hash(dataset, &folds);
    Ok(Folds { folds, design, hash, notices: notices.as_slice().to_vec() })
}
