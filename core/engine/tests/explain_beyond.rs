//! Methods beyond one gradient at a layer against grad-cam 1.5.7 (FullGrad, Score-CAM, Finer-CAM, ShapleyCAM), Captum 0.9.0
//! (integrated gradients, occlusion) and the formula of RISE's authors, in double precision as in `explain_parity.rs`.

#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

mod explain_support;

use explain_support::parity::{Case, cases, check, explained, network};
use explain_support::{Tiny, difference, explain, images, method};
use lightbox_engine::explain::{ExplainOptions, Network};
use lightbox_engine::plugin::{At, HostServices, LogLevel, ModelOptions, Resize, ServiceError};
use tch::Tensor;

/// What methods see is rounded to single precision, and so are maps.
const TOLERANCE: f32 = 1e-5;

/// A method with the oracle's parameters, and its layer where it is not the default.
struct Wanted {
    id: &'static str,
    parameters: &'static [(&'static str, &'static str)],
    layer: Option<&'static str>,
}

const fn wanted(id: &'static str, parameters: &'static [(&'static str, &'static str)]) -> Wanted {
    Wanted { id, parameters, layer: None }
}

const METHODS: [Wanted; 7] = [
    wanted("fullgrad", &[]),
    wanted("scorecam", &[]),
    wanted("finercam", &[("alpha", "0.6")]),
    Wanted { id: "shapleycam", parameters: &[], layer: Some("features.5") },
    wanted("integrated-gradients", &[("steps", "20"), ("baseline", "0.25")]),
    wanted("occlusion", &[("window", "20"), ("stride", "12"), ("baseline", "0.25")]),
    wanted("rise", &[("masks", "40"), ("grid", "5"), ("keep", "0.4")]),
];

fn compare(network: &dyn Network, case: &Case) -> Vec<String> {
    let mut failures = Vec::new();
    let mut compared = 0;
    for Wanted { id, parameters, layer } in METHODS {
        let Some(theirs) = case.map(id) else { continue };
        if network.id() == "tiny" && id == "fullgrad" {
            continue;
        }
        let layers = layer.map(str::to_owned).into_iter().collect();
        let placed = Case { name: case.name.clone(), layers, tensors: case.tensors.iter().map(clone).collect() };
        let found = explained(network, &placed, vec![method(id, parameters)], false);
        check(&mut failures, format!("{} {id}", case.name), &found.methods[0].heatmaps, &theirs, TOLERANCE);
        compared += 1;
    }
    assert!(compared >= 5, "{}: {compared}", case.name);
    if let Some(first_order) = case.map("shapleycam.first-order") {
        // Else the second derivative could be missing and nobody would see it.
        assert!(difference(&first_order, &case.map("shapleycam").unwrap()) > 0.01);
    }
    failures
}

fn clone((name, tensor): (&String, &Tensor)) -> (String, Tensor) {
    (name.clone(), tensor.shallow_clone())
}

/// A host that only draws numbers.
struct Numbers;

impl HostServices for Numbers {
    fn forward(&mut self, _: &Tensor) -> Result<Tensor, ServiceError> {
        Err(ServiceError::Unsupported("none".to_owned()))
    }
    fn forward_from(&mut self, _: usize, _: &Tensor) -> Result<Tensor, ServiceError> {
        Err(ServiceError::Unsupported("none".to_owned()))
    }
    fn vjp(&mut self, _: At, _: &Tensor, _: &Tensor) -> Result<Tensor, ServiceError> {
        Err(ServiceError::Unsupported("none".to_owned()))
    }
    fn scale_and_resize(&mut self, _: &Tensor, _: (i64, i64), _: Resize) -> Result<Tensor, ServiceError> {
        Err(ServiceError::Unsupported("none".to_owned()))
    }
    fn log(&mut self, _: LogLevel, _: &str) {}
    fn progress(&mut self, _: u64, _: u64) {}
    fn is_cancelled(&mut self) -> bool {
        false
    }
}

#[test]
fn methods_beyond_one_gradient_are_those_of_their_oracles() {
    tch::set_num_threads(2);
    let folder = tempfile::tempdir().unwrap();
    // 40 masks of 5 x 5 cells and two offsets each; the images of a case have the seed 0.
    let mut numbers = vec![0.0; 40 * 25 + 80];
    Numbers.random_uniform(0, &mut numbers);
    let file = folder.path().join("uniform.safetensors");
    Tensor::write_safetensors(&[("numbers", Tensor::from_slice(&numbers))], file).unwrap();
    let ids = ["tiny", "efficientnet_b0", "resnet50"];
    let cases = cases("explain_beyond.py", folder.path(), &ids);
    let tiny = Tiny::read(&folder.path().join("tiny.safetensors"));
    let mut failures: Vec<String> = cases["tiny"].iter().flat_map(|case| compare(&tiny, case)).collect();
    for id in &ids[1..] {
        let network = network(&id.replace('_', "-"), &folder.path().join(format!("{id}.safetensors")));
        failures.extend(cases[*id].iter().flat_map(|case| compare(&network, case)));
    }
    assert!(failures.is_empty(), "{failures:#?}");
}

#[test]
fn a_network_without_taps_is_named() {
    let tiny = Tiny::random(explain_support::Head::Deep, 1);
    let error = explain(&tiny, &[], vec![method("fullgrad", &[])], ExplainOptions::default(), &images(1, 48, 48));
    let sentence = error.unwrap_err().to_string();
    assert!(sentence.contains("`tiny`") && sentence.contains("taps"), "{sentence}");
}

/// Where the rest of the network is piecewise linear, the second derivative is zero and ShapleyCAM is Grad-CAM.
#[test]
fn without_curvature_shapleycam_is_gradcam() {
    let tiny = Tiny::random(explain_support::Head::Deep, 2);
    let both = vec![method("shapleycam", &[]), method("gradcam", &[])];
    let found = explain(&tiny, &["first"], both, ExplainOptions::default(), &images(2, 48, 48)).unwrap();
    assert!(difference(&found.methods[0].heatmaps, &found.methods[1].heatmaps) < 1e-6);
    assert_eq!(found.scores.len(), 2 * explain_support::CLASSES);
}

/// A pass with taps gives the bits of one without, and a tap for each layer that adds a bias to an image.
#[test]
fn taps_change_nothing() {
    for (id, taps) in [("small-cnn", 4), ("resnet50", 53), ("densenet121", 121), ("vgg16", 13), ("efficientnet-b0", 81)]
    {
        let options = ModelOptions { classes: 3, channels: 3, options: Vec::new(), seed: 1 };
        let network = explain_support::registry().model(id, &options).unwrap();
        let input = images(2, 64, 64);
        let tapped = network.forward_tapped(&input).unwrap().unwrap();
        assert_eq!(tapped.logits, network.forward(&input, false).unwrap(), "{id}");
        let names: Vec<&str> = tapped.taps.iter().map(|tap| tap.name.as_str()).collect();
        assert_eq!(names.len(), taps, "{id}: {names:?}");
        for tap in &tapped.taps {
            assert_eq!(tap.bias.size(), [tap.output.size()[1]], "{id} {}", tap.name);
        }
    }
}
