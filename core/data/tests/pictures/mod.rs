//! What several tests need: the oracle interpreter, and small picture files.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::path::Path;

/// Runs a script of `tests/oracles` with a folder as its argument and gives what it prints.
pub fn oracle(script: &str, folder: &Path) -> serde_json::Value {
    let python =
        std::env::var_os("LIGHTBOX_ORACLE_PYTHON").expect("run ./justw test, which sets LIGHTBOX_ORACLE_PYTHON");
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/oracles").join(script);
    let run = std::process::Command::new(python).args(["-W", "ignore"]).arg(&script).arg(folder).output().unwrap();
    assert!(run.status.success(), "{}: {}", script.display(), String::from_utf8_lossy(&run.stderr));
    serde_json::from_slice(&run.stdout).unwrap()
}

/// A colour picture with some structure, different for each `seed`.
pub fn picture(width: u32, height: u32, seed: u32) -> image::RgbImage {
    image::RgbImage::from_fn(width, height, |x, y| {
        let wave = |a: u32, b: u32| ((x * a + y * b + seed * 37) % 251) as u8;
        let disc = (x as i32 - 9 - (seed % 7) as i32).pow(2) + (y as i32 - 8 - (seed % 5) as i32).pow(2) < 30;
        if disc { image::Rgb([230, 220, 210]) } else { image::Rgb([wave(3, 5), wave(2, 7) / 2, wave(11, 1) / 3]) }
    })
}

/// The picture as a file of some format.
pub fn encoded(picture: &image::DynamicImage, format: image::ImageFormat) -> Vec<u8> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    picture.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

/// Writes a picture, making its folders.
pub fn save(path: &Path, picture: &image::RgbImage) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    picture.save(path).unwrap();
}

/// An image record of a file, with class 0 and no group.
pub fn record(root: &Path, id: &str) -> lightbox_data::ImageRecord {
    lightbox_data::ImageRecord {
        id: id.to_owned(),
        path: root.join(id),
        label: 0,
        group: None,
        split: None,
        boxes: Vec::new(),
        mask: None,
    }
}
