//! Listing every file below a root once, in a fixed order, with all that is odd about them counted.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::dataset::Notices;
use crate::error::{Error, Result};

/// Deeper than any dataset, and shallow enough for every file system.
const DEEPEST: usize = 48;

const LOOP: &str = "links to folders that are listed already (or loops) are not followed";

/// What a file is, by its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An image of a format that is read.
    Image,
    /// An image of a format that is not.
    UnreadImage,
    /// DICOM.
    Dicom,
    /// NIfTI.
    Nifti,
    /// A CSV or TSV file.
    Table,
    /// Anything else.
    Other,
}

/// One file below the root.
#[derive(Debug, Clone)]
pub struct File {
    /// Path below the root, `/`-separated.
    pub id: String,
    /// What it is, by its name.
    pub kind: Kind,
    /// True where the manifest leaves it out.
    pub excluded: bool,
}

/// Everything below a root.
#[derive(Debug)]
pub struct Listing {
    /// The root.
    pub root: PathBuf,
    /// The files, sorted by id.
    pub files: Vec<File>,
    /// The folders that are not excluded, sorted.
    pub folders: Vec<String>,
    /// What was left out, and why.
    pub notices: Notices,
}

impl Listing {
    /// Lists what is below `root`; paths that match one of `exclude` are marked, and those folders' files too.
    pub fn read(root: &Path, exclude: &[String]) -> Result<Self> {
        let metadata = std::fs::metadata(root).map_err(|source| Error::io("read", root, source))?;
        if !metadata.is_dir() {
            return Err(Error::content(root, "not a folder", "name the folder that holds the images"));
        }
        let mut walk = Walk {
            exclude,
            visited: HashSet::from([(metadata.dev(), metadata.ino())]),
            links: Vec::new(),
            listing: Listing {
                root: root.to_path_buf(),
                files: Vec::new(),
                folders: Vec::new(),
                notices: Notices::default(),
            },
        };
        walk.folder(root, "", false, 0)?;
        // Links to folders come after all real folders, so that a loop or a second way to a folder is always the link.
        let mut next = 0;
        while let Some((path, id, excluded, depth)) = walk.links.get(next).cloned() {
            next += 1;
            let metadata = std::fs::metadata(&path).map_err(|source| Error::io("read", &path, source))?;
            if is_ancestor(&path, root) || !walk.visited.insert((metadata.dev(), metadata.ino())) {
                walk.listing.notices.count(LOOP, &id);
                continue;
            }
            if !excluded {
                walk.listing.folders.push(id.clone());
            }
            walk.folder(&path, &id, excluded, depth)?;
        }
        let mut listing = walk.listing;
        listing.files.sort_by(|a, b| a.id.cmp(&b.id));
        listing.folders.sort();
        Ok(listing)
    }

    /// The readable images that are not excluded.
    pub fn images(&self) -> impl Iterator<Item = &File> + Clone {
        self.files.iter().filter(|file| file.kind == Kind::Image && !file.excluded)
    }

    /// Refuses a dataset that holds formats which this version cannot read but which are its images without doubt.
    pub fn refuse_medical_formats(&self) -> Result<()> {
        for (kind, name) in [(Kind::Dicom, "DICOM"), (Kind::Nifti, "NIfTI")] {
            let mut found = self.files.iter().filter(|file| file.kind == kind && !file.excluded);
            let Some(first) = found.next() else { continue };
            let others = match found.count() {
                0 => String::new(),
                more => format!(" (and {more} more)"),
            };
            return Err(Error::content(
                self.root.join(&first.id),
                format!("is {name}{others}; not supported in this version"),
                "convert to PNG or TIFF 16 bit, or name it under exclude in the manifest",
            ));
        }
        Ok(())
    }
}

struct Walk<'a> {
    exclude: &'a [String],
    visited: HashSet<(u64, u64)>,
    links: Vec<(PathBuf, String, bool, usize)>,
    listing: Listing,
}

