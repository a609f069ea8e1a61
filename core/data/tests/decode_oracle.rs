//! Decoding, the intensity rule, CLAHE and resizing against Pillow, NumPy, OpenCV and torchvision.

#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

mod pictures;

use std::collections::BTreeMap;
use std::path::Path;

use lightbox_data::decode::{DecodeOptions, DecodedImage, clahe, read};
use lightbox_data::{Channels, Clahe, Intensity, geometry};
use serde_json::Value;

/// JPEG leaves the rounding of the inverse cosine transform, the chroma upsampling and the colour conversion to the
/// decoder, a level or two each: together this far in any pixel, ...
const LOSSY_WORST: u8 = 6;
/// ... and less than one level on average, which a shifted, turned or otherwise misread picture exceeds by far.
const LOSSY_MEAN: f64 = 0.7;
/// Both of torchvision's ways round, one of them in between as well: one level.
const RESIZE_WORST: u8 = 1;

fn options(channels: u64) -> DecodeOptions {
    let channels = if channels == 1 { Channels::Grey } else { Channels::Colour };
    DecodeOptions { channels, ..DecodeOptions::default() }
}

/// Largest and mean difference.
fn difference(ours: &[u8], theirs: &[u8]) -> (u8, f64) {
    assert_eq!(ours.len(), theirs.len());
    let differences = ours.iter().zip(theirs).map(|(a, b)| a.abs_diff(*b));
    let sum: f64 = differences.clone().map(f64::from).sum();
    (differences.max().unwrap_or(0), sum / ours.len() as f64)
}

fn decoded(folder: &Path, case: &Value, options: &DecodeOptions) -> DecodedImage {
    let path = folder.join(case["file"].as_str().unwrap());
    let image = read(&path, options).unwrap_or_else(|error| panic!("{error}"));
    if case["kind"] != "resize" {
        let size = (u64::from(image.width), u64::from(image.height));
        assert_eq!(size, (case["width"].as_u64().unwrap(), case["height"].as_u64().unwrap()), "{case}");
    }
    image
}

#[test]
fn files_are_read_as_the_references_read_them() {
    let folder = tempfile::tempdir().unwrap();
    let cases = pictures::oracle("decode.py", folder.path());
    let mut worst: BTreeMap<String, (u8, f64)> = BTreeMap::new();
    let mut problems = Vec::new();
    for case in cases.as_array().unwrap() {
        let expected = std::fs::read(folder.path().join(case["expected"].as_str().unwrap())).unwrap();
        let channels = case["channels"].as_u64().unwrap();
        let number = |key: &str| case[key].as_f64().unwrap();
        let (what, ours, worst_allowed, mean_allowed) = match case["kind"].as_str().unwrap() {
            "decode" => {
                let image = decoded(folder.path(), case, &options(channels));
                match case["tolerance"].as_u64() {
                    Some(tolerance) => ("lossless", image.pixels, tolerance as u8, f64::INFINITY),
                    None if case["inks"] == true => ("jpeg in four inks", image.pixels, LOSSY_WORST, LOSSY_MEAN),
                    None if case["file"] == "lossy.webp" => ("lossy webp", image.pixels, LOSSY_WORST, LOSSY_MEAN),
                    None => ("jpeg", image.pixels, LOSSY_WORST, LOSSY_MEAN),
                }
            }
            "deep" => {
                let intensity = match case["rule"].as_str().unwrap() {
                    "percentile" => Intensity::default(),
                    "full" => Intensity::Full,
                    _ => {
                        let bound = |at: usize| case["bounds"][at].as_f64().unwrap();
                        Intensity::Window { center: (bound(0) + bound(1)) / 2.0, width: bound(1) - bound(0) }
                    }
                };
                let image = decoded(folder.path(), case, &DecodeOptions { intensity, ..options(channels) });
                // The same double-precision operations in the same order: equal to the bit. Where the luma comes first, its
                // weights are Pillow's fixed-point ones, which may tip a tie.
                ("deep", image.pixels, case["tolerance"].as_u64().unwrap_or(0) as u8, f64::INFINITY)
            }
            "clahe" => {
                let image = decoded(folder.path(), case, &options(1));
                let settings = Clahe { clip_limit: number("clip"), tiles: number("tiles") as u32 };
                let equalised = clahe(&image.pixels, image.width as usize, image.height as usize, &settings);
                ("clahe", equalised, 0, 0.0)
            }
            "resize" => {
                let image = decoded(folder.path(), case, &options(channels));
                let size = (number("width") as u32, number("height") as u32);
                let what = if case["way"] == "v1" { "resize v1" } else { "resize v2" };
                (what, geometry::resize(&image, size).unwrap(), RESIZE_WORST, f64::INFINITY)
            }
            other => panic!("{other}"),
        };
        let (largest, mean) = difference(&ours, &expected);
        let record = worst.entry(what.to_owned()).or_default();
        *record = (record.0.max(largest), record.1.max(mean));
        if largest > worst_allowed || mean > mean_allowed {
            problems.push(format!("{case}: off by up to {largest}, {mean:.3} on average"));
        }
    }
    println!("largest difference, largest mean difference: {worst:?}");
    assert!(worst.len() == 8, "{worst:?}");
    assert!(problems.is_empty(), "{} cases:\n{}", problems.len(), problems.join("\n"));
}
