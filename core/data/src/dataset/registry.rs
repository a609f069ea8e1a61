//! The datasets of a home: one folder each, with a manifest that says how the images are read where they lie.

use std::path::{Path, PathBuf};

use super::files::{sync_folder, write_synced};
use super::{Dataset, DedupRecord, scan};
use crate::error::{Error, Result};
use crate::layout::{self, Hints, Listing, Understood};
use crate::manifest::{Channels, Manifest};
use crate::nearest::suggestion;

const LONGEST_NAME: usize = 64;

/// What `data add` was asked.
#[derive(Debug, Clone, Default)]
pub struct AddRequest {
    /// The folder, or the table.
    pub path: PathBuf,
    /// The name to register it under.
    pub name: String,
    /// A manifest to read it by, instead of guessing.
    pub manifest: Option<PathBuf>,
    /// What the caller says of the layout.
    pub hints: Hints,
}

/// What `data add` did.
#[derive(Debug, Clone)]
pub struct Added {
    /// The dataset.
    pub dataset: Dataset,
    /// What was understood of the layout, and why.
    pub understood: Vec<Understood>,
}

/// One entry of `data list`.
#[derive(Debug)]
pub struct Registered {
    /// Its name.
    pub name: String,
    /// Its manifest, or why that cannot be read.
    pub manifest: Result<Manifest>,
}

/// Refuses a name that could not be a folder, or could be one elsewhere.
pub fn check_name(name: &str) -> Result<()> {
    let allowed = |character: char| character.is_ascii_alphanumeric() || matches!(character, '-' | '_' | '.');
    let begins_well = name.starts_with(|first: char| first.is_ascii_alphanumeric());
    if begins_well && name.len() <= LONGEST_NAME && name.chars().all(allowed) {
        return Ok(());
    }
    let remedy = "use up to 64 letters, digits, '-', '_' and '.', beginning with a letter or digit";
    Err(Error::argument(format!("{name:?} cannot be the name of a dataset"), remedy))
}

fn datasets_folder(home: &Path) -> PathBuf {
    home.join("datasets")
}

pub(super) fn open(home: &Path, name: &str) -> Result<Dataset> {
    check_name(name)?;
    let folder = datasets_folder(home).join(name);
    let file = folder.join("manifest.toml");
    if !file.is_file() {
        let names = names(home)?;
        let remedy = match names.is_empty() {
            true => "register one with `lightbox data add PATH --name NAME`".to_owned(),
            false => suggestion(name, names.iter().map(String::as_str)),
        };
        return Err(Error::argument(format!("there is no dataset {name:?}"), remedy));
    }
    from_manifest(name, folder, Manifest::read(&file)?)
}

pub(super) fn from_manifest(name: &str, folder: PathBuf, manifest: Manifest) -> Result<Dataset> {
    let Some(root) = manifest.root.clone() else {
        let problem = format!("the manifest of {name:?} has no root");
        return Err(Error::argument(problem, "add root = \"/path/to/the/images\" to it"));
    };
    if !root.is_dir() {
        let remedy = "mount or restore the folder, or register the dataset again from where it is now";
        return Err(Error::content(&root, format!("the folder of dataset {name:?} is gone"), remedy));
    }
    let listing = Listing::read(&root, &manifest.exclude)?;
    let scan = scan::scan(&manifest, &listing)?;
    Ok(Dataset {
        name: name.to_owned(),
        folder,
        manifest,
        classes: scan.classes,
        images: scan.images,
        positive: scan.positive,
        dedup: DedupRecord::default(),
        notices: scan.notices,
    })
}

