//! What is kept of an image to find its copies: hashes of its bytes and pixels, and how it looks from afar.

use std::f32::consts::PI;
use std::path::Path;
use std::sync::LazyLock;

use crate::decode::{self, DecodeOptions, luma};
use crate::error::Result;
use crate::geometry::resize_pixels;

/// Side of the thumbnail.
const SIDE: usize = 32;
/// Low frequencies along each axis that the perceptual hash keeps.
const LOW: usize = 8;
/// A thumbnail whose grey values deviate less than this has nothing to recognise it by.
const FLAT: f32 = 1.0;

/// An image's hashes and looks.
#[derive(Debug, Clone)]
pub(super) struct Fingerprint {
    /// Width and height as shown.
    pub size: (u32, u32),
    /// BLAKE3 of the file.
    pub bytes: blake3::Hash,
    /// BLAKE3 of width, height and decoded pixels.
    pub pixels: blake3::Hash,
    /// `None` for an image without structure.
    pub look: Option<Look>,
}

/// How an image looks from afar.
#[derive(Debug, Clone)]
pub(super) struct Look {
    /// Perceptual hash: which of the 63 lowest frequencies of the thumbnail (cosine transform, without the mean) are
    /// above their median. After Zauner, "Implementation and benchmarking of perceptual image hash functions" (2010).
    pub hash: u64,
    /// The grey thumbnail.
    thumbnail: Box<[u8]>,
    mean: f32,
    /// Length of the thumbnail as a vector, after taking off its mean.
    norm: f32,
}

impl Look {
    /// Pearson's correlation of two thumbnails.
    pub fn correlation(&self, other: &Self) -> f64 {
        let products = self.thumbnail.iter().zip(&other.thumbnail);
        let sum: f32 = products.map(|(a, b)| (f32::from(*a) - self.mean) * (f32::from(*b) - other.mean)).sum();
        f64::from(sum / (self.norm * other.norm))
    }
}

/// Reads an image; `options` must ask for colour.
pub(super) fn of(path: &Path, options: &DecodeOptions) -> Result<Fingerprint> {
    let bytes = decode::read_bytes(path, &options.limits)?;
    let image = decode::from_bytes(path, &bytes, options)?;
    let mut hasher = blake3::Hasher::new();
    hasher.update(&image.width.to_le_bytes());
    hasher.update(&image.height.to_le_bytes());
    hasher.update(&image.pixels);
    let grey: Vec<u8> = image.pixels.as_chunks::<3>().0.iter().map(|rgb| luma(*rgb)).collect();
    let thumbnail = resize_pixels(&grey, (image.width, image.height), 1, (SIDE as u32, SIDE as u32))?;
    Ok(Fingerprint {
        size: (image.width, image.height),
        bytes: blake3::hash(&bytes),
        pixels: hasher.finalize(),
        look: look(thumbnail),
    })
}

fn look(thumbnail: Vec<u8>) -> Option<Look> {
    let count = thumbnail.len() as f32;
    let mean = thumbnail.iter().map(|value| f32::from(*value)).sum::<f32>() / count;
    let square: f32 = thumbnail.iter().map(|value| (f32::from(*value) - mean).powi(2)).sum();
    if (square / count).sqrt() < FLAT {
        return None;
    }
    Some(Look { hash: perceptual_hash(&thumbnail), thumbnail: thumbnail.into(), mean, norm: square.sqrt() })
}

/// `COSINES[frequency][position]` of the cosine transform (type II).
static COSINES: LazyLock<[[f32; SIDE]; LOW]> = LazyLock::new(|| {
    std::array::from_fn(|frequency| {
        std::array::from_fn(|at| (PI / SIDE as f32 * (at as f32 + 0.5) * frequency as f32).cos())
    })
});

fn perceptual_hash(thumbnail: &[u8]) -> u64 {
    let cosines = &*COSINES;
    let mut rows = [[0.0_f32; LOW]; SIDE];
    for (row, values) in rows.iter_mut().zip(thumbnail.chunks_exact(SIDE)) {
        for (sum, cosine) in row.iter_mut().zip(cosines) {
            *sum = values.iter().zip(cosine).map(|(value, factor)| f32::from(*value) * factor).sum();
        }
    }
    let mut frequencies = [0.0_f32; LOW * LOW];
    for (index, sum) in frequencies.iter_mut().enumerate() {
        let (down, across) = (index / LOW, index % LOW);
        // The first of each axis is weaker by the square root of two in the orthonormal transform.
        let scale = if down == 0 || across == 0 { std::f32::consts::FRAC_1_SQRT_2 } else { 1.0 };
        *sum = scale * rows.iter().zip(&cosines[down]).map(|(row, cosine)| row[across] * cosine).sum::<f32>();
    }
    let mut sorted: Vec<f32> = frequencies[1..].to_vec();
    sorted.sort_unstable_by(f32::total_cmp);
    let median = sorted[sorted.len() / 2];
    frequencies[1..].iter().fold(0, |hash, value| hash << 1 | u64::from(*value > median))
}
