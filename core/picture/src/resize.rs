//! Bilinear resizing of a map, as OpenCV's and torch's (align_corners=false, no antialias).

use crate::PictureError;

/// Resizes `map`, [height, width], to another [height, width].
///
/// # Errors
/// When the map does not have the size it is said to have, or a side is zero.
pub fn resize_map(map: &[f32], from: [usize; 2], to: [usize; 2]) -> Result<Vec<f32>, PictureError> {
    let expected = from[0].saturating_mul(from[1]);
    if expected == 0 || map.len() != expected {
        return Err(PictureError::Size { what: "map", expected, found: map.len() });
    }
    if to.contains(&0) {
        let value = format!("{} x {}", to[1], to[0]);
        return Err(PictureError::Setting {
            setting: "size of the picture",
            value,
            need: "both sides must be positive",
        });
    }
    if from == to {
        return Ok(map.to_vec());
    }
    let (rows, columns) = (taps(from[0], to[0]), taps(from[1], to[1]));
    let mut out = Vec::with_capacity(to[0] * to[1]);
    let mut row = vec![0.0; from[1]];
    for (above, below, share) in rows {
        let line = |y: usize| &map[y * from[1]..(y + 1) * from[1]];
        for ((mixed, a), b) in row.iter_mut().zip(line(above)).zip(line(below)) {
            *mixed = a + share * (b - a);
        }
        out.extend(columns.iter().map(|&(left, right, share)| row[left] + share * (row[right] - row[left])));
    }
    Ok(out)
}

/// For each target position: the two source positions around it and the share of the second.
fn taps(from: usize, to: usize) -> Vec<(usize, usize, f32)> {
    let scale = from as f64 / to as f64;
    (0..to)
        .map(|i| {
            let center = ((i as f64 + 0.5) * scale - 0.5).clamp(0.0, (from - 1) as f64);
            let first = center.floor() as usize;
            (first, (first + 1).min(from - 1), (center - center.floor()) as f32)
        })
        .collect()
}
