//! Dropping the training copies of test images.
//!
//! The test part stays as published (dropping its copies instead can empty a class); what goes is every image of the
//! training and validation parts that is identical to a test image. The record is kept beside the manifest, and
//! [`Dataset::open`] leaves the images out from then on.

use std::collections::{BTreeMap, HashSet};

use super::report::{ClassCounts, LeakageReport, count_classes};
use crate::dataset::{Dataset, DedupRecord, Dropped, Split};
use crate::error::{Error, Result};

/// What would be dropped, and what remains.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DedupPlan {
    /// The images to drop, those dropped before included.
    pub record: DedupRecord,
    /// Images per class and part as the dataset is.
    pub before: Vec<ClassCounts>,
    /// Images per class and part without the copies.
    pub after: Vec<ClassCounts>,
}

/// Refuses a dataset without a test part, before all its images are read.
pub fn check_test_part(dataset: &Dataset) -> Result<()> {
    if !dataset.images().iter().any(|image| image.split == Some(Split::Test)) {
        let problem = format!("dataset {:?} has no test part whose copies could be dropped", dataset.name());
        return Err(Error::argument(problem, "only datasets with a split of their own can be deduplicated"));
    }
    Ok(())
}

/// Plans the drop from a report on the same dataset. A class that would have no training image left is an error.
pub fn plan(dataset: &Dataset, report: &LeakageReport) -> Result<DedupPlan> {
    check_test_part(dataset)?;
    let mut copies: BTreeMap<String, String> =
        dataset.dedup().dropped.iter().map(|drop| (drop.image.clone(), drop.copy_of.clone())).collect();
    for crossing in report.crossings.iter().filter(|crossing| crossing.held == Split::Test) {
        for leak in &crossing.exact {
            for copy in &leak.copies {
                copies.entry(copy.clone()).or_insert_with(|| leak.image.clone());
            }
        }
    }
    let dropped: HashSet<&str> = copies.keys().map(String::as_str).collect();
    let before = count_classes(dataset, |_| true);
    let after = count_classes(dataset, |image| !dropped.contains(image.id.as_str()));
    if let Some((class, _)) = before.iter().zip(&after).find(|(before, after)| before.train > 0 && after.train == 0) {
        let problem = format!(
            "dropping the copies of test images would leave class {:?} of {:?} without training images (all {} of them are copies)",
            class.class,
            dataset.name(),
            class.train
        );
        return Err(Error::argument(problem, "keep the copies, or remove the class from the dataset"));
    }
    let dropped = copies.into_iter().map(|(image, copy_of)| Dropped { image, copy_of }).collect();
    Ok(DedupPlan { record: DedupRecord { dropped }, before, after })
}

/// Keeps the plan's record with the dataset, so that it is opened without the copies from now on.
pub fn apply(dataset: &Dataset, plan: &DedupPlan) -> Result<()> {
    if dataset.folder().as_os_str().is_empty() {
        let problem = format!(
            "dataset {:?} is not registered, so that there is no place to keep what was dropped",
            dataset.name()
        );
        return Err(Error::argument(problem, "register it with `data add`"));
    }
    plan.record.write(dataset.folder())
}
