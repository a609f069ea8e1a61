//! Runs: resuming, stopping, backing off, bad checkpoints and bad losses.

#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

mod train_support;

use std::fs;
use std::path::Path;
use std::time::Duration;

use lightbox_engine::train::checkpoint::{self, LAST};
use lightbox_engine::train::{
    Augmentation, ClassWeights, Event, OptimizerSettings, Precision, Schedule, Stop, TrainError, TrainOutcome,
    TrainSettings, train,
};
use lightbox_engine::{Cancel, device};
use tch::Tensor;
use train_support::{Images, Kindred, TestNetwork, alone};

const SIDE: usize = 16;

fn settings(epochs: usize) -> TrainSettings {
    device::configure(1, false).unwrap();
    TrainSettings {
        augment: Augmentation { horizontal_flip: true, rotation_degrees: 8.0, ..Augmentation::NONE },
        schedule: Schedule::PLATEAU,
        warmup_epochs: 1.0,
        weight_decay: 0.01,
        checkpoint_interval: Duration::ZERO,
        ..TrainSettings::new(epochs, 8, 3)
    }
}

struct Parts {
    images: Images,
    train: Vec<usize>,
    validation: Vec<usize>,
}

fn parts() -> Parts {
    Parts { images: Images::new(60, SIDE, 3), train: (0..45).collect(), validation: (45..60).collect() }
}

impl Parts {
    fn run(
        &self,
        network: &TestNetwork,
        settings: &TrainSettings,
        folder: &Path,
        cancel: &Cancel,
        on_event: &mut dyn FnMut(Event),
    ) -> Result<TrainOutcome, TrainError> {
        train(network, self.images.data(&self.train, &self.validation), settings, folder, cancel, on_event)
    }

    fn simple(&self, network: &TestNetwork, settings: &TrainSettings, folder: &Path) -> (TrainOutcome, Vec<Event>) {
        let mut events = Vec::new();
        let outcome = self.run(network, settings, folder, &Cancel::new(), &mut |e| events.push(e)).unwrap();
        (outcome, events)
    }
}

fn figures(outcome: &TrainOutcome) -> Vec<(f64, Option<f64>)> {
    outcome.history.iter().map(|r| (r.train_loss, r.validation_loss)).collect()
}

fn step_losses(events: &[Event]) -> Vec<(u64, f64)> {
    let loss = |e: &Event| match e {
        Event::Step { step, loss, .. } => Some((*step, *loss)),
        _ => None,
    };
    events.iter().filter_map(loss).collect()
}

fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy_folder(&entry.path(), &target)
        } else {
            fs::copy(entry.path(), target).map(drop).unwrap()
        }
    }
}

#[test]
fn a_network_learns_and_the_best_epoch_is_the_one_of_the_validation_part() {
    let _alone = alone();
    let (parts, folder) = (parts(), tempfile::tempdir().unwrap());
    let network = TestNetwork::new(Kindred::Small, 1);
    let (outcome, events) = parts.simple(&network, &TrainSettings { lr: 0.01, ..settings(12) }, folder.path());
    assert_eq!(outcome.stop, Some(Stop::AllEpochs));
    assert_eq!(outcome.history.len(), 12);
    let losses: Vec<f64> = outcome.history.iter().map(|r| r.validation_loss.unwrap()).collect();
    let best = outcome.best.unwrap();
    assert_eq!(best.loss, losses.iter().copied().fold(f64::INFINITY, f64::min));
    assert_eq!(losses[best.epoch], best.loss);
    assert!(outcome.history[best.epoch].validation["accuracy"] > 0.8, "{losses:?}");
    // 45 images are 5 batches of 8 and one of 5.
    assert_eq!(outcome.steps, 12 * 6);
    assert_eq!(outcome.batches_tracked, (best.epoch as u64 + 1) * 6);
    assert!(outcome.guarantee_ended.is_empty());
    assert_eq!(step_losses(&events).len(), 72);
    // A complete run is not trained again, and gives the same network.
    let again = TestNetwork::new(Kindred::Small, 2);
    let (resumed, events) = parts.simple(&again, &TrainSettings { lr: 0.01, ..settings(12) }, folder.path());
    assert_eq!(resumed, outcome);
    assert!(step_losses(&events).is_empty());
    assert!(again.bits() == network.bits(), "the weights differ in their bits");
}

