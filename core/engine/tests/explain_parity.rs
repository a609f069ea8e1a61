//! Heatmaps against grad-cam 1.5.7: a tiny network and the four of the study, at native and other sizes.
//!
//! BatchNorm's values are random in every network: at their initial values mistakes hardly show. The four networks run in double
//! precision on both sides: in single precision two right programs differ by 1e-2 at an early layer, since rounding turns a
//! ReLU on here and off there. That the networks themselves are right in single precision is shown beside them.

#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

mod explain_support;

use std::collections::HashMap;
use std::path::Path;

use explain_support::{CLASSES, Tiny, difference, explain, images, method, methods, registry, run_oracle};
use lightbox_engine::Cancel;
use lightbox_engine::explain::{
    ExplainOptions, Explainer, Explanations, IdenticalMaps, ImageBatch, Network, Target, choose_layers,
};
use lightbox_engine::plugin::{ModelHandle, ModelOptions, PluginError};
use tch::{Kind, Tensor};

/// What methods see is rounded to single precision, and so are maps.
const TOLERANCE: f32 = 1e-5;
/// grad-cam's AblationCAM carries the noise of its own runs.
const ABLATION_TOLERANCE: f32 = 1e-4;
const ABLATION_DOUBLE_TOLERANCE: f32 = 1e-5;
/// Where activations are negative (SiLU), the denominator of GradCAM++ comes near zero, which amplifies the rounding of A and G:
/// by 1.7e-5 on the images made here, 2.6e-4 on photographs. grad-cam given the same rounded A and G is held to `TOLERANCE`.
const POLE_TOLERANCE: f32 = 1e-3;

const SUMS: [&str; 6] = ["gradcam", "gradcam++", "xgradcam", "layercam", "hirescam", "gradcam-elementwise"];
const EIGEN: [&str; 2] = ["eigencam", "eigengradcam"];

/// A case of the oracle: its tensors by name.
struct Case {
    name: String,
    layers: Vec<String>,
    tensors: HashMap<String, Tensor>,
}

impl Case {
    fn input(&self) -> &Tensor {
        &self.tensors["input"]
    }

    fn targets(&self) -> Vec<usize> {
        let targets: Vec<i64> = Vec::try_from(&self.tensors["targets"]).unwrap();
        targets.into_iter().map(|target| target as usize).collect()
    }

    fn map(&self, name: &str) -> Option<Vec<f32>> {
        let map = self.tensors.get(&format!("map.{name}"))?;
        Some(Vec::try_from(map.flatten(0, -1)).unwrap())
    }
}

/// The oracle's cases of these networks, one start of Python for all.
fn oracle(folder: &Path, models: &[&str]) -> HashMap<String, Vec<Case>> {
    let mut arguments = vec![folder.as_os_str()];
    arguments.extend(models.iter().map(std::ffi::OsStr::new));
    run_oracle("explain_gradcam.py", &arguments);
    let listed: serde_json::Value = serde_json::from_slice(&std::fs::read(folder.join("cases.json")).unwrap()).unwrap();
    let mut cases: HashMap<String, Vec<Case>> = HashMap::new();
    for row in listed.as_array().unwrap() {
        let (model, name) = (row["model"].as_str().unwrap(), row["case"].as_str().unwrap());
        let file = folder.join(format!("{model}-{name}.safetensors"));
        let layers = row["layers"].as_array().unwrap().iter().map(|layer| layer.as_str().unwrap().to_owned());
        cases.entry(model.to_owned()).or_default().push(Case {
            name: format!("{model} {name}"),
            layers: layers.collect(),
            tensors: Tensor::read_safetensors(file).unwrap().into_iter().collect(),
        });
    }
    cases
}

