//! Explaining a tiny network with the real plugins: what is asked, what is refused, and what happens when memory runs out.

#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

mod explain_support;

use explain_support::{CLASSES, Head, Tiny, difference, explain, explain_and_watch, images, method, methods};
use lightbox_engine::Cancel;
use lightbox_engine::explain::{
    Event, ExplainOptions, Explainer, IdenticalMaps, ImageBatch, Outcome, Target, choose_layers, image_seed,
};
use tch::{Kind, Tensor};

const ALL: [&str; 11] = [
    "gradcam",
    "gradcam++",
    "xgradcam",
    "layercam",
    "hirescam",
    "gradcam-elementwise",
    "eigencam",
    "eigengradcam",
    "ablationcam",
    "random",
    "center",
];

#[test]
fn every_method_gives_heatmaps_from_one_shared_pass() {
    let network = Tiny::random(Head::Affine, 1);
    let found = explain(&network, &[], methods(&ALL), ExplainOptions::default(), &images(3, 40, 56)).unwrap();
    assert_eq!((found.size, found.images(), found.scores.len()), ((40, 56), 3, 3 * CLASSES));
    assert_eq!(found.methods.iter().map(|maps| maps.method.as_str()).collect::<Vec<_>>(), ALL);
    for maps in &found.methods {
        assert_eq!(maps.outcomes, [Outcome::Ok; 3], "{}", maps.method);
        for image in 0..3 {
            let map = maps.heatmap(image).unwrap();
            assert!(map.iter().all(|value| (0.0..=1.0).contains(value)), "{}", maps.method);
            let largest = map.iter().copied().fold(0.0, f32::max);
            assert!((largest - 1.0).abs() < 1e-5, "{}: S is taken after resizing too, {largest}", maps.method);
        }
        assert!(maps.peaks.iter().all(|peak| *peak > 0.0) && maps.seconds > 0.0);
    }
    // One trunk and one head for all; then only AblationCAM's probes of the head, a few rows for each image.
    let runs = network.runs.borrow();
    assert_eq!(runs[..2], [(None, 3), (Some(1), 3)]);
    assert!(runs[2..].iter().all(|(from, rows)| *from == Some(1) && *rows <= 8), "{runs:?}");
    assert_eq!(runs.len(), 2 + 3);
}

#[test]
fn gradients_at_several_layers_are_those_of_the_whole_graph() {
    // HiResCAM's raw map is sum_k G A: its peak tells whether G is right at each layer.
    let network = Tiny::random(Head::Deep, 2);
    let input = images(2, 32, 32);
    let whole = |cut: usize| {
        use lightbox_engine::explain::Network;
        let a = network.forward_between(&input, None, Some(cut)).unwrap().detach().set_requires_grad(true);
        let logits = network.forward_between(&a, Some(cut), None).unwrap();
        let target = logits.argmax(1, true);
        let g = Tensor::run_backward(&[logits.gather(1, &target, false).sum(Kind::Float)], &[&a], false, false);
        (a.detach() * &g[0]).sum_dim_intlist([1_i64].as_slice(), false, Kind::Float).clamp_min(0.0).amax([1, 2], false)
    };
    // In the order asked for, not the network's.
    for layers in [["first", "second"], ["second", "first"]] {
        let found = explain(&network, &layers, methods(&["hirescam"]), ExplainOptions::default(), &input).unwrap();
        let expected = whole(0).maximum(&whole(1));
        let expected = Vec::<f32>::try_from(&expected).unwrap();
        let peaks = &found.methods[0].peaks;
        assert!(peaks.iter().zip(&expected).all(|(a, b)| (a - b).abs() <= 1e-4 * b), "{peaks:?} is not {expected:?}");
    }
}

#[test]
fn results_do_not_depend_on_the_batch() {
    let network = Tiny::random(Head::Deep, 3);
    let input = images(5, 32, 40);
    let together = explain(&network, &[], methods(&ALL), ExplainOptions::default(), &input).unwrap();
    for image in 0..5 {
        let one = input.narrow(0, image as i64, 1);
        let seeds = [image_seed(0, &image.to_string())];
        let layers = choose_layers(&network, &[] as &[&str]).unwrap();
        let mut explainer = Explainer::new(&network, layers, methods(&ALL), ExplainOptions::default()).unwrap();
        let batch = ImageBatch { input: &one, truths: None, seeds: &seeds };
        let alone = explainer.explain(&batch, &Cancel::new(), &mut |_| {}).unwrap();
        for (together, alone) in together.methods.iter().zip(&alone.methods) {
            let worst = difference(together.heatmap(image).unwrap(), alone.heatmap(0).unwrap());
            assert!(worst < 1e-5, "{} of image {image}: {worst}", together.method);
        }
    }
}