#[test]
fn a_resumed_run_has_the_bits_of_an_uninterrupted_one() {
    let _alone = alone();
    let parts = parts();
    for (optimizer, precision) in [
        (OptimizerSettings::ADAMW, Precision::Fp32),
        (OptimizerSettings::SGD, Precision::Fp32),
        (OptimizerSettings::ADAMW, Precision::Bf16),
    ] {
        let settings = TrainSettings { optimizer, precision, clip_norm: Some(1.0), ..settings(3) };
        device::configure(2, false).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let whole = TestNetwork::new(Kindred::Small, 1);
        let killed = tempfile::tempdir().unwrap();
        let mut events = Vec::new();
        let outcome = parts.run(&whole, &settings, &folder.path().join("whole"), &Cancel::new(), &mut |event| {
            // What a process killed in the middle of the second epoch leaves behind.
            if matches!(event, Event::Checkpoint { name: "last", step: 9, .. }) {
                copy_folder(&folder.path().join("whole"), killed.path());
            }
            events.push(event);
        });
        let outcome = outcome.unwrap();
        assert!(killed.path().join(LAST).exists());

        let resumed = TestNetwork::new(Kindred::Small, 99);
        let (after_kill, later) = parts.simple(&resumed, &settings, killed.path());
        assert!(matches!(later[0], Event::Resumed { epoch: 1, step: 9, .. }), "{:?}", later[0]);
        assert!(resumed.bits() == whole.bits(), "the weights differ in their bits");
        assert_eq!(figures(&after_kill), figures(&outcome));
        assert_eq!(step_losses(&later), step_losses(&events)[9..]);
        assert!(after_kill.guarantee_ended.is_empty());

        // Stopped by the flag at three places, one of them the last step of an epoch.
        let stopped = tempfile::tempdir().unwrap();
        let mut last = None;
        for stop_at in [4, 12, 13, u64::MAX] {
            // Only the first starts from these weights, the others from its checkpoint.
            let seed = if stop_at == 4 { 1 } else { stop_at as i64 };
            let (cancel, network) = (Cancel::new(), TestNetwork::new(Kindred::Small, seed));
            let flag = cancel.clone();
            let outcome = parts.run(&network, &settings, stopped.path(), &cancel, &mut |event| {
                if matches!(event, Event::Step { step, .. } if step == stop_at) {
                    flag.cancel();
                }
            });
            let outcome = outcome.unwrap();
            assert_eq!(outcome.stop.is_none(), stop_at < u64::MAX);
            if stop_at < u64::MAX {
                assert_eq!(outcome.steps, stop_at);
            }
            last = Some((network, outcome));
        }
        let (network, stopped) = last.unwrap();
        assert!(network.bits() == whole.bits(), "the weights differ in their bits");
        assert_eq!(figures(&stopped), figures(&outcome));
    }
}

#[test]
fn another_seed_or_batch_does_not_resume() {
    let _alone = alone();
    let (parts, folder) = (parts(), tempfile::tempdir().unwrap());
    let cancel = Cancel::new();
    cancel.cancel();
    let network = TestNetwork::new(Kindred::Small, 1);
    assert_eq!(parts.run(&network, &settings(2), folder.path(), &cancel, &mut |_| {}).unwrap().steps, 0);
    let other = TrainSettings { seed: 9, ..settings(2) };
    let error = parts.run(&network, &other, folder.path(), &Cancel::new(), &mut |_| {}).unwrap_err().to_string();
    assert!(error.contains("another `settings.seed`"), "{error}");
    let moved = Parts { validation: (44..59).collect(), ..self::parts() };
    let error = moved.run(&network, &settings(2), folder.path(), &Cancel::new(), &mut |_| {}).unwrap_err().to_string();
    assert!(error.contains("another `images`"), "{error}");
}

#[test]
fn another_number_of_threads_ends_the_guarantee() {
    let _alone = alone();
    let (parts, folder) = (parts(), tempfile::tempdir().unwrap());
    let network = TestNetwork::new(Kindred::Small, 1);
    let cancel = Cancel::new();
    cancel.cancel();
    parts.run(&network, &settings(1), folder.path(), &cancel, &mut |_| {}).unwrap();
    // As if the checkpoint came from a machine with more threads: the manifest is sealed anew.
    let path = folder.path().join(LAST).join("manifest.json");
    let mut manifest: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    manifest["content"]["environment"]["threads"] = 64.into();
    let content = serde_json::to_vec(&manifest["content"]).unwrap();
    manifest["blake3"] = blake3::hash(&content).to_hex().as_str().into();
    fs::write(&path, serde_json::to_vec(&manifest).unwrap()).unwrap();
    let (outcome, events) = parts.simple(&network, &settings(1), folder.path());
    assert!(outcome.guarantee_ended[0].contains("instead of 64"), "{:?}", outcome.guarantee_ended);
    assert!(events.iter().any(|e| matches!(e, Event::GuaranteeEnded { .. })));
}

