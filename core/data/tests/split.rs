//! Splits: nothing crosses a group, everything is tested once, classes stay balanced, seeds decide.

#![allow(clippy::unwrap_used)]

mod common;

use std::collections::{BTreeMap, BTreeSet};

use common::{ask, records};
use lightbox_data::split::{self, Crossing, Design, Fold, Folds, Groups, OwnSplitPlan, Plan};
use lightbox_data::{Dataset, Split};
use proptest::prelude::*;

const PARTS: [Split; 3] = [Split::Train, Split::Validation, Split::Test];

fn plan(folds: usize, repeats: usize, seed: u64, validation_fraction: f64) -> Plan {
    Plan { folds, repeats, seed, validation_fraction }
}

fn assert_sound(dataset: &Dataset, groups: &Groups, folds: &Folds) {
    for fold in &folds.folds {
        let mut part_of_group: BTreeMap<usize, Split> = BTreeMap::new();
        let mut seen = BTreeSet::new();
        for part in PARTS {
            assert!(fold.part(part).is_sorted());
            for index in fold.part(part) {
                assert!(seen.insert(*index), "image {index} twice in fold {}", fold.name);
                assert_eq!(*part_of_group.entry(groups.of_image(*index)).or_insert(part), part, "a group is divided");
            }
        }
        assert_eq!(seen.len(), dataset.images().len(), "fold {} leaves images out", fold.name);
    }
}

fn tested(folds: &[&Fold]) -> Vec<usize> {
    let mut tested: Vec<usize> = folds.iter().flat_map(|fold| fold.test.iter().copied()).collect();
    tested.sort_unstable();
    tested
}

fn class_count(dataset: &Dataset, images: &[usize], class: usize) -> usize {
    images.iter().filter(|index| dataset.images()[**index].label == class).count()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_group_crosses_and_every_image_is_tested_once(
        images in prop::collection::vec((0_usize..4, 0_usize..25), 30..160),
        clusters in prop::collection::vec(prop::collection::vec(0_usize..200, 0..4), 0..6),
        folds in 2_usize..6,
        repeats in 1_usize..3,
        seed in any::<u64>(),
        fraction in prop::sample::select(vec![0.0, 0.1, 0.3]),
    ) {
        let dataset = records(4, &images);
        let mut groups = Groups::of(&dataset);
        groups.merge_groups(&clusters);
        let all: BTreeSet<usize> = (0..images.len()).map(|index| groups.of_image(index)).collect();
        prop_assume!(all.len() >= folds + 2);
        for cluster in &clusters {
            let members: BTreeSet<usize> =
                cluster.iter().filter(|i| **i < images.len()).map(|i| groups.of_image(*i)).collect();
            prop_assert!(members.len() <= 1, "identical images are in two groups");
        }
        let made = split::split_with(&dataset, &groups, &plan(folds, repeats, seed, fraction)).unwrap();
        assert_sound(&dataset, &groups, &made);
        for repeat in 0..repeats {
            let of_repeat: Vec<&Fold> = made.folds.iter().filter(|fold| fold.repeat == repeat).collect();
            prop_assert_eq!(tested(&of_repeat), (0..images.len()).collect::<Vec<_>>());
        }
        for fold in &made.folds {
            prop_assert_eq!(fold.validation.is_empty(), fraction == 0.0);
        }
        let again = split::split_with(&dataset, &groups, &plan(folds, repeats, seed, fraction)).unwrap();
        prop_assert_eq!(&made, &again);
    }

    #[test]
    fn no_part_lacks_a_class_that_it_could_have(
        sizes in prop::collection::vec((0_usize..3, 1_usize..5), 12..60),
        folds in 2_usize..5,
        seed in any::<u64>(),
    ) {
        // Groups of one class each; every class gets twice as many groups as folds to begin with.
        let mut groups: Vec<(usize, usize)> = (0..3).flat_map(|class| vec![(class, 1); 2 * folds]).collect();
        groups.extend(sizes);
        let images: Vec<(usize, usize)> = groups
            .iter()
            .enumerate()
            .flat_map(|(group, (class, size))| vec![(*class, group + 1); *size])
            .collect();
        let dataset = records(3, &images);
        let made = split::k_fold(&dataset, folds, seed, 0.1).unwrap();
        for fold in &made.folds {
            for class in 0..3 {
                let has = |part| class_count(&dataset, fold.part(part), class) > 0;
                prop_assert!(has(Split::Train) && has(Split::Test), "{} lacks {class}", fold.name);
                let left: BTreeSet<&Option<String>> = [&fold.train, &fold.validation]
                    .into_iter()
                    .flatten()
                    .map(|index| &dataset.images()[*index])
                    .filter(|image| image.label == class)
                    .map(|image| &image.group)
                    .collect();
                // A single group cannot serve training and validation, and training goes first.
                prop_assert_eq!(has(Split::Validation), left.len() > 1, "{} of {}", class, fold.name);
            }
        }
    }

    #[test]
    fn without_groups_classes_are_balanced_to_one_image(
        labels in prop::collection::vec(0_usize..4, 40..200),
        folds in 2_usize..7,
        seed in any::<u64>(),
    ) {
        let images: Vec<(usize, usize)> = labels.iter().map(|label| (*label, 0)).collect();
        let dataset = records(4, &images);
        let made = split::k_fold(&dataset, folds, seed, 0.0).unwrap();
        for class in 0..4 {
            let counts: Vec<usize> = made.folds.iter().map(|fold| class_count(&dataset, &fold.test, class)).collect();
            prop_assert!(counts.iter().max().unwrap() - counts.iter().min().unwrap() <= 1, "{counts:?}");
        }
        let sizes: Vec<usize> = made.folds.iter().map(|fold| fold.test.len()).collect();
        prop_assert!(sizes.iter().max().unwrap() - sizes.iter().min().unwrap() <= 2, "{sizes:?}");
    }
}

