//! `split.csv` of a run: which images it trains on, validates on and tests on.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::error::{Result, StoreError};

/// The part that an image plays in one fold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Part {
    /// The network learns from it.
    Train,
    /// Early stopping, best checkpoint, threshold and temperature are decided on it.
    Validation,
    /// Read once, at the end.
    Test,
}

impl Part {
    /// As in the file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Validation => "validation",
            Self::Test => "test",
        }
    }
}

/// The images of one fold and their parts, by image id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SplitRows {
    /// (image id, part), in dataset order.
    pub rows: Vec<(String, Part)>,
}

impl SplitRows {
    /// Ids of one part.
    pub fn part(&self, part: Part) -> impl Iterator<Item = &str> {
        self.rows.iter().filter(move |(_, p)| *p == part).map(|(image, _)| image.as_str())
    }

    /// The file: `image,part`.
    pub(super) fn to_csv(&self) -> Vec<u8> {
        let mut csv = csv::Writer::from_writer(Vec::new());
        let header = std::iter::once(["image", "part"]);
        let rows = self.rows.iter().map(|(image, part)| [image.as_str(), part.as_str()]);
        for row in header.chain(rows) {
            // Writing to memory does not fail.
            let _ = csv.write_record(row);
        }
        csv.into_inner().unwrap_or_default()
    }

    /// Reads `image,part`.
    ///
    /// # Errors
    /// When the file cannot be read or a line is not an image and a part.
    pub fn read(path: &Path) -> Result<Self> {
        let mut csv = csv::Reader::from_path(path).map_err(|e| StoreError::content(path, e.to_string()))?;
        let rows: std::result::Result<_, _> = csv.deserialize().collect();
        Ok(Self { rows: rows.map_err(|e| StoreError::content(path, e.to_string()))? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn odd_names_survive() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("split.csv");
        let rows = vec![("a,b\"c\n.png".to_owned(), Part::Train), ("ü.png".to_owned(), Part::Test)];
        let split = SplitRows { rows };
        std::fs::write(&path, split.to_csv()).unwrap();
        assert_eq!(SplitRows::read(&path).unwrap(), split);
        assert_eq!(split.part(Part::Test).collect::<Vec<_>>(), ["ü.png"]);
    }
}
