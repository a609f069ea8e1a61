//! The leakage check on small datasets whose copies are known, and dropping them.

#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

mod pictures;

use std::ops::ControlFlow;
use std::path::Path;

use image::{DynamicImage, ImageFormat, imageops};
use lightbox_data::decode::silent;
use lightbox_data::leakage::{check, dedup};
use lightbox_data::{Dataset, Error, Manifest, Split};
use pictures::{picture, save};

fn open(root: &Path) -> Dataset {
    open_with(root, "")
}

fn open_with(root: &Path, more: &str) -> Dataset {
    let text = format!(
        "format = 1\nname = \"small\"\nroot = {root:?}\n[layout]\nkind = \"split-folders\"\ntrain = \"train\"\ntest = \"test\"\n{more}"
    );
    let manifest = Manifest::parse(Path::new("manifest.toml"), &text).unwrap();
    Dataset::from_manifest("small", manifest).unwrap()
}

/// Different pictures in both parts and both classes.
fn clean(root: &Path) {
    for seed in 0..6 {
        let class = if seed % 2 == 0 { "benign" } else { "malignant" };
        save(&root.join(format!("train/{class}/p{seed}.png")), &picture(40, 30, seed));
        save(&root.join(format!("test/{class}/p{}.png", seed + 10)), &picture(40, 30, seed + 10));
    }
}

fn copy(root: &Path, from: &str, to: &str) {
    std::fs::copy(root.join(from), root.join(to)).unwrap();
}

#[test]
fn a_clean_dataset_has_nothing_to_report() {
    let folder = tempfile::tempdir().unwrap();
    clean(folder.path());
    let report = check(&open(folder.path()), &silent).unwrap();
    assert_eq!((report.images, report.leaks(), report.unreadable.len()), (12, false, 0));
    assert!(report.repeats.is_empty() && report.label_conflicts.is_empty() && report.look_alikes.is_empty());
    assert_eq!((report.counts[0].train, report.counts[0].test, report.counts[1].train), (3, 3, 3));
}

#[test]
fn copies_are_found_whatever_the_format_and_byte_copies_counted_apart() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    clean(root);
    // The same pixels in another format, and the same bytes; one of them twice in training.
    let pixels = DynamicImage::ImageRgb8(picture(40, 30, 10));
    pixels.save_with_format(root.join("train/benign/other_format.bmp"), ImageFormat::Bmp).unwrap();
    copy(root, "test/malignant/p11.png", "train/malignant/a.png");
    copy(root, "test/malignant/p11.png", "train/malignant/b.png");
    let report = check(&open(root), &silent).unwrap();
    let crossing = report.crossing(Split::Test, Split::Train).unwrap();
    assert_eq!((crossing.exact.len(), crossing.copied, crossing.byte_identical, crossing.held_images), (2, 3, 1, 6));
    assert_eq!(crossing.exact[0].image, "test/benign/p10.png");
    assert_eq!(crossing.exact[0].copies, ["train/benign/other_format.bmp"]);
    assert_eq!(crossing.without_copies[1].after, 2);
    let repeats: Vec<_> = report.repeats_within(Some(Split::Train)).collect();
    assert_eq!(repeats.len(), 1);
    assert_eq!(repeats[0].images, ["train/malignant/a.png", "train/malignant/b.png"]);
    assert!(report.crossing(Split::Validation, Split::Train).is_none(), "no validation part");
}

#[test]
fn near_duplicates_are_found_and_different_pictures_are_not() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    clean(root);
    let original = image::RgbImage::from_fn(160, 120, |x, y| {
        let wave = (x as f32 / 17.0).sin() * (y as f32 / 23.0).cos() + 0.4 * ((x + y) as f32 / 9.0).sin();
        image::Rgb([(128.0 + 80.0 * wave) as u8; 3])
    });
    save(&root.join("train/benign/original.png"), &original);
    original.save(root.join("test/benign/recompressed.jpg")).unwrap();
    save(&root.join("test/benign/smaller.png"), &imageops::resize(&original, 96, 72, imageops::FilterType::Triangle));
    save(&root.join("test/benign/brighter.png"), &imageops::brighten(&original, 12));
    save(&root.join("test/benign/mirrored.png"), &imageops::flip_horizontal(&original));
    let report = check(&open(root), &silent).unwrap();
    let crossing = report.crossing(Split::Test, Split::Train).unwrap();
    let near: Vec<&str> = crossing.near.iter().map(|near| near.image.as_str()).collect();
    assert_eq!(near, ["test/benign/brighter.png", "test/benign/recompressed.jpg", "test/benign/smaller.png"]);
    assert!(crossing.near.iter().all(|near| near.like == "train/benign/original.png" && near.correlation > 0.995));
    assert_eq!(report.look_alikes.len(), 1);
    assert_eq!(report.look_alikes[0].len(), 4);
}