fn mixed() -> Dataset {
    let images: Vec<(usize, usize)> = (0..240).map(|i| ((i * i) % 3, i / 3 + 1)).collect();
    records(3, &images)
}

#[test]
fn seeds_and_repeats_give_different_splits() {
    let dataset = mixed();
    let a = split::k_fold(&dataset, 5, 1, 0.1).unwrap();
    let b = split::k_fold(&dataset, 5, 2, 0.1).unwrap();
    assert_ne!(a.hash, b.hash);
    let five_by_two = split::five_by_two(&dataset, &Groups::of(&dataset), 1, 0.1).unwrap();
    assert!(five_by_two.design.is_five_by_two());
    assert_eq!(five_by_two.folds.len(), 10);
    let halves: BTreeSet<&Vec<usize>> = five_by_two.folds.iter().map(|fold| &fold.test).collect();
    assert_eq!(halves.len(), 10);
}

/// Groups that are all unlike each other leave little freedom; repeats must differ nonetheless.
#[test]
fn repeats_differ_where_every_group_is_unlike_every_other() {
    let images: Vec<(usize, usize)> =
        (1..=30).flat_map(|group| (0..group).map(move |i| (usize::from(i % 3 == 0), group))).collect();
    let dataset = records(2, &images);
    let made = split::split_with(&dataset, &Groups::of(&dataset), &plan(5, 4, 9, 0.0)).unwrap();
    let firsts: BTreeSet<Vec<&Vec<usize>>> = (0..4)
        .map(|repeat| {
            let mut tests: Vec<&Vec<usize>> =
                made.folds.iter().filter(|fold| fold.repeat == repeat).map(|fold| &fold.test).collect();
            tests.sort();
            tests
        })
        .collect();
    assert_eq!(firsts.len(), 4);
}

/// The order in which images happen to be listed must not matter, and the value must hold on every machine.
#[test]
fn the_hash_of_a_split_is_fixed() {
    let made = split::k_fold(&mixed(), 5, 42, 0.1).unwrap();
    assert_eq!(made.hash, "bb68e35c1e6d1e3629b1664053707da638e938f09bc256ba5468ee31d608a9d5");
}

