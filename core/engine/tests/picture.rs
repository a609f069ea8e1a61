//! Pictures and arrays against OpenCV, matplotlib, numpy and grad-cam 1.5.7.

#![allow(clippy::unwrap_used)] // A test may fail loudly, in its helpers too.

mod oracle;

use std::sync::LazyLock;

use lightbox_engine::picture::{
    Colormap, Options, Original, PictureError, Region, npy, overlay, resize_map, write_png,
};
use oracle::{Oracle, largest_difference, number, size};

const OURS: [f32; 6] = [0.0, 0.25, 1.0, 0.1, 1e-30, 0.5];

static ORACLE: LazyLock<Oracle> = LazyLock::new(|| {
    Oracle::run("metrics_picture.py", |folder| npy::write(&folder.join("ours.npy"), &OURS, [2, 3]).unwrap())
});

#[test]
fn colormaps_are_matplotlibs_and_opencvs() {
    for map in Colormap::ALL {
        let expected: Vec<u8> = serde_json::from_value(ORACLE.facts["colors"][map.as_str()].clone()).unwrap();
        let ours: Vec<u8> = (0..=255).flat_map(|step| map.color(step)).collect();
        assert_eq!(ours, expected, "{map}");
        assert_eq!(map.as_str().parse::<Colormap>().unwrap(), map);
        assert_eq!(map.at(2.0), Some(map.color(255)));
        assert_eq!((map.at(-1.0), map.at(f32::NAN)), (Some(map.color(0)), None));
    }
    assert!("rainbow".parse::<Colormap>().is_err());
}

#[test]
fn resizing_is_opencvs() {
    for (i, case) in ORACLE.cases("resized").iter().enumerate() {
        let side = |key: &str| serde_json::from_value::<[usize; 2]>(case[key].clone()).unwrap();
        let ours = resize_map(&ORACLE.f32s(&format!("resize-{i}-from")), side("from"), side("to")).unwrap();
        let difference = largest_difference(&ours, &ORACLE.f32s(&format!("resize-{i}-to")));
        assert!(difference < 1e-6, "{case}: {difference}");
    }
    assert!(matches!(resize_map(&[0.0; 5], [2, 3], [4, 4]), Err(PictureError::Size { .. })));
    assert!(matches!(resize_map(&[0.0; 6], [2, 3], [0, 4]), Err(PictureError::Setting { .. })));
}

#[test]
fn the_jet_overlay_is_grad_cams() {
    for (i, case) in ORACLE.cases("overlays").iter().enumerate() {
        let [height, width] = size(case);
        let pixels = ORACLE.bytes(&format!("overlay-{i}-image.u8"));
        let map = ORACLE.f32s(&format!("overlay-{i}-map"));
        let image_weight = number(case, "weight") as f32;
        let options = Options { colormap: Colormap::Jet, image_weight, stretch: true, legend: false };
        let original = Original { pixels: &pixels, width, height, channels: 3 };
        let ours = overlay(&original, &map, [height, width], &[], &options).unwrap();
        let expected = ORACLE.bytes(&format!("overlay-{i}-shown.u8"));
        let differ = ours.pixels.iter().zip(&expected).filter(|(a, b)| a != b).count();
        let largest = ours.pixels.iter().zip(&expected).map(|(a, b)| a.abs_diff(*b)).max();
        // Rounding before a truncation may turn a value over to the next byte.
        assert!(largest <= Some(1) && differ * 1000 <= expected.len(), "{case}: {differ} differ, by {largest:?}");
    }
}

#[test]
fn npy_files_pass_between_numpy_and_us() {
    let read = &ORACLE.facts["ours"];
    assert_eq!((read["dtype"].as_str().unwrap(), read["shape"].to_string()), ("float32", "[2,3]".into()));
    let values: Vec<f32> = serde_json::from_value(read["values"].clone()).unwrap();
    assert_eq!(values, OURS);
    let theirs = npy::read(&ORACLE.path("theirs.npy")).unwrap();
    assert_eq!((theirs.size, theirs.values), ([3, 4], (0u8..12).map(f32::from).collect()));
    assert_eq!(npy::read(&ORACLE.path("theirs-2.npy")).unwrap().values, [1.0; 10]);
    for (file, word) in [("fortran.npy", "Fortran"), ("double.npy", "float32"), ("oracle.json", "not a .npy")] {
        let message = npy::read(&ORACLE.path(file)).unwrap_err().to_string();
        assert!(message.contains(word) && message.contains(file), "{message}");
    }
}

