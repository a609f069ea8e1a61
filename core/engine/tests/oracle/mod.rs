//! Calls of the Python scripts in `tests/oracles`, and the arrays that they leave behind.

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// What a script wrote: `oracle.json` and raw arrays beside it.
pub struct Oracle {
    folder: tempfile::TempDir,
    pub facts: Value,
}

impl Oracle {
    /// Runs `tests/oracles/SCRIPT FOLDER`; files that it is to read can be put into the folder by `prepare`.
    pub fn run(script: &str, prepare: impl FnOnce(&Path)) -> Oracle {
        let python = std::env::var_os("LIGHTBOX_ORACLE_PYTHON").map(PathBuf::from).unwrap_or_else(|| {
            let home = std::env::var_os("HOME").expect("HOME is set");
            Path::new(&home).join(".cache/lightbox/oracles-1/bin/python")
        });
        assert!(python.exists(), "{} is not there; run ./justw oracles", python.display());
        let folder = tempfile::tempdir().expect("a temporary folder");
        prepare(folder.path());
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/oracles").join(script);
        let output = Command::new(&python).arg(&script).arg(folder.path()).output().expect("Python starts");
        assert!(output.status.success(), "{}: {}", script.display(), String::from_utf8_lossy(&output.stderr));
        let text = std::fs::read_to_string(folder.path().join("oracle.json")).expect("the script writes oracle.json");
        Oracle { facts: serde_json::from_str(&text).expect("valid JSON"), folder }
    }

    /// The list of cases under `part`.
    pub fn cases(&self, part: &str) -> &[Value] {
        self.facts[part].as_array().unwrap_or_else(|| panic!("no list {part}"))
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn bytes(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
    }

    pub fn f32s(&self, name: &str) -> Vec<f32> {
        let bytes = self.bytes(&format!("{name}.f32"));
        bytes.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect()
    }
}

/// The number at `key`.
pub fn number(case: &Value, key: &str) -> f64 {
    case[key].as_f64().unwrap_or_else(|| panic!("{key} of {case}"))
}

/// [height, width] of a case.
pub fn size(case: &Value) -> [usize; 2] {
    ["height", "width"].map(|key| number(case, key) as usize)
}

/// The largest absolute difference.
pub fn largest_difference(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, |m, d| if d <= m { m } else { d })
}