#[test]
fn validation_takes_its_share_of_every_class() {
    let images: Vec<(usize, usize)> = (0..1000).map(|i| (usize::from(i % 10 == 0), 0)).collect();
    let dataset = records(2, &images);
    for fold in split::k_fold(&dataset, 5, 3, 0.1).unwrap().folds {
        assert_eq!(class_count(&dataset, &fold.validation, 0), 72);
        assert_eq!(class_count(&dataset, &fold.validation, 1), 8);
        assert_eq!((fold.train.len(), fold.test.len()), (720, 200));
    }
}

fn own_split(with_validation: bool) -> Dataset {
    let images = mixed();
    let split_of = |index: usize| match index % 10 {
        0 | 1 => Split::Test,
        2 if with_validation => Split::Validation,
        _ => Split::Train,
    };
    let mut records = images.images().to_vec();
    for (index, image) in records.iter_mut().enumerate() {
        image.group = None;
        image.split = Some(split_of(index));
    }
    Dataset::from_records("own", images.classes().to_vec(), records).unwrap()
}

#[test]
fn the_own_test_part_is_kept_for_every_seed() {
    let dataset = own_split(false);
    let made = split::from_own_split(&dataset, &[1, 2, 3], 0.1).unwrap();
    assert_eq!(made.design, Design::SharedTest { fits: 3 });
    assert_sound(&dataset, &Groups::of(&dataset), &made);
    assert_ne!(made.folds[0].validation, made.folds[1].validation);
    for fold in &made.folds {
        assert!(fold.test.iter().all(|index| dataset.images()[*index].split == Some(Split::Test)));
        assert_eq!(fold.test.len(), 48);
        assert_eq!(fold.validation.len(), 19);
    }
}

#[test]
fn the_own_validation_part_is_used_unless_it_is_to_be_cut_anew() {
    let dataset = own_split(true);
    let made = split::from_own_split(&dataset, &[1, 2], 0.1).unwrap();
    assert!(made.folds.iter().all(|fold| fold.validation.len() == 24));
    assert_eq!(made.folds[0].validation, made.folds[1].validation);
    let plan = OwnSplitPlan { seeds: vec![1], validation_fraction: 0.25, recut_validation: true };
    let recut = split::own_split_with(&dataset, &Groups::of(&dataset), &plan).unwrap();
    assert_eq!(recut.folds[0].validation.len(), 48);
    assert_eq!(recut.folds[0].test.len(), 48);
}

#[test]
fn identical_images_across_the_own_split_are_noticed() {
    let dataset = own_split(false);
    let mut groups = Groups::of(&dataset);
    groups.merge_groups(&[vec![0, 5], vec![7, 8]]);
    let plan = OwnSplitPlan { seeds: vec![1], validation_fraction: 0.1, recut_validation: false };
    let made = split::own_split_with(&dataset, &groups, &plan).unwrap();
    let crossing = made.notices.iter().find(|notice| notice.message.contains("divides")).unwrap();
    assert_eq!(crossing.count, 1);
}

#[test]
fn impossible_splits_are_refused() {
    let dataset = records(2, &[(0, 1), (0, 1), (1, 2), (1, 2), (0, 3)]);
    let failure = |result: lightbox_data::Result<Folds>| result.unwrap_err().to_string();
    assert!(failure(split::k_fold(&dataset, 4, 1, 0.0)).contains("there are 3"));
    assert!(failure(split::k_fold(&dataset, 1, 1, 0.0)).contains("2 folds or more"));
    assert!(failure(split::k_fold(&dataset, 2, 1, 1.0)).contains("validation fraction 1"));
    assert!(failure(split::k_fold(&dataset, 2, 1, f64::NAN)).contains("validation fraction"));
    assert!(failure(split::from_own_split(&dataset, &[1], 0.1)).contains("no train and test part"));
}

