//! A tiny head for tests: the mean of each channel, a linear layer, and a bend.

use std::cell::Cell;

use lightbox_plugin::{Result, Services};

/// What comes after the linear layer.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Bend {
    None,
    /// max(x, 0)
    Relu,
    /// max(x, 1.6), which no single channel reaches.
    Far,
}

/// Two classes over three channels of 1 x 2 pixels; class 0 is always 0.
pub(crate) struct Toy {
    pub activations: Vec<f32>,
    pub shape: [usize; 4],
    pub rows_run: Cell<usize>,
    bend: Bend,
    weights: [f32; 3],
    bias: f32,
}

impl Toy {
    pub fn new(bend: Bend) -> Self {
        let (weights, bias) = match bend {
            Bend::Far => ([1.0, 0.5, 7.0], 1.0),
            Bend::Relu => ([3.0, -0.5, 7.0], 0.5),
            Bend::None => ([3.0, -0.5, 7.0], 1.5),
        };
        Toy {
            activations: vec![0.0, 2.0, 3.0, 1.0, 0.0, 0.0],
            shape: [1, 3, 1, 2],
            rows_run: Cell::new(0),
            bend,
            weights,
            bias,
        }
    }

    /// The gradient of class `class`, for every image.
    pub fn gradients(&self, class: usize) -> Vec<f32> {
        let image = self.weights.iter().flat_map(|weight| [weight / 2.0; 2]);
        let scale = if class == 1 { 1.0 } else { 0.0 };
        (0..self.shape[0]).flat_map(|_| image.clone().map(|value| value * scale)).collect()
    }

    fn score(&self, image: &[f32]) -> f32 {
        let sum: f32 =
            image.chunks_exact(2).zip(self.weights).map(|(channel, w)| (channel[0] + channel[1]) / 2.0 * w).sum();
        match self.bend {
            Bend::None => sum + self.bias,
            Bend::Relu => (sum + self.bias).max(0.0),
            Bend::Far => (sum + self.bias).max(1.6),
        }
    }
}

impl Services for Toy {
    fn forward_from(&self, layer: usize, activations: &[f32], shape: &[usize], scores: &mut [f32]) -> Result<()> {
        assert_eq!((layer, &shape[1..]), (0, &self.shape[1..]));
        self.rows_run.set(self.rows_run.get() + shape[0]);
        for (row, image) in scores.chunks_exact_mut(2).zip(activations.chunks_exact(6)) {
            row.copy_from_slice(&[0.0, self.score(image)]);
        }
        Ok(())
    }
}
