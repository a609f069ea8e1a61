//! The examples in Rust with torch, as libraries: a method whose tensors are the host's own, and a network with options.

#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

mod example_support;
mod zoo_support;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use example_support::{Scene, TARGETS, apart, library, method, passes, registry};
use lightbox_engine::plugin::{HostServices, ModelHandle, ModelOptions, from_text};
use tch::{Device, Kind, Tensor};

/// The default random generator belongs to the whole process: one test at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

#[test]
fn they_pass_the_checks() {
    let worker = zoo_support::example("zoo_worker");
    for folder in ["cam-torch", "model-rust"] {
        passes(&worker, &library(folder));
    }
}

/// The first principal component of one image's products [C,h,w] by repeated multiplication, oriented by the sum.
fn component(products: &Tensor) -> Tensor {
    let x = products.flatten(1, 2).tr().to_kind(Kind::Double);
    let centred = &x - x.mean_dim([0_i64].as_slice(), true, Kind::Double);
    let square = centred.tr().matmul(&centred);
    let mut v = Tensor::ones([x.size()[1]], (Kind::Double, Device::Cpu));
    for _ in 0..5000 {
        v = square.mv(&v);
        v = &v / v.norm();
    }
    let map = centred.mv(&v);
    let sum = x.sum_dim_intlist([1_i64].as_slice(), false, Kind::Double);
    let sign = (&map * sum).sum(Kind::Double).sign();
    (map * sign).view([products.size()[1], products.size()[2]])
}

#[test]
fn eigen_grad_cam_is_the_first_component_of_activations_times_gradients() {
    let _alone = alone();
    let mut scene = Scene::new();
    let logit = scene.gradients.shallow_clone();
    let p = scene.scores.softmax(1, Kind::Float);
    let target = Tensor::from_slice(&TARGETS.map(|t| t as i64)).one_hot(4).to_kind(Kind::Float);
    let own = (&p * &target).sum_dim_intlist([1_i64].as_slice(), true, Kind::Float);
    let activations = scene.activations.shallow_clone();
    let at_layer = lightbox_engine::plugin::At::Layer(0);
    let probability = scene.vjp(at_layer, &activations, &((target - p) * own)).unwrap();
    for (of, gradients) in [("logit", logit), ("probability", probability)] {
        // A layout of its own reaches the method as it is.
        for strided in [false, true] {
            if strided {
                scene.activations = scene.activations.permute([0, 2, 3, 1]).contiguous().permute([0, 3, 1, 2]);
            }
            let found = scene.explain(&mut method("cam-torch", "eigengradcam-torch", &[("of", of)])).unwrap();
            let products = &scene.activations * &gradients;
            let expected = Tensor::stack(&[component(&products.get(0)), component(&products.get(1))], 0);
            let scale = expected.abs().max().double_value(&[]);
            assert!(scale > 1e-4 && apart(&found[0], &expected) < 1e-4 * scale, "{of} {strided}");
        }
    }
}

#[test]
fn tensors_cross_without_a_copy_and_can_be_kept() {
    let _alone = alone();
    let mut scene = Scene::new();
    let zoo = registry(zoo_support::example("libzoo_model.so"));
    let mut keeper = zoo.attribution("keeper", &Vec::new()).unwrap();
    let expected = |scene: &Scene| format!("{:p} {:?}", scene.activations.data_ptr(), scene.activations.stride());
    let mut previous = 0.0;
    for layout in ["row-major", "channels last", "a slice", "bfloat16"] {
        scene.activations = match layout {
            "channels last" => scene.activations.permute([0, 2, 3, 1]).contiguous().permute([0, 3, 1, 2]),
            "a slice" => scene.activations.narrow(3, 1, 3),
            "bfloat16" => scene.activations.to_kind(Kind::BFloat16),
            _ => scene.activations.copy(),
        };
        let maps = scene.explain(&mut keeper).unwrap();
        let said = scene.log.last().unwrap();
        assert!(said.starts_with(&expected(&scene)), "{layout}: {said}, not {}", expected(&scene));
        assert_eq!(said.ends_with("BFloat16"), layout == "bfloat16", "{said}");
        // The host's own tensor of the call before is gone, and the method still reads what it held.
        assert!((f64::from(maps[0].double_value(&[0, 0, 0]) as f32) - previous).abs() < 1e-3, "{layout}");
        previous = scene.activations.sum(Kind::Double).double_value(&[]);
    }
}

