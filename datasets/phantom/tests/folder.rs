//! What `generate` writes, and that it writes the same whatever the number of threads.

#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use lightbox_phantom::{Error, Kind, generate};

/// Every file below a folder with its content.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut open = vec![folder.to_path_buf()];
    while let Some(next) = open.pop() {
        for entry in std::fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                let name = path.strip_prefix(folder).unwrap().to_string_lossy().into_owned();
                found.insert(name, std::fs::read(path).unwrap());
            }
        }
    }
    found
}

fn made(kind: Kind, seed: u64, threads: usize) -> BTreeMap<String, Vec<u8>> {
    let folder = tempfile::tempdir().unwrap();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    pool.install(|| generate(kind, 25, 48, seed, folder.path())).unwrap();
    files(folder.path())
}

#[test]
fn a_seed_gives_the_same_bytes_on_any_number_of_threads() {
    for kind in Kind::ALL {
        let one = made(kind, 7, 1);
        assert!(one == made(kind, 7, 4), "{kind:?} depends on the threads");
        assert!(one != made(kind, 8, 1), "{kind:?} does not depend on the seed");
    }
}

#[test]
fn the_table_names_every_picture_once_with_balanced_classes_and_whole_groups() {
    for kind in Kind::ALL {
        let found = made(kind, 3, 2);
        let table = String::from_utf8(found["metadata.csv"].clone()).unwrap();
        let mut rows = table.lines();
        assert_eq!(rows.next(), Some("image,label,group"));
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        let mut label_of_group: BTreeMap<String, String> = BTreeMap::new();
        let mut images = BTreeSet::new();
        for row in rows {
            let fields: Vec<&str> = row.split(',').collect();
            let (image, label, group) = (fields[0], fields[1], fields[2]);
            assert!(images.insert(image.to_owned()) && found.contains_key(image));
            let healthy = matches!(label, "none" | "normal");
            assert_eq!(found.contains_key(&image.replace("images/", "masks/")), !healthy, "{image} is {label}");
            *counts.entry(label.to_owned()).or_default() += 1;
            assert_eq!(label_of_group.entry(group.to_owned()).or_insert(label.to_owned()), label);
        }
        assert_eq!(images.len(), 25);
        assert!(counts.keys().map(String::as_str).eq(kind.classes().iter().copied()));
        assert!(counts.values().max().unwrap() - counts.values().min().unwrap() <= 1);
        assert!(label_of_group.len() < 25, "several pictures of a group");
    }
}

#[test]
fn masks_are_zero_or_full_and_of_the_pictures_size() {
    let found = made(Kind::Skin, 1, 2);
    for (name, bytes) in found.iter().filter(|(name, _)| name.starts_with("masks/")) {
        let mask = image::load_from_memory(bytes).unwrap().into_luma8();
        assert_eq!(mask.dimensions(), (48, 48));
        assert!(mask.pixels().all(|pixel| matches!(pixel.0[0], 0 | 255)), "{name}");
        assert!(mask.pixels().any(|pixel| pixel.0[0] == 255), "{name} is empty");
    }
}

#[test]
fn what_cannot_be_made_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    assert!(matches!(generate(Kind::Brain, 2, 64, 0, folder.path()), Err(Error::Count { n: 2, classes: 4 })));
    assert!(matches!(generate(Kind::Brain, 9, 8, 0, folder.path()), Err(Error::Size(8))));
    assert!("liver".parse::<Kind>().unwrap_err().to_string().contains("liver"));
    std::fs::write(folder.path().join("mine.txt"), "x").unwrap();
    assert!(matches!(generate(Kind::Brain, 9, 64, 0, folder.path()), Err(Error::NotEmpty(_))));
}
