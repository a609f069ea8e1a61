//! Writing a data set: pictures, masks, the table and a manifest.

use std::path::{Path, PathBuf};

use rayon::prelude::*;

use crate::{Kind, Phantom, draw, subjects};

/// Below, a lesion has no pixels to show its texture with.
const SMALLEST: u32 = 32;
/// Above, a phantom has nothing more to show.
const LARGEST: u32 = 2048;

/// Why no data set was written.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No such kind.
    #[error("{0:?} is no kind of phantom; use brain, skin or chest")]
    UnknownKind(String),
    /// A size that cannot be drawn.
    #[error("pictures of {0} pixels cannot be drawn; use a size from {SMALLEST} to {LARGEST}")]
    Size(u32),
    /// Too few pictures.
    #[error("{n} pictures cannot show {classes} classes; ask for at least {classes}")]
    Count {
        /// Pictures asked for.
        n: usize,
        /// Classes of the kind.
        classes: usize,
    },
    /// The folder holds something.
    #[error("{}: is not empty; name a new folder", .0.display())]
    NotEmpty(PathBuf),
    /// The system refused.
    #[error("cannot write {}: {source}", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// The system's own words.
        source: std::io::Error,
    },
}

/// A data set that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Generated {
    /// Its folder, with `images/`, `masks/`, `metadata.csv` and `manifest.toml`.
    pub folder: PathBuf,
    /// How many pictures.
    pub images: usize,
    /// Of how many patients or lesions.
    pub groups: usize,
    /// The manifest, ready for `data add --manifest`.
    pub manifest: PathBuf,
}

/// Draws `n` pictures of `size` x `size` pixels into `out_dir`, which must be new or empty.
///
/// `metadata.csv` has the columns `image` (path), `label` and `group`; a picture with a lesion has its mask under the
/// same name in `masks/`. The table and the manifest are written last, so that a data set that was interrupted is none.
pub fn generate(kind: Kind, n: usize, size: u32, seed: u64, out_dir: &Path) -> Result<Generated, Error> {
    let classes = kind.classes();
    if !(SMALLEST..=LARGEST).contains(&size) {
        return Err(Error::Size(size));
    }
    if n < classes.len() {
        return Err(Error::Count { n, classes: classes.len() });
    }
    let (images, masks) = (out_dir.join("images"), out_dir.join("masks"));
    for folder in [out_dir, &images, &masks] {
        std::fs::create_dir_all(folder).map_err(|source| write_error(folder, source))?;
    }
    let entries = std::fs::read_dir(out_dir).map_err(|source| write_error(out_dir, source))?.count();
    let inside = std::fs::read_dir(&images).map_err(|source| write_error(&images, source))?.count();
    if entries > 2 || inside > 0 {
        return Err(Error::NotEmpty(out_dir.to_path_buf()));
    }

    let subjects = subjects(kind, n, seed);
    let views: Vec<_> =
        subjects.iter().flat_map(|subject| (0..subject.views).map(move |view| (subject, view))).collect();
    views.par_iter().enumerate().try_for_each(|(number, (subject, view))| {
        let phantom = draw(kind, subject, *view, size, seed);
        let name = file_name(kind, number);
        save(&images.join(&name), &phantom.pixels, &phantom)?;
        match &phantom.mask {
            Some(mask) => save(&masks.join(&name), mask, &Phantom { channels: 1, ..phantom.clone() }),
            None => Ok(()),
        }
    })?;

    let mut table = String::from("image,label,group\n");
    for (number, (subject, _)) in views.iter().enumerate() {
        let (name, label) = (file_name(kind, number), classes[subject.class]);
        table += &format!("images/{name},{label},{}\n", group_name(kind, subject.number));
    }
    write(&out_dir.join("metadata.csv"), table.as_bytes())?;
    let manifest = out_dir.join("manifest.toml");
    write(&manifest, manifest_text(kind, seed).as_bytes())?;
    Ok(Generated { folder: out_dir.to_path_buf(), images: views.len(), groups: subjects.len(), manifest })
}

fn file_name(kind: Kind, number: usize) -> String {
    format!("{}_{number:05}.png", kind.name())
}

fn group_name(kind: Kind, subject: usize) -> String {
    let what = if kind == Kind::Skin { "lesion" } else { "patient" };
    format!("{what}_{subject:04}")
}

fn manifest_text(kind: Kind, seed: u64) -> String {
    let classes = kind.classes().iter().map(|class| format!("{class:?}")).collect::<Vec<_>>().join(", ");
    let channels = if kind.channels() == 1 { "grey" } else { "colour" };
    format!(
        r#"format = 1
title = "Phantoms: {kind} (seed {seed})"
source = "drawn by lightbox-phantom"
root = "."
classes = [{classes}]
channels = "{channels}"

[layout]
kind = "table"
file = "metadata.csv"
image = "image"
label = "label"

[groups]
column = "group"

[masks]
pattern = "masks/{{stem}}.png"
"#,
        kind = kind.name()
    )
}

fn save(path: &Path, pixels: &[u8], phantom: &Phantom) -> Result<(), Error> {
    let color = if phantom.channels == 1 { image::ExtendedColorType::L8 } else { image::ExtendedColorType::Rgb8 };
    let saved =
        image::save_buffer_with_format(path, pixels, phantom.size, phantom.size, color, image::ImageFormat::Png);
    saved.map_err(|error| {
        let source = match error {
            image::ImageError::IoError(source) => source,
            other => std::io::Error::other(other),
        };
        write_error(path, source)
    })
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    std::fs::write(path, bytes).map_err(|source| write_error(path, source))
}

fn write_error(path: &Path, source: std::io::Error) -> Error {
    Error::Write { path: path.to_path_buf(), source }
}
