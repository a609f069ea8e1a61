//! How alike two maps are: Spearman's rank correlation and SSIM, and their summary over sanity checks.
//!
//! Adebayo et al., *Sanity Checks for Saliency Maps*, NeurIPS 2018: a method whose map stays the same while the network's
//! parameters are randomised, layer after layer, explains the image and not the network.

/// Side of SSIM's window in pixels.
pub const SSIM_WINDOW: usize = 7;
/// Constants of SSIM (Wang et al., IEEE Transactions on Image Processing 13, 2004).
const SSIM_K: [f64; 2] = [0.01, 0.03];

/// Spearman's rank correlation, equal values sharing their mean rank. None where the lengths differ, there are fewer than
/// two values, or one side is constant or not finite.
pub fn spearman(a: &[f32], b: &[f32]) -> Option<f64> {
    if a.len() != b.len() || a.len() < 2 || a.iter().chain(b).any(|v| !v.is_finite()) {
        return None;
    }
    let (a, b) = (mean_ranks(a), mean_ranks(b));
    let middle = (a.len() as f64 - 1.0) / 2.0;
    let product = |x: &[f64], y: &[f64]| x.iter().zip(y).map(|(x, y)| (x - middle) * (y - middle)).sum::<f64>();
    let scale = (product(&a, &a) * product(&b, &b)).sqrt();
    (scale > 0.0).then(|| (product(&a, &b) / scale).clamp(-1.0, 1.0))
}

/// Ranks from 0, equal values sharing the mean of theirs.
fn mean_ranks(values: &[f32]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_unstable_by(|i, j| values[*i].total_cmp(&values[*j]));
    let mut ranks = vec![0.0; values.len()];
    let mut first = 0;
    for equals in order.chunk_by(|i, j| values[*i] == values[*j]) {
        let rank = first as f64 + (equals.len() as f64 - 1.0) / 2.0;
        for &i in equals {
            ranks[i] = rank;
        }
        first += equals.len();
    }
    ranks
}

/// Mean structural similarity of two maps in [0, 1], [height, width]: uniform 7 x 7 windows that lie inside, sample
/// covariance, as scikit-image's `structural_similarity` with `data_range=1`. None where the sizes do not fit, a side is
/// shorter than the window, or a value is not finite.
pub fn ssim(a: &[f32], b: &[f32], [height, width]: [usize; 2]) -> Option<f64> {
    let fits = a.len() == b.len() && a.len() == height.checked_mul(width)?;
    if !fits || width.min(height) < SSIM_WINDOW || a.iter().chain(b).any(|v| !v.is_finite()) {
        return None;
    }
    let table = |value: &dyn Fn(usize) -> f64| WindowSums::new(width, height, value);
    let (x, y) = (|i: usize| f64::from(a[i]), |i: usize| f64::from(b[i]));
    let sums = [table(&x), table(&y), table(&|i| x(i) * x(i)), table(&|i| y(i) * y(i)), table(&|i| x(i) * y(i))];
    let n = (SSIM_WINDOW * SSIM_WINDOW) as f64;
    let sample = n / (n - 1.0);
    let [c1, c2] = SSIM_K.map(|k| k * k);
    let (mut total, mut windows) = (0.0, 0usize);
    for top in 0..=height - SSIM_WINDOW {
        for left in 0..=width - SSIM_WINDOW {
            let [mean_x, mean_y, xx, yy, xy] = sums.each_ref().map(|s| s.window(left, top) / n);
            let (var_x, var_y) = (sample * (xx - mean_x * mean_x), sample * (yy - mean_y * mean_y));
            let covariance = sample * (xy - mean_x * mean_y);
            let numerator = (2.0 * mean_x * mean_y + c1) * (2.0 * covariance + c2);
            total += numerator / ((mean_x * mean_x + mean_y * mean_y + c1) * (var_x + var_y + c2));
            windows += 1;
        }
    }
    Some(total / windows as f64)
}

/// Sums over windows from a summed-area table.
struct WindowSums {
    stride: usize,
    table: Vec<f64>,
}

