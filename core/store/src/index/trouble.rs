//! What SQLite complains of, as sentences: which file, what is wrong and what to do.

use std::io;
use std::path::Path;

use rusqlite::ErrorCode;

use crate::error::StoreError;

/// Why the index cannot be used.
#[derive(Debug)]
pub(super) enum Trouble {
    /// The file is not what it should be: a rebuild helps.
    Damaged(String),
    /// A newer Lightbox made it, with this version of the tables.
    Newer(i32),
    /// The file may be good, but cannot be read or written now.
    Other(io::Error),
}

/// Result with [`Trouble`].
pub(super) type Attempt<T> = std::result::Result<T, Trouble>;

impl Trouble {
    /// The sentence for the user.
    pub(super) fn into_error(self, action: &'static str, path: &Path) -> StoreError {
        match self {
            Self::Damaged(what) => {
                let advice = "`lightbox store rebuild` makes the index anew from the run directories";
                StoreError::content(path, format!("the index is damaged ({what}); {advice}"))
            }
            Self::Newer(version) => StoreError::content(
                path,
                format!(
                    "version {version} of the index is newer than this program's {}; update Lightbox, or run \
                     `lightbox store rebuild`",
                    super::schema::VERSION
                ),
            ),
            Self::Other(source) => StoreError::io(action, path, source),
        }
    }
}

impl From<rusqlite::Error> for Trouble {
    fn from(error: rusqlite::Error) -> Self {
        let kind = match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => io::ErrorKind::StorageFull,
            Some(ErrorCode::ReadOnly) => io::ErrorKind::ReadOnlyFilesystem,
            Some(ErrorCode::PermissionDenied) => io::ErrorKind::PermissionDenied,
            Some(ErrorCode::OutOfMemory) => io::ErrorKind::OutOfMemory,
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                return Self::Other(io::Error::new(
                    io::ErrorKind::TimedOut,
                    "another process keeps writing; try again",
                ));
            }
            Some(ErrorCode::SystemIoFailure | ErrorCode::CannotOpen | ErrorCode::FileLockingProtocolFailed) => {
                io::ErrorKind::Other
            }
            // Broken pages, missing tables, values of a wrong kind: what is in the file is not what was written.
            _ => return Self::Damaged(error.to_string()),
        };
        Self::Other(io::Error::new(kind, error.to_string()))
    }
}