#[test]
fn what_is_identical_by_construction_is_found() {
    let ids = ["gradcam", "xgradcam", "hirescam", "layercam", "gradcam++"];
    let pairs = |head: Head| {
        let network = Tiny::random(head, 4);
        let mut seen = IdenticalMaps::new();
        for count in [3, 2] {
            seen.observe(
                &explain(&network, &[], methods(&ids), ExplainOptions::default(), &images(count, 48, 48)).unwrap(),
            );
        }
        seen.pairs().iter().map(|(a, b)| format!("{a} {b}")).collect::<Vec<_>>()
    };
    assert_eq!(pairs(Head::Affine), ["gradcam xgradcam", "gradcam hirescam", "xgradcam hirescam"]);
    assert!(pairs(Head::Deep).is_empty());
}

#[test]
fn ablation_finds_out_whether_the_head_is_affine() {
    for (head, fast) in [(Head::Affine, true), (Head::Deep, false)] {
        let network = Tiny::random(head, 5);
        let input = images(2, 48, 48);
        let maps = |shortcut: &str| {
            network.runs.borrow_mut().clear();
            let ablation = method("ablationcam", &[("shortcut", shortcut)]);
            let found = explain(&network, &[], vec![ablation], ExplainOptions::default(), &input).unwrap();
            let head_rows: i64 = network.runs.borrow().iter().skip(2).map(|(_, rows)| rows).sum();
            (found.methods[0].heatmaps.clone(), head_rows)
        };
        let ((quick, few), (slow, many)) = (maps("auto"), maps("never"));
        assert!(difference(&quick, &slow) < 2e-5, "{}", difference(&quick, &slow));
        assert_eq!(few < many, fast, "{few} and {many} rows");
    }
}

#[test]
fn a_negative_score_does_not_invert_ablation() {
    let network = Tiny::random(Head::Affine, 6);
    let input = images(6, 48, 48);
    let plain = explain(&network, &[], methods(&["ablationcam"]), ExplainOptions::default(), &input).unwrap();
    let scores = plain.logits(0).unwrap();
    let class = (0..CLASSES).min_by(|&a, &b| scores[a].total_cmp(&scores[b])).unwrap();
    assert!(scores[class] < 0.0);
    let options = ExplainOptions { target: Target::Class(class), ..ExplainOptions::default() };
    let found = explain(
        &network,
        &[],
        vec![method("ablationcam", &[]), method("ablationcam", &[("divide-by", "score")]), method("hirescam", &[])],
        options,
        &input,
    )
    .unwrap();
    // The map of a negative score is turned upside down only in the publication's form: where |s| leaves evidence, s has
    // none, so that the two do not agree.
    let image = 0;
    let (ours, theirs) = (found.methods[0].heatmap(image).unwrap(), found.methods[1].heatmap(image).unwrap());
    assert!(difference(ours, theirs) > 0.5);
    let overlap = ours.iter().zip(theirs).filter(|(a, b)| **a > 0.5 && **b > 0.5).count();
    assert_eq!(overlap, 0);
}

#[test]
fn seeds_decide_over_random_maps() {
    let network = Tiny::random(Head::Affine, 7);
    let input = images(2, 32, 32);
    let map = |seed: u64| {
        let options = ExplainOptions { seed, ..ExplainOptions::default() };
        explain(&network, &["first", "second"], methods(&["random"]), options, &input).unwrap().methods[0]
            .heatmaps
            .clone()
    };
    assert_eq!(map(1), map(1));
    assert!(difference(&map(1), &map(2)) > 0.1);
    let found = map(1);
    assert!(difference(&found[..1024], &found[1024..]) > 0.1, "each image has its own numbers");
}

#[test]
fn the_centre_is_in_the_middle() {
    let found = explain(
        &Tiny::random(Head::Affine, 7),
        &[],
        methods(&["center"]),
        ExplainOptions::default(),
        &images(1, 33, 65),
    )
    .unwrap();
    let map = found.methods[0].heatmap(0).unwrap();
    assert!(map[16 * 65 + 32] > 0.999_999 && map[0] == 0.0);
}

