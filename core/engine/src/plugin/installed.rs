//! Plugins that the user installed: which files, and what they were then. Nothing else in the user's plugin folder is loaded.

use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use lightbox_abi::metadata::PluginMetadata;
use serde::{Deserialize, Serialize};

use super::registry::hash;
use super::{PluginError, Result};

/// The record's name in the plugin folder.
const RECORD: &str = "installed.json";
/// Largest record that is read.
const LARGEST_RECORD: u64 = 4 << 20;
const FORMAT: u32 = 1;

/// An installed plugin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstalledPlugin {
    /// Name of its file in the plugin folder.
    pub file: String,
    /// Id of the plugin.
    pub id: String,
    /// Its version.
    pub version: String,
    /// blake3 of the file when it was installed.
    pub hash: String,
}

/// The record of a plugin folder.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Installed {
    format: u32,
    plugins: Vec<InstalledPlugin>,
    #[serde(skip)]
    folder: PathBuf,
}

impl Installed {
    /// The record of `folder`; empty when nothing was installed there.
    ///
    /// # Errors
    ///
    /// The record cannot be read or is damaged.
    pub fn read(folder: &Path) -> Result<Self> {
        let path = folder.join(RECORD);
        let bad = |why: String| {
            let remedy = format!("remove it and install the plugins of {} again", folder.display());
            PluginError::refused(&path, format!("cannot be read: {why}"), remedy)
        };
        let empty = Installed { format: FORMAT, plugins: Vec::new(), folder: folder.to_owned() };
        match std::fs::metadata(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(empty),
            Err(error) => return Err(bad(error.to_string())),
            Ok(metadata) if metadata.len() > LARGEST_RECORD => return Err(bad("it is too large".to_owned())),
            Ok(_) => {}
        }
        let bytes = std::fs::read(&path).map_err(|error| bad(error.to_string()))?;
        let record: Installed = serde_json::from_slice(&bytes).map_err(|error| bad(error.to_string()))?;
        if record.format != FORMAT {
            return Err(bad(format!("it is of format {}, not {FORMAT}", record.format)));
        }
        Ok(Installed { folder: folder.to_owned(), ..record })
    }

    /// What is installed.
    pub fn plugins(&self) -> &[InstalledPlugin] {
        &self.plugins
    }

    /// Whether a file of the folder is one that was installed, and still the same.
    ///
    /// # Errors
    ///
    /// It is not: the sentence says what to do.
    pub fn check(&self, file: &Path) -> Result<()> {
        let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let Some(known) = self.plugins.iter().find(|plugin| plugin.file == name) else {
            return Err(PluginError::refused(
                file,
                "lies in the plugin folder but was not installed",
                "move it elsewhere and install it: lightbox plugins install FILE",
            ));
        };
        if hash(file).as_ref() != Some(&known.hash) {
            return Err(PluginError::refused(
                file,
                format!("was changed since `{}` {} was installed", known.id, known.version),
                "install it again from where it came: lightbox plugins install FILE",
            ));
        }
        Ok(())
    }

    /// Copies a library into the folder, in place of one with the same id, and writes it down. Returns what it replaced.
    ///
    /// # Errors
    ///
    /// Another plugin has the file's name, or the folder cannot be written.
    pub fn install(&mut self, library: &Path, metadata: &PluginMetadata) -> Result<Option<InstalledPlugin>> {
        let name = library.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let name = if name.ends_with(".so") { name } else { format!("{name}.so") };
        if let Some(other) = self.plugins.iter().find(|plugin| plugin.file == name && plugin.id != metadata.id) {
            let remedy = format!("rename the file, or remove the other: lightbox plugins remove {}", other.id);
            return Err(PluginError::refused(
                library,
                format!("has the name of the installed plugin `{}`", other.id),
                remedy,
            ));
        }
        let target = self.folder.join(&name);
        let failed = |error: std::io::Error| {
            PluginError::refused(&target, format!("cannot be written: {error}"), "check the disk and its rights")
        };
        let bytes = std::fs::read(library).map_err(|error| {
            PluginError::refused(library, format!("cannot be read: {error}"), "check the path and its rights")
        })?;
        std::fs::create_dir_all(&self.folder).map_err(failed)?;
        write_private(&target, &bytes).map_err(failed)?;
        let replaced = self.plugins.iter().position(|plugin| plugin.id == metadata.id);
        let replaced = replaced.map(|place| self.plugins.remove(place));
        if let Some(old) = replaced.as_ref().filter(|old| old.file != name) {
            remove_file(&self.folder.join(&old.file))?;
        }
        self.plugins.push(InstalledPlugin {
            file: name,
            id: metadata.id.clone(),
            version: metadata.version.clone(),
            hash: blake3::hash(&bytes).to_hex().to_string(),
        });
        self.write()?;
        Ok(replaced)
    }

