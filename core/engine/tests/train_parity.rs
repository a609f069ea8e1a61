//! Training follows PyTorch: whole runs of ResNet50, optimizer steps, schedules and losses.

#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

mod train_support;

use std::fs;
use std::path::Path;

use lightbox_engine::torch::{AdamWStep, SgdStep, adamw_step, sgd_step};
use lightbox_engine::train::loss::Loss;
use lightbox_engine::train::order::batches;
use lightbox_engine::train::schedule::{Plateau, learning_rate};
use lightbox_engine::train::{ClassWeights, Event, OptimizerSettings, Precision, Schedule, TrainSettings, train};
use lightbox_engine::{Cancel, device};
use serde_json::{Value, json};
use tch::{Device, Tensor};
use train_support::{Images, TestNetwork, numbers, oracle};

const THREADS: usize = 2;
const SIDE: usize = 32;
const BATCH: usize = 4;
const STEPS: usize = 20;
const CLASSES: usize = 3;
const SEED: u64 = 4;
/// As ImageNet's, rounded so that both sides read the same numbers.
const MEAN: [f64; 3] = [0.485, 0.456, 0.406];
const STD: [f64; 3] = [0.229, 0.224, 0.225];

fn settings() -> TrainSettings {
    TrainSettings { seed: SEED, mean: MEAN.into(), std: STD.into(), ..TrainSettings::new(2, BATCH, 3) }
}

/// The runs that are compared: PyTorch's case and the same settings here.
fn cases() -> Vec<(Value, TrainSettings)> {
    let case = |optimizer: &str, arguments: Value| {
        json!({
            "optimizer": optimizer, "arguments": arguments, "steps": STEPS, "channels_last": true, "bf16": false,
            "class_weights": null, "label_smoothing": 0.0, "clip_norm": null,
        })
    };
    let with = |mut case: Value, changes: Value| {
        for (key, value) in changes.as_object().unwrap() {
            case[key] = value.clone();
        }
        case
    };
    let sgd = OptimizerSettings::Sgd { momentum: 0.9, dampening: 0.0, nesterov: true };
    vec![
        (
            case("SGD", json!({ "lr": 0.01, "momentum": 0.9, "nesterov": true, "weight_decay": 1e-4 })),
            TrainSettings { optimizer: sgd, lr: 0.01, weight_decay: 1e-4, ..settings() },
        ),
        (
            with(
                case("AdamW", json!({ "lr": 1e-3, "weight_decay": 0.05 })),
                json!({ "clip_norm": 1.0, "label_smoothing": 0.1, "class_weights": [1.0, 0.5, 2.0] }),
            ),
            TrainSettings {
                weight_decay: 0.05,
                clip_norm: Some(1.0),
                label_smoothing: 0.1,
                class_weights: ClassWeights::Given(vec![1.0, 0.5, 2.0]),
                ..settings()
            },
        ),
        (
            with(case("SGD", json!({ "lr": 0.01, "momentum": 0.9 })), json!({ "channels_last": false, "steps": 4 })),
            TrainSettings { optimizer: OptimizerSettings::SGD, lr: 0.01, channels_last: false, ..settings() },
        ),
        (
            with(case("AdamW", json!({ "lr": 1e-3, "weight_decay": 0.0 })), json!({ "bf16": true, "steps": 4 })),
            TrainSettings { precision: Precision::Bf16, ..settings() },
        ),
    ]
}

const PLATEAU_LOSSES: [f64; 14] = [1.0, 0.9, 0.95, 0.90001, 0.89999, 0.8, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.7999999, 0.5];

#[test]
fn training_follows_pytorch() {
    device::configure(THREADS, false).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let images = Images::new(40, SIDE, CLASSES);
    let train_part: Vec<usize> = (0..images.labels.len()).collect();
    let order: Vec<Vec<usize>> = (0..2).flat_map(|epoch| batches(train_part.len(), BATCH, SEED, epoch)).collect();
    fs::write(folder.path().join("images.bin"), &images.bytes).unwrap();
    let cases = cases();
    let request = json!({
        "threads": THREADS, "classes": CLASSES, "side": SIDE, "labels": images.labels, "batches": order,
        "mean": MEAN, "std": STD, "cases": cases.iter().map(|(case, _)| case).collect::<Vec<_>>(),
        "plateau_losses": PLATEAU_LOSSES,
    });
    fs::write(folder.path().join("request.json"), serde_json::to_vec(&request).unwrap()).unwrap();
    let figures = oracle("train_torch.py", &[folder.path()]);

    for ((case, settings), expected) in cases.iter().zip(figures["runs"].as_array().unwrap()) {
        let expected = numbers(expected);
        let losses = losses_here(&images, &train_part, settings, expected.len(), folder.path());
        println!("{} {:?}", case["optimizer"], losses.iter().zip(&expected).map(|(a, b)| a - b).collect::<Vec<_>>());
        assert_eq!(losses.len(), expected.len());
        for (step, (ours, theirs)) in losses.iter().zip(&expected).enumerate() {
            assert!((ours - theirs).abs() <= 1e-6, "{case}: step {step}: {ours} here, {theirs} there");
        }
        // The comparison means something only if the steps change the loss.
        assert!(expected.len() < STEPS || (expected[0] - expected[STEPS - 1]).abs() > 0.01, "{expected:?}");
    }
    optimizer_steps_agree(folder.path());
    schedules_agree(&figures["schedules"]);
    losses_agree(folder.path(), &figures["losses"]);
}