pub(super) fn add(home: &Path, request: &AddRequest) -> Result<Added> {
    check_name(&request.name)?;
    let folder = datasets_folder(home).join(&request.name);
    if folder.exists() {
        let remedy = format!("use another name, or remove {} first", folder.display());
        return Err(Error::argument(format!("there is a dataset {:?} already", request.name), remedy));
    }
    let guessed = request.manifest.is_none();
    let (mut manifest, mut understood) = match &request.manifest {
        Some(file) => by_manifest(file, request)?,
        None => {
            let guess = layout::guess(&request.path, &request.hints)?;
            (guess.manifest, guess.understood)
        }
    };
    manifest.name = Some(request.name.clone());
    let mut dataset = from_manifest(&request.name, folder.clone(), manifest)?;
    if dataset.positive.is_none()
        && guessed
        && let Some(positive) = likely_positive(&dataset.classes)
    {
        let class = dataset.classes[positive].clone();
        understood.push(Understood {
            aspect: "positive",
            value: class.clone(),
            reason: "the other class is named as the absence of a finding".to_owned(),
        });
        dataset.manifest.positive = Some(class);
        dataset.positive = Some(positive);
    }
    if guessed && dataset.manifest.channels == Channels::Colour {
        understood.push(Understood {
            aspect: "channels",
            value: "colour".to_owned(),
            reason: "the default; grey images are repeated".to_owned(),
        });
    }
    if guessed && dataset.manifest.groups.is_none() {
        const MESSAGE: &str = "names that begin alike with a number in them, perhaps a patient's (if so, give --group-regex, \
                               or one patient may stand on both sides of a split)";
        for id in layout::alike(dataset.images.iter().map(|image| image.id.as_str())) {
            dataset.notices.count(MESSAGE, id);
        }
    }
    layout::sort(&mut understood);
    register(home, &folder, &dataset.manifest)?;
    Ok(Added { dataset, understood })
}

fn by_manifest(file: &Path, request: &AddRequest) -> Result<(Manifest, Vec<Understood>)> {
    let mut manifest = Manifest::read(file)?;
    let root = request.hints.root.as_ref().unwrap_or(&request.path);
    let root = root.canonicalize().map_err(|source| Error::io("read", root, source))?;
    if !root.is_dir() {
        let remedy = "name the folder, or give it as --root";
        return Err(Error::content(&root, "is not a folder, and a manifest names files below one", remedy));
    }
    manifest.root = Some(root);
    let given = layout::apply_hints(&mut manifest, &request.hints)?;
    let mut understood = layout::describe(&manifest);
    for item in &mut understood {
        if item.aspect == "layout" {
            item.reason = format!("by the manifest {}", file.display());
        } else if given.iter().any(|hint| hint.aspect == item.aspect) {
            item.reason = "as given".to_owned();
        }
    }
    Ok((manifest, understood))
}

/// Writes the registration beside its place and renames it there as a unit.
fn register(home: &Path, folder: &Path, manifest: &Manifest) -> Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    let datasets = datasets_folder(home);
    let private = |path: &Path| {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|s| Error::io("create", path, s))
    };
    private(&datasets)?;
    let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let temporary = datasets.join(format!(".{name}.{}.tmp", std::process::id()));
    private(&temporary)?;
    let file = temporary.join("manifest.toml");
    let registered = write_synced(&file, manifest.to_toml().as_bytes())
        .and_then(|()| sync_folder(&temporary))
        .and_then(|()| std::fs::rename(&temporary, folder).map_err(|source| Error::io("create", folder, source)));
    if registered.is_err() {
        // The first error is the one that counts.
        let _ = std::fs::remove_dir_all(&temporary);
    }
    registered?;
    sync_folder(&datasets)
}

fn names(home: &Path) -> Result<Vec<String>> {
    let folder = datasets_folder(home);
    let entries = match std::fs::read_dir(&folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(Error::io("read", folder, source)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|source| Error::io("read", &folder, source))?;
        if let Some(name) = entry.file_name().to_str()
            && check_name(name).is_ok()
            && entry.path().join("manifest.toml").is_file()
        {
            names.push(name.to_owned());
        }
    }
    names.sort();
    Ok(names)
}

/// The registered datasets, by name; one whose manifest cannot be read is listed with its error.
pub fn list(home: &Path) -> Result<Vec<Registered>> {
    let read = |name: String| {
        let manifest = Manifest::read(&datasets_folder(home).join(&name).join("manifest.toml"));
        Registered { name, manifest }
    };
    Ok(names(home)?.into_iter().map(read).collect())
}

/// Of two classes of which one is named as the absence of a finding, the other.
fn likely_positive(classes: &[String]) -> Option<usize> {
    const ABSENCE: [&str; 12] = [
        "normal",
        "negative",
        "benign",
        "healthy",
        "control",
        "no",
        "none",
        "0",
        "false",
        "no_finding",
        "no finding",
        "no_tumor",
    ];
    let [first, second] = classes else { return None };
    let absent = |class: &String| ABSENCE.contains(&class.to_lowercase().as_str());
    match (absent(first), absent(second)) {
        (true, false) => Some(1),
        (false, true) => Some(0),
        _ => None,
    }
}