#[test]
fn early_stopping_counts_epochs_without_a_better_validation_loss() {
    let _alone = alone();
    let (parts, folder) = (parts(), tempfile::tempdir().unwrap());
    // A rate of 0 never improves: the first epoch is the best, and two more are granted.
    let settings = TrainSettings {
        lr: 0.0,
        schedule: Schedule::Constant,
        optimizer: OptimizerSettings::Sgd { momentum: 0.0, dampening: 0.0, nesterov: false },
        patience: Some(2),
        ..settings(50)
    };
    let (outcome, _) = parts.simple(&TestNetwork::new(Kindred::Plain, 1), &settings, folder.path());
    assert_eq!((outcome.stop, outcome.history.len()), (Some(Stop::Early), 3));
    assert_eq!(outcome.best.unwrap().epoch, 0);
}

#[test]
fn memory_that_runs_out_halves_the_parts_and_keeps_the_batch() {
    let _alone = alone();
    let parts = parts();
    // No normalisation: a batch in parts is the batch, up to the order of additions.
    let settings =
        TrainSettings { class_weights: ClassWeights::Given(vec![1.0, 0.25, 2.0]), label_smoothing: 0.1, ..settings(2) };
    let whole = TestNetwork::new(Kindred::Plain, 1);
    let (expected, plain_events) = parts.simple(&whole, &settings, tempfile::tempdir().unwrap().path());
    let short = TestNetwork::new(Kindred::Plain, 1);
    short.most_images.set(3);
    let folder = tempfile::tempdir().unwrap();
    let (outcome, events) = parts.simple(&short, &settings, folder.path());
    let steps = |e: &Event| match e {
        Event::BackOff { step, from, to } => Some((*step, *from, *to)),
        _ => None,
    };
    assert_eq!(events.iter().filter_map(steps).collect::<Vec<_>>(), [(0, 8, 4), (0, 4, 2)]);
    assert_eq!(outcome.physical_batch, 2);
    assert_eq!(outcome.guarantee_ended.len(), 2);
    assert_eq!(outcome.steps, expected.steps);
    for ((_, a), (_, b)) in step_losses(&events).iter().zip(step_losses(&plain_events)) {
        assert!((a - b).abs() < 1e-4, "{a} {b}");
    }
    // The smaller part is remembered.
    let saved = checkpoint::load(folder.path(), LAST).unwrap().unwrap();
    assert_eq!(saved.manifest.progress.physical_batch, 2);
    // One image too many is the end.
    short.most_images.set(0);
    let folder = tempfile::tempdir().unwrap();
    let error = parts.run(&short, &settings, folder.path(), &Cancel::new(), &mut |_| {}).unwrap_err();
    assert!(matches!(&error, TrainError::OutOfMemory { .. }), "{error}");
    assert!(error.to_string().contains("single image"), "{error}");
}

#[test]
fn a_loss_that_is_no_number_names_its_step_and_keeps_the_best() {
    let _alone = alone();
    let (parts, folder) = (parts(), tempfile::tempdir().unwrap());
    let network = TestNetwork::new(Kindred::Small, 1);
    network.nan_after.set(Some(8));
    let error = parts.run(&network, &settings(3), folder.path(), &Cancel::new(), &mut |_| {}).unwrap_err();
    assert!(matches!(error, TrainError::NotFinite { epoch: 1, step: 8, .. }), "{error}");
    let best = checkpoint::load(folder.path(), checkpoint::BEST).unwrap().unwrap();
    assert_eq!(best.manifest.progress.step, 6);
    for (name, bytes) in network.bits() {
        assert!(bytes.chunks(4).all(|b| f32::from_ne_bytes(b.try_into().unwrap()).is_finite()), "{name} has NaN");
    }
}

