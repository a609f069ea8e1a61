//! Calls of the Python scripts in `tests/oracles`, and the arrays that they leave behind.

#![allow(dead_code, reason = "each test program uses a part")]
#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// The Python of the oracles with a script of `tests/oracles`, to be given arguments.
pub fn command(script: &str) -> Command {
    let python = std::env::var_os("LIGHTBOX_ORACLE_PYTHON").map(PathBuf::from).filter(|python| python.exists());
    let python = python.expect("no Python of the oracles; run ./justw test, which sets LIGHTBOX_ORACLE_PYTHON");
    let mut command = Command::new(python);
    // Threads that spin while they wait take the time of the tests beside them.
    command.env("OMP_WAIT_POLICY", "passive");
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/oracles").join(script));
    command
}

/// What a script wrote: `oracle.json` and raw arrays beside it.
pub struct Oracle {
    folder: tempfile::TempDir,
    pub facts: Value,
}

impl Oracle {
    /// Runs `tests/oracles/SCRIPT FOLDER`; files that it is to read can be put into the folder by `prepare`.
    pub fn run(script: &str, prepare: impl FnOnce(&Path)) -> Oracle {
        let folder = tempfile::tempdir().expect("a temporary folder");
        prepare(folder.path());
        let output = command(script).arg(folder.path()).output().expect("Python starts");
        assert!(output.status.success(), "{script}: {}", String::from_utf8_lossy(&output.stderr));
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
