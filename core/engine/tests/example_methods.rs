//! The examples of methods without torch, as libraries: their maps against the same formulas in tch, and their checks.

#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

mod example_support;
mod zoo_support;

use std::sync::{Mutex, MutexGuard, PoisonError};

use example_support::{CLASSES, SEEDS, Scene, TARGETS, apart, library, method, passes};
use lightbox_engine::plugin::{HostServices, PluginError};
use tch::{Device, Kind, Tensor};

/// The default random generator belongs to the whole process: one test at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

#[test]
fn they_pass_the_checks() {
    let worker = zoo_support::example("zoo_worker");
    for folder in ["cam-rust", "contrastive", "lime"] {
        passes(&worker, &library(folder));
    }
}

/// The target's probability of each place, by masks [h w, h, w].
fn seen_through(scene: &Scene, masks: &Tensor) -> Tensor {
    let rows: Vec<Tensor> = (0..2)
        .map(|image| {
            let masked = scene.activations.get(image) * masks.unsqueeze(1);
            scene.head(&masked).softmax(1, Kind::Float).select(1, TARGETS[image as usize] as i64)
        })
        .collect();
    Tensor::stack(&rows, 0).view([2, 6, 5])
}

#[test]
fn recipro_cam_is_the_probability_behind_each_mask() {
    let _alone = alone();
    let mut scene = Scene::new();
    let points = Tensor::eye(30, (Kind::Float, Device::Cpu)).view([30, 6, 5]);
    let found = scene.explain(&mut method("cam-rust", "recipro-cam", &[])).unwrap();
    assert!(apart(&found[0], &seen_through(&scene, &points)) < 1e-6);
    // A point convolved with the kernel, zeros around it, is the kernel cut off at the border.
    let side = Tensor::from_slice(&[1.0_f32, 2.0, 1.0]) / 4.0;
    let kernel = side.outer(&side).view([1, 1, 3, 3]);
    let blurred = points.unsqueeze(1).conv2d(&kernel, None::<&Tensor>, [1, 1], [1, 1], [1, 1], 1).squeeze_dim(1);
    let found = scene.explain(&mut method("cam-rust", "recipro-cam", &[("mask", "gaussian")])).unwrap();
    assert!(apart(&found[0], &seen_through(&scene, &blurred)) < 1e-6);
    assert_eq!(scene.progress.last(), Some(&(60, 60)));
}

#[test]
fn the_contrastive_map_is_input_times_the_gradient_of_a_difference() {
    let _alone = alone();
    let mut scene = Scene::new();
    let x = scene.input.detach().set_requires_grad(true);
    let logits = scene.head(&scene.features(&x));
    for against in ["runner-up", "mean"] {
        let difference: Tensor = (0..2)
            .map(|image| {
                let target = TARGETS[image as usize] as i64;
                let row = logits.get(image);
                let others: Vec<Tensor> = (0..CLASSES as i64).filter(|c| *c != target).map(|c| row.get(c)).collect();
                let others = Tensor::stack(&others, 0);
                row.get(target) - if against == "mean" { others.mean(Kind::Float) } else { others.max() }
            })
            .fold(Tensor::zeros([], (Kind::Float, Device::Cpu)), |sum, one| sum + one);
        let gradient = Tensor::run_backward(&[difference], &[&x], true, false).remove(0);
        let expected = (gradient * &scene.input).sum_dim_intlist([1_i64].as_slice(), false, Kind::Float);
        let found = scene.explain(&mut method("contrastive", "contrastive", &[("against", against)])).unwrap();
        assert!(apart(&found[0], &expected) < 1e-5, "{against}");
    }
}

/// The coefficients of one image, worked in double precision by the closed form of the regression.
fn lime_of(scene: &mut Scene, image: usize, samples: i64, ridge: f64) -> Tensor {
    let mut numbers = vec![0.0; samples as usize * 9];
    scene.random_uniform(SEEDS[image], &mut numbers);
    numbers[..9].fill(0.0);
    let z = Tensor::from_slice(&numbers).view([samples, 9]).lt(0.5).to_kind(Kind::Float);
    // The cell of each of 12 x 10 pixels in a grid of 3 x 3.
    let cells: Vec<i64> = (0..120).map(|p| (p / 10 * 3 / 12) * 3 + p % 10 * 3 / 10).collect();
    let cells = Tensor::from_slice(&cells);
    let own = scene.input.get(image as i64).view([3, 120]);
    let member = cells.one_hot(9).to_kind(Kind::Float);
    let means = own.matmul(&member) / member.sum_dim_intlist([0_i64].as_slice(), false, Kind::Float);
    let filling = means.matmul(&member.tr());
    let seen = z.matmul(&member.tr()).unsqueeze(1);
    let hidden: Tensor = 1.0 - &seen;
    let images: Tensor = &own * &seen + filling * hidden;
    let images = images.view([samples, 3, 12, 10]);
    let logits = scene.head(&scene.features(&images));
    let said = logits.softmax(1, Kind::Float).select(1, TARGETS[image] as i64).to_kind(Kind::Double);

    let z = z.to_kind(Kind::Double);
    let distance: Tensor = 1.0 - (z.sum_dim_intlist([1_i64].as_slice(), false, Kind::Double) / 9.0).sqrt();
    let weight = (distance / 0.25).square().neg().exp().sqrt();
    // With a column of ones for the intercept, which ridge leaves alone.
    let design = Tensor::cat(&[&z, &Tensor::ones([samples, 1], (Kind::Double, Device::Cpu))], 1);
    let weighted = design.tr() * &weight;
    let penalty = Tensor::ones([10], (Kind::Double, Device::Cpu)) * ridge;
    let _ = penalty.get(9).zero_();
    let solution = (weighted.matmul(&design) + penalty.diag(0)).inverse().matmul(&weighted.mv(&said));
    solution.index_select(0, &cells).view([12, 10])
}

#[test]
fn lime_fits_the_line_of_its_formula_to_each_image() {
    let _alone = alone();
    let mut scene = Scene::new();
    for ridge in [1.0, 0.01] {
        let text = ridge.to_string();
        let parameters = [("grid", "3"), ("samples", "200"), ("ridge", text.as_str())];
        let found = scene.explain(&mut method("lime", "lime-grid", &parameters)).unwrap();
        for image in 0..2 {
            let expected = lime_of(&mut scene, image, 200, ridge);
            assert!(expected.abs().max().double_value(&[]) > 1e-3);
            assert!(apart(&found[0].get(image as i64), &expected) < 1e-5, "image {image}, ridge {ridge}");
        }
    }
    assert_eq!(scene.progress.last(), Some(&(400, 400)));
    assert!(scene.progress.windows(2).all(|two| two[0].0 < two[1].0 || two[0].0 == 400), "{:?}", scene.progress);
}

#[test]
fn long_methods_stop_when_the_user_does() {
    let _alone = alone();
    let mut scene = Scene::new();
    scene.stop_after = 2;
    assert_eq!(scene.explain(&mut method("lime", "lime-grid", &[])).err(), Some(PluginError::Cancelled));
    assert_eq!(scene.progress.len(), 2, "two batches, and no more");
    assert_eq!(scene.explain(&mut method("cam-rust", "recipro-cam", &[])).err(), Some(PluginError::Cancelled));
}