#[test]
fn a_damaged_checkpoint_gives_way_to_the_one_before() {
    let _alone = alone();
    let (parts, folder) = (parts(), tempfile::tempdir().unwrap());
    let network = TestNetwork::new(Kindred::Small, 1);
    let cancel = Cancel::new();
    let flag = cancel.clone();
    parts
        .run(&network, &settings(2), folder.path(), &cancel, &mut |event| {
            if matches!(event, Event::Step { step: 5, .. }) {
                flag.cancel();
            }
        })
        .unwrap();
    let pristine = tempfile::tempdir().unwrap();
    copy_folder(folder.path(), pristine.path());
    for file in ["weights.safetensors", "optimizer.safetensors", "manifest.json"] {
        for damage in ["flip", "cut", "remove"] {
            let folder = tempfile::tempdir().unwrap();
            copy_folder(pristine.path(), folder.path());
            let path = folder.path().join(LAST).join(file);
            let mut bytes = fs::read(&path).unwrap();
            let middle = bytes.len() / 2;
            match damage {
                "flip" => {
                    bytes[middle] ^= 1;
                    fs::write(&path, &bytes).unwrap();
                }
                "cut" => fs::write(&path, &bytes[..middle]).unwrap(),
                _ => fs::remove_file(&path).unwrap(),
            }
            let older = checkpoint::load(folder.path(), LAST).unwrap().unwrap();
            assert_eq!(older.name(), "last.previous");
            let why = older.passed_over.unwrap();
            assert!(why.contains(file) && why.contains("damaged"), "{why}");
            // Without one before, the sentence is the answer.
            fs::remove_dir_all(folder.path().join("last.previous")).unwrap();
            let network = TestNetwork::new(Kindred::Small, 1);
            let run = parts.run(&network, &settings(2), folder.path(), &Cancel::new(), &mut |_| {});
            let error = run.unwrap_err().to_string();
            assert!(error.contains(file) && error.contains("damaged") && error.contains("remove"), "{error}");
        }
    }
    // Going on from the one before still ends with the same bits.
    let whole = TestNetwork::new(Kindred::Small, 1);
    parts.simple(&whole, &settings(2), tempfile::tempdir().unwrap().path());
    fs::write(folder.path().join(LAST).join("weights.safetensors"), b"").unwrap();
    let resumed = TestNetwork::new(Kindred::Small, 5);
    let (_, events) = parts.simple(&resumed, &settings(2), folder.path());
    assert!(matches!(&events[1], Event::Warning { text } if text.contains("last.previous")), "{:?}", events[1]);
    assert!(resumed.bits() == whole.bits(), "the weights differ in their bits");
}

#[test]
fn a_crash_between_the_two_renames_leaves_a_checkpoint() {
    let _alone = alone();
    let (parts, folder) = (parts(), tempfile::tempdir().unwrap());
    let network = TestNetwork::new(Kindred::Small, 1);
    let cancel = Cancel::new();
    cancel.cancel();
    parts.run(&network, &settings(1), folder.path(), &cancel, &mut |_| {}).unwrap();
    fs::rename(folder.path().join(LAST), folder.path().join("last.previous")).unwrap();
    fs::create_dir(folder.path().join(".writing-last")).unwrap();
    let (outcome, _) = parts.simple(&network, &settings(1), folder.path());
    assert_eq!(outcome.stop, Some(Stop::AllEpochs));
    let mut names: Vec<_> = fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["best", "last"]);
}

#[test]
fn bf16_comes_close_to_fp32() {
    let _alone = alone();
    let parts = parts();
    let losses = |precision| {
        let network = TestNetwork::new(Kindred::Small, 1);
        let settings = TrainSettings { precision, ..settings(1) };
        step_losses(&parts.simple(&network, &settings, tempfile::tempdir().unwrap().path()).1)
    };
    let (full, half) = (losses(Precision::Fp32), losses(Precision::Bf16));
    assert_ne!(full, half);
    for ((_, a), (_, b)) in full.iter().zip(&half) {
        assert!((a - b).abs() < 0.05, "{full:?} {half:?}");
    }
    // Autocast ended with the run.
    let x = Tensor::ones([2, 2], (tch::Kind::Float, tch::Device::Cpu));
    assert_eq!(x.matmul(&x).kind(), tch::Kind::Float);
}

#[test]
fn impossible_settings_are_named() {
    let _alone = alone();
    let parts = parts();
    let base = || settings(2);
    let refused = |settings: TrainSettings, field: &str| {
        let network = TestNetwork::new(Kindred::Plain, 1);
        let folder = tempfile::tempdir().unwrap();
        let run = parts.run(&network, &settings, folder.path(), &Cancel::new(), &mut |_| {});
        let error = run.unwrap_err().to_string();
        assert!(error.contains(&format!("`{field}`")), "{error}");
    };
    refused(TrainSettings { lr: f64::NAN, ..base() }, "lr");
    refused(TrainSettings { batch_size: 0, ..base() }, "batch_size");
    refused(TrainSettings { physical_batch: 9, ..base() }, "physical_batch");
    refused(TrainSettings { class_weights: ClassWeights::Given(vec![1.0]), ..base() }, "class_weights");
    refused(TrainSettings { label_smoothing: 1.5, ..base() }, "label_smoothing");
    refused(TrainSettings { patience: Some(0), ..base() }, "patience");
    refused(TrainSettings { mean: vec![0.5], ..base() }, "mean");
    refused(
        TrainSettings { augment: Augmentation { crop_scale: 0.0, ..Augmentation::NONE }, ..base() },
        "augment.crop_scale",
    );
    let lonely = Parts { train: vec![0], ..self::parts() };
    let network = TestNetwork::new(Kindred::Plain, 1);
    let folder = tempfile::tempdir().unwrap();
    let error = lonely.run(&network, &base(), folder.path(), &Cancel::new(), &mut |_| {}).unwrap_err().to_string();
    assert!(error.contains("at least 2"), "{error}");
}