impl WindowSums {
    fn new(width: usize, height: usize, value: &dyn Fn(usize) -> f64) -> WindowSums {
        let stride = width + 1;
        let mut table = vec![0.0; stride * (height + 1)];
        for y in 0..height {
            let mut row = 0.0;
            for x in 0..width {
                row += value(y * width + x);
                table[(y + 1) * stride + x + 1] = table[y * stride + x + 1] + row;
            }
        }
        WindowSums { stride, table }
    }

    fn window(&self, left: usize, top: usize) -> f64 {
        let at = |x: usize, y: usize| self.table[y * self.stride + x];
        let (right, bottom) = (left + SSIM_WINDOW, top + SSIM_WINDOW);
        at(right, bottom) - at(left, bottom) - at(right, top) + at(left, top)
    }
}

/// Likeness of two maps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Likeness {
    /// [`spearman`].
    pub spearman: Option<f64>,
    /// [`ssim`].
    pub ssim: Option<f64>,
}

/// Likeness of two maps of one size.
pub fn likeness(a: &[f32], b: &[f32], size: [usize; 2]) -> Likeness {
    Likeness { spearman: spearman(a, b), ssim: ssim(a, b, size) }
}

/// Mean likeness over several comparisons.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Summary {
    /// Mean of the correlations that exist.
    pub spearman: Option<f64>,
    /// Mean of the similarities that exist.
    pub ssim: Option<f64>,
    /// Comparisons made.
    pub comparisons: usize,
    /// Comparisons without a correlation: a map was constant or not finite.
    pub without: usize,
}

/// Cascading parameter randomisation: `maps[i]` is the map after the last i + 1 layers were randomised. Gives the likeness
/// of each to the map of the trained network, and their mean: low is good.
pub fn cascade(trained: &[f32], maps: &[&[f32]], size: [usize; 2]) -> (Vec<Likeness>, Summary) {
    let steps: Vec<Likeness> = maps.iter().map(|map| likeness(trained, map, size)).collect();
    let summary = summary(&steps);
    (steps, summary)
}

/// Repeatability: mean likeness of all pairs of maps that differ in the seed alone; high is good.
pub fn repeatability(maps: &[&[f32]], size: [usize; 2]) -> Summary {
    let pairs = maps.iter().enumerate().flat_map(|(i, a)| maps[i + 1..].iter().map(move |b| likeness(a, b, size)));
    summary(&pairs.collect::<Vec<_>>())
}

fn summary(steps: &[Likeness]) -> Summary {
    let mean = |values: Vec<f64>| (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64);
    let correlations: Vec<f64> = steps.iter().filter_map(|s| s.spearman).collect();
    let without = steps.len() - correlations.len();
    let ssim = mean(steps.iter().filter_map(|s| s.ssim).collect());
    Summary { spearman: mean(correlations), ssim, comparisons: steps.len(), without }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_is_like_itself_and_unlike_its_inverse() {
        let map: Vec<f32> = (0..64).map(|i| i as f32 / 63.0).collect();
        let inverse: Vec<f32> = map.iter().map(|v| 1.0 - v).collect();
        assert_eq!(spearman(&map, &map), Some(1.0));
        assert_eq!(spearman(&map, &inverse), Some(-1.0));
        assert!((ssim(&map, &map, [8, 8]).unwrap() - 1.0).abs() < 1e-12);
        assert!(ssim(&map, &inverse, [8, 8]).unwrap() < 0.5);
        assert_eq!(spearman(&map, &[0.5; 64]), None);
        assert_eq!(ssim(&map, &map, [4, 16]), None);
        let all = repeatability(&[&map, &map, &inverse], [8, 8]);
        assert!((all.spearman.unwrap() + 1.0 / 3.0).abs() < 1e-12 && all.comparisons == 3);
        let (steps, mean) = cascade(&map, &[&inverse, &[0.5; 64]], [8, 8]);
        assert_eq!((steps[0].spearman, mean.spearman, mean.without), (Some(-1.0), Some(-1.0), 1));
    }
}
