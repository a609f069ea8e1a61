//! What `lightbox plugins check` finds in libraries that misbehave, and that it finds nothing in those that do not.

#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

mod zoo_support;

use std::path::Path;
use std::time::Duration;

use lightbox_engine::conformance::{Check, CheckLimits, Report, Verdict, supervise};
use zoo_support::{compile, example, project, zoo};

fn check(file: &Path, limits: CheckLimits) -> Report {
    let mut seen = Vec::new();
    let report = supervise(&example("zoo_worker"), file, limits, &mut |check| seen.push(check.clone()));
    assert_eq!(report.checks, seen, "each check is told as it ends");
    report
}

fn checked(arguments: &[&str]) -> Report {
    let folder = tempfile::tempdir().unwrap();
    let limits = CheckLimits { time: Duration::from_secs(20), memory: 1 << 30 };
    check(&zoo(folder.path(), "zoo.so", arguments), limits)
}

fn errors(report: &Report) -> Vec<&Check> {
    report.checks.iter().filter(|check| check.verdict == Verdict::Error).collect()
}

/// The only error of a variant of the zoo.
fn error_of(arguments: &[&str]) -> Check {
    let report = checked(arguments);
    let errors = errors(&report);
    assert!(!report.passed() && errors.len() == 1, "{arguments:?}: {:#?}", report.checks);
    errors[0].clone()
}

#[test]
fn a_cam_in_c_passes() {
    let folder = tempfile::tempdir().unwrap();
    let source = project().join("plugins/examples/cam-c/cam.c");
    let report = check(&compile(&source, folder.path(), "cam-c.so", &[]), CheckLimits::default());
    assert!(report.passed(), "{:#?}", report.checks);
    assert_eq!(report.id.as_deref(), Some("org.lightbox.examples.cam-c"));
    assert!(report.hash.len() == 64 && report.checks.len() > 12, "{report:#?}");
}

/// Those that end within seconds; `./justw check-plugins` runs all.
#[test]
fn shipped_methods_pass() {
    let deps = std::env::current_exe().unwrap();
    for name in ["cams", "gradients", "baselines"] {
        let report = check(&deps.parent().unwrap().join(format!("liblightbox_{name}.so")), CheckLimits::default());
        let bad: Vec<&Check> =
            report.checks.iter().filter(|check| matches!(check.verdict, Verdict::Error | Verdict::Warning)).collect();
        assert!(bad.is_empty(), "{name}: {bad:#?}");
    }
}

#[test]
fn what_is_no_plugin_ends_at_the_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("notes.so");
    std::fs::write(&file, "These are the notes of a radiologist. ".repeat(9)).unwrap();
    let report = check(&file, CheckLimits::default());
    assert_eq!(report.checks.len(), 1);
    assert!(report.checks[0].text.contains("does not begin as an ELF file"), "{report:#?}");
}

#[test]
fn a_map_that_is_the_same_everywhere_is_a_warning() {
    let report = checked(&[]);
    assert!(report.passed());
    let warned: Vec<&Check> = report.checks.iter().filter(|check| check.verdict == Verdict::Warning).collect();
    assert_eq!(warned.len(), 1, "{warned:#?}");
    assert_eq!(warned[0].check, "one image");
}

#[test]
fn state_outside_the_instance_is_found() {
    let report = checked(&["-DCOUNTS"]);
    let found: Vec<&str> = errors(&report).iter().map(|check| check.check.as_str()).collect();
    assert!(found.contains(&"same again") && found.contains(&"several images"), "{found:?}");
}

#[test]
fn images_that_see_each_other_are_found() {
    let found = error_of(&["-DMIXES"]);
    assert_eq!((found.subject.as_str(), found.check.as_str()), ("method zoo", "several images"));
    assert!(found.text.starts_with("an image's map depends on the images beside it"), "{}", found.text);
}

#[test]
fn a_write_to_what_is_lent_is_found() {
    let found = error_of(&["-DWRITES_INPUT"]);
    assert_eq!(found.check, "read only");
    assert!(found.text.contains("wrote to a tensor of the request, which is lent to be read"), "{}", found.text);
}

#[test]
fn a_leak_is_found() {
    let found = error_of(&["-DLEAKS"]);
    assert_eq!(found.check, "memory");
    assert!(found.text.contains("something is not freed"), "{}", found.text);
}

#[test]
fn nan_is_found() {
    let report = checked(&["-DWRITES_NAN"]);
    assert!(errors(&report).iter().any(|check| check.check == "one image" && check.text.contains("NaN")));
}

#[test]
fn a_crash_an_exit_and_a_hang_name_the_check_they_happened_in() {
    for (harm, said) in [
        ("-DSEGFAULT", "the plugin crashed (segmentation fault); the checks after this one were not run"),
        ("-DEXIT", "the plugin ended the process with exit code 0; the checks after this one were not run"),
    ] {
        let found = error_of(&["-DHARM_IN_RUN", harm]);
        assert_eq!((found.check.as_str(), found.text.as_str()), ("one image", said));
    }
    let folder = tempfile::tempdir().unwrap();
    let limits = CheckLimits { time: Duration::from_secs(2), memory: 1 << 30 };
    let report = check(&zoo(folder.path(), "zoo.so", &["-DHARM_IN_RUN", "-DLOOP"]), limits);
    assert_eq!(errors(&report)[0].text, "the plugin did not end within 2 s; the checks after this one were not run");
    let report =
        check(&zoo(folder.path(), "eats.so", &["-DHARM_IN_RUN", "-DEAT"]), CheckLimits { memory: 1 << 29, ..limits });
    let text = &errors(&report)[0].text;
    assert!(text.contains("took more than 512 MiB") || text.contains("did not end"), "{text}");
}

#[test]
fn what_a_plugin_prints_is_no_answer() {
    let report = checked(&["-DHARM_IN_RUN", "-DCHATTER"]);
    assert!(report.passed(), "{:#?}", report.checks);
}
