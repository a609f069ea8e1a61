//! Damaged, truncated, oversized and foreign files: an error that names the file, never a panic, never a bomb.

#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

mod pictures;

use std::io::Write;
use std::path::Path;

use image::{DynamicImage, ImageFormat};
use lightbox_data::decode::{DecodeLimits, DecodeOptions, from_bytes, read};
use lightbox_data::geometry;
use pictures::{encoded, picture};
use proptest::prelude::*;

const FORMATS: [ImageFormat; 5] =
    [ImageFormat::Jpeg, ImageFormat::Png, ImageFormat::Tiff, ImageFormat::Bmp, ImageFormat::WebP];
/// What the error says when a decoder panicked and was caught: still an error, but one to be reported upstream.
const CAUGHT: &str = "gave up on the damage";

fn sample(format: ImageFormat) -> Vec<u8> {
    encoded(&DynamicImage::ImageRgb8(picture(33, 21, 1)), format)
}

fn sixteen_bits(format: ImageFormat) -> Vec<u8> {
    encoded(&DynamicImage::ImageLuma16(DynamicImage::ImageRgb8(picture(33, 21, 1)).into_luma16()), format)
}

/// A palette, a signed and a floating-point TIFF, written by hand: `sample_format` 1 unsigned, 2 signed, 3 float.
fn tiff(bits: u16, sample_format: u16, photometric: u16) -> Vec<u8> {
    let (width, height) = (9_u32, 7_u32);
    let data = vec![7_u8; (width * height) as usize * usize::from(bits) / 8];
    let entries = 10_u16;
    let directory = 8_u32;
    let after = directory + 2 + u32::from(entries) * 12 + 4;
    let palette = after + data.len() as u32;
    let mut bytes = vec![b'I', b'I', 42, 0];
    bytes.extend(directory.to_le_bytes());
    bytes.extend(entries.to_le_bytes());
    let mut entry = |tag: u16, kind: u16, count: u32, value: u32| {
        bytes.extend(tag.to_le_bytes());
        bytes.extend(kind.to_le_bytes());
        bytes.extend(count.to_le_bytes());
        bytes.extend(value.to_le_bytes());
    };
    entry(256, 4, 1, width);
    entry(257, 4, 1, height);
    entry(258, 3, 1, u32::from(bits));
    entry(259, 3, 1, 1);
    entry(262, 3, 1, u32::from(photometric));
    entry(273, 4, 1, after);
    entry(277, 3, 1, 1);
    entry(279, 4, 1, data.len() as u32);
    entry(320, 3, 768, palette);
    entry(339, 3, 1, u32::from(sample_format));
    bytes.extend(0_u32.to_le_bytes());
    bytes.extend(data);
    bytes.extend([9; 768 * 2]);
    bytes
}

fn all_samples() -> Vec<(&'static str, Vec<u8>)> {
    let names = ["jpeg", "png", "tiff", "bmp", "webp"];
    let mut samples: Vec<_> = names.into_iter().zip(FORMATS.map(sample)).collect();
    samples.push(("png 16", sixteen_bits(ImageFormat::Png)));
    samples.push(("tiff 16", sixteen_bits(ImageFormat::Tiff)));
    samples.push(("tiff palette", tiff(8, 1, 3)));
    samples.push(("tiff signed", tiff(16, 2, 1)));
    samples.push(("tiff float", tiff(32, 3, 1)));
    samples.push(("tiff double", tiff(64, 3, 1)));
    samples
}

/// Decodes and, where that works, does what follows: no step may panic.
fn digest(bytes: &[u8]) -> Result<(), String> {
    let limits = DecodeLimits { max_pixels: 4_000_000, max_bytes: 64 << 20, ..DecodeLimits::default() };
    let options = DecodeOptions { limits, ..DecodeOptions::default() };
    let image = from_bytes(Path::new("damaged file.png"), bytes, &options).map_err(|error| error.to_string())?;
    assert_eq!(image.pixels.len(), image.width as usize * image.height as usize * 3);
    geometry::resize(&image, (16, 16)).map(|_| ()).map_err(|error| error.to_string())
}

#[test]
fn whole_samples_are_read() {
    for (name, bytes) in all_samples() {
        assert_eq!(digest(&bytes), Ok(()), "{name}");
    }
}

