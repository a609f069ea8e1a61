//! The four networks against torchvision: initial weights, logits, training mode, running figures.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use lightbox_models::{DenseNet121, EfficientNetB0, ResNet50, SmallCnn, Vgg16};
use lightbox_plugin_torch::{CreateRequest, Model, Parameters, Value};
use safetensors::SafeTensors;
use tch::{Kind, Tensor};

type Tensors = BTreeMap<String, Tensor>;

/// The Python that `just oracles` sets up.
fn oracle_python() -> String {
    std::env::var("LIGHTBOX_ORACLE_PYTHON")
        .expect("no Python of the oracles; run ./justw test, which sets LIGHTBOX_ORACLE_PYTHON")
}

fn read(path: &Path) -> Tensors {
    let bytes = std::fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let tensor = |view: safetensors::tensor::TensorView<'_>| {
        let shape: Vec<i64> = view.shape().iter().map(|n| *n as i64).collect();
        Tensor::from_data_size(view.data(), &shape, Kind::Float)
    };
    file.tensors().into_iter().map(|(name, view)| (name, tensor(view))).collect()
}

fn request<M: Model>(classes: i64, channels: i64, seed: u64) -> CreateRequest {
    CreateRequest { classes, channels, options: Parameters::defaults(&M::descriptor().options), seed }
}

fn create<M: Model>(request: &CreateRequest) -> M {
    // As the host does before `create`.
    tch::manual_seed(request.seed as i64);
    M::create(request).unwrap()
}

fn load(model: &dyn Model, weights: &Tensors) {
    let _no_grad = tch::no_grad_guard();
    let variables = model.variables();
    assert_eq!(variables.len(), weights.len());
    for mut variable in variables {
        variable.tensor.copy_(&weights[&variable.name]);
    }
}

fn largest(tensor: &Tensor) -> f64 {
    tensor.abs().max().double_value(&[])
}

/// Largest difference as a share of the largest value of the oracle.
fn difference(ours: &Tensor, theirs: &Tensor) -> f64 {
    assert_eq!(ours.size(), theirs.size());
    largest(&(ours - theirs)) / largest(theirs).max(1e-12)
}

fn check<M: Model>(folder: &Path, name: &str, cases: &serde_json::Value) {
    let (seed, classes) = (cases["seed"].as_u64().unwrap(), cases["classes"].as_i64().unwrap());
    let file = |what: &str| read(&folder.join(format!("{name}.{what}")));
    let model: M = create(&request::<M>(classes, 3, seed));
    let initial = file("initial");
    for variable in model.variables() {
        assert!(variable.tensor.equal(&initial[&variable.name]), "{name}: initial {} has other bits", variable.name);
        assert_eq!(variable.trainable, variable.tensor.requires_grad(), "{name}: {}", variable.name);
    }
    load(&model, &file("weights"));
    let io = file("io");
    for size in cases["sizes"][name].as_array().unwrap() {
        let _no_grad = tch::no_grad_guard();
        let x = &io[&format!("x.{size}")];
        let whole = model.forward(x, false).unwrap();
        let gap = difference(&whole, &io[&format!("eval.{size}")]);
        assert!(gap <= 1e-5, "{name} at {size}: logits differ by {gap:e} of the largest");
        for cut in 0..M::descriptor().cut_points.len() {
            let activations = model.forward_to(x, cut, false).unwrap();
            let before = activations.copy();
            let split = model.forward_from(&activations, cut, false).unwrap();
            assert!(split.equal(&whole), "{name}: cut point {cut} changes bits");
            assert!(before.equal(&activations), "{name}: what follows cut point {cut} writes to its input");
        }
    }
    training_mode(&model, name, seed, &io, &file("after"));
}

/// The same generator draws, gradients and running figures as torchvision in training mode.
fn training_mode(model: &dyn Model, name: &str, seed: u64, io: &Tensors, after: &Tensors) {
    let x = io["train.x"].copy().set_requires_grad(true);
    tch::manual_seed(seed as i64 + 2);
    let logits = model.forward(&x, true).unwrap();
    let gap = difference(&logits, &io["train.logits"]);
    assert!(gap <= 1e-5, "{name}: logits in training differ by {gap:e}");
    logits.square().sum(Kind::Float).backward();
    // Gradients through batch statistics of four images amplify rounding; 1e-3 of the largest leaves room for another
    // order of sums, and a wrong mask or statistic is off by more than a tenth.
    let gap = difference(&x.grad(), &io["train.grad"]);
    assert!(gap <= 1e-3, "{name}: gradients differ by {gap:e}");
    for variable in model.variables().iter().filter(|v| v.name.contains("running_")) {
        let gap = difference(&variable.tensor, &after[&variable.name]);
        assert!(gap <= 1e-5, "{name}: {} after a step differs by {gap:e}", variable.name);
    }
}

#[test]
fn networks_are_torchvisions() {
    let folder = tempfile::tempdir().unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/oracles/models.py");
    let output = Command::new(oracle_python()).arg(script).arg(folder.path()).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let cases: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    tch::set_num_threads(2);
    check::<ResNet50>(folder.path(), "resnet50", &cases);
    check::<DenseNet121>(folder.path(), "densenet121", &cases);
    check::<Vgg16>(folder.path(), "vgg16", &cases);
    check::<EfficientNetB0>(folder.path(), "efficientnet-b0", &cases);
}

fn runs<M: Model>(size: i64, channels: i64) {
    let _no_grad = tch::no_grad_guard();
    let model: M = create(&request::<M>(3, channels, 1));
    let x = Tensor::randn([1, channels, size, size], (Kind::Float, tch::Device::Cpu));
    assert_eq!(model.forward(&x, false).unwrap().size(), [1, 3], "{}", M::descriptor().id);
}

#[test]
fn grey_images_and_the_least_size_work() {
    runs::<ResNet50>(32, 1);
    runs::<DenseNet121>(32, 1);
    runs::<Vgg16>(32, 1);
    runs::<EfficientNetB0>(32, 1);
    runs::<SmallCnn>(16, 1);
    runs::<SmallCnn>(40, 3);
}

#[test]
fn the_older_variant_of_resnet_strides_earlier() {
    let _no_grad = tch::no_grad_guard();
    let mut with = request::<ResNet50>(3, 3, 5);
    let newer: ResNet50 = create(&with);
    with.options = with.options.clone().with("variant", Value::Choice("v1".into()));
    let older: ResNet50 = create(&with);
    let x = Tensor::randn([1, 3, 64, 64], (Kind::Float, tch::Device::Cpu));
    for (a, b) in newer.variables().iter().zip(older.variables()) {
        assert!(a.tensor.equal(&b.tensor), "{}", a.name);
    }
    let (a, b) = (newer.forward(&x, false).unwrap(), older.forward(&x, false).unwrap());
    assert_eq!(a.size(), b.size());
    assert!(largest(&(a - b)) > 1e-3);
}

#[test]
fn an_impossible_way_is_an_error() {
    let model: SmallCnn = create(&request::<SmallCnn>(2, 3, 1));
    let x = Tensor::zeros([1, 3, 32, 32], (Kind::Float, tch::Device::Cpu));
    assert!(model.forward_between(&x, Some(2), Some(1), false).is_err());
    assert!(model.forward_between(&x, None, Some(9), false).is_err());
}
