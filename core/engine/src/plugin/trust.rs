//! Who may have written a library: nobody but its owner, else whoever can write it runs code as the user.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::{PluginError, Result};

const WRITABLE_BY_GROUP: u32 = 0o020;
const WRITABLE_BY_ALL: u32 = 0o002;

/// Refuses a library that others can write, or whose folder they can.
///
/// # Errors
///
/// Which of the two, and what to do.
pub fn check(file: &Path) -> Result<()> {
    let own = std::fs::canonicalize(file).unwrap_or_else(|_| file.to_owned());
    let folder = own.parent().unwrap_or(Path::new("/"));
    for (path, what) in [(own.as_path(), "it"), (folder, "its folder")] {
        let metadata = std::fs::metadata(path)
            .map_err(|error| PluginError::refused(file, format!("cannot be read: {error}"), "check the path"))?;
        if writable_by_others(&metadata) {
            return Err(PluginError::refused(
                file,
                format!("is not loaded, since other users can write {what}"),
                format!("take their right away: chmod go-w {}", path.display()),
            ));
        }
    }
    Ok(())
}

/// Writable by everyone, or by a group that is more than its owner: many systems give each user a group of the same number.
fn writable_by_others(metadata: &Metadata) -> bool {
    let mode = metadata.mode();
    mode & WRITABLE_BY_ALL != 0 || (mode & WRITABLE_BY_GROUP != 0 && metadata.gid() != metadata.uid())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn what_others_can_write_is_refused() {
        let place = tempfile::tempdir().unwrap();
        let folder = place.path().join("plugins");
        std::fs::create_dir(&folder).unwrap();
        let file = folder.join("mine.so");
        std::fs::write(&file, "").unwrap();
        let mode = |path: &Path, mode: u32| std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
        mode(&folder, 0o755);
        mode(&file, 0o644);
        check(&file).unwrap();
        mode(&file, 0o646);
        let sentence = check(&file).unwrap_err().to_string();
        assert!(sentence.contains("other users can write it") && sentence.contains("chmod go-w"), "{sentence}");
        mode(&file, 0o644);
        mode(&folder, 0o777);
        let sentence = check(&file).unwrap_err().to_string();
        assert!(sentence.contains("other users can write its folder"), "{sentence}");
    }
}
