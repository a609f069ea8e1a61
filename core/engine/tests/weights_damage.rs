//! Damaged weights files of every format: an error or weights, never a panic, and no more memory than the file justifies.

#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

mod oracle;

use std::path::Path;

use lightbox_engine::plugin::Variable;
use lightbox_engine::weights::{self, LoadOptions, NetworkShape, WeightsFile};
use oracle::Oracle;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tch::{Device, Kind, Tensor};

/// Files of each format, and of each kind of content.
const FILES: [&str; 7] = [
    "plain.safetensors",
    "plain-zip.pth",
    "plain-legacy.pt",
    "lightning-zip.pth",
    "model-legacy.pt",
    "transposed-legacy.pt",
    "deflated.pth",
];
/// Variables of the script's small network.
const VARIABLES: usize = 9;
/// Bytes from one cut to the next.
const STEP: usize = 97;
/// Address space in kB that all damage together may take beyond what the whole files do: the largest tensor of repeated
/// elements that is read, 16 million of 8 bytes, twice. What damaged numbers can claim is millions of times more.
const MOST_GROWTH: u64 = 2 * 128 * 1024;
const CASES: u32 = 1500;
const OPCODE_CASES: u32 = 2000;
/// What stands before the pickle of the weights in the old format: a magic number, a version, facts of the machine.
const PRELUDE: &[u8] = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19.\x80\x02M\xe9\x03.\x80\x02}.\x80\x02";

/// Opens, reads every tensor, holds it against a network and loads it.
fn exercise(path: &Path, variables: &[Variable]) {
    if let Ok(file) = WeightsFile::open(path) {
        for index in 0..file.tensors().len() {
            // An error is as good as a tensor here.
            let _ = file.read(index);
        }
        let _ = weights::load(&file, variables, "small", 4, &LoadOptions::pretrained());
    }
    let _ = weights::inspect(path, &[NetworkShape::new("small", 4, variables)]);
}

fn variables() -> Vec<Variable> {
    let variable = |(name, shape): (&str, &[i64])| Variable {
        name: name.to_owned(),
        tensor: Tensor::zeros(shape, (Kind::Float, Device::Cpu)),
        trainable: true,
        aliases: Vec::new(),
    };
    vec![variable(("conv1.weight", &[8, 3, 3, 3])), variable(("fc.weight", &[4, 16])), variable(("fc.bias", &[4]))]
}

/// Address space of this process at its largest so far, in kB: what was asked for, also where it was never touched.
fn most_memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmPeak:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// One test, so that no other thread asks for memory at the same time.
#[test]
fn damage_is_an_error_and_takes_no_memory() {
    let oracle = Oracle::run("weights.py", |_| {});
    let originals: Vec<Vec<u8>> = FILES.iter().map(|name| oracle.bytes(name)).collect();
    let path = oracle.path("damaged");
    let variables = variables();
    for (name, original) in FILES.iter().zip(&originals) {
        std::fs::write(&path, original).unwrap();
        exercise(&path, &variables);
        assert!(WeightsFile::open(&path).unwrap().tensors().len() >= VARIABLES, "{name}");
    }
    let before = most_memory();
    cut_files_are_refused(&path, &originals);
    any_damage_is_survived(&path, &originals, &variables);
    any_opcodes_are_survived(&path, &variables);
    large_claims_are_refused(&path, &variables);
    let grown = most_memory() - before;
    assert!(grown < MOST_GROWTH, "{grown} kB were asked for");
}

/// The index of a zip, the storages of pickles, the data of safetensors: each format ends with what it needs.
fn cut_files_are_refused(path: &Path, originals: &[Vec<u8>]) {
    for (name, original) in FILES.iter().zip(originals) {
        let length = original.len();
        for cut in (0..64).chain((64..length).step_by(STEP)).chain(length - 64..length) {
            std::fs::write(path, &original[..cut]).unwrap();
            let error = WeightsFile::open(path).map(drop).expect_err(name);
            assert!(error.to_string().contains("damaged"), "{name} cut to {cut} of {length} bytes: {error}");
        }
    }
}

