//! What the tests share: a small random generator, and calls of the Python oracles.
#![allow(dead_code, clippy::unwrap_used, reason = "each test binary uses its part, and may fail loudly")]

use serde_json::Value;
use std::{
    io::Write,
    path::PathBuf,
    process::{Command, Stdio},
};

/// SplitMix64: independent of the generator under test.
pub struct Random(pub u64);

impl Random {
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// Uniform in (0, 1).
    pub fn uniform(&mut self) -> f64 {
        ((self.bits() >> 11) as f64 + 0.5) / (1_u64 << 53) as f64
    }

    pub fn below(&mut self, bound: usize) -> usize {
        (self.uniform() * bound as f64) as usize
    }

    /// Standard normal (Box and Muller).
    pub fn normal(&mut self) -> f64 {
        (-2.0 * self.uniform().ln()).sqrt() * (std::f64::consts::TAU * self.uniform()).cos()
    }

    pub fn normals(&mut self, n: usize) -> Vec<f64> {
        (0..n).map(|_| self.normal()).collect()
    }

    pub fn chance(&mut self, p: f64) -> bool {
        self.uniform() < p
    }
}

/// Sends cases to a script of `tests/oracles` and reads its answers.
pub fn ask(script: &str, cases: &[Value]) -> Vec<Value> {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/oracles");
    let python =
        std::env::var_os("LIGHTBOX_ORACLE_PYTHON").expect("run ./justw test, which sets LIGHTBOX_ORACLE_PYTHON");
    let mut child = Command::new(&python)
        .arg(root.join(script))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the oracle interpreter starts");
    let input = serde_json::json!({ "cases": cases }).to_string();
    let mut stdin = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap().expect("the oracle reads its input");
    assert!(output.status.success(), "{script} failed");
    let answers: Vec<Value> = serde_json::from_slice(&output.stdout).expect("the oracle answers in JSON");
    assert_eq!(answers.len(), cases.len());
    answers
}

/// A number of an answer.
pub fn number(answer: &Value) -> f64 {
    answer.as_f64().unwrap_or_else(|| panic!("not a number: {answer}"))
}

/// Fails unless the two agree to `relative` of the expected, or to `absolute`.
#[track_caller]
pub fn close(what: &str, got: f64, expected: f64, relative: f64, absolute: f64) {
    let error = (got - expected).abs();
    assert!(error <= relative * expected.abs() + absolute, "{what}: {got} is not {expected}, off by {error:e}");
}
