//! That the class is in the lesion and nowhere else: a linear classifier on what the whole picture looks like does
//! poorly, one on what the lesion looks like does well.

#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use lightbox_phantom::{Kind, Phantom, Subject, draw, subjects};

const SIZE: u32 = 96;
const PICTURES: usize = 600;
/// Bins of the histogram of each channel.
const BINS: usize = 16;
/// Weight of the penalty on the coefficients, for standardised features.
const RIDGE: f64 = 3.0;

struct Sample {
    class: usize,
    group: usize,
    features: Vec<f64>,
}

/// Histogram, mean, deviation and the mean of each of 3 x 3 fields, per channel.
fn global(phantom: &Phantom) -> Vec<f64> {
    let (side, channels) = (phantom.size as usize, phantom.channels);
    let mut features = Vec::new();
    for channel in 0..channels {
        let values: Vec<f64> = phantom.pixels.iter().skip(channel).step_by(channels).map(|v| f64::from(*v)).collect();
        let mut bins = [0.0; BINS];
        for value in &values {
            bins[*value as usize * BINS / 256] += 1.0 / values.len() as f64;
        }
        features.extend(bins.map(f64::sqrt));
        let (mean, deviation) = moments(&values);
        features.extend([mean, deviation]);
        for field in 0..9 {
            let (left, top) = (field % 3 * side / 3, field / 3 * side / 3);
            let inside = |at: usize| {
                let (x, y) = (at % side, at / side);
                (left..left + side / 3).contains(&x) && (top..top + side / 3).contains(&y)
            };
            let of_field: Vec<f64> = values.iter().enumerate().filter(|(at, _)| inside(*at)).map(|(_, v)| *v).collect();
            features.push(moments(&of_field).0);
        }
    }
    features
}

/// What the lesion looks like against its surroundings, in rings from its border inwards, and its shape. A picture
/// without one is looked at where another one has its lesion.
fn local(phantom: &Phantom, mask: &[u8]) -> Vec<f64> {
    let (side, channels) = (phantom.size as usize, phantom.channels);
    let grey: Vec<f64> = phantom
        .pixels
        .chunks(channels)
        .map(|pixel| pixel.iter().map(|v| f64::from(*v)).sum::<f64>() / channels as f64)
        .collect();
    let depth = depths(mask, side);
    let deepest = depth.iter().copied().fold(0.0, f64::max);
    let within = |low: f64, high: f64| -> Vec<f64> {
        grey.iter().zip(&depth).filter(|(_, d)| **d > low && **d <= high).map(|(v, _)| *v).collect()
    };
    let (around, spread) = moments(&within(-6.0, -1.0));
    let spread = spread.max(4.0);
    let relative = |value: f64| (value - around) / spread;
    let rim = moments(&within(0.0, 0.35 * deepest));
    let core = moments(&within(0.5 * deepest, deepest));
    let border = moments(&within(-2.0, 2.0));
    let inside: Vec<f64> = within(0.0, deepest);
    let all = moments(&inside);
    let steps: Vec<f64> = (0..grey.len() - side - 1)
        .filter(|at| depth[*at] > 1.5)
        .map(|at| (grey[at] - grey[at + 1]).abs() + (grey[at] - grey[at + side]).abs())
        .collect();
    let area = inside.len() as f64;
    let edge = depth.iter().filter(|d| **d > 0.0 && **d <= 1.0).count() as f64;
    vec![
        relative(rim.0),
        relative(core.0),
        relative(rim.0) - relative(core.0),
        rim.1 / spread,
        core.1 / spread,
        all.1 / spread,
        border.1 / spread,
        moments(&steps).0 / spread,
        moments(&steps).0 / all.1.max(1.0),
        area.sqrt(),
        edge / area.sqrt(),
        deepest / area.sqrt(),
        (area / (side * side) as f64).ln(),
    ]
}

/// Distance to the mask's border, in pixels: above 0 inside, below 0 outside, as far as 12 (by rings of neighbours).
fn depths(mask: &[u8], side: usize) -> Vec<f64> {
    let mut depth = vec![0.0; mask.len()];
    for inside in [true, false] {
        let mut left: Vec<bool> = mask.iter().map(|value| (*value > 0) == inside).collect();
        for ring in 1..=40 {
            let before = left.clone();
            for at in 0..left.len() {
                let (x, y) = (at % side, at / side);
                let near = [
                    x > 0 && !before[at - 1],
                    x + 1 < side && !before[at + 1],
                    y > 0 && !before[at - side],
                    y + 1 < side && !before[at + side],
                ];
                if before[at] && near.contains(&true) {
                    depth[at] = if inside { f64::from(ring) } else { -f64::from(ring) };
                    left[at] = false;
                }
            }
        }
        for (depth, left) in depth.iter_mut().zip(&left) {
            if *left {
                *depth = if inside { 41.0 } else { -41.0 };
            }
        }
    }
    depth
}

