//! What plugins offer, and by which file: known without loading a library, loaded when first asked for.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use lightbox_abi::metadata::{
    AttributionMetadata, METADATA_SCHEMA, ModelMetadata, ParameterValues, PluginMetadata, nearest,
};

use super::{AttributionHandle, Library, ModelHandle, ModelOptions, PluginError, Result, SearchPath};

/// Largest sidecar manifest that is read.
const LARGEST_SIDECAR: u64 = 4 << 20;

/// A library of the search path and what it offers.
#[derive(Clone, Debug, PartialEq)]
pub struct RegisteredLibrary {
    /// The file.
    pub file: PathBuf,
    /// What it offers.
    pub metadata: PluginMetadata,
}

/// What plugins offer.
#[derive(Clone, Debug, Default)]
pub struct Registry {
    path: SearchPath,
    libraries: Vec<RegisteredLibrary>,
    problems: Vec<PluginError>,
}

impl Registry {
    /// Lists the libraries of a search path. What one offers comes from its sidecar manifest, else from `read`: a cache, a
    /// throw-away process ([`super::probe::in_worker`]) or [`Registry::read_here`].
    ///
    /// A library that cannot be used, and two with the same id, are problems of the list and no failure of it.
    pub fn scan(path: &SearchPath, mut read: impl FnMut(&Path) -> Result<PluginMetadata>) -> Self {
        let mut registry = Registry { path: path.clone(), ..Registry::default() };
        for file in path.libraries() {
            match path.check(&file).and_then(|()| sidecar(&file).map_or_else(|| read(&file), Ok)) {
                Ok(metadata) => registry.add(RegisteredLibrary { file, metadata }),
                Err(problem) => registry.problems.push(problem),
            }
        }
        registry
    }

    /// Loads a library that the search path still lets in: it may have been changed since it was listed.
    fn load(&self, file: &Path) -> Result<&'static Library> {
        self.path.check(file)?;
        Library::load(file)
    }

    /// Loads every library of a search path into this process. For a process that trusts them all, such as a test.
    pub fn load_all(path: &SearchPath) -> Self {
        Registry::scan(path, Registry::read_here)
    }

    /// Loads one library into this process and says what it offers.
    ///
    /// # Errors
    ///
    /// Why it cannot be used.
    pub fn read_here(file: &Path) -> Result<PluginMetadata> {
        Library::load(file)?.metadata().cloned()
    }

    /// Adds a library. The same id in two libraries is a problem, unless the files have the same content: then the first
    /// counts.
    pub fn add(&mut self, library: RegisteredLibrary) {
        if let Some(first) = self.libraries.iter().find(|known| known.metadata.id == library.metadata.id) {
            if same_content(&first.file, &library.file) {
                return;
            }
            self.problems.push(PluginError::Duplicate {
                kind: "plugin",
                id: library.metadata.id.clone(),
                first: first.file.clone(),
                second: library.file.clone(),
            });
        }
        self.libraries.push(library);
        for (kind, ids) in [("method", self.ids(Registry::attribution_ids)), ("model", self.ids(Registry::model_ids))] {
            for (id, files) in ids {
                let [first, .., second] = files.as_slice() else { continue };
                let problem = PluginError::Duplicate { kind, id, first: first.clone(), second: second.clone() };
                if !self.problems.contains(&problem) {
                    self.problems.push(problem);
                }
            }
        }
    }

    /// The libraries, in the order of the search path.
    pub fn libraries(&self) -> &[RegisteredLibrary] {
        &self.libraries
    }

    /// What is wrong with libraries of the search path.
    pub fn problems(&self) -> &[PluginError] {
        &self.problems
    }

    /// Every method, with the file that offers it.
    pub fn attributions(&self) -> impl Iterator<Item = (&Path, &AttributionMetadata)> {
        self.libraries
            .iter()
            .flat_map(|library| library.metadata.attributions.iter().map(|method| (library.file.as_path(), method)))
    }

    /// Every network, with the file that offers it.
    pub fn models(&self) -> impl Iterator<Item = (&Path, &ModelMetadata)> {
        self.libraries
            .iter()
            .flat_map(|library| library.metadata.models.iter().map(|model| (library.file.as_path(), model)))
    }

    /// The method `id`.
    ///
    /// # Errors
    ///
    /// No library or more than one offers it; the sentence gives the nearest id, or both files.
    pub fn find_attribution(&self, id: &str) -> Result<(&Path, &AttributionMetadata)> {
        self.find("method", id, self.attributions().map(|(file, method)| (file, method.id.as_str(), method)))
    }

    /// The network `id`.
    ///
    /// # Errors
    ///
    /// No library or more than one offers it; the sentence gives the nearest id, or both files.
    pub fn find_model(&self, id: &str) -> Result<(&Path, &ModelMetadata)> {
        self.find("model", id, self.models().map(|(file, model)| (file, model.id.as_str(), model)))
    }

    /// Makes an instance of the method `id`; parameters that `values` leaves out have their defaults.
    ///
    /// # Errors
    ///
    /// The method is not found, its library cannot be loaded, a value is refused, or the plugin says no.
    pub fn attribution(&self, id: &str, values: &ParameterValues) -> Result<AttributionHandle> {
        let (file, _) = self.find_attribution(id)?;
        let library = self.load(file)?;
        // What the loaded library says counts, not what was stored of it.
        let metadata = library.metadata()?.attributions.iter().find(|method| method.id == id);
        AttributionHandle::create(library, metadata.ok_or_else(|| stale(file, "method", id))?, values)
    }

    /// Makes the network `id`; options that are left out have their defaults.
    ///
    /// # Errors
    ///
    /// The network is not found, its library cannot be loaded, a value is refused, or the plugin says no.
    pub fn model(&self, id: &str, with: &ModelOptions) -> Result<ModelHandle> {
        let (file, _) = self.find_model(id)?;
        let library = self.load(file)?;
        let metadata = library.metadata()?.models.iter().find(|model| model.id == id);
        ModelHandle::create(library, metadata.ok_or_else(|| stale(file, "model", id))?, with)
    }

    fn find<'a, T>(
        &'a self,
        kind: &'static str,
        id: &str,
        all: impl Iterator<Item = (&'a Path, &'a str, T)>,
    ) -> Result<(&'a Path, T)> {
        let (mut found, mut known): (Vec<(&Path, T)>, Vec<&str>) = (Vec::new(), Vec::new());
        for (file, other, metadata) in all {
            known.push(other);
            if other == id {
                found.push((file, metadata));
            }
        }
        if found.len() > 1 {
            return Err(PluginError::Duplicate {
                kind,
                id: id.to_owned(),
                first: found[0].0.to_owned(),
                second: found[1].0.to_owned(),
            });
        }
        found.pop().ok_or_else(|| {
            let reason = self.libraries.iter().find_map(|library| {
                let unsupported = library.metadata.unsupported.iter().find(|unsupported| unsupported.id == id)?;
                Some(format!("{}: {}", library.file.display(), unsupported.reason))
            });
            let hint = match (reason, nearest(id, known.iter().copied())) {
                (Some(reason), _) => format!(" that can be used; {reason}"),
                (None, Some(nearest)) => format!("; did you mean `{nearest}`?"),
                (None, None) if known.is_empty() => "; no plugin offers any, see `lightbox plugins list`".to_owned(),
                (None, None) => format!("; there is {}", known.join(", ")),
            };
            PluginError::Unknown { kind, id: id.to_owned(), hint }
        })
    }

    fn attribution_ids(metadata: &PluginMetadata) -> Vec<&str> {
        metadata.attributions.iter().map(|method| method.id.as_str()).collect()
    }

    fn model_ids(metadata: &PluginMetadata) -> Vec<&str> {
        metadata.models.iter().map(|model| model.id.as_str()).collect()
    }

    /// The files that offer each id.
    fn ids(&self, of: fn(&PluginMetadata) -> Vec<&str>) -> BTreeMap<String, Vec<PathBuf>> {
        let mut ids: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
        for library in &self.libraries {
            for id in of(&library.metadata) {
                ids.entry(id.to_owned()).or_default().push(library.file.clone());
            }
        }
        ids
    }
}

