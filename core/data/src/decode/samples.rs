//! Pixels at the depth of the file.

use super::orientation::Orientation;

/// An image as stored: not turned yet, alpha dropped.
#[derive(Debug)]
pub(crate) struct Picture {
    pub width: u32,
    pub height: u32,
    /// 1 (grey) or 3 (red, green, blue).
    pub channels: usize,
    /// Rows from the top, channels together.
    pub samples: Samples,
    pub orientation: Orientation,
    /// Stored with loss, so that a flat region may hold stray values.
    pub lossy: bool,
}

/// Sample values in the file's own units.
#[derive(Debug)]
pub(crate) enum Samples {
    /// 8 bits or fewer (spread to 0..=255).
    Byte(Vec<u8>),
    /// 16 bits.
    Word(Vec<u16>),
    /// Signed, wider or floating; `full` is the largest value of the type (1 for floating point).
    Real { values: Vec<f32>, full: f64 },
}

impl Samples {
    pub fn len(&self) -> usize {
        match self {
            Self::Byte(values) => values.len(),
            Self::Word(values) => values.len(),
            Self::Real { values, .. } => values.len(),
        }
    }

    /// Keeps the first `keep` of every `of` channels.
    pub fn take_channels(self, of: usize, keep: usize) -> Self {
        match self {
            Self::Byte(values) => Self::Byte(take(values, of, keep)),
            Self::Word(values) => Self::Word(take(values, of, keep)),
            Self::Real { values, full } => Self::Real { values: take(values, of, keep), full },
        }
    }
}

fn take<T: Copy>(mut values: Vec<T>, of: usize, keep: usize) -> Vec<T> {
    if of == keep {
        return values;
    }
    let pixels = values.len() / of;
    for pixel in 0..pixels {
        values.copy_within(pixel * of..pixel * of + keep, pixel * keep);
    }
    values.truncate(pixels * keep);
    values
}
