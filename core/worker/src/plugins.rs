//! The plugins of the search path: described in throw-away processes, kept in a cache by the hash of the library.

use std::path::Path;

use lightbox_engine::plugin::probe::{ProbeLimits, in_worker};
use lightbox_engine::plugin::{PluginMetadata, Registry, SearchPath};
use lightbox_store::run::PluginUsed;
use lightbox_store::{Home, atomic};
use serde_json::{Value, json};

use crate::failure::{Failure, Result};

/// All plugins of the search path. A library that cannot be used is a problem of the list, no failure.
pub fn registry(home: &Home) -> Result<Registry> {
    let worker = std::env::current_exe().map_err(|e| Failure::failed(format!("cannot find the worker itself: {e}")))?;
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

/// The cache's file for a library: its name is the hash of the library and of this worker's version.
fn cache_file(home: &Home, file: &Path) -> Option<std::path::PathBuf> {
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

/// blake3 of a library file.
pub fn hash(file: &Path) -> Option<String> {
    let mut hasher = blake3::Hasher::new();
    std::io::copy(&mut std::fs::File::open(file).ok()?, &mut hasher).ok()?;
    Some(hasher.finalize().to_hex().to_string())
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