#[test]
fn augmentation_smoothing_is_the_mean_over_six_versions() {
    let network = Tiny::random(Head::Deep, 8);
    let input = images(2, 40, 32);
    let smoothed = ExplainOptions { augmentation_smoothing: true, ..ExplainOptions::default() };
    let found = explain(&network, &[], methods(&["gradcam"]), smoothed, &input).unwrap();
    let mean = Tensor::zeros([2, 40, 32], (Kind::Float, tch::Device::Cpu));
    for flipped in [false, true] {
        for factor in [0.9, 1.0, 1.1] {
            let version = if flipped { input.flip([3]) } else { input.shallow_clone() } * factor;
            for image in 0..2 {
                let options =
                    ExplainOptions { target: Target::Class(found.targets[image]), ..ExplainOptions::default() };
                let one = version.narrow(0, image as i64, 1);
                let part = explain(&network, &[], methods(&["gradcam"]), options, &one).unwrap();
                let map = Tensor::from_slice(&part.methods[0].heatmaps).view([40, 32]);
                let map = if flipped { map.flip([1]) } else { map };
                let _ = mean.get(image as i64).g_add_(&(map / 6.0));
            }
        }
    }
    let expected = Vec::<f32>::try_from(mean.flatten(0, -1)).unwrap();
    assert!(difference(&found.methods[0].heatmaps, &expected) < 1e-5);
}

fn refusal(network: &Tiny, layers: &[&str], ids: &[&str], target: Target) -> String {
    let options = ExplainOptions { target, ..ExplainOptions::default() };
    explain(network, layers, methods(ids), options, &images(2, 32, 32)).unwrap_err().to_string()
}

#[test]
fn refusals_name_what_was_asked_and_what_there_is() {
    let network = Tiny::random(Head::Affine, 9);
    let predicted = Target::Predicted;
    assert_eq!(
        refusal(&network, &["secnod"], &["gradcam"], predicted),
        "there is no layer `secnod` in `tiny` (did you mean `second`?); there is first, second, flat"
    );
    assert_eq!(
        refusal(&network, &["layer4"], &["gradcam"], predicted),
        "there is no layer `layer4` in `tiny`; there is first, second, flat"
    );
    assert_eq!(
        refusal(&network, &["first", "first"], &["gradcam"], predicted),
        "the layer `first` is named twice; name it once"
    );
    assert_eq!(
        refusal(&network, &["flat"], &["gradcam"], predicted),
        "the layer `flat` of `tiny` gives values of shape [2, 20], not one image for each channel; name a layer before the \
         network flattens, such as its default `second`"
    );
    assert_eq!(
        refusal(&network, &[], &["gradcam"], Target::Class(7)),
        "the target class 7 does not exist: the network has 7 classes, 0 to 6"
    );
    assert_eq!(
        refusal(&network, &[], &["gradcam"], Target::Truth),
        "the target is the true class, but the images come without their true classes; explain the predicted class"
    );
    assert_eq!(
        refusal(&network, &[], &[], predicted),
        "no method was named; name at least one, see `lightbox plugins list`"
    );
    assert_eq!(
        refusal(&Tiny::random(Head::Detached, 9), &[], &["eigencam", "gradcam++"], predicted),
        "`gradcam++` needs gradients, and `tiny` gives none at `second`: its scores do not depend on it differentiably"
    );
}

#[test]
fn a_network_without_gradients_serves_methods_that_need_none() {
    let network = Tiny::random(Head::Detached, 10);
    let found = explain(&network, &[], methods(&["eigencam", "center"]), ExplainOptions::default(), &images(1, 32, 32))
        .unwrap();
    assert_eq!(found.methods[0].outcomes, [Outcome::Ok]);
}

#[test]
fn images_that_do_not_fit_are_refused() {
    let network = Tiny::random(Head::Affine, 9);
    let flat = Tensor::zeros([3, 32, 32], (Kind::Float, tch::Device::Cpu));
    let error = explain(&network, &[], methods(&["gradcam"]), ExplainOptions::default(), &flat).unwrap_err();
    assert_eq!(error.to_string(), "the images are Float of shape [3, 32, 32], not Float of [N, C, H, W]");
    let layers = choose_layers(&network, &["second"]).unwrap();
    let mut explainer = Explainer::new(&network, layers, methods(&["gradcam"]), ExplainOptions::default()).unwrap();
    let batch = ImageBatch { input: &images(2, 32, 32), truths: Some(&[1]), seeds: &[0, 1] };
    let error = explainer.explain(&batch, &Cancel::new(), &mut |_| {}).unwrap_err();
    assert_eq!(error.to_string(), "the images are 2, and their seeds or true classes are not as many");
}

