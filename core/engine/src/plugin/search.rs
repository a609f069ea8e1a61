//! Where plugins are looked for.

use std::path::{Path, PathBuf};

use super::{Installed, Result, trust};

/// Folders to look in, in order, and which files count there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SearchPath {
    folders: Vec<Folder>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Folder {
    path: PathBuf,
    which: Which,
}

/// Which files of a folder count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Which {
    /// All libraries.
    All,
    /// Only files that begin with `liblightbox_`: the folder holds other libraries too.
    Ours,
    /// All libraries, but only those that were installed are loaded.
    Installed,
}

impl SearchPath {
    /// `home_plugins`, where the user installs plugins, then those that came with the program: in the folder of this executable
    /// and its `../lib/lightbox/plugins`. Nowhere else.
    pub fn standard(home_plugins: &Path) -> Self {
        let mut path = SearchPath::default().installed(home_plugins);
        if let Some(beside) = std::env::current_exe().ok().as_deref().and_then(Path::parent) {
            path = path.beside_executable(beside).folder(&beside.join("../lib/lightbox/plugins"));
        }
        path
    }

    /// Adds a folder where plugins count that were installed and not changed since: see [`Installed`].
    pub fn installed(mut self, path: &Path) -> Self {
        self.folders.push(Folder { path: path.to_owned(), which: Which::Installed });
        self
    }

    /// Adds a folder whose every `.so` is a plugin.
    pub fn folder(mut self, path: &Path) -> Self {
        self.folders.push(Folder { path: path.to_owned(), which: Which::All });
        self
    }

    /// Adds a folder where only `liblightbox_*.so` are plugins, such as that of the executable.
    pub fn beside_executable(mut self, path: &Path) -> Self {
        self.folders.push(Folder { path: path.to_owned(), which: Which::Ours });
        self
    }

    /// Whether a library may be loaded: nobody else can write it, and in a folder of installed plugins it was installed and is
    /// still the same.
    ///
    /// # Errors
    ///
    /// Why not, and what to do.
    pub fn check(&self, file: &Path) -> Result<()> {
        trust::check(file)?;
        let installed = self.folders.iter().filter(|folder| folder.which == Which::Installed);
        for folder in installed.filter(|folder| Some(folder.path.as_path()) == file.parent()) {
            Installed::read(&folder.path)?.check(file)?;
        }
        Ok(())
    }

    /// The library files, by folder and then by name, each once. A folder that is not there holds none.
    pub fn libraries(&self) -> Vec<PathBuf> {
        let (mut files, mut seen) = (Vec::new(), std::collections::BTreeSet::new());
        for folder in &self.folders {
            let Ok(entries) = std::fs::read_dir(&folder.path) else { continue };
            let mut found: Vec<PathBuf> = entries
                .filter_map(|entry| Some(entry.ok()?.path()))
                .filter(|path| path.extension().is_some_and(|extension| extension == "so"))
                .filter(|path| {
                    let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
                    folder.which != Which::Ours || name.starts_with("liblightbox_")
                })
                .collect();
            found.sort();
            for path in found {
                // The same file through two folders or a link is one plugin.
                let own = std::fs::canonicalize(&path).unwrap_or_else(|_| path.clone());
                if seen.insert(own) {
                    files.push(path);
                }
            }
        }
        files
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_come_once_in_the_order_of_folders_and_names() {
        let root = tempfile::tempdir().unwrap();
        let (a, b) = (root.path().join("a"), root.path().join("b"));
        std::fs::create_dir_all(&a).unwrap();
        std::fs::create_dir_all(&b).unwrap();
        for file in [a.join("z.so"), a.join("y.so"), a.join("notes.txt"), b.join("liblightbox_x.so"), b.join("libc.so")]
        {
            std::fs::write(file, "").unwrap();
        }
        std::os::unix::fs::symlink(a.join("z.so"), b.join("liblightbox_z.so")).unwrap();
        let path =
            SearchPath::default().folder(&root.path().join("missing")).folder(&a).folder(&a).beside_executable(&b);
        assert_eq!(path.libraries(), [a.join("y.so"), a.join("z.so"), b.join("liblightbox_x.so")]);
    }
}