fn moments(values: &[f64]) -> (f64, f64) {
    if values.is_empty() {
        return (0.0, 0.0);
    }
    let mean = values.iter().sum::<f64>() / values.len() as f64;
    let square = values.iter().map(|value| (value - mean).powi(2)).sum::<f64>() / values.len() as f64;
    (mean, square.sqrt())
}

/// Balanced accuracy of ridge regression on one-hot targets, fitted on even groups and read on odd ones.
fn accuracy(samples: &[Sample], classes: usize) -> f64 {
    let width = samples[0].features.len();
    let fitted: Vec<&Sample> = samples.iter().filter(|sample| sample.group % 2 == 0).collect();
    let columns: Vec<(f64, f64)> = (0..width)
        .map(|column| moments(&fitted.iter().map(|sample| sample.features[column]).collect::<Vec<_>>()))
        .collect();
    let row = |sample: &Sample| -> Vec<f64> {
        let scaled =
            sample.features.iter().zip(&columns).map(|(value, (mean, spread))| (value - mean) / spread.max(1e-9));
        std::iter::once(1.0).chain(scaled).collect()
    };
    let unknowns = width + 1;
    let mut system = vec![vec![0.0; unknowns + classes]; unknowns];
    for (at, equation) in system.iter_mut().enumerate().skip(1) {
        equation[at] = RIDGE;
    }
    for sample in &fitted {
        let row = row(sample);
        for (equation, factor) in system.iter_mut().zip(&row) {
            for (entry, value) in equation.iter_mut().zip(&row) {
                *entry += factor * value;
            }
            equation[unknowns + sample.class] += factor;
        }
    }
    solve(&mut system);
    let (mut right, mut all) = (vec![0.0; classes], vec![0.0; classes]);
    for sample in samples.iter().filter(|sample| sample.group % 2 == 1) {
        let row = row(sample);
        let score = |class: usize| {
            row.iter().zip(&system).map(|(value, equation)| value * equation[unknowns + class]).sum::<f64>()
        };
        let best = (0..classes).max_by(|a, b| score(*a).total_cmp(&score(*b))).unwrap();
        right[sample.class] += f64::from(u8::from(best == sample.class));
        all[sample.class] += 1.0;
    }
    right.iter().zip(&all).map(|(right, all)| right / all).sum::<f64>() / classes as f64
}

/// Gauss and Jordan with pivoting.
fn solve(system: &mut [Vec<f64>]) {
    for at in 0..system.len() {
        let pivot = (at..system.len()).max_by(|a, b| system[*a][at].abs().total_cmp(&system[*b][at].abs())).unwrap();
        system.swap(at, pivot);
        let lead = system[at].clone();
        for (index, equation) in system.iter_mut().enumerate() {
            if index == at {
                equation.iter_mut().for_each(|entry| *entry /= lead[at]);
            } else {
                let factor = equation[at] / lead[at];
                equation.iter_mut().zip(&lead).for_each(|(entry, value)| *entry -= factor * value);
            }
        }
    }
}

fn samples(kind: Kind) -> (Vec<Sample>, Vec<Sample>) {
    let roster = subjects(kind, PICTURES, 11);
    let views: Vec<(&Subject, usize)> =
        roster.iter().flat_map(|subject| (0..subject.views).map(move |view| (subject, view))).collect();
    let mut last_mask: Option<Vec<u8>> = None;
    let mut waiting = Vec::new();
    let (mut whole, mut near) = (Vec::new(), Vec::new());
    for (subject, view) in views {
        let phantom = draw(kind, subject, view, SIZE, 11);
        let sample = |features| Sample { class: subject.class, group: subject.number, features };
        whole.push(sample(global(&phantom)));
        match &phantom.mask {
            Some(mask) => {
                near.push(sample(local(&phantom, mask)));
                last_mask = phantom.mask;
            }
            None => match &last_mask {
                Some(mask) => near.push(sample(local(&phantom, mask))),
                None => waiting.push(phantom),
            },
        }
    }
    assert!(waiting.len() < PICTURES / 10);
    (whole, near)
}

#[test]
fn the_whole_picture_does_not_tell_the_class_and_the_lesion_does() {
    for kind in Kind::ALL {
        let classes = kind.classes().len();
        let (whole, near) = samples(kind);
        let chance = 1.0 / classes as f64;
        let (whole, near) = (accuracy(&whole, classes), accuracy(&near, classes));
        println!("{}: whole picture {whole:.3}, lesion {near:.3}, chance {chance:.3}", kind.name());
        assert!(whole < chance + 0.25, "{kind:?}: the whole picture gives the class away ({whole:.3})");
        assert!(near > 0.85, "{kind:?}: the lesion does not show its class ({near:.3})");
        assert!(near > whole + 0.25, "{kind:?}: {near:.3} against {whole:.3}");
    }
}
