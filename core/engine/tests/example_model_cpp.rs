//! The example `plugins/examples/model-cpp`: the numbers of the same network in tch, a graph, and nothing of libtorch's C++.

#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

mod zoo_support;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, MutexGuard, PoisonError};

use lightbox_engine::conformance::{CheckLimits, Verdict, supervise};
use lightbox_engine::plugin::{Library, ModelHandle, ModelOptions, RegisteredLibrary, Registry, from_text};
use tch::{Device, Kind, Tensor};
use zoo_support::{example, project};

/// The default random generator belongs to the whole process: one test at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn build(folder: &Path, arguments: &[&str]) -> PathBuf {
    let library = folder.join("model-cpp.so");
    let mut compiler = Command::new("c++");
    compiler.args(["-std=c++17", "-O1", "-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-fvisibility=hidden"]);
    compiler.arg("-I").arg(project().join("core/abi/include"));
    compiler.args(["-isystem", env!("LIGHTBOX_LIBTORCH_INCLUDE")]).args(arguments);
    compiler.arg("-o").arg(&library).arg(project().join("plugins/examples/model-cpp/model.cpp"));
    let output = compiler.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    library
}

fn registry(file: PathBuf) -> Registry {
    let mut registry = Registry::default();
    registry.add(RegisteredLibrary { metadata: Registry::read_here(&file).unwrap(), file });
    registry
}

fn network(registry: &Registry, seed: u64, options: &[(&str, &str)]) -> ModelHandle {
    let (_, metadata) = registry.find_model("small-cnn-cpp").unwrap();
    let options = from_text(&metadata.options, options.iter().copied()).unwrap();
    registry.model("small-cnn-cpp", &ModelOptions { classes: 4, channels: 3, options, seed }).unwrap()
}

type Variables = BTreeMap<String, Tensor>;

fn variables(network: &ModelHandle) -> Variables {
    network.variables().unwrap().into_iter().map(|variable| (variable.name, variable.tensor)).collect()
}

/// The activation after block `index`, by tch.
fn block(v: &Variables, index: usize, input: &Tensor, train: bool) -> Tensor {
    let stride = if index == 0 { 1 } else { 2 };
    let of = |name: &str| &v[&format!("features.{index}.{name}")];
    let norm = |name: &str| Some(of(&format!("norm.{name}")));
    input
        .conv2d(of("conv.weight"), None::<&Tensor>, [stride; 2], [1, 1], [1, 1], 1)
        .batch_norm(norm("weight"), norm("bias"), norm("running_mean"), norm("running_var"), train, 0.1, 1e-5, true)
        .relu()
}

fn head(v: &Variables, input: &Tensor) -> Tensor {
    input
        .mean_dim([2_i64, 3].as_slice(), false, Kind::Float)
        .linear(&v["classifier.weight"], Some(&v["classifier.bias"]))
}

fn logits(v: &Variables, input: &Tensor, train: bool) -> Tensor {
    let features = (0..3).fold(input.shallow_clone(), |x, index| block(v, index, &x, train));
    head(v, &features)
}

fn images(count: i64) -> Tensor {
    Tensor::randn([count, 3, 20, 17], (Kind::Float, Device::Cpu))
}

fn apart(a: &Tensor, b: &Tensor) -> f64 {
    assert_eq!(a.size(), b.size());
    (a - b).abs().max().double_value(&[])
}

#[test]
fn it_links_the_stable_functions_of_libtorch_and_nothing_of_its_cpp() {
    let folder = tempfile::tempdir().unwrap();
    let library = build(folder.path(), &[]);
    let output = Command::new("nm").args(["-D", "--undefined-only"]).arg(&library).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let names: Vec<&str> = text.lines().filter_map(|line| line.split_whitespace().last()).collect();
    let of_libtorch: Vec<&str> = names.iter().copied().filter(|name| name.contains("torch")).collect();
    assert!(of_libtorch.contains(&"torch_call_dispatcher"), "{of_libtorch:?}");
    assert!(of_libtorch.iter().all(|name| !name.starts_with("_Z")), "{of_libtorch:?}");
    // Namespaces of libtorch's C++ in mangled names.
    let mangled = ["N2at", "N3c10", "N5torch", "N5caffe"];
    let found: Vec<&&str> = names.iter().filter(|name| mangled.iter().any(|part| name.contains(part))).collect();
    assert!(found.is_empty(), "{found:?}");
    let needed = Command::new("readelf").arg("-d").arg(&library).output().unwrap();
    let needed = String::from_utf8(needed.stdout).unwrap();
    assert!(!needed.contains("libtorch") && !needed.contains("libc10"), "{needed}");
}

#[test]
fn a_host_with_an_older_libtorch_would_say_so_before_loading() {
    let folder = tempfile::tempdir().unwrap();
    let library = build(folder.path(), &[]);
    let facts = lightbox_engine::plugin::elf::read_file(&library).unwrap();
    assert_eq!(facts.libtorch.as_deref(), Some(">=2.10.0"));
    let mut host = lightbox_engine::plugin::HostFacts::current();
    let check = |host: &_| lightbox_engine::plugin::elf::check(&library, &facts, host).map_err(|e| e.to_string());
    for newer in [(2, 10, 0), (2, 11, 0), (2, 12, 3), (3, 0, 0)] {
        host.libtorch = Some(newer);
        assert_eq!(check(&host), Ok(()), "{newer:?}");
    }
    host.libtorch = Some((2, 9, 1));
    let refused = check(&host).unwrap_err();
    assert!(refused.contains("needs libtorch 2.10.0 or later, this Lightbox runs 2.9.1"), "{refused}");
    assert!(Library::load(&library).is_ok());
}