    /// Removes the plugin with this id, or of this file name.
    ///
    /// # Errors
    ///
    /// There is none, or the folder cannot be written.
    pub fn remove(&mut self, wanted: &str) -> Result<InstalledPlugin> {
        let Some(place) = self.plugins.iter().position(|plugin| plugin.id == wanted || plugin.file == wanted) else {
            let known: Vec<&str> = self.plugins.iter().map(|plugin| plugin.id.as_str()).collect();
            let hint = if known.is_empty() {
                ": none is installed".to_owned()
            } else {
                format!("; installed are {}", known.join(", "))
            };
            return Err(PluginError::Unknown { kind: "installed plugin", id: wanted.to_owned(), hint });
        };
        let removed = self.plugins.remove(place);
        // The record first: a file without one is not loaded.
        self.write()?;
        remove_file(&self.folder.join(&removed.file))?;
        Ok(removed)
    }

    fn write(&self) -> Result<()> {
        let path = self.folder.join(RECORD);
        let text = serde_json::to_vec_pretty(self).unwrap_or_default();
        write_private(&path, &text).map_err(|error| {
            PluginError::refused(&path, format!("cannot be written: {error}"), "check the disk and its rights")
        })
    }
}

/// Writes a file that only its owner reads and writes, whole or not at all.
fn write_private(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    let temporary = PathBuf::from(name);
    // What a broken write left.
    let _ = std::fs::remove_file(&temporary);
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
    std::io::Write::write_all(&mut file, bytes)?;
    file.sync_all()?;
    std::fs::rename(temporary, path)
}

fn remove_file(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(PluginError::refused(path, format!("cannot be removed: {error}"), "remove it by hand"))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn metadata(id: &str, version: &str) -> PluginMetadata {
        serde_json::from_value(serde_json::json!({
            "schema": 1, "id": id, "version": version, "abi": [1, 0], "sdk": null, "libtorch": null,
            "attributions": [], "models": [], "unsupported": [], "library-hash": null
        }))
        .unwrap()
    }

    #[test]
    fn what_was_installed_and_not_changed_is_let_in() {
        let place = tempfile::tempdir().unwrap();
        let (folder, source) = (place.path().join("plugins"), place.path().join("mine.so"));
        std::fs::write(&source, "one").unwrap();
        let mut record = Installed::read(&folder).unwrap();
        assert!(record.install(&source, &metadata("org.mine", "1.0")).unwrap().is_none());
        let record = Installed::read(&folder).unwrap();
        record.check(&folder.join("mine.so")).unwrap();
        std::fs::write(folder.join("mine.so"), "two").unwrap();
        let sentence = record.check(&folder.join("mine.so")).unwrap_err().to_string();
        assert!(sentence.contains("was changed since `org.mine` 1.0 was installed"), "{sentence}");
        std::fs::write(folder.join("other.so"), "").unwrap();
        let sentence = record.check(&folder.join("other.so")).unwrap_err().to_string();
        assert!(sentence.contains("was not installed"), "{sentence}");
    }

    #[test]
    fn a_new_version_takes_the_place_of_the_old() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("plugins");
        let (one, two) = (place.path().join("one.so"), place.path().join("two.so"));
        std::fs::write(&one, "1").unwrap();
        std::fs::write(&two, "2").unwrap();
        let mut record = Installed::read(&folder).unwrap();
        record.install(&one, &metadata("org.mine", "1.0")).unwrap();
        let sentence = record.install(&one, &metadata("org.other", "1.0")).unwrap_err().to_string();
        assert!(sentence.contains("lightbox plugins remove org.mine"), "{sentence}");
        assert_eq!(record.install(&two, &metadata("org.mine", "2.0")).unwrap().unwrap().version, "1.0");
        assert!(!folder.join("one.so").exists());
        assert_eq!(record.remove("org.mine").unwrap().file, "two.so");
        assert!(!folder.join("two.so").exists());
        let sentence = record.remove("org.mine").unwrap_err().to_string();
        assert_eq!(sentence, "there is no installed plugin `org.mine`: none is installed");
    }

    #[test]
    fn a_damaged_record_says_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join(RECORD), "{").unwrap();
        let sentence = Installed::read(folder.path()).unwrap_err().to_string();
        assert!(sentence.contains("installed.json") && sentence.contains("install the plugins"), "{sentence}");
    }
}
