//! A borrowed f32 tensor in row-major order.

/// A borrowed f32 tensor, row-major and without gaps, in CPU memory.
#[derive(Clone, Copy, Debug)]
pub struct TensorView<'a> {
    data: &'a [f32],
    shape: [usize; TensorView::MAX_DIMENSIONS],
    dimensions: usize,
}

impl<'a> TensorView<'a> {
    /// The most dimensions of a view.
    pub const MAX_DIMENSIONS: usize = lightbox_abi::MAX_DIMENSIONS;

    /// A view of `data` as `shape`; none when the number of elements or of dimensions does not fit.
    pub fn new(data: &'a [f32], shape: &[usize]) -> Option<Self> {
        let elements = shape.iter().try_fold(1_usize, |product, &size| product.checked_mul(size))?;
        if elements != data.len() || shape.len() > Self::MAX_DIMENSIONS {
            return None;
        }
        let mut sizes = [1; Self::MAX_DIMENSIONS];
        sizes[..shape.len()].copy_from_slice(shape);
        Some(TensorView { data, shape: sizes, dimensions: shape.len() })
    }

    /// Size of each dimension.
    pub fn shape(&self) -> &[usize] {
        &self.shape[..self.dimensions]
    }

    /// Distance in elements between neighbours along each dimension: those of row-major order.
    pub fn strides(&self) -> Vec<usize> {
        let shape = self.shape();
        let mut strides = vec![1; shape.len()];
        for dimension in (1..shape.len()).rev() {
            strides[dimension - 1] = strides[dimension] * shape[dimension];
        }
        strides
    }

    /// All elements, in row-major order.
    pub fn as_slice(&self) -> &'a [f32] {
        self.data
    }

    /// The elements at `index` of the first dimension: of \[N,C,h,w\] those of one image, \[C,h,w\].
    ///
    /// # Panics
    ///
    /// When there is no such index.
    pub fn image(&self, index: usize) -> &'a [f32] {
        let length = self.shape()[1..].iter().product::<usize>();
        &self.data[index * length..][..length]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn views_know_their_rows_and_strides() {
        let data: Vec<f32> = (0..24).map(|value| value as f32).collect();
        let view = TensorView::new(&data, &[2, 3, 4]).unwrap();
        assert_eq!(view.strides(), [12, 4, 1]);
        assert_eq!(view.image(1), &data[12..]);
        assert!(TensorView::new(&data, &[2, 3, 5]).is_none());
        assert!(TensorView::new(&data, &[usize::MAX, 24]).is_none());
        assert!(TensorView::new(&data, &[1, 1, 1, 1, 1, 1, 1, 1, 24]).is_none());
    }
}
