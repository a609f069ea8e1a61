//! Where plugins are looked for.

use std::path::{Path, PathBuf};

/// Folders to look in, in order, and which files count there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SearchPath {
    folders: Vec<Folder>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Folder {
    path: PathBuf,
    /// Only files that begin with `liblightbox_`: the folder holds other libraries too.
    only_ours: bool,
}

/// Variable with a colon-separated list of folders that come first.
pub const SEARCH_VARIABLE: &str = "LIGHTBOX_PLUGIN_PATH";

impl SearchPath {
    /// The folders of `LIGHTBOX_PLUGIN_PATH`, then `home_plugins`, the folder of this executable and its
    /// `../lib/lightbox/plugins`.
    pub fn standard(home_plugins: &Path) -> Self {
        let mut path = SearchPath::default();
        if let Some(list) = std::env::var_os(SEARCH_VARIABLE) {
            for folder in std::env::split_paths(&list).filter(|folder| !folder.as_os_str().is_empty()) {
                path = path.folder(&folder);
            }
        }
        path = path.folder(home_plugins);
        if let Some(beside) = std::env::current_exe().ok().as_deref().and_then(Path::parent) {
            path = path.beside_executable(beside).folder(&beside.join("../lib/lightbox/plugins"));
        }
        path
    }

    /// Adds a folder whose every `.so` is a plugin.
    pub fn folder(mut self, path: &Path) -> Self {
        self.folders.push(Folder { path: path.to_owned(), only_ours: false });
        self
    }

    /// Adds a folder where only `liblightbox_*.so` are plugins, such as that of the executable.
    pub fn beside_executable(mut self, path: &Path) -> Self {
        self.folders.push(Folder { path: path.to_owned(), only_ours: true });
        self
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
                    !folder.only_ours || name.starts_with("liblightbox_")
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