/// The explanations of a case, all images at once as the oracle's: other batches take other kernels, whose rounding turns a
/// ReLU on or off here and there. The targets go as true classes, since each image has its own.
fn explained(
    network: &dyn Network,
    case: &Case,
    methods: Vec<lightbox_engine::plugin::AttributionHandle>,
    augmented: bool,
) -> Explanations {
    let options =
        ExplainOptions { target: Target::Truth, augmentation_smoothing: augmented, ..ExplainOptions::default() };
    let targets = case.targets();
    let seeds = vec![0; targets.len()];
    let mut explainer =
        Explainer::new(network, choose_layers(network, &case.layers).unwrap(), methods, options).unwrap();
    let batch = ImageBatch { input: case.input(), truths: Some(&targets), seeds: &seeds };
    explainer.explain(&batch, &Cancel::new(), &mut |_| {}).unwrap()
}

fn check(failures: &mut Vec<String>, what: String, found: &[f32], expected: &[f32], tolerance: f32) {
    let worst = difference(found, expected);
    eprintln!("{what}: {worst:.2e}");
    if worst.is_nan() || worst > tolerance {
        failures.push(format!("{what}: {worst:e} is more than {tolerance:e}"));
    }
}

/// Each image against the oracle's map or its opposite, whichever is nearer: the sign of an eigenvector is arbitrary.
fn check_either(failures: &mut Vec<String>, what: String, found: &[f32], case: &Case, name: &str) {
    let (theirs, opposite) = (case.map(name).unwrap(), case.map(&format!("{name}.opposite")).unwrap());
    let pixels = found.len() / case.targets().len();
    let either = |((found, a), b): ((&[f32], &[f32]), &[f32])| {
        if difference(found, a) < difference(found, b) { a.to_vec() } else { b.to_vec() }
    };
    let chunks = found.chunks(pixels).zip(theirs.chunks(pixels)).zip(opposite.chunks(pixels));
    let nearest: Vec<f32> = chunks.flat_map(either).collect();
    check(failures, what, found, &nearest, TOLERANCE);
}

fn compare(network: &dyn Network, case: &Case) -> Vec<String> {
    let mut failures = Vec::new();
    let single = case.layers.len() < 2;
    let mut ids = SUMS.to_vec();
    if single {
        ids.extend(EIGEN);
    }
    if case.map("ablationcam.double").is_some() {
        ids.push("ablationcam");
    }
    let found = explained(network, case, methods(&ids), false);
    let theirs = Vec::<f32>::try_from(case.tensors["logits"].flatten(0, -1)).unwrap();
    check(&mut failures, format!("{} logits", case.name), &found.scores, &theirs, TOLERANCE);
    for (index, &id) in ids.iter().enumerate() {
        let (what, map) = (format!("{} {id}", case.name), found.methods[index].heatmaps.clone());
        if EIGEN.contains(&id) {
            check_either(&mut failures, what, &map, case, id);
        } else if id == "ablationcam" {
            if let Some(theirs) = case.map(id) {
                check_ablation(&mut failures, &what, &found, &map, &theirs);
            }
            let double = case.map("ablationcam.double").unwrap();
            check(&mut failures, format!("{what} (double)"), &map, &double, ABLATION_DOUBLE_TOLERANCE);
        } else {
            if let Some(rounded) = case.map(&format!("{id}.rounded")) {
                check(&mut failures, format!("{what} (rounded)"), &map, &rounded, TOLERANCE);
            }
            let pole = id == "gradcam++" && case.name == "efficientnet_b0 early";
            let tolerance = if pole { POLE_TOLERANCE } else { TOLERANCE };
            check(&mut failures, what, &map, &case.map(id).unwrap(), tolerance);
        }
    }
    for id in ["gradcam", "layercam"] {
        if let Some(theirs) = case.map(&format!("{id}.augmented")) {
            let smoothed = explained(network, case, methods(&[id]), true).methods[0].heatmaps.clone();
            check(&mut failures, format!("{} {id} augmented", case.name), &smoothed, &theirs, TOLERANCE);
        }
        if case.map(&format!("{id}.smoothed")).is_some() {
            let smooth = vec![method(id, &[("eigen-smooth", "true")])];
            let map = explained(network, case, smooth, false).methods[0].heatmaps.clone();
            let what = format!("{} {id} smoothed", case.name);
            check_either(&mut failures, what, &map, case, &format!("{id}.smoothed"));
        }
    }
    failures
}

