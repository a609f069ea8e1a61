//! The plugins of the search path: described in throw-away processes, kept in a cache by the hash of the library.

use std::path::{Path, PathBuf};

use lightbox_engine::conformance::{CheckLimits, supervise};
use lightbox_engine::plugin::probe::{ProbeLimits, in_worker};
use lightbox_engine::plugin::{Installed, PluginMetadata, Registry, SearchPath, file_hash as hash};
use lightbox_store::run::PluginUsed;
use lightbox_store::{Home, atomic};
use serde_json::{Value, json};

use crate::failure::{Failure, Result};

/// All plugins of the search path. A library that cannot be used is a problem of the list, no failure.
pub fn registry(home: &Home) -> Result<Registry> {
    let worker = this_program()?;
    let path = SearchPath::standard(&home.plugins_dir());
    Ok(Registry::scan(&path, |file| match cached(home, file) {
        Some(metadata) => Ok(metadata),
        None => {
            let metadata = in_worker(&worker, file, ProbeLimits::default())?;
            keep(home, file, &metadata);
            Ok(metadata)
        }
    }))
}

fn this_program() -> Result<PathBuf> {
    std::env::current_exe().map_err(|e| Failure::failed(format!("cannot find the worker itself: {e}")))
}

/// The cache's file for a library: its name is the hash of the library and of this worker's version.
fn cache_file(home: &Home, file: &Path) -> Option<PathBuf> {
    let hash = hash(file)?;
    let folder = home.cache_dir().join("plugins");
    Some(folder.join(format!("{hash}-{}.json", env!("CARGO_PKG_VERSION"))))
}

fn cached(home: &Home, file: &Path) -> Option<PluginMetadata> {
    let bytes = std::fs::read(cache_file(home, file)?).ok()?;
    serde_json::from_slice(&bytes).ok()
}

/// Keeps a description. A cache that cannot be written only makes the next call slower.
fn keep(home: &Home, file: &Path, metadata: &PluginMetadata) {
    let Some(path) = cache_file(home, file) else { return };
    let Ok(text) = serde_json::to_vec(metadata) else { return };
    if atomic::create_private_folder(&home.cache_dir().join("plugins")).is_ok() {
        let _ = atomic::write(&path, &text);
    }
}

/// Checks a library and prints a JSON line for each check as it ends, then the report.
pub fn check(file: &Path) -> Result<()> {
    let worker = this_program()?;
    let mut said = Ok(());
    let report = supervise(&worker, file, CheckLimits::default(), &mut |check| {
        if said.is_ok() {
            said = crate::answer(&json!(check));
        }
    });
    said?;
    crate::answer(&json!({"passed": report.passed(), "report": report}))
}

/// Installs a library: described in a throw-away process first, refused when it cannot be used or its ids are taken.
pub fn install(home: &Home, file: &Path) -> Result<()> {
    let metadata = in_worker(&this_program()?, file, ProbeLimits::default()).map_err(Failure::bad)?;
    if let Some(unsupported) = metadata.unsupported.first() {
        return Err(Failure::bad(format!("{}: {}: {}", file.display(), unsupported.id, unsupported.reason)));
    }
    let known = registry(home)?;
    let folder = home.plugins_dir();
    let others =
        || known.libraries().iter().filter(|l| l.metadata.id != metadata.id || l.file.parent() != Some(&folder));
    for library in others() {
        let taken = if library.metadata.id == metadata.id {
            Some(("plugin", metadata.id.clone()))
        } else {
            shared_id(&library.metadata, &metadata)
        };
        if let Some((kind, id)) = taken {
            return Err(Failure::bad(format!(
                "{}: the {kind} id `{id}` is taken by {}; choose another id, or remove that plugin",
                file.display(),
                library.file.display()
            )));
        }
    }
    let mut record = Installed::read(&folder).map_err(Failure::failed)?;
    let replaced = record.install(file, &metadata).map_err(Failure::failed)?;
    let ids = |all: Vec<&String>| all.into_iter().cloned().collect::<Vec<_>>();
    crate::answer(&json!({
        "id": metadata.id, "version": metadata.version, "replaced": replaced.map(|old| old.version),
        "methods": ids(metadata.attributions.iter().map(|m| &m.id).collect()),
        "models": ids(metadata.models.iter().map(|m| &m.id).collect()),
    }))
}

/// A method or model that two libraries offer under the same id.
fn shared_id(a: &PluginMetadata, b: &PluginMetadata) -> Option<(&'static str, String)> {
    let method = b.attributions.iter().find(|m| a.attributions.iter().any(|other| other.id == m.id));
    let model = b.models.iter().find(|m| a.models.iter().any(|other| other.id == m.id));
    method.map(|m| ("method", m.id.clone())).or_else(|| model.map(|m| ("model", m.id.clone())))
}

/// Removes an installed plugin.
pub fn remove(home: &Home, id: &str) -> Result<()> {
    let mut record = Installed::read(&home.plugins_dir()).map_err(Failure::failed)?;
    let removed = record.remove(id).map_err(Failure::bad)?;
    crate::answer(&json!({"id": removed.id, "version": removed.version, "file": removed.file}))
}

/// Prints models, methods and problems as JSON.
pub fn list(home: &Home) -> Result<()> {
    let registry = registry(home)?;
    let mut models = Vec::new();
    let mut attributions = Vec::new();
    for library in registry.libraries() {
        let m = &library.metadata;
        for model in &m.models {
            models.push(entry(serde_json::to_value(model)?, m, &library.file));
        }
        for method in &m.attributions {
            attributions.push(entry(serde_json::to_value(method)?, m, &library.file));
        }
    }
    let problems: Vec<String> = registry.problems().iter().map(ToString::to_string).collect();
    crate::answer(&json!({"models": models, "attributions": attributions, "problems": problems}))
}

fn entry(mut value: Value, metadata: &PluginMetadata, file: &Path) -> Value {
    value["library"] = json!(metadata.id);
    value["version"] = json!(metadata.version);
    value["file"] = json!(file);
    value
}

/// The provenance of a model or method.
pub fn used(registry: &Registry, id: &str, file: &Path) -> PluginUsed {
    let metadata = registry.libraries().iter().find(|l| l.file == file).map(|l| &l.metadata);
    PluginUsed {
        id: id.to_owned(),
        library: metadata.map(|m| m.id.clone()).unwrap_or_default(),
        version: metadata.map(|m| m.version.clone()).unwrap_or_default(),
        hash: hash(file).unwrap_or_default(),
    }
}
