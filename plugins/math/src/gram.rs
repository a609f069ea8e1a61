//! Centred terms, and the Gram matrix of their smaller side.

/// The centred terms of an image, X transposed: `channels` rows of `pixels`, each of mean 0.
pub(crate) struct Centred {
    pub values: Vec<f64>,
    pub channels: usize,
    pub pixels: usize,
}

impl Centred {
    /// Subtracts from each row its mean.
    pub fn new(mut values: Vec<f64>, channels: usize, pixels: usize) -> Self {
        for row in values.chunks_exact_mut(pixels.max(1)) {
            let mean = row.iter().sum::<f64>() / pixels as f64;
            row.iter_mut().for_each(|value| *value -= mean);
        }
        Centred { values, channels, pixels }
    }

    pub fn rows(&self) -> std::slice::ChunksExact<'_, f64> {
        self.values.chunks_exact(self.pixels)
    }

    /// Whether the matrix of pixels is the smaller one.
    pub fn few_pixels(&self) -> bool {
        self.pixels <= self.channels
    }

    /// X X^T of \[pixels, pixels\] or X^T X of \[channels, channels\], whichever is smaller: both have the same eigenvalues
    /// but for zeros.
    pub fn gram(&self) -> Gram {
        let size = self.pixels.min(self.channels);
        let mut values = vec![0.0; size * size];
        if self.few_pixels() {
            for row in self.rows() {
                for (place, &value) in row.iter().enumerate() {
                    let out = &mut values[place * size + place..(place + 1) * size];
                    for (out, other) in out.iter_mut().zip(&row[place..]) {
                        *out += value * other;
                    }
                }
            }
        } else {
            for (place, row) in self.rows().enumerate() {
                for (other_place, other) in self.rows().enumerate().skip(place) {
                    values[place * size + other_place] = dot(row, other);
                }
            }
        }
        for row in 0..size {
            for column in 0..row {
                values[row * size + column] = values[column * size + row];
            }
        }
        Gram { values, size }
    }
}

/// A symmetric matrix.
pub(crate) struct Gram {
    pub values: Vec<f64>,
    pub size: usize,
}

impl Gram {
    /// The matrix times `vector`.
    pub fn times(&self, vector: &[f64], out: &mut [f64]) {
        for (out, row) in out.iter_mut().zip(self.values.chunks_exact(self.size)) {
            *out = dot(row, vector);
        }
    }
}

/// Inner product, in eight running sums that the compiler can keep in vector registers.
pub(crate) fn dot(a: &[f64], b: &[f64]) -> f64 {
    let mut sums = [0.0; 8];
    let (a_blocks, b_blocks) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f64 = a_blocks.remainder().iter().zip(b_blocks.remainder()).map(|(a, b)| a * b).sum();
    for (a, b) in a_blocks.zip(b_blocks) {
        for lane in 0..8 {
            sums[lane] += a[lane] * b[lane];
        }
    }
    sums.iter().sum::<f64>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gram_of_the_smaller_side() {
        // Rows 1 2 6 and 4 4 1 have the means 3 and 3.
        let wide = Centred::new(vec![1.0, 2.0, 6.0, 4.0, 4.0, 1.0], 2, 3);
        assert_eq!(wide.values, [-2.0, -1.0, 3.0, 1.0, 1.0, -2.0]);
        assert_eq!(wide.gram().values, [14.0, -9.0, -9.0, 6.0]);
        // Rows 1 3, 5 1 and 0 0.
        let tall = Centred::new(vec![1.0, 3.0, 5.0, 1.0, 0.0, 0.0], 3, 2);
        assert_eq!(tall.gram().values, [5.0, -5.0, -5.0, 5.0]);
    }

    #[test]
    fn inner_products_take_every_element() {
        let a: Vec<f64> = (0..19).map(f64::from).collect();
        assert_eq!(dot(&a, &a), 2109.0);
    }
}
