//! Homes for tests of the interface: empty ones, and ones with a dataset and a trained network.

use std::path::PathBuf;
use std::process::Command;
use std::sync::LazyLock;

use crate::pty::{Kind, Terminal};
use crate::{build_folder, lightbox, said};

/// A home with a dataset and a trained network, made once; each test works on a copy.
static TRAINED: LazyLock<tempfile::TempDir> = LazyLock::new(|| {
    let folder = tempfile::tempdir().expect("a folder");
    let home = folder.path().join("home");
    let images = folder.path().join("images").display().to_string();
    let ok = |arguments: &[&str]| {
        let output = lightbox(&home, arguments);
        assert!(output.status.success(), "{arguments:?}: {}", said(&output));
    };
    ok(&["data", "phantom", "skin", "--out", &images, "--images", "60", "--size", "64", "--seed", "3"]);
    ok(&["data", "add", &images, "--name", "skin", "--manifest", &format!("{images}/manifest.toml")]);
    let train = "train --wait --data skin --model small-cnn --folds 2 --epochs 2 --batch-size 8 --image-size 64 --lr 1e-3 \
                 --threads 1";
    ok(&train.split_whitespace().collect::<Vec<_>>());
    ok(&["daemon", "stop"]);
    folder
});

/// A home that goes away with its daemon.
pub struct Home {
    /// The folder that the home lies in.
    pub folder: tempfile::TempDir,
}

impl Home {
    /// A home that is not there yet.
    ///
    /// # Panics
    /// When there is no room for it.
    pub fn empty() -> Self {
        Self { folder: tempfile::tempdir().expect("a folder") }
    }

    /// A home with the dataset `skin` (60 images of 64 x 64) and a trained network of two folds.
    ///
    /// # Panics
    /// When it cannot be made.
    pub fn trained() -> Self {
        let home = Self::empty();
        let from = TRAINED.path().join("home");
        let copied = Command::new("cp").arg("-r").arg(from).arg(home.path()).status().expect("cp");
        assert!(copied.success());
        home
    }

    /// The folder of the dataset's manifest and `images/`, which all homes share.
    pub fn images(&self) -> PathBuf {
        TRAINED.path().join("images")
    }

    /// The home.
    pub fn path(&self) -> PathBuf {
        self.folder.path().join("home")
    }

    /// Opens the interface over it.
    ///
    /// # Panics
    /// When it does not start.
    pub fn open(&self, kind: Kind, size: (u16, u16), arguments: &[&str]) -> Terminal {
        let home = self.path().display().to_string();
        Terminal::start(kind, size, &build_folder().join("lightbox"), &[&["--home", &home], arguments].concat())
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        for home in [self.path(), self.path().join("demo")] {
            if home.exists() {
                lightbox(&home, &["daemon", "stop", "--jobs"]);
            }
        }
    }
}