impl Walk<'_> {
    fn folder(&mut self, folder: &Path, prefix: &str, excluded: bool, depth: usize) -> Result<()> {
        if depth > DEEPEST {
            let problem = format!("folders nest deeper than {DEEPEST}");
            return Err(Error::content(folder, problem, "name the folder that holds the images"));
        }
        let entries = std::fs::read_dir(folder).map_err(|source| Error::io("read", folder, source))?;
        for entry in entries {
            let entry = entry.map_err(|source| Error::io("read", folder, source))?;
            let path = entry.path();
            let raw_name = entry.file_name();
            let Some(name) = raw_name.to_str() else {
                let shown =
                    format!("{prefix}{}{}", if prefix.is_empty() { "" } else { "/" }, raw_name.to_string_lossy());
                self.listing.notices.count("paths that are not UTF-8 are left out: rename them", &shown);
                continue;
            };
            let id = if prefix.is_empty() { name.to_owned() } else { format!("{prefix}/{name}") };
            if is_clutter(name) {
                self.listing.notices.count("hidden and system files are left out", &id);
                continue;
            }
            let excluded = excluded || self.exclude.iter().any(|pattern| matches_pattern(pattern, &id));
            let file_type = entry.file_type().map_err(|source| Error::io("read", &path, source))?;
            if file_type.is_symlink() {
                match std::fs::metadata(&path) {
                    Ok(metadata) if metadata.is_dir() => self.links.push((path, id, excluded, depth + 1)),
                    Ok(metadata) if metadata.is_file() => self.file(&path, id, name, excluded)?,
                    _ => self.listing.notices.count("links that lead nowhere are left out", &id),
                }
            } else if file_type.is_dir() {
                let metadata = entry.metadata().map_err(|source| Error::io("read", &path, source))?;
                if !self.visited.insert((metadata.dev(), metadata.ino())) {
                    self.listing.notices.count(LOOP, &id);
                    continue;
                }
                if !excluded {
                    self.listing.folders.push(id.clone());
                }
                self.folder(&path, &id, excluded, depth + 1)?;
            } else if file_type.is_file() {
                self.file(&path, id, name, excluded)?;
            } else {
                self.listing.notices.count("devices, sockets and pipes are left out", &id);
            }
        }
        Ok(())
    }

    fn file(&mut self, path: &Path, id: String, name: &str, excluded: bool) -> Result<()> {
        let mut kind = kind_of(name);
        if kind == Kind::Other && !name.contains('.') && has_dicom_magic(path) {
            kind = Kind::Dicom;
        }
        if kind == Kind::UnreadImage && !excluded {
            self.listing.notices.count("images of a format that is not read are left out (convert to PNG)", &id);
        }
        self.listing.files.push(File { id, kind, excluded });
        Ok(())
    }
}

/// Whether a link leads to a folder that holds the root itself.
fn is_ancestor(link: &Path, root: &Path) -> bool {
    match (link.canonicalize(), root.canonicalize()) {
        (Ok(target), Ok(root)) => root.starts_with(target),
        _ => false,
    }
}

/// What operating systems leave behind.
fn is_clutter(name: &str) -> bool {
    const CLUTTER: [&str; 6] =
        ["thumbs.db", "desktop.ini", "__macosx", "$recycle.bin", "system volume information", "ehthumbs.db"];
    name.starts_with('.') || CLUTTER.contains(&name.to_lowercase().as_str())
}

/// What a file is, by its name's ending.
pub fn kind_of(name: &str) -> Kind {
    let lower = name.to_lowercase();
    if lower.ends_with(".nii.gz") {
        return Kind::Nifti;
    }
    match Path::new(&lower).extension().and_then(OsStr::to_str).unwrap_or("") {
        "jpg" | "jpeg" | "jpe" | "jfif" | "png" | "tif" | "tiff" | "bmp" | "webp" => Kind::Image,
        "gif" | "heic" | "heif" | "avif" | "jp2" | "j2k" | "jxl" | "svs" | "ndpi" | "mha" | "mhd" | "nrrd" | "pgm"
        | "ppm" | "npy" | "mat" => Kind::UnreadImage,
        "dcm" | "dicom" => Kind::Dicom,
        "nii" => Kind::Nifti,
        "csv" | "tsv" => Kind::Table,
        _ => Kind::Other,
    }
}

/// DICOM files often have no ending: bytes 128 to 131 are `DICM`.
fn has_dicom_magic(path: &Path) -> bool {
    use std::io::Read;
    let mut head = [0_u8; 132];
    std::fs::File::open(path).is_ok_and(|mut file| file.read_exact(&mut head).is_ok()) && &head[128..] == b"DICM"
}

/// Whether a path below the root matches an `exclude` pattern; `*` is anything but `/`.
pub(crate) fn matches_pattern(pattern: &str, id: &str) -> bool {
    let mut patterns = pattern.trim_end_matches('/').split('/');
    let mut parts = id.split('/');
    loop {
        match (patterns.next(), parts.next()) {
            (None, None) => return true,
            (Some(pattern), Some(part)) if matches_name(pattern.as_bytes(), part.as_bytes()) => {}
            _ => return false,
        }
    }
}

/// `*` in one name, by remembering the last star only: linear in practice, never exponential.
fn matches_name(pattern: &[u8], name: &[u8]) -> bool {
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        if pattern.get(p) == Some(&b'*') {
            star = Some((p, n));
            p += 1;
        } else if pattern.get(p) == Some(&name[n]) {
            p += 1;
            n += 1;
        } else if let Some((star_p, star_n)) = star {
            p = star_p + 1;
            n = star_n + 1;
            star = Some((star_p, star_n + 1));
        } else {
            return false;
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}