fn stale(file: &Path, kind: &str, id: &str) -> PluginError {
    PluginError::refused(
        file,
        format!("does not offer the {kind} `{id}`, though its manifest says so"),
        "install the plugin again",
    )
}

fn same_content(a: &Path, b: &Path) -> bool {
    let length = |path: &Path| std::fs::metadata(path).map(|metadata| metadata.len()).ok();
    length(a).is_some() && length(a) == length(b) && hash(a).is_some() && hash(a) == hash(b)
}

/// blake3 of a file; none when it cannot be read.
pub fn hash(path: &Path) -> Option<String> {
    let mut hasher = blake3::Hasher::new();
    std::io::copy(&mut std::fs::File::open(path).ok()?, &mut hasher).ok()?;
    Some(hasher.finalize().to_hex().to_string())
}

/// The path of a library's sidecar manifest: the library's, with `.json` behind it.
pub fn sidecar_path(library: &Path) -> PathBuf {
    let mut name = library.as_os_str().to_owned();
    name.push(".json");
    PathBuf::from(name)
}

/// What the sidecar manifest says, when there is one for exactly this library.
fn sidecar(library: &Path) -> Option<PluginMetadata> {
    let path = sidecar_path(library);
    if std::fs::metadata(&path).ok()?.len() > LARGEST_SIDECAR {
        return None;
    }
    let metadata: PluginMetadata = serde_json::from_slice(&std::fs::read(path).ok()?).ok()?;
    let current =
        metadata.schema == METADATA_SCHEMA && metadata.library_hash.is_some() && metadata.library_hash == hash(library);
    current.then_some(metadata)
}

/// Writes the sidecar manifest of a library.
///
/// # Errors
///
/// The library cannot be read, or its folder not written.
pub fn write_sidecar(library: &Path, metadata: &PluginMetadata) -> std::io::Result<()> {
    let hash = hash(library).ok_or_else(|| std::io::Error::other(format!("{} cannot be read", library.display())))?;
    let metadata = PluginMetadata { library_hash: Some(hash), ..metadata.clone() };
    let path = sidecar_path(library);
    let temporary = path.with_extension("json.new");
    std::fs::write(&temporary, serde_json::to_vec_pretty(&metadata)?)?;
    std::fs::rename(temporary, path)
}
