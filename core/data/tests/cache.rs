//! The decode cache: what is in it, when it is built again, and who else may build at the same time.

#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

mod pictures;

use std::ops::ControlFlow;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use lightbox_data::cache::{CacheSpec, DecodeCache};
use lightbox_data::decode::{DecodeOptions, read, silent};
use lightbox_data::{Channels, Error, ImageRecord, Intensity, geometry};
use pictures::{picture, record, save};

const SPEC: CacheSpec =
    CacheSpec { size: (16, 12), channels: Channels::Colour, intensity: Intensity::Full, clahe: None };

struct Room {
    _folder: tempfile::TempDir,
    images: PathBuf,
    cache: PathBuf,
}

impl Room {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (images, cache) = (folder.path().join("images"), folder.path().join("cache"));
        Self { _folder: folder, images, cache }
    }

    fn image(&self, name: &str, seed: u32) -> ImageRecord {
        save(&self.images.join(name), &picture(30 + seed, 20, seed));
        record(&self.images, name)
    }

    fn images(&self, count: u32) -> Vec<ImageRecord> {
        (0..count).map(|seed| self.image(&format!("{seed}.png"), seed)).collect()
    }

    fn open(&self, images: &[ImageRecord], spec: &CacheSpec) -> lightbox_data::error::Result<DecodeCache> {
        let images: Vec<&ImageRecord> = images.iter().collect();
        DecodeCache::open_or_build(&self.cache, &images, spec, &silent, 0.5)
    }

    /// All segments, of all specs.
    fn segments(&self) -> Vec<PathBuf> {
        let folders = std::fs::read_dir(&self.cache).unwrap().map(|entry| entry.unwrap().path());
        let inside = folders.filter(|path| path.is_dir()).flat_map(|folder| std::fs::read_dir(folder).unwrap());
        inside
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.extension().is_some_and(|e| e == "pixels"))
            .collect()
    }
}

fn check(cache: &DecodeCache, images: &[ImageRecord]) {
    for (index, image) in images.iter().enumerate() {
        let expected = geometry::resize(&read(&image.path, &DecodeOptions::default()).unwrap(), SPEC.size).unwrap();
        assert_eq!(cache.image(index), Some(expected.as_slice()), "{}", image.id);
    }
    assert_eq!((cache.len(), cache.image(images.len())), (images.len(), None));
}

#[test]
fn images_are_decoded_once_and_then_read() {
    let room = Room::new();
    let images = room.images(9);
    let cache = room.open(&images, &SPEC).unwrap();
    check(&cache, &images);
    assert_eq!((cache.decoded(), cache.bad().len()), (9, 0));
    let again = room.open(&images, &SPEC).unwrap();
    check(&again, &images);
    assert_eq!(again.decoded(), 0);
    assert!(room.open(&[], &SPEC).unwrap().is_empty());
}

#[test]
fn a_few_changed_images_cost_a_few_decodes() {
    let room = Room::new();
    let mut images = room.images(9);
    let first = room.open(&images, &SPEC).unwrap();
    // Changed, new, and renamed.
    images[2] = room.image("2.png", 40);
    images.push(room.image("new.png", 41));
    std::fs::rename(room.images.join("3.png"), room.images.join("moved.png")).unwrap();
    images[3] = record(&room.images, "moved.png");
    let cache = room.open(&images, &SPEC).unwrap();
    check(&cache, &images);
    assert_eq!((cache.decoded(), room.segments().len()), (2, 2));
    // In another order, less some.
    images.reverse();
    images.truncate(5);
    let fold = room.open(&images, &SPEC).unwrap();
    check(&fold, &images);
    assert_eq!(fold.decoded(), 0);
    assert!(first.image(2).is_some(), "an open cache keeps its pixels");
}

#[test]
fn another_size_or_rule_is_another_cache() {
    let room = Room::new();
    let images = room.images(3);
    room.open(&images, &SPEC).unwrap();
    for spec in [
        CacheSpec { size: (12, 16), ..SPEC },
        CacheSpec { channels: Channels::Grey, ..SPEC },
        CacheSpec { intensity: Intensity::default(), ..SPEC },
        CacheSpec { clahe: Some(lightbox_data::Clahe::default()), ..SPEC },
    ] {
        let cache = room.open(&images, &spec).unwrap();
        assert_eq!(cache.decoded(), 3, "{spec:?}");
        assert_eq!(cache.image(0).unwrap().len(), spec.image_bytes());
    }
    let error = room.open(&images, &CacheSpec { size: (0, 16), ..SPEC }).unwrap_err().to_string();
    assert!(error.contains("0 x 16"), "{error}");
}

#[test]
fn a_damaged_or_truncated_cache_is_built_again() {
    let room = Room::new();
    let images = room.images(5);
    room.open(&images, &SPEC).unwrap();
    let [segment] = &room.segments()[..] else { panic!("one segment") };
    let whole = std::fs::read(segment).unwrap();
    let mut damages: Vec<Vec<u8>> = [0, 1, 40, 4096, whole.len() - 1].iter().map(|at| whole[..*at].to_vec()).collect();
    for at in [0, 8, 12, 16, 24, 60, 200] {
        let mut bytes = whole.clone();
        bytes[at] ^= 4;
        damages.push(bytes);
    }
    damages.push([whole.as_slice(), b"more"].concat());
    for damage in damages {
        std::fs::write(segment, &damage).unwrap();
        let cache = room.open(&images, &SPEC).unwrap();
        check(&cache, &images);
        assert_eq!(cache.decoded(), 5, "a cache of {} bytes was believed", damage.len());
    }
}

