//! From raw maps to heatmaps: positive part, S, resize, layers together, S again.
//!
//! S(c) = (c - min c) / (1e-7 + max(c - min c)), for each image on its own. The second S is always taken, for a single layer
//! too: resizing lowers the peak, and without it real images differ by 0.01 from what other packages show.

use super::resize::resize_bilinear;

/// What S adds to the largest value.
const SCALE_EPS: f32 = 1e-7;

/// How the maps of several layers become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Merging {
    /// Their mean.
    Mean,
    /// Their sum.
    Sum,
}

/// The raw maps of one layer.
#[derive(Clone, Debug)]
pub struct RawMaps {
    /// \[N,h,w\].
    pub values: Vec<f32>,
    /// (h,w).
    pub size: (usize, usize),
}

/// Heatmaps and what they were before scaling.
#[derive(Clone, Debug, PartialEq)]
pub struct Heatmaps {
    /// \[N,H,W\], in \[0,1\]; NaN everywhere for an image whose raw map is not finite.
    pub values: Vec<f32>,
    /// The peak of each image's raw map, over its layers: S stretches a map without evidence to full red, the peak tells.
    pub peaks: Vec<f32>,
}

/// Scales each map of `pixels` values by S.
pub fn scale(maps: &mut [f32], pixels: usize) {
    for map in maps.chunks_exact_mut(pixels.max(1)) {
        let least = map.iter().copied().fold(f32::INFINITY, f32::min);
        let mut greatest = 0.0_f32;
        for value in map.iter_mut() {
            *value -= least;
            greatest = greatest.max(*value);
        }
        let divisor = SCALE_EPS + greatest;
        map.iter_mut().for_each(|value| *value /= divisor);
    }
}

/// The heatmaps of `images` images from one set of raw maps for each layer. `signed` maps keep their negative part.
pub fn heatmaps(layers: Vec<RawMaps>, images: usize, size: (usize, usize), signed: bool, merging: Merging) -> Heatmaps {
    let pixels = size.0 * size.1;
    let mut total = vec![0.0_f32; images * pixels];
    let mut peaks = vec![f32::NEG_INFINITY; images];
    let mut broken = vec![false; images];
    let count = layers.len();
    for layer in layers {
        let RawMaps { mut values, size: from } = layer;
        let own = (from.0 * from.1).max(1);
        for (image, map) in values.chunks_exact_mut(own).enumerate() {
            broken[image] |= map.iter().any(|value| !value.is_finite());
            if !signed {
                map.iter_mut().for_each(|value| *value = value.max(0.0));
            }
            peaks[image] = map.iter().copied().fold(peaks[image], f32::max);
        }
        scale(&mut values, own);
        let resized = resize_bilinear(&values, from, size, false);
        if count == 1 {
            total = resized;
        } else {
            total.iter_mut().zip(&resized).for_each(|(total, value)| *total += value.max(0.0));
        }
    }
    if merging == Merging::Mean && count > 1 {
        total.iter_mut().for_each(|value| *value /= count as f32);
    }
    scale(&mut total, pixels);
    for (image, map) in total.chunks_exact_mut(pixels.max(1)).enumerate() {
        if broken[image] {
            map.fill(f32::NAN);
            peaks[image] = f32::NAN;
        }
    }
    Heatmaps { values: total, peaks }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn raw(values: &[f32], size: (usize, usize)) -> RawMaps {
        RawMaps { values: values.to_vec(), size }
    }

    fn assert_near(found: &[f32], expected: &[f32]) {
        let near = |(a, b): (&f32, &f32)| (a - b).abs() < 1e-6 || a.is_nan() && b.is_nan();
        assert!(found.len() == expected.len() && found.iter().zip(expected).all(near), "{found:?} is not {expected:?}");
    }

    #[test]
    fn scaling_is_per_map_and_has_its_epsilon() {
        let mut maps = [1.0, 3.0, 2.0, -1e-7, 0.0, 0.0, 5.0, 5.0, 5.0];
        scale(&mut maps, 3);
        assert_near(&maps, &[0.0, 1.0, 0.5, 0.0, 0.5, 0.5, 0.0, 0.0, 0.0]);
    }

    #[test]
    fn one_layer_is_scaled_again_after_resizing() {
        // 4 to 2 pixels: S gives 0 0.25 1 0.5; the resized 0.125 and 0.75 must become 0 and 1.
        let maps = heatmaps(vec![raw(&[-3.0, 1.0, 4.0, 2.0], (1, 4))], 1, (1, 2), false, Merging::Mean);
        assert_near(&maps.values, &[0.0, 1.0]);
        assert_eq!(maps.peaks, [4.0]);
    }

    #[test]
    fn negative_evidence_is_cut_unless_the_map_is_signed() {
        let cut = heatmaps(vec![raw(&[-3.0, 0.0, 1.0], (1, 3))], 1, (1, 3), false, Merging::Mean);
        assert_near(&cut.values, &[0.0, 0.0, 1.0]);
        let kept = heatmaps(vec![raw(&[-3.0, 0.0, 1.0], (1, 3))], 1, (1, 3), true, Merging::Mean);
        assert_near(&kept.values, &[0.0, 0.75, 1.0]);
    }

    #[test]
    fn layers_count_alike_whatever_their_size_and_scale() {
        // The first layer gives 0 1 after scaling, the second 1 0 0.5 0.5 shrunk to 0.5 0.5: mean 0.25 0.75.
        let layers = vec![raw(&[0.0, 2.0], (1, 2)), raw(&[200.0, 0.0, 100.0, 100.0], (1, 4))];
        let maps = heatmaps(layers, 1, (1, 2), false, Merging::Mean);
        assert_near(&maps.values, &[0.0, 1.0]);
        assert_eq!(maps.peaks, [200.0]);
        let three = vec![raw(&[0.0, 2.0, 0.0], (1, 3)), raw(&[8.0, 4.0, 0.0], (1, 3))];
        assert_near(&heatmaps(three, 1, (1, 3), false, Merging::Mean).values, &[2.0 / 3.0, 1.0, 0.0]);
    }

    #[test]
    fn a_broken_map_is_nan_and_leaves_the_others_alone() {
        let maps = heatmaps(vec![raw(&[0.0, f32::NAN, 0.0, 3.0], (1, 2))], 2, (1, 2), false, Merging::Mean);
        assert_near(&maps.values, &[f32::NAN, f32::NAN, 0.0, 1.0]);
        assert!(maps.peaks[0].is_nan() && maps.peaks[1] == 3.0);
        let infinite = heatmaps(vec![raw(&[0.0, f32::INFINITY], (1, 2))], 1, (1, 2), false, Merging::Mean);
        assert!(infinite.values.iter().all(|value| value.is_nan()));
    }

    #[test]
    fn no_evidence_is_a_constant_map_with_a_peak_of_zero() {
        let maps = heatmaps(vec![raw(&[-1.0, -2.0], (1, 2))], 1, (2, 2), false, Merging::Mean);
        assert_eq!((maps.values.as_slice(), maps.peaks.as_slice()), ([0.0; 4].as_slice(), [0.0].as_slice()));
    }
}