#[test]
fn nan_is_an_outcome_and_no_heatmap() {
    let found = explain(
        &Tiny::random(Head::Broken, 11),
        &[],
        methods(&["gradcam", "eigengradcam", "layercam", "gradcam++", "ablationcam", "center"]),
        ExplainOptions::default(),
        &images(2, 32, 32),
    )
    .unwrap();
    for maps in &found.methods[..5] {
        assert_eq!(maps.outcomes, [Outcome::NanMap; 2], "{}", maps.method);
        assert!(maps.heatmaps.iter().all(|value| value.is_nan()) && maps.peaks[0].is_nan());
    }
    assert_eq!(found.methods[5].outcomes, [Outcome::Ok; 2]);
}

#[test]
fn no_evidence_is_a_constant_map() {
    // All weights of class 3 are negative and all activations are not: nothing in any image speaks for it.
    let network = Tiny::random(Head::Against, 12);
    let options = ExplainOptions { target: Target::Class(3), ..ExplainOptions::default() };
    let ids = ["hirescam", "gradcam", "layercam", "ablationcam", "eigencam"];
    let found = explain(&network, &[], methods(&ids), options, &images(2, 32, 32)).unwrap();
    for maps in &found.methods[..4] {
        assert_eq!(
            (&maps.outcomes[..], &maps.peaks[..]),
            (&[Outcome::ConstantMap; 2][..], &[0.0; 2][..]),
            "{}",
            maps.method
        );
        assert!(maps.heatmaps.iter().all(|value| *value == 0.0));
    }
    assert_eq!(found.methods[4].outcomes, [Outcome::Ok; 2]);
}

#[test]
fn memory_that_runs_out_halves_the_batch_and_keeps_the_result() {
    let network = Tiny::random(Head::Deep, 13);
    let input = images(7, 32, 32);
    let ids = ["gradcam", "ablationcam"];
    let expected = explain(&network, &[], methods(&ids), ExplainOptions::default(), &input).unwrap();
    network.most_rows.set(3);
    let (mut sizes, mut rows) = (Vec::new(), Vec::new());
    let found =
        explain_and_watch(&network, &[], methods(&ids), ExplainOptions::default(), &input, &mut |event| match event {
            Event::FewerImages { images } => sizes.push(images),
            Event::FewerRows { rows: now, .. } => rows.push(now),
            _ => {}
        })
        .unwrap();
    assert_eq!(sizes, [3]);
    assert!(!rows.is_empty() && rows.windows(2).all(|pair| pair[1] < pair[0]), "{rows:?}");
    assert_eq!((found.images(), found.targets), (7, expected.targets));
    for (found, expected) in found.methods.iter().zip(&expected.methods) {
        assert!(difference(&found.heatmaps, &expected.heatmaps) < 1e-5);
    }
    network.most_rows.set(0);
    let error = explain(&network, &[], methods(&ids), ExplainOptions::default(), &input).unwrap_err();
    assert!(error.to_string().starts_with("explaining one image ran out of memory"), "{error}");
}

#[test]
fn a_cancelled_run_stops() {
    let network = Tiny::random(Head::Deep, 14);
    let input = images(2, 32, 32);
    let cancel = Cancel::new();
    let layers = choose_layers(&network, &["first"]).unwrap();
    let mut explainer =
        Explainer::new(&network, layers, methods(&["gradcam", "ablationcam"]), ExplainOptions::default()).unwrap();
    let batch = ImageBatch { input: &input, truths: None, seeds: &[0, 1] };
    // AblationCAM reports after its first image; stopped there, it does not reach its second.
    let mut reports = 0;
    let error = explainer
        .explain(&batch, &cancel.clone(), &mut |event| {
            if let Event::Progress { method: "ablationcam", .. } = event {
                reports += 1;
                cancel.cancel();
            }
        })
        .unwrap_err();
    assert_eq!((error.to_string().as_str(), reports), ("cancelled", 1));
    assert_eq!(explainer.explain(&batch, &cancel, &mut |_| {}).unwrap_err().to_string(), "cancelled");
}