#[test]
fn a_damaged_memory_of_hashes_does_no_harm() {
    let room = Room::new();
    let images = room.images(3);
    room.open(&images, &SPEC).unwrap();
    std::fs::write(room.cache.join("files.json"), b"{\"broken").unwrap();
    check(&room.open(&images, &SPEC).unwrap(), &images);
}

#[test]
fn a_file_that_was_replaced_is_noticed_though_it_was_remembered() {
    let room = Room::new();
    let mut images = room.images(2);
    let old = std::time::SystemTime::now() - std::time::Duration::from_secs(3600);
    std::fs::File::open(&images[0].path).unwrap().set_modified(old).unwrap();
    room.open(&images, &SPEC).unwrap();
    images[0] = room.image("0.png", 9);
    std::fs::File::open(&images[0].path).unwrap().set_modified(old).unwrap();
    check(&room.open(&images, &SPEC).unwrap(), &images);
}

#[test]
fn bad_images_are_named_and_counted_up_to_a_share() {
    let room = Room::new();
    let mut images = room.images(8);
    let whole = std::fs::read(&images[1].path).unwrap();
    std::fs::write(&images[1].path, &whole[..whole.len() / 2]).unwrap();
    std::fs::write(room.images.join("copy.png"), &whole[..whole.len() / 2]).unwrap();
    images.push(record(&room.images, "copy.png"));
    images.push(record(&room.images, "missing.png"));
    for _ in 0..2 {
        let cache = room.open(&images, &SPEC).unwrap();
        let named: Vec<usize> = cache.bad().iter().map(|(index, _)| *index).collect();
        assert_eq!(named, [1, 8, 9]);
        for (index, reason) in cache.bad() {
            assert!(reason.contains(&*images[*index].path.to_string_lossy()), "{reason}");
            assert_eq!(cache.image(*index), None);
        }
        assert!(cache.image(2).is_some());
    }
    let all: Vec<&ImageRecord> = images.iter().collect();
    let error = DecodeCache::open_or_build(&room.cache, &all, &SPEC, &silent, 0.2).unwrap_err().to_string();
    assert!(error.contains("3 of 10 images") && error.contains("1.png") && error.contains("20%"), "{error}");
    let only_bad = [&images[1]];
    assert!(DecodeCache::open_or_build(&room.cache, &only_bad, &SPEC, &silent, 1.0).is_err());
}

#[test]
fn many_builders_at_once_give_one_cache() {
    let room = Room::new();
    let images = room.images(40);
    let decoded = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                let cache = room.open(&images, &SPEC).unwrap();
                check(&cache, &images);
                decoded.fetch_add(cache.decoded(), Ordering::Relaxed);
            });
        }
    });
    assert_eq!((decoded.into_inner(), room.segments().len()), (40, 1));
}

#[test]
fn what_a_killed_builder_left_is_cleared() {
    let room = Room::new();
    let images = room.images(3);
    room.open(&images, &SPEC).unwrap();
    let folder = room.segments()[0].parent().unwrap().to_path_buf();
    let left = folder.join("1-0-0.tmp");
    std::fs::write(&left, b"half").unwrap();
    let more = room.images(4);
    room.open(&more, &SPEC).unwrap();
    assert!(!left.exists());
}

#[test]
fn cancelling_leaves_nothing_behind() {
    let room = Room::new();
    let images = room.images(6);
    let images: Vec<&ImageRecord> = images.iter().collect();
    let stop = |done: usize, _total: usize| if done >= 2 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
    let cancelled = DecodeCache::open_or_build(&room.cache, &images, &SPEC, &stop, 0.0);
    assert!(matches!(cancelled, Err(Error::Cancelled)));
    assert!(room.segments().is_empty());
    assert!(unfinished(&room.cache).is_empty());
}

#[test]
fn a_full_disk_is_said_before_anything_is_decoded() {
    let room = Room::new();
    let images = room.images(1);
    // As many different files as fill some thirteen terabytes.
    let many: Vec<ImageRecord> = (0..16_000_u32)
        .map(|number| {
            let name = format!("{number}.bmp");
            let path = room.images.join(&name);
            std::fs::write(&path, number.to_le_bytes()).unwrap();
            record(&room.images, &name)
        })
        .collect();
    let spec = CacheSpec { size: (16_384, 16_384), ..SPEC };
    let error = room.open(&many, &spec).unwrap_err().to_string();
    assert!(error.contains("no room on the disk") && error.contains("--home"), "{error}");
    assert!(unfinished(&room.cache).is_empty());
    room.open(&images, &SPEC).unwrap();
}

#[test]
fn pixels_are_the_owners_alone() {
    let room = Room::new();
    room.open(&room.images(2), &SPEC).unwrap();
    let mut open = vec![room.cache.clone()];
    let mut files = 0;
    while let Some(folder) = open.pop() {
        assert_eq!(mode(&folder), 0o700);
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                assert_eq!(mode(&path), 0o600, "{}", path.display());
                files += 1;
            }
        }
    }
    assert!(files >= 1);
}

fn mode(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn unfinished(cache: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for folder in std::fs::read_dir(cache).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()) {
        let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        found.extend(files.filter(|path| path.extension().is_some_and(|ending| ending == "tmp")));
    }
    found
}