#[test]
fn a_class_of_a_single_group_is_noticed() {
    let mut images: Vec<(usize, usize)> = (0..40).map(|i| (0, i + 1)).collect();
    images.extend([(1, 100); 5]);
    let made = split::k_fold(&records(2, &images), 4, 1, 0.1).unwrap();
    assert!(made.notices.iter().any(|notice| notice.message.contains("train part") && notice.count == 1));
    assert!(made.notices.iter().any(|notice| notice.message.contains("test part") && notice.count == 3));
    let scarce =
        made.notices.iter().find(|notice| notice.message.contains("fewer images, patients or lesions")).unwrap();
    assert_eq!(scarce.examples, ["class-1: 1 for 4 folds"]);
}

#[test]
fn a_split_file_comes_back_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let dataset = mixed();
    let groups = Groups::of(&dataset);
    for made in [
        split::k_fold(&dataset, 12, 1, 0.1).unwrap(),
        split::five_by_two(&dataset, &groups, 1, 0.1).unwrap(),
        split::from_own_split(&own_split(true), &[4, 5], 0.1).unwrap(),
    ] {
        let file = folder.path().join("split.csv");
        let dataset = if matches!(made.design, Design::SharedTest { .. }) { own_split(true) } else { mixed() };
        split::write_file(&file, &dataset, &made).unwrap();
        let read = split::read_file(&file, &dataset, &Groups::of(&dataset), Crossing::Refuse).unwrap();
        assert_eq!(read.hash, made.hash);
        assert_eq!(read.design, made.design);
        let names = |folds: &Folds| folds.folds.iter().map(|fold| fold.name.clone()).collect::<Vec<_>>();
        assert_eq!(names(&read), names(&made));
    }
}

#[test]
fn mistakes_in_a_split_file_are_told_with_their_line() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("split.csv");
    let dataset = records(2, &[(0, 1), (1, 1), (0, 2), (1, 2), (0, 3), (1, 3)]);
    let groups = Groups::of(&dataset);
    let good = "image,fold,part\nimage-00000.png,0,train\nimage-00001.png,0,train\nimage-00002.png,0,validation\n\
                image-00003.png,0,validation\nimage-00004.png,0,test\nimage-00005.png,0,test\n";
    let read = |text: &str, crossing| {
        std::fs::write(&file, text).unwrap();
        split::read_file(&file, &dataset, &groups, crossing)
    };
    let failure = |text: String| read(&text, Crossing::Refuse).unwrap_err().to_string();
    assert_eq!(read(good, Crossing::Refuse).unwrap().folds.len(), 1);

    let unknown = failure(good.replace("image-00003", "image-99999"));
    assert!(unknown.contains("line 5") && unknown.contains("image-99999"), "{unknown}");
    let missing = failure(good.replace("image-00003.png,0,validation\n", ""));
    assert!(missing.contains("image-00003.png"), "{missing}");
    let twice = failure(good.replace("image-00003.png,0,validation", "image-00002.png,0,test"));
    assert!(twice.contains("line 5") && twice.contains("line 4"), "{twice}");
    let part = failure(good.replace("00005.png,0,test", "00005.png,0,tset"));
    assert!(part.contains("did you mean \"test\""), "{part}");
    let column = failure(good.replace("image,fold,part", "image,fold,prat"));
    assert!(column.contains("did you mean \"prat\""), "{column}");
    let lacking = failure(good.replace("00001.png,0,train", "00001.png,0,test"));
    assert!(lacking.contains("class-1"), "{lacking}");

    let crossing = good.replace("00003.png,0,validation", "00003.png,0,train");
    assert!(failure(crossing.clone()).contains("group-2"));
    let taken = read(&crossing, Crossing::Notice).unwrap();
    assert_eq!(taken.notices.iter().filter(|notice| notice.message.contains("divides")).count(), 1);
}

/// scikit-learn's own measure of a grouped split: the spread over folds of each class's share, averaged over classes.
fn spread(dataset: &Dataset, tests: &[Vec<usize>]) -> f64 {
    let classes = dataset.classes().len();
    let all: Vec<usize> = (0..dataset.images().len()).collect();
    let spread_of = |class: usize| {
        let total = class_count(dataset, &all, class) as f64;
        let shares: Vec<f64> = tests.iter().map(|test| class_count(dataset, test, class) as f64 / total).collect();
        let mean = shares.iter().sum::<f64>() / shares.len() as f64;
        (shares.iter().map(|share| (share - mean).powi(2)).sum::<f64>() / shares.len() as f64).sqrt()
    };
    (0..classes).map(spread_of).sum::<f64>() / classes as f64
}