#[test]
fn groups_on_both_sides_and_conflicting_labels_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    clean(root);
    save(&root.join("train/benign/q1_a.png"), &picture(40, 30, 50));
    save(&root.join("test/benign/q1_b.png"), &picture(40, 30, 51));
    copy(root, "train/benign/p0.png", "train/malignant/p90.png");
    let dataset = open_with(root, "[groups]\nregex = '[pq]\\d+'\n");
    let report = check(&dataset, &silent).unwrap();
    assert_eq!(report.crossing(Split::Test, Split::Train).unwrap().groups, ["q1"]);
    assert!(report.leaks());
    let conflict: Vec<_> =
        report.label_conflicts[0].images.iter().map(|l| (l.image.as_str(), l.class.as_str())).collect();
    assert_eq!(conflict, [("train/benign/p0.png", "benign"), ("train/malignant/p90.png", "malignant")]);
    assert_eq!(report.across_groups.len(), 1);
    assert_eq!(report.across_groups[0].images.len(), 2);
}

#[test]
fn unreadable_images_are_named_with_the_reason() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    clean(root);
    let whole = std::fs::read(root.join("train/benign/p0.png")).unwrap();
    std::fs::write(root.join("train/benign/p0.png"), &whole[..whole.len() / 2]).unwrap();
    std::fs::write(root.join("test/benign/p10.png"), b"").unwrap();
    let report = check(&open(root), &silent).unwrap();
    let named: Vec<_> = report.unreadable.iter().map(|bad| bad.image.as_str()).collect();
    assert_eq!(named, ["test/benign/p10.png", "train/benign/p0.png"]);
    assert!(report.unreadable[0].reason.contains("empty") && report.unreadable[1].reason.contains("truncated"));
}

#[test]
fn masks_that_cannot_be_used_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    clean(root);
    let mask = |id: &str, width: u32, height: u32| {
        let path = root.join("masks").join(id);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        image::GrayImage::new(width, height).save(path).unwrap();
    };
    // Over the image of 40 x 30 at another resolution, on its side, and not at all.
    mask("train/benign/p0.png", 120, 90);
    mask("train/benign/p2.png", 30, 40);
    mask("train/benign/p4.png", 40, 40);
    std::fs::create_dir_all(root.join("masks/test/benign")).unwrap();
    std::fs::write(root.join("masks/test/benign/p10.png"), b"").unwrap();
    let report = check(&open_with(root, "[masks]\npattern = \"masks/{id}\"\n"), &silent).unwrap();
    let named: Vec<_> = report.bad_masks.iter().map(|bad| (bad.image.as_str(), bad.reason.as_str())).collect();
    assert_eq!(named.len(), 2, "{named:?}");
    assert!(named[0].0 == "test/benign/p10.png" && named[0].1.contains("empty"), "{named:?}");
    assert!(named[1].0 == "train/benign/p4.png" && named[1].1.contains("40 x 40 pixels"), "{named:?}");
    assert!(report.unreadable.is_empty());
}

#[test]
fn flat_images_are_not_near_each_other() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    clean(root);
    for grey in 0..5 {
        let flat = image::RgbImage::from_pixel(20, 20, image::Rgb([grey * 40; 3]));
        save(&root.join(format!("train/benign/flat{grey}.png")), &flat);
    }
    assert!(check(&open(root), &silent).unwrap().look_alikes.is_empty());
}

#[test]
fn dedup_drops_the_training_copies_and_keeps_the_test() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    clean(root);
    copy(root, "test/malignant/p11.png", "train/malignant/a.png");
    copy(root, "test/malignant/p11.png", "train/malignant/b.png");
    let mut dataset = open(root);
    let report = check(&dataset, &silent).unwrap();
    let plan = dedup::plan(&dataset, &report).unwrap();
    assert_eq!((plan.before[1].train, plan.after[1].train), (5, 3));
    assert_eq!((plan.before[1].test, plan.after[1].test), (3, 3));
    assert!(dedup::apply(&dataset, &plan).unwrap_err().to_string().contains("data add"));
    dataset.drop_images(plan.record.clone()).unwrap();
    let again = check(&dataset, &silent).unwrap();
    assert!(!again.leaks());
    // A second time finds nothing new and forgets nothing.
    assert_eq!(dedup::plan(&dataset, &again).unwrap().record, plan.record);
}

#[test]
fn dedup_refuses_to_empty_a_class_or_to_work_without_a_test_part() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path();
    clean(root);
    for seed in [1, 3, 5] {
        copy(root, &format!("train/malignant/p{seed}.png"), &format!("test/malignant/c{seed}.png"));
    }
    let dataset = open(root);
    let error = dedup::plan(&dataset, &check(&dataset, &silent).unwrap()).unwrap_err().to_string();
    assert!(error.contains("malignant") && error.contains("all 3"), "{error}");
    std::fs::remove_dir_all(root.join("test")).unwrap();
    let dataset = open(root);
    let error = dedup::plan(&dataset, &check(&dataset, &silent).unwrap()).unwrap_err().to_string();
    assert!(error.contains("no test part"), "{error}");
}

#[test]
fn the_report_survives_json_and_the_check_can_be_cancelled() {
    let folder = tempfile::tempdir().unwrap();
    clean(folder.path());
    copy(folder.path(), "test/malignant/p11.png", "train/malignant/a.png");
    let dataset = open(folder.path());
    let report = check(&dataset, &silent).unwrap();
    let text = serde_json::to_string(&report).unwrap();
    let back: lightbox_data::leakage::LeakageReport = serde_json::from_str(&text).unwrap();
    assert_eq!(back, report);
    let stop = |done: usize, _: usize| if done > 3 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
    assert!(matches!(check(&dataset, &stop), Err(Error::Cancelled)));
}