fn losses_here(images: &Images, part: &[usize], settings: &TrainSettings, steps: usize, folder: &Path) -> Vec<f64> {
    let network = TestNetwork::resnet50(&folder.join("resnet50.safetensors"));
    let (cancel, checkpoints) = (Cancel::new(), tempfile::tempdir().unwrap());
    let mut losses = Vec::new();
    train(&network, images.data(part, &[]), settings, checkpoints.path(), &cancel.clone(), &mut |event| {
        if let Event::Step { loss, .. } = event {
            losses.push(loss);
            if losses.len() == steps {
                cancel.cancel();
            }
        }
    })
    .unwrap();
    losses
}

fn optimizer_steps_agree(folder: &Path) {
    for name in ["adamw", "sgd", "momentum", "nesterov"] {
        let file = Tensor::read_safetensors(folder.join(format!("{name}.safetensors"))).unwrap();
        let get = |name: String| file.iter().find(|(n, _)| *n == name).unwrap().1.shallow_clone();
        let parameters: Vec<Tensor> = (0..5)
            .map(|i| {
                let start = get(format!("start.{i}"));
                let start = if i == 2 { lightbox_engine::torch::to_channels_last(&start).unwrap() } else { start };
                start.set_requires_grad(true)
            })
            .collect();
        let zeros = || parameters.iter().map(|p| p.detach().zeros_like()).collect::<Vec<_>>();
        let (first, second, mut steps) = (zeros(), zeros(), vec![0; 5]);
        for step in 0..5 {
            lightbox_engine::torch::drop_gradients(&parameters).unwrap();
            for (i, p) in parameters.iter().enumerate() {
                // The gradient of (p x g) is g, in the parameter's layout.
                (p * get(format!("gradient.{step}.{i}"))).sum(None).backward();
            }
            let decay = [0.1; 5];
            if name == "adamw" {
                let step = AdamWStep { lr: 1e-2, beta1: 0.8, beta2: 0.95, eps: 1e-6 };
                adamw_step(&parameters, &first, &second, &decay, &mut steps, step).unwrap();
            } else {
                let momentum = if name == "sgd" { 0.0 } else { 0.9 };
                let dampening = if name == "momentum" { 0.5 } else { 0.0 };
                let decay = if name == "sgd" { [0.0; 5] } else { decay };
                let step = SgdStep { lr: 1e-2, momentum, dampening, nesterov: name == "nesterov" };
                sgd_step(&parameters, &first, &decay, &mut steps, step).unwrap();
            }
        }
        for (i, p) in parameters.iter().enumerate() {
            assert!(p.detach().equal(&get(format!("end.{i}"))), "{name}: parameter {i} differs in its bits");
        }
    }
}

fn schedules_agree(expected: &Value) {
    let close = |ours: &[f64], theirs: &Value, name: &str| {
        let theirs = numbers(theirs);
        assert_eq!(ours.len(), theirs.len());
        for (step, (a, b)) in ours.iter().zip(&theirs).enumerate() {
            assert!((a - b).abs() < 1e-9, "{name} at {step}: {a} here, {b} there");
        }
    };
    let rates = |schedule, warmup_epochs| -> Vec<f64> {
        let settings = TrainSettings { lr: 0.3, schedule, warmup_epochs, ..TrainSettings::new(4, 1, 3) };
        (0..40).map(|step| learning_rate(&settings, 10, &Plateau::new(0.3), step)).collect()
    };
    close(&rates(Schedule::Cosine, 0.0), &expected["cosine"], "cosine");
    close(&rates(Schedule::Cosine, 1.5), &expected["warm_cosine"], "cosine after warm-up");
    let mut plateau = Plateau::new(0.3);
    let rates: Vec<f64> = PLATEAU_LOSSES
        .iter()
        .map(|loss| {
            plateau.epoch(*loss, 0.2, 2);
            plateau.lr
        })
        .collect();
    assert!(rates[13] < 0.1, "{rates:?}");
    close(&rates, &expected["plateau"], "plateau");
}

fn losses_agree(folder: &Path, cases: &Value) {
    let file = Tensor::read_safetensors(folder.join("losses.safetensors")).unwrap();
    let get = |name: &str| file.iter().find(|(n, _)| n == name).unwrap().1.shallow_clone();
    for case in cases.as_array().unwrap() {
        let weights =
            if case["weight"].is_null() { ClassWeights::None } else { ClassWeights::Given(numbers(&case["weight"])) };
        let smoothing = case["smoothing"].as_f64().unwrap();
        let loss = Loss::new(&weights, std::iter::empty(), 4, smoothing, Device::Cpu).unwrap();
        let value = f64::try_from(loss.mean(&get("logits"), &get("labels")).unwrap()).unwrap();
        assert!((value - case["loss"].as_f64().unwrap()).abs() < 1e-6, "{case}: {value}");
    }
}
