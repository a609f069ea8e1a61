//! The daemon's socket in its home.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use lightbox_store::{Home, StoreError};

use crate::Result;

const NAME: &str = "daemon.sock";

/// The socket of a home.
pub fn socket_path(home: &Home) -> PathBuf {
    home.root().join(NAME)
}

/// Connects to the daemon of a home; none when there is none.
///
/// # Errors
/// When the socket is there and cannot be used, by the rights of its file for example.
pub fn connect(home: &Home) -> Result<Option<UnixStream>> {
    use std::io::ErrorKind::{ConnectionRefused, NotFound};
    let path = socket_path(home);
    match through_folder(home, |short| UnixStream::connect(short)) {
        Ok(stream) => Ok(Some(stream)),
        Err(error) if matches!(error.kind(), NotFound | ConnectionRefused) => Ok(None),
        Err(error) => Err(StoreError::io("connect to", &path, error).into()),
    }
}

/// Makes the socket, readable by its owner only. The caller holds the home's daemon lock, so one that is there is dead.
pub(super) fn listen(home: &Home) -> Result<UnixListener> {
    let path = socket_path(home);
    let fail = |error| StoreError::io("make the socket", &path, error);
    match std::fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(fail(error).into()),
        _ => {}
    }
    let listener = through_folder(home, |short| UnixListener::bind(short)).map_err(fail)?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).map_err(fail)?;
    Ok(listener)
}

/// A socket's path may have 107 bytes; a home's may be longer. Its open folder has a short one.
fn through_folder<T>(home: &Home, act: impl FnOnce(&Path) -> std::io::Result<T>) -> std::io::Result<T> {
    let folder = File::open(home.root())?;
    act(&PathBuf::from(format!("/proc/self/fd/{}/{NAME}", folder.as_raw_fd())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_home_with_a_long_path_has_a_socket_too() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::at(&folder.path().join("x".repeat(120)).join("y".repeat(120))).unwrap();
        assert!(connect(&home).unwrap().is_none());
        let listener = listen(&home).unwrap();
        assert!(connect(&home).unwrap().is_some());
        assert_eq!(std::fs::metadata(socket_path(&home)).unwrap().permissions().mode() & 0o777, 0o600);
        drop(listener);
        assert!(connect(&home).unwrap().is_none());
        drop(super::listen(&home).unwrap());
    }
}