type Variables = BTreeMap<String, Tensor>;

fn network(options: &[(&str, &str)]) -> (ModelHandle, Variables) {
    let registry = registry(library("model-rust"));
    let (_, metadata) = registry.find_model("small-resnet").unwrap();
    let options = from_text(&metadata.options, options.iter().copied()).unwrap();
    let network = registry.model("small-resnet", &ModelOptions { classes: 3, channels: 3, options, seed: 4 }).unwrap();
    let variables = network.variables().unwrap().into_iter().map(|v| (v.name, v.tensor)).collect();
    (network, variables)
}

/// A convolution and its normalisation, in evaluation.
fn unit(v: &Variables, name: &str, x: &Tensor, stride: i64) -> Tensor {
    let weight = &v[&format!("{name}.conv.weight")];
    let padding = weight.size()[2] / 2;
    let part = |part: &str| v[&format!("{name}.norm.{part}")].view([1, -1, 1, 1]);
    let x = x.conv2d(weight, None::<&Tensor>, [stride, stride], [padding, padding], [1, 1], 1);
    (x - part("running_mean")) / (part("running_var") + 1e-5).sqrt() * part("weight") + part("bias")
}

/// The value at each cut point and the logits.
fn by_hand(v: &Variables, x: &Tensor, average: bool) -> Vec<Tensor> {
    let mut values = vec![unit(v, "stem", x, 1).relu()];
    for (name, stride) in [("layer1", 1), ("layer2", 2), ("layer3", 2)] {
        let x = values.last().unwrap();
        let inner = unit(v, &format!("{name}.first"), x, stride).relu();
        let inner = unit(v, &format!("{name}.second"), &inner, 1);
        let past = match (stride, average) {
            (1, _) => x.shallow_clone(),
            (_, false) => unit(v, &format!("{name}.shortcut"), x, stride),
            (_, true) => {
                unit(v, &format!("{name}.shortcut"), &x.avg_pool2d([2, 2], [2, 2], [0, 0], true, false, None::<i64>), 1)
            }
        };
        values.push((inner + past).relu());
    }
    let pooled = values.last().unwrap().mean_dim([2_i64, 3].as_slice(), false, Kind::Float);
    values.push(pooled.linear(&v["classifier.weight"], Some(&v["classifier.bias"])));
    values
}

#[test]
fn the_network_computes_its_formula_at_every_layer() {
    let _alone = alone();
    let _no_grad = tch::no_grad_guard();
    for (shortcut, average) in [("stride", false), ("average", true)] {
        let (network, v) = network(&[("width", "5"), ("shortcut", shortcut)]);
        assert_eq!(network.metadata().cut_points, ["stem", "layer1", "layer2", "layer3"]);
        assert_eq!(network.metadata().default_layer, "layer3");
        assert_eq!(v["layer3.second.conv.weight"].size(), [20, 20, 3, 3]);
        // Figures that are not those of the start, so that a normalisation that is left out is found.
        for (name, tensor) in &v {
            if name.contains("norm") {
                let _ = tensor.shallow_clone().uniform_(0.5, 1.5);
            }
        }
        let input = Tensor::randn([2, 3, 21, 18], (Kind::Float, Device::Cpu));
        let expected = by_hand(&v, &input, average);
        for (layer, expected) in expected[..4].iter().enumerate() {
            let found = network.forward_to(&input, layer, false).unwrap();
            assert!(apart(&found, expected) < 1e-4, "{shortcut}, layer {layer}");
        }
        assert!(apart(&network.forward(&input, false).unwrap(), &expected[4]) < 1e-4, "{shortcut}");
    }
}