#[test]
fn an_overlay_has_the_originals_size_and_leaves_nan_alone() {
    let pixels: Vec<u8> = (0..60 * 40).map(|i| (i % 251) as u8).collect();
    let original = Original { pixels: &pixels, width: 60, height: 40, channels: 1 };
    let plain = overlay(&original, &[f32::NAN; 4], [2, 2], &[], &Options::default()).unwrap();
    let grey: Vec<u8> = pixels.iter().flat_map(|p| [*p; 3]).collect();
    assert!(plain.pixels.iter().zip(&grey).all(|(a, b)| a.abs_diff(*b) <= 1));
    let options = Options { image_weight: 0.0, ..Options::default() };
    let map = [0.0, 1.0, 0.0, 1.0];
    let colored = overlay(&original, &map, [2, 2], &[], &options).unwrap();
    assert_eq!((colored.width, colored.height), (60, 40));
    assert_eq!(colored.pixels[..3], Colormap::Viridis.color(0));
    assert_eq!(colored.pixels[3 * 59..3 * 60], Colormap::Viridis.color(255));
    for broken in [
        overlay(&Original { channels: 4, ..original }, &map, [2, 2], &[], &options),
        overlay(&Original { width: 61, ..original }, &map, [2, 2], &[], &options),
        overlay(&original, &map, [2, 3], &[], &options),
        overlay(&original, &map, [2, 2], &[], &Options { image_weight: 1.5, ..options.clone() }),
        overlay(&original, &map, [2, 2], &[Region::Mask { inside: &[true], width: 2, height: 1 }], &options),
    ] {
        assert!(broken.is_err());
    }
}

#[test]
fn outlines_follow_the_annotation_and_a_legend_stands_beside() {
    let pixels = vec![90; 100 * 100 * 3];
    let original = Original { pixels: &pixels, width: 100, height: 100, channels: 3 };
    let map = [0.5; 4];
    let options = Options::default();
    let plain = overlay(&original, &map, [2, 2], &[], &options).unwrap();
    let region = Region::Box { left: 0.2, top: 0.3, right: 0.6, bottom: 0.8 };
    let inside: Vec<bool> =
        (0..100 * 100).map(|i| (20..60).contains(&(i % 100)) && (30..80).contains(&(i / 100))).collect();
    let mask = Region::Mask { inside: &inside, width: 100, height: 100 };
    let boxed = overlay(&original, &map, [2, 2], &[region], &options).unwrap();
    assert_eq!(boxed, overlay(&original, &map, [2, 2], &[mask], &options).unwrap());
    let at = |picture: &lightbox_engine::picture::Picture, x: usize, y: usize| -> [u8; 3] {
        let start = 3 * (y * picture.width + x);
        picture.pixels[start..start + 3].try_into().unwrap()
    };
    for (x, y) in [(20, 50), (60, 50), (40, 30), (40, 80)] {
        assert_eq!(at(&boxed, x, y), [255; 3], "the line at {x}, {y}");
    }
    for (x, y) in [(40, 50), (5, 5), (90, 90)] {
        assert_eq!(at(&boxed, x, y), at(&plain, x, y), "away from the line at {x}, {y}");
    }
    let with_legend = overlay(&original, &map, [2, 2], &[region], &Options { legend: true, ..options }).unwrap();
    assert!(with_legend.width > 100 && with_legend.height == 100);
    assert_eq!(at(&with_legend, 20, 50), [255; 3]);
    let bar: Vec<[u8; 3]> = (0..100).map(|y| at(&with_legend, 104, y)).collect();
    assert_eq!((bar[0], bar[99]), (Colormap::Viridis.at(0.995).unwrap(), Colormap::Viridis.at(0.005).unwrap()));
}

#[test]
fn a_png_comes_back_and_a_failed_write_leaves_nothing() {
    let pixels: Vec<u8> = (0..3 * 35).map(|i| i * 2).collect();
    let original = Original { pixels: &pixels, width: 7, height: 5, channels: 3 };
    let picture = overlay(&original, &[0.3; 35], [5, 7], &[], &Options { legend: true, ..Options::default() }).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("overlay.png");
    write_png(&path, &picture).unwrap();
    let back = image::open(&path).unwrap().to_rgb8();
    assert_eq!((back.width() as usize, back.height() as usize), (picture.width, picture.height));
    assert_eq!(back.into_raw(), picture.pixels);
    let blocked = folder.path().join("a folder.png");
    std::fs::create_dir(&blocked).unwrap();
    let message = write_png(&blocked, &picture).unwrap_err().to_string();
    assert!(message.contains("a folder.png"), "{message}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 2, "a temporary file was left behind");
}
