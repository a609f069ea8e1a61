//! Heatmaps against grad-cam 1.5.7: a tiny network and the four of the study, at native and other sizes.
//!
//! BatchNorm's values are random in every network: at their initial values mistakes hardly show. The four networks run in double
//! precision on both sides: in single precision two right programs differ by 1e-2 at an early layer, since rounding turns a
//! ReLU on here and off there. That the networks themselves are right in single precision is shown beside them.

#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

mod explain_support;

use explain_support::parity::{Case, cases, check, explained, network};
use explain_support::{Tiny, difference, explain, images, method, methods};
use lightbox_engine::explain::{ExplainOptions, Explanations, IdenticalMaps, Network};

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

#[test]
fn the_tiny_network() {
    let folder = tempfile::tempdir().unwrap();
    let cases = cases("explain_gradcam.py", folder.path(), &["tiny"]);
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
    let cases = cases("explain_gradcam.py", folder.path(), &ids);
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