/// Folds without a single image of a class.
fn lacking(dataset: &Dataset, tests: &[Vec<usize>]) -> usize {
    let pairs = (0..dataset.classes().len()).flat_map(|class| tests.iter().map(move |test| (class, test)));
    pairs.filter(|(class, test)| class_count(dataset, test, *class) == 0).count()
}

/// A dataset to be split: classes, folds, and (label, group) of each image.
type Case = (usize, usize, Vec<(usize, usize)>);

/// Plain linear congruential numbers: the cases only have to be varied, and the same each time.
fn cases() -> Vec<Case> {
    let mut state = 12345_u64;
    let mut below = |bound: usize| {
        state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (state >> 33) as usize % bound
    };
    let mut cases = Vec::new();
    for case in 0..60 {
        let (classes, folds) = (2 + case % 6, [2, 3, 5, 10][case % 4]);
        let (groups, largest, mixed) = (30 + below(150), 1 + below(12), case % 3 == 0);
        let mut images: Vec<(usize, usize)> = (0..classes).map(|class| (class, class + 1)).collect();
        for group in classes..groups {
            // Rare classes are rarer: half of the groups are of class 0, a quarter of class 1, and so on.
            let class = (0..classes).find(|_| below(2) == 0).unwrap_or(classes - 1);
            for _ in 0..1 + below(largest) {
                images.push((if mixed { below(classes) } else { class }, group + 1));
            }
        }
        cases.push((classes, folds, images));
    }
    // As HAM10000: 7 classes, one of them two thirds of all, three images to four groups.
    let lesions = [(228, 327), (327, 514), (727, 1099), (73, 115), (614, 1113), (5403, 6705), (98, 142)];
    let mut images = Vec::new();
    let mut first = 1;
    for (class, (groups, total)) in lesions.into_iter().enumerate() {
        images.extend((0..groups).map(|group| (class, first + group)));
        images.extend((groups..total).map(|_| (class, first + below(groups))));
        first += groups;
    }
    cases.push((7, 5, images));
    cases
}

#[test]
fn balance_is_no_worse_than_scikit_learns() {
    let cases = cases();
    let questions: Vec<serde_json::Value> = cases
        .iter()
        .map(|(_, folds, images)| {
            let (labels, groups): (Vec<usize>, Vec<usize>) = images.iter().copied().unzip();
            serde_json::json!({ "folds": folds, "labels": labels, "groups": groups })
        })
        .collect();
    let answers = ask("data_split.py", &serde_json::json!({ "cases": questions }));
    let (mut ours_total, mut theirs_total) = (0.0, 0.0);
    for (number, ((classes, folds, images), answer)) in cases.iter().zip(answers.as_array().unwrap()).enumerate() {
        let dataset = records(*classes, images);
        let theirs: Vec<Vec<usize>> = serde_json::from_value(answer.clone()).unwrap();
        assert_eq!(theirs.iter().map(Vec::len).sum::<usize>(), images.len());
        let made = split::k_fold(&dataset, *folds, 1, 0.0).unwrap();
        let ours: Vec<Vec<usize>> = made.folds.iter().map(|fold| fold.test.clone()).collect();
        let (our_spread, their_spread) = (spread(&dataset, &ours), spread(&dataset, &theirs));
        let (we_lack, they_lack) = (lacking(&dataset, &ours), lacking(&dataset, &theirs));
        assert!(we_lack <= they_lack, "case {number}: {we_lack} folds lack a class, scikit-learn's {they_lack}");
        if we_lack == they_lack {
            assert!(
                our_spread <= their_spread + 1e-9,
                "case {number}: spread {our_spread}, scikit-learn's {their_spread}"
            );
        }
        ours_total += our_spread;
        theirs_total += their_spread;
    }
    assert!(ours_total < theirs_total, "{ours_total} against {theirs_total}");
}