fn any_damage_is_survived(path: &Path, originals: &[Vec<u8>], variables: &[Variable]) {
    // Most of a small file is not payload, and damage there is what matters: the front, the back, or anywhere.
    let damage = (0..FILES.len(), prop::collection::vec((0.0..1.0_f64, 0..3_u8, any::<u8>()), 1..6));
    let mut runner = TestRunner::new(Config { cases: CASES, failure_persistence: None, ..Config::default() });
    let outcome = runner.run(&damage, |(file, changes)| {
        let mut bytes = originals[file].clone();
        let length = bytes.len();
        for (place, part, value) in changes {
            let window = length.min(1500);
            let at = match part {
                0 => (place * window as f64) as usize,
                1 => length - 1 - (place * window as f64) as usize,
                _ => (place * length as f64) as usize,
            };
            bytes[at.min(length - 1)] = value;
        }
        std::fs::write(path, &bytes).unwrap();
        exercise(path, variables);
        Ok(())
    });
    outcome.unwrap();
}

/// Bytes as a whole pickle of the old format: the machine alone, with any opcodes.
fn any_opcodes_are_survived(path: &Path, variables: &[Variable]) {
    let opcodes: Vec<u8> = b"(.01 2NIJKLMFGSTUVXBCe]}atlduspqrghjcRbQio)".iter().copied().chain(0x80..=0x97).collect();
    let body = prop::collection::vec(
        prop_oneof![4 => prop::sample::select(opcodes).prop_map(|opcode| vec![opcode]), 1 => prop::collection::vec(any::<u8>(), 1..5)],
        0..60,
    );
    let mut runner = TestRunner::new(Config { cases: OPCODE_CASES, failure_persistence: None, ..Config::default() });
    let outcome = runner.run(&body, |parts| {
        std::fs::write(path, [PRELUDE, &parts.concat()].concat()).unwrap();
        exercise(path, variables);
        Ok(())
    });
    outcome.unwrap();
}

/// Claims that a small file makes are not believed.
fn large_claims_are_refused(path: &Path, variables: &[Variable]) {
    let safetensors = |header: &str| [&(header.len() as u64).to_le_bytes()[..], header.as_bytes()].concat();
    let nested = [PRELUDE, &b"]".repeat(100_000), &b"a".repeat(99_999), b"."].concat();
    let doubled = [PRELUDE, b"]q\0", &b"(h\0h\0e".repeat(50_000), b"."].concat();
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("header", (u64::MAX.to_le_bytes()).iter().copied().chain(*b"{}").collect()),
        ("long header", (90_000_000_u64.to_le_bytes()).iter().copied().chain(*b"{}").collect()),
        ("shape", safetensors(r#"{"a":{"dtype":"F32","shape":[4294967296,4294967296,4],"data_offsets":[0,0]}}"#)),
        ("end", safetensors(r#"{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]}}"#)),
        ("backwards", safetensors(r#"{"a":{"dtype":"F32","shape":[4],"data_offsets":[16,0]}}"#)),
        (
            "overflow",
            safetensors(
                r#"{"a":{"dtype":"U8","shape":[1],"data_offsets":[18446744073709551615,18446744073709551615]}}"#,
            ),
        ),
        ("no offsets", safetensors(r#"{"a":{"dtype":"F32","shape":[4]}}"#)),
        ("text", [PRELUDE, b"\x8d\xff\xff\xff\xff\xff\xff\xff\x7f"].concat()),
        ("long", [PRELUDE, b"\x8b\xff\xff\xff\x7f"].concat()),
        ("nested", nested),
        ("cycle", doubled),
    ];
    for (name, bytes) in cases {
        std::fs::write(path, &bytes).unwrap();
        let error = WeightsFile::open(path).expect_err(name).to_string();
        assert!(error.contains("damaged"), "{name}: {error}");
    }
    // No elements, whatever the other sides: nothing to reserve.
    std::fs::write(path, safetensors(r#"{"a":{"dtype":"F32","shape":[0,4611686018427387904],"data_offsets":[0,0]}}"#))
        .unwrap();
    exercise(path, variables);
}