#[test]
fn every_truncation_is_an_error_that_names_the_file() {
    for (name, bytes) in all_samples() {
        // The palette stands last and is not needed by the others.
        let needed = if name.contains("signed") || name.contains("float") || name.contains("double") {
            bytes.len() - 768 * 2
        } else {
            bytes.len()
        };
        for length in 0..needed {
            let error = digest(&bytes[..length]).expect_err(&format!("{name} cut to {length} of {}", bytes.len()));
            assert!(error.contains("damaged file.png"), "{name}: {error}");
            assert!(!error.contains(CAUGHT), "{name} cut to {length}: {error}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 3000, ..ProptestConfig::default() })]

    #[test]
    fn flipped_bits_never_panic(which in 0_usize..11, flips in prop::collection::vec((any::<prop::sample::Index>(), 0_u8..8), 1..6)) {
        let (_, mut bytes) = all_samples().swap_remove(which);
        for (at, bit) in flips {
            let at = at.index(bytes.len());
            bytes[at] ^= 1 << bit;
        }
        if let Err(error) = digest(&bytes) {
            prop_assert!(error.contains("damaged file.png"), "{}", error);
        }
    }

    #[test]
    fn spliced_and_random_tails_never_panic(which in 0_usize..11, keep in any::<prop::sample::Index>(), tail in prop::collection::vec(any::<u8>(), 0..400)) {
        let (_, mut bytes) = all_samples().swap_remove(which);
        bytes.truncate(keep.index(bytes.len()));
        bytes.extend(tail);
        if let Err(error) = digest(&bytes) {
            prop_assert!(error.contains("damaged file.png"), "{}", error);
        }
    }
}

/// A PNG's head that promises `side` x `side` grey pixels.
fn bomb(side: u32) -> Vec<u8> {
    let mut bytes = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut head = b"IHDR".to_vec();
    head.extend(side.to_be_bytes());
    head.extend(side.to_be_bytes());
    head.extend([8, 0, 0, 0, 0]);
    for chunk in [head, b"IDAT".to_vec(), b"IEND".to_vec()] {
        bytes.extend((chunk.len() as u32 - 4).to_be_bytes());
        bytes.extend(&chunk);
        bytes.extend(checksum(&chunk).to_be_bytes());
    }
    bytes
}

fn checksum(bytes: &[u8]) -> u32 {
    let step = |crc: u32| if crc & 1 == 1 { 0xedb8_8320 ^ (crc >> 1) } else { crc >> 1 };
    !bytes.iter().fold(!0_u32, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |crc, _| step(crc)))
}

#[test]
fn a_bomb_is_refused_by_its_header_with_the_numbers() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bomb.png");
    std::fs::write(&path, bomb(60_000)).unwrap();
    let error = read(&path, &DecodeOptions::default()).unwrap_err().to_string();
    for part in ["bomb.png", "60000 x 60000", "3600000000", "100000000"] {
        assert!(error.contains(part), "{error}");
    }
    let limits = DecodeLimits { max_bytes: 1000, ..DecodeLimits::default() };
    let path = folder.path().join("large.png");
    std::fs::write(&path, sample(ImageFormat::Png)).unwrap();
    let error = read(&path, &DecodeOptions { limits, ..DecodeOptions::default() }).unwrap_err().to_string();
    assert!(error.contains("33 x 21") && error.contains("2079") && error.contains("1000"), "{error}");
    let limits = DecodeLimits { max_file_bytes: 100, ..DecodeLimits::default() };
    let error = read(&path, &DecodeOptions { limits, ..DecodeOptions::default() }).unwrap_err().to_string();
    assert!(error.contains("limit of 100"), "{error}");
}

#[test]
fn what_is_no_image_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let read = |name: &str, bytes: &[u8]| {
        let path = folder.path().join(name);
        std::fs::File::create(&path).unwrap().write_all(bytes).unwrap();
        read(&path, &DecodeOptions::default()).unwrap_err().to_string()
    };
    let mut dicom = vec![0; 128];
    dicom.extend(b"DICM and more");
    assert!(read("scan.png", &dicom).contains("scan.png: a DICOM file"));
    assert!(read("empty.jpg", b"").contains("empty"));
    assert!(read("page.jpg", b"<html>not found</html>").contains("page.jpg: no image format"));
    let error = lightbox_data::decode::read(folder.path(), &DecodeOptions::default()).unwrap_err().to_string();
    assert!(error.contains("not a regular file"), "{error}");
    let error = lightbox_data::decode::read(&folder.path().join("none.png"), &DecodeOptions::default()).unwrap_err();
    assert!(error.to_string().contains("none.png") && error.is_bad_input());
}
