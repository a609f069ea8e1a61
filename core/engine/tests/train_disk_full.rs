//! A checkpoint that the disk has no room for leaves the earlier one as it was.

#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

mod train_support;

use std::process::Command;

use lightbox_engine::train::checkpoint::{self, LAST};
use lightbox_engine::train::{Stop, TrainSettings, train};
use lightbox_engine::{Cancel, device};
use train_support::{Images, Kindred, TestNetwork};

/// Set in the child, whose files may not grow beyond what the shell granted.
const FOLDER: &str = "LIGHTBOX_TEST_FULL_DISK";

#[test]
fn a_full_disk_is_one_sentence_and_the_earlier_checkpoint_stands() {
    device::configure(1, false).unwrap();
    let images = Images::new(20, 8, 3);
    let part: Vec<usize> = (0..20).collect();
    let settings = TrainSettings::new(3, 8, 3);
    let network = TestNetwork::new(Kindred::Small, 1);
    if let Some(folder) = std::env::var_os(FOLDER) {
        // The child: goes on with the run, whose next checkpoint does not fit.
        let run = train(&network, images.data(&part, &[]), &settings, folder.as_ref(), &Cancel::new(), &mut |_| {});
        eprintln!("child: {}", run.unwrap_err());
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let cancel = Cancel::new();
    cancel.cancel();
    train(&network, images.data(&part, &[]), &settings, folder.path(), &cancel, &mut |_| {}).unwrap();
    let this = std::env::current_exe().unwrap();
    let child = Command::new("sh")
        // One block of 512 bytes; the signal for growing beyond it would end the process before it can say why.
        .args(["-c", "trap '' XFSZ; ulimit -f 1; exec \"$0\" --nocapture"])
        .arg(&this)
        .env(FOLDER, folder.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stderr);
    assert!(said.contains("cannot write the checkpoint file"), "{said}");
    assert!(said.contains("earlier checkpoints are intact"), "{said}");
    assert!(checkpoint::load(folder.path(), LAST).unwrap().unwrap().passed_over.is_none());
    let run = train(&network, images.data(&part, &[]), &settings, folder.path(), &Cancel::new(), &mut |_| {});
    assert_eq!(run.unwrap().stop, Some(Stop::AllEpochs));
}
