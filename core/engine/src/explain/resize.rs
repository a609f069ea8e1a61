//! Bilinear resizing without antialias, as `cv2.resize` and `torch.nn.functional.interpolate` do it.

/// For each place of the new axis: two neighbours on the old one, and the share of the second.
struct Axis {
    low: Vec<usize>,
    high: Vec<usize>,
    share: Vec<f32>,
}

impl Axis {
    fn new(from: usize, to: usize, align_corners: bool) -> Self {
        let last = from - 1;
        let mut axis = Axis { low: Vec::new(), high: Vec::new(), share: Vec::new() };
        for place in 0..to {
            let source = if !align_corners {
                (place as f64 + 0.5) * from as f64 / to as f64 - 0.5
            } else if to > 1 {
                place as f64 * last as f64 / (to - 1) as f64
            } else {
                0.0
            };
            let source = source.clamp(0.0, last as f64);
            let low = (source.floor() as usize).min(last);
            axis.low.push(low);
            axis.high.push((low + 1).min(last));
            axis.share.push((source - low as f64) as f32);
        }
        axis
    }
}

/// Resizes maps \[M,h,w\] to \[M,H,W\]; sizes are (height, width). A NaN spreads to what it is mixed into.
///
/// `align_corners`: the centres of the corner pixels of both grids coincide; else their outer edges do. Nothing comes out
/// when a size is zero.
pub fn resize_bilinear(maps: &[f32], from: (usize, usize), to: (usize, usize), align_corners: bool) -> Vec<f32> {
    if from == to {
        return maps.to_vec();
    }
    let ((height, width), (new_height, new_width)) = (from, to);
    if height * width == 0 || new_height * new_width == 0 {
        return Vec::new();
    }
    let (rows, columns) = (Axis::new(height, new_height, align_corners), Axis::new(width, new_width, align_corners));
    let count = maps.len() / (height * width);
    let mut out = Vec::with_capacity(count * new_height * new_width);
    let mut wide = vec![0.0; height * new_width];
    for map in maps.chunks_exact(height * width) {
        for (row, wide) in map.chunks_exact(width).zip(wide.chunks_exact_mut(new_width)) {
            for (place, value) in wide.iter_mut().enumerate() {
                *value = mix(row[columns.low[place]], row[columns.high[place]], columns.share[place]);
            }
        }
        for place in 0..new_height {
            let upper = &wide[rows.low[place] * new_width..][..new_width];
            let lower = &wide[rows.high[place] * new_width..][..new_width];
            let share = rows.share[place];
            out.extend(upper.iter().zip(lower).map(|(&upper, &lower)| mix(upper, lower, share)));
        }
    }
    out
}

fn mix(low: f32, high: f32, share: f32) -> f32 {
    low * (1.0 - share) + high * share
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn edges_coincide_or_corners_do() {
        // 2 to 4: places at -0.25, 0.25, 0.75, 1.25 of the old axis, or at 0, 1/3, 2/3, 1.
        assert_eq!(resize_bilinear(&[0.0, 4.0], (1, 2), (1, 4), false), [0.0, 1.0, 3.0, 4.0]);
        let corners = resize_bilinear(&[0.0, 3.0], (1, 2), (1, 4), true);
        assert!(corners.iter().zip([0.0, 1.0, 2.0, 3.0]).all(|(a, b)| (a - b).abs() < 1e-6), "{corners:?}");
    }

    #[test]
    fn both_axes_of_every_map() {
        let maps = [0.0, 4.0, 8.0, 12.0, 1.0, 1.0, 1.0, 1.0];
        let out = resize_bilinear(&maps, (2, 2), (4, 1), false);
        // Width 2 to 1 takes the middle: 2 and 10; height 2 to 4.
        assert_eq!(out, [2.0, 4.0, 8.0, 10.0, 1.0, 1.0, 1.0, 1.0]);
    }

    #[test]
    fn a_single_pixel_spreads_and_the_same_size_stays() {
        assert_eq!(resize_bilinear(&[7.0], (1, 1), (2, 3), false), [7.0; 6]);
        assert_eq!(resize_bilinear(&[7.0, 1.0], (1, 2), (1, 1), true), [7.0]);
        assert_eq!(resize_bilinear(&[1.0, 2.0], (1, 2), (1, 2), true), [1.0, 2.0]);
    }

    #[test]
    fn shrinking_has_no_antialias() {
        // 4 to 2: places at 0.5 and 2.5 of the old axis.
        assert_eq!(resize_bilinear(&[0.0, 2.0, 100.0, 4.0], (1, 4), (1, 2), false), [1.0, 52.0]);
    }
}