#[test]
fn it_passes_the_checks() {
    let folder = tempfile::tempdir().unwrap();
    let report = supervise(&example("zoo_worker"), &build(folder.path(), &[]), CheckLimits::default(), &mut |_| {});
    let bad: Vec<_> = report.checks.iter().filter(|c| matches!(c.verdict, Verdict::Error | Verdict::Warning)).collect();
    assert!(report.passed() && bad.is_empty() && report.checks.len() > 10, "{:#?}", report.checks);
}

#[test]
fn its_weights_and_numbers_are_those_of_the_same_network_in_tch() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let registry = registry(build(folder.path(), &[]));
    let network = network(&registry, 5, &[("width", "6")]);
    let v = variables(&network);
    assert_eq!(v.len(), 3 * 5 + 2);
    assert_eq!(v["features.2.conv.weight"].size(), [24, 12, 3, 3]);

    // torch's own draws, in the order of the state_dict.
    tch::manual_seed(5);
    for (name, inputs) in [("features.0", 3), ("features.1", 6), ("features.2", 12)] {
        let weight = &v[&format!("{name}.conv.weight")];
        let bound = 1.0 / f64::from(inputs * 9).sqrt();
        let expected = Tensor::zeros(weight.size().as_slice(), (Kind::Float, Device::Cpu)).uniform_(-bound, bound);
        assert_eq!(*weight, expected, "{name}");
    }

    let input = images(3);
    let _no_grad = tch::no_grad_guard();
    for layer in 0..3 {
        let expected = (0..=layer).fold(input.shallow_clone(), |x, index| block(&v, index, &x, false));
        let found = network.forward_to(&input, layer, false).unwrap();
        assert_eq!(found, expected, "cut point {layer}");
        assert!(apart(&network.forward_from(&found, layer, false).unwrap(), &logits(&v, &input, false)) < 1e-6);
    }
    // Training uses the batch's figures and moves the running ones.
    let before = v["features.1.norm.running_mean"].copy();
    let copies: Variables = v.iter().map(|(name, tensor)| (name.clone(), tensor.copy())).collect();
    let expected = logits(&copies, &input, true);
    assert!(apart(&network.forward(&input, true).unwrap(), &expected) < 1e-6);
    assert_ne!(v["features.1.norm.running_mean"], before);
    assert_eq!(v["features.1.norm.running_mean"], copies["features.1.norm.running_mean"]);
}

#[test]
fn gradients_pass_through_the_dispatcher_and_it_learns() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let registry = registry(build(folder.path(), &[]));
    let network = network(&registry, 1, &[]);
    let v = variables(&network);
    let trainable: Vec<Tensor> =
        network.variables().unwrap().into_iter().filter(|v| v.trainable).map(|v| v.tensor).collect();
    let borrowed: Vec<&Tensor> = trainable.iter().collect();
    let (input, targets) = (images(8), Tensor::from_slice(&[0_i64, 1, 2, 3, 0, 1, 2, 3]));
    let loss = |logits: &Tensor| logits.cross_entropy_for_logits(&targets);
    let found = Tensor::run_backward(&[loss(&network.forward(&input, true).unwrap())], &borrowed, false, false);
    let expected = Tensor::run_backward(&[loss(&logits(&v, &input, true))], &borrowed, false, false);
    for (found, expected) in found.iter().zip(&expected) {
        assert!(expected.abs().max().double_value(&[]) > 0.0 && apart(found, expected) < 1e-5);
    }

    let step = || {
        let loss = loss(&network.forward(&input, true).unwrap());
        let gradients = Tensor::run_backward(&[&loss], &borrowed, false, false);
        let _no_grad = tch::no_grad_guard();
        for (parameter, gradient) in trainable.iter().zip(gradients) {
            let _ = parameter.shallow_clone().g_sub_(&(gradient * 0.3));
        }
        loss.double_value(&[])
    };
    let losses: Vec<f64> = (0..30).map(|_| step()).collect();
    assert!(losses[29] < losses[0] / 4.0, "{losses:?}");
}

#[test]
fn dropout_is_for_training_and_draws_from_the_default_generator() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let registry = registry(build(folder.path(), &[]));
    let network = network(&registry, 1, &[("dropout", "0.5")]);
    let input = images(2);
    let train = |seed| {
        tch::manual_seed(seed);
        network.forward(&input, true).unwrap()
    };
    assert_eq!(train(3), train(3));
    assert_ne!(train(3), train(4));
    assert_eq!(network.forward(&input, false).unwrap(), network.forward(&input, false).unwrap());
}

#[test]
fn what_fails_inside_libtorch_comes_back_as_a_sentence() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let registry = registry(build(folder.path(), &[]));
    let network = network(&registry, 1, &[]);
    let five = Tensor::zeros([1, 5, 16, 16], (Kind::Float, Device::Cpu));
    let said = network.forward(&five, false).unwrap_err().to_string();
    assert!(said.ends_with("running the model `small-cnn-cpp` failed: aten::conv2d failed"), "{said}");
    let backwards = network.forward_between(&five, Some(1), Some(0), false).unwrap_err().to_string();
    assert!(backwards.ends_with("there is no way between these cut points"), "{backwards}");
    assert!(network.forward(&images(1), false).is_ok(), "an error does not break the network");
}