/// grad-cam divides by s, so that only images with a positive score can agree.
fn check_ablation(failures: &mut Vec<String>, what: &str, found: &Explanations, map: &[f32], theirs: &[f32]) {
    let pixels = map.len() / found.images();
    for (image, &target) in found.targets.iter().enumerate() {
        if found.logits(image).unwrap()[target] > 0.0 {
            let (ours, theirs) = (&map[image * pixels..][..pixels], &theirs[image * pixels..][..pixels]);
            check(failures, format!("{what} of image {image}"), ours, theirs, ABLATION_TOLERANCE);
        }
    }
}

/// A network of a plugin that computes in double precision, between tensors in single precision.
struct Double(ModelHandle);

impl Network for Double {
    fn id(&self) -> &str {
        self.0.id()
    }

    fn cut_points(&self) -> &[String] {
        self.0.cut_points()
    }

    fn default_layer(&self) -> &str {
        self.0.default_layer()
    }

    fn classes(&self) -> usize {
        self.0.classes()
    }

    fn forward_between(&self, input: &Tensor, from: Option<usize>, to: Option<usize>) -> Result<Tensor, PluginError> {
        let output = Network::forward_between(&self.0, &input.to_kind(Kind::Double), from, to)?;
        Ok(output.to_kind(Kind::Float))
    }
}

/// A network of a plugin with the weights of a file.
fn network(id: &str, weights: &Path) -> Double {
    let options = ModelOptions { classes: CLASSES, channels: 3, options: Vec::new(), seed: 0 };
    let network = registry().model(id, &options).unwrap();
    let weights: HashMap<String, Tensor> = Tensor::read_safetensors(weights).unwrap().into_iter().collect();
    let _no_graph = tch::no_grad_guard();
    for mut variable in network.variables().unwrap() {
        let stored = weights.get(&variable.name).unwrap_or_else(|| panic!("{id} has a `{}` of its own", variable.name));
        assert_eq!(stored.size(), variable.tensor.size(), "{id} {}", variable.name);
        variable.tensor.set_data(&stored.to_kind(Kind::Double));
    }
    Double(network)
}

#[test]
fn the_tiny_network() {
    let folder = tempfile::tempdir().unwrap();
    let cases = oracle(folder.path(), &["tiny"]);
    let tiny = Tiny::read(&folder.path().join("tiny.safetensors"));
    let failures: Vec<String> = cases["tiny"].iter().flat_map(|case| compare(&tiny, case)).collect();
    assert!(failures.is_empty(), "{failures:#?}");
}

#[test]
fn the_four_networks() {
    // As in the oracle: the number of threads decides how sums are split.
    tch::set_num_threads(2);
    let folder = tempfile::tempdir().unwrap();
    let ids = ["resnet50", "densenet121", "vgg16", "efficientnet_b0"];
    let cases = oracle(folder.path(), &ids);
    let mut failures = Vec::new();
    for id in ids {
        // Plugins have dashes where Python has underscores.
        let network = network(&id.replace('_', "-"), &folder.path().join(format!("{id}.safetensors")));
        failures.extend(cases[id].iter().flat_map(|case| compare(&network, case)));
        failures.extend(identities(id, &network));
    }
    assert!(failures.is_empty(), "{failures:#?}");
}

/// Where the head is global pooling and a linear layer, three methods are the same at the default layer.
fn identities(id: &str, network: &dyn Network) -> Option<String> {
    let mut seen = IdenticalMaps::new();
    let found = explain(network, &[], methods(&SUMS), ExplainOptions::default(), &images(3, 96, 96)).unwrap();
    seen.observe(&found);
    let mut expected = Vec::new();
    if id != "vgg16" {
        expected.extend([("gradcam", "xgradcam"), ("gradcam", "hirescam"), ("xgradcam", "hirescam")]);
    }
    // After a ReLU activations are not negative, and max(G A, 0) is max(G, 0) A. SiLU leaves negative ones.
    if id != "efficientnet_b0" {
        expected.push(("layercam", "gradcam-elementwise"));
    }
    (seen.pairs() != expected).then(|| format!("{id}: identical by construction are {:?}", seen.pairs()))
}
