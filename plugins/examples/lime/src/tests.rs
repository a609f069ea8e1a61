//! LIME on a network whose coefficients are known.

use std::cell::Cell;

use lightbox_plugin::{ErrorKind, Layer, Result, Services, TensorView, Value};

use super::*;

/// Counts how strongly each cell of a 2 x 2 grid over 4 x 4 pixels is patterned; class 1 weighs the four counts.
struct Patterns {
    asked: Cell<usize>,
    told: Cell<(u64, u64)>,
    stop_after: usize,
}

const WEIGHTS: [f32; 4] = [2.0, -1.0, 0.0, 0.5];

impl Services for Patterns {
    fn forward(&self, batch: &[f32], shape: &[usize], scores: &mut [f32]) -> Result<()> {
        self.asked.set(self.asked.get() + shape[0]);
        for (image, scores) in batch.chunks_exact(16).zip(scores.chunks_exact_mut(2)) {
            // A pattern is the difference of a cell's first two pixels, 1 in the whole image and 0 in its mean colour.
            let pattern = |cell: usize| {
                let first = cell / 2 * 8 + cell % 2 * 2;
                image[first] - image[first + 1]
            };
            scores.copy_from_slice(&[0.0, (0..4).map(|cell| WEIGHTS[cell] * pattern(cell)).sum()]);
        }
        Ok(())
    }

    fn random_uniform(&self, seed: u64, out: &mut [f32]) -> Result<()> {
        let mut state = seed.wrapping_mul(2).wrapping_add(1);
        for number in out {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            *number = (state >> 40) as f32 / (1_u32 << 24) as f32;
        }
        Ok(())
    }

    fn progress(&self, done: u64, total: u64) {
        self.told.set((done, total));
    }

    fn is_cancelled(&self) -> bool {
        self.asked.get() >= self.stop_after
    }
}

fn explain(host: &Patterns, changes: &[(&str, Value)], seeds: &[u64]) -> Result<Vec<f32>> {
    let image: Vec<f32> = (0..16).map(|pixel| 1.0 - (pixel % 2) as f32).collect();
    let input = image.repeat(seeds.len());
    let targets = vec![1; seeds.len()];
    let request = Request::new(&targets, 2, [1, 4, 4], vec![Layer::new("layer", (1, 1), None, None)])
        .with_input(TensorView::new(&input, &[seeds.len(), 1, 4, 4]).unwrap())
        .with_seeds(0, seeds.to_vec());
    let mut parameters = Parameters::defaults(&Lime::descriptor().parameters)
        .with("grid", Value::Int(2))
        .with("score", Value::Choice("logit".to_owned()));
    for (name, value) in changes {
        parameters = parameters.with(name, value.clone());
    }
    let mut maps = Maps::own(seeds.len(), &[(4, 4)]);
    Lime::create(&parameters)?.attribute(&request, &Host::new(host, 2), &mut maps)?;
    Ok(maps.map(0)?.to_vec())
}

fn patterns() -> Patterns {
    Patterns { asked: Cell::new(0), told: Cell::new((0, 0)), stop_after: usize::MAX }
}

#[test]
fn of_a_linear_network_without_ridge_the_weights_are_found_again() {
    let host = patterns();
    let map = explain(&host, &[("ridge", Value::Float(0.0)), ("samples", Value::Int(150))], &[3]).unwrap();
    for (pixel, value) in map.iter().enumerate() {
        let weight = WEIGHTS[pixel / 8 * 2 + pixel % 4 / 2];
        assert!((value - weight).abs() < 1e-5, "{pixel}: {value}, not {weight}");
    }
    assert_eq!((host.asked.get(), host.told.get()), (150, (150, 150)));
}

#[test]
fn ridge_draws_to_zero_and_an_images_map_is_its_own() {
    let alone = explain(&patterns(), &[], &[7]).unwrap();
    assert!(alone[0] > 1.0 && alone[0] < 2.0 && alone[2] < -0.5 && alone[2] > -1.0, "{alone:?}");
    let beside = explain(&patterns(), &[], &[3, 7]).unwrap();
    assert_eq!(beside[16..], alone);
    assert_ne!(beside[..16], alone);
}

#[test]
fn it_stops_between_batches() {
    let host = Patterns { stop_after: 65, ..patterns() };
    let error = explain(&host, &[], &[3]).unwrap_err();
    assert_eq!((error.kind(), host.asked.get()), (ErrorKind::Cancelled, 2 * CHUNK_SAMPLES));
}

#[test]
fn too_few_samples_are_said() {
    let changes = [("ridge", Value::Float(0.0)), ("samples", Value::Int(3))];
    let error = explain(&patterns(), &changes, &[3]).unwrap_err();
    assert!(error.message().contains("raise `samples`"), "{}", error.message());
}
