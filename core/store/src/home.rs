//! The home folder: one place for datasets, runs, studies, caches, plugins and logs.

use std::path::{Path, PathBuf};

use crate::atomic;
use crate::error::{Result, StoreError};

/// The folder that holds all of Lightbox's state. It is created 0700: medical images leave traces in caches.
#[derive(Clone, Debug)]
pub struct Home {
    root: PathBuf,
}

impl Home {
    /// Finds the home: the flag, else `LIGHTBOX_HOME`, else `$XDG_DATA_HOME/lightbox`, else `~/.local/share/lightbox`.
    /// The folder is created when it is not there.
    ///
    /// # Errors
    /// When none of these is set, or the folder cannot be created.
    pub fn locate(flag: Option<&Path>) -> Result<Self> {
        let from = |name: &str| std::env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
        let root = flag
            .map(Path::to_path_buf)
            .or_else(|| from("LIGHTBOX_HOME"))
            .or_else(|| from("XDG_DATA_HOME").map(|p| p.join("lightbox")))
            .or_else(|| from("HOME").map(|p| p.join(".local/share/lightbox")))
            .ok_or_else(|| StoreError::Invalid("no home folder: pass --home DIR or set LIGHTBOX_HOME".into()))?;
        Self::at(&root)
    }

    /// The home at `root`, created when it is not there.
    ///
    /// # Errors
    /// When it cannot be created.
    pub fn at(root: &Path) -> Result<Self> {
        atomic::create_private_folder(root)?;
        let root = root.canonicalize().map_err(|e| StoreError::io("open", root, e))?;
        for part in ["datasets", "runs", "studies", "cache", "plugins", "logs"] {
            atomic::create_private_folder(&root.join(part))?;
        }
        Ok(Self { root })
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Registered datasets, a folder each.
    pub fn datasets_dir(&self) -> PathBuf {
        self.root.join("datasets")
    }

    /// Run directories.
    pub fn runs_dir(&self) -> PathBuf {
        self.root.join("runs")
    }

    /// Studies, a folder each: the file as it was run and the runs it queued.
    pub fn studies_dir(&self) -> PathBuf {
        self.root.join("studies")
    }

    /// Decode caches and other things that can be made again.
    pub fn cache_dir(&self) -> PathBuf {
        self.root.join("cache")
    }

    /// Plugins installed by the user.
    pub fn plugins_dir(&self) -> PathBuf {
        self.root.join("plugins")
    }

    /// Log files.
    pub fn logs_dir(&self) -> PathBuf {
        self.root.join("logs")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_home_is_private_and_has_its_folders() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let home = Home::at(&folder.path().join("a/b")).unwrap();
        for dir in [home.datasets_dir(), home.runs_dir(), home.studies_dir(), home.cache_dir(), home.plugins_dir()] {
            assert_eq!(std::fs::metadata(dir).unwrap().permissions().mode() & 0o777, 0o700);
        }
    }

    #[test]
    fn a_file_in_the_way_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("file");
        std::fs::write(&file, "x").unwrap();
        assert!(Home::at(&file).unwrap_err().to_string().contains("file"));
    }
}
