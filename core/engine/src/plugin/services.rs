//! What the host does for a method while it runs: the trait that the explanation pipeline implements.

use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha8Rng;
use tch::Tensor;

/// Where a gradient is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// At the network's input.
    Input,
    /// At a layer of the request, by index.
    Layer(usize),
}

/// How maps are resized.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Resize {
    /// First scale each map by S(c) = (c - min c) / (1e-7 + max(c - min c)).
    pub scale: bool,
    /// The centres of the corner pixels of both grids coincide.
    pub align_corners: bool,
}

/// How much a line of the log matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogLevel {
    /// Something is wrong with the result.
    Error,
    /// Something may be wrong with the result.
    Warning,
    /// Worth knowing.
    Info,
    /// For the author of the plugin.
    Debug,
}

/// Why a service was not done. The plugin is told, and usually passes it on.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ServiceError {
    /// The user asked to stop.
    #[error("cancelled")]
    Cancelled,
    /// There was not enough memory, after every retreat.
    #[error("{0}")]
    OutOfMemory(String),
    /// The service is not offered for this request.
    #[error("{0}")]
    Unsupported(String),
    /// Any other failure.
    #[error("{0}")]
    Failed(String),
}

impl From<tch::TchError> for ServiceError {
    fn from(error: tch::TchError) -> Self {
        ServiceError::Failed(error.to_string())
    }
}

/// A tap of the network that is explained: the output of a layer that added a bias.
#[derive(Debug)]
pub struct Tap {
    /// Name of the layer, as the prefix of its variables' names.
    pub name: String,
    /// Its output \[M,C,h,w\].
    pub output: Tensor,
    /// The bias \[C\] that it added.
    pub bias: Tensor,
    /// The gradient at its output, \[M,C,h,w\].
    pub gradient: Tensor,
}

/// What the host does for a method while it runs. Called on the thread of [`super::AttributionHandle::attribute`].
///
/// Tensors that come in have memory of their own and are f32 on the device of the plugin's tensors (the CPU, but for a plugin
/// that works on CUDA); results may be on any device. The implementation owns batching (M is any number), the network's
/// device, gradient mode and the retreat when memory runs out. Shapes of inputs are whatever the plugin gave: check them.
pub trait HostServices {
    /// Runs the network: \[M,C,H,W\] to logits \[M,K\].
    fn forward(&mut self, batch: &Tensor) -> Result<Tensor, ServiceError>;

    /// Runs the rest of the network from layer `layer` of the request: \[M,C',h,w\] to logits \[M,K\].
    fn forward_from(&mut self, layer: usize, activations: &Tensor) -> Result<Tensor, ServiceError>;

    /// The gradient of sum(cotangent * logits) with respect to the value at `at`, taken at `point` (M rows); `cotangent` is
    /// \[M,K\]. The result has the shape of `point`.
    fn vjp(&mut self, at: At, point: &Tensor, cotangent: &Tensor) -> Result<Tensor, ServiceError>;

    /// The derivative along `direction` of the gradient that [`HostServices::vjp`] gives. The result has the shape of `point`.
    fn hvp(
        &mut self,
        _at: At,
        _point: &Tensor,
        _cotangent: &Tensor,
        _direction: &Tensor,
    ) -> Result<Tensor, ServiceError> {
        Err(ServiceError::Unsupported("there are no second derivatives here".to_owned()))
    }

    /// The taps of a pass at `point` \[M,C,H,W\], with the gradients of sum(cotangent * logits).
    fn taps(&mut self, _point: &Tensor, _cotangent: &Tensor) -> Result<Vec<Tap>, ServiceError> {
        Err(ServiceError::Unsupported("there are no taps here".to_owned()))
    }

    /// Resizes maps \[M,h,w\] bilinearly, without antialias, to \[M,H,W\]; `size` is (H,W).
    fn scale_and_resize(&mut self, maps: &Tensor, size: (i64, i64), how: Resize) -> Result<Tensor, ServiceError>;

    /// Writes one line to the log of the run.
    fn log(&mut self, level: LogLevel, text: &str);

    /// Says that `done` of `total` steps are done.
    fn progress(&mut self, done: u64, total: u64);

    /// Whether the user has asked to stop.
    fn is_cancelled(&mut self) -> bool;

    /// Fills `out` with numbers, uniform in \[0,1), that depend on `seed` and their place alone.
    fn random_uniform(&mut self, seed: u64, out: &mut [f32]) {
        let mut generator = ChaCha8Rng::seed_from_u64(seed);
        for value in out {
            // 24 bits fill the significand of an f32 exactly.
            *value = (generator.next_u32() >> 8) as f32 / (1_u32 << 24) as f32;
        }
    }

    /// Fills `out` with standard normal numbers that depend on `seed` and their place alone.
    fn random_normal(&mut self, seed: u64, out: &mut [f32]) {
        let mut generator = ChaCha8Rng::seed_from_u64(seed);
        for pair in out.chunks_mut(2) {
            // Box and Muller's transform; the first number is in (0,1], so that its logarithm is finite.
            let radius = (f64::from(generator.next_u32()) + 1.0) / (f64::from(u32::MAX) + 1.0);
            let angle = f64::from(generator.next_u32()) / (f64::from(u32::MAX) + 1.0) * std::f64::consts::TAU;
            let radius = (-2.0 * radius.ln()).sqrt();
            pair[0] = (radius * angle.cos()) as f32;
            if let Some(second) = pair.get_mut(1) {
                *second = (radius * angle.sin()) as f32;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct NoServices;

    impl HostServices for NoServices {
        fn forward(&mut self, _: &Tensor) -> Result<Tensor, ServiceError> {
            Err(ServiceError::Unsupported("none".to_owned()))
        }
        fn forward_from(&mut self, _: usize, _: &Tensor) -> Result<Tensor, ServiceError> {
            Err(ServiceError::Unsupported("none".to_owned()))
        }
        fn vjp(&mut self, _: At, _: &Tensor, _: &Tensor) -> Result<Tensor, ServiceError> {
            Err(ServiceError::Unsupported("none".to_owned()))
        }
        fn scale_and_resize(&mut self, _: &Tensor, _: (i64, i64), _: Resize) -> Result<Tensor, ServiceError> {
            Err(ServiceError::Unsupported("none".to_owned()))
        }
        fn log(&mut self, _: LogLevel, _: &str) {}
        fn progress(&mut self, _: u64, _: u64) {}
        fn is_cancelled(&mut self) -> bool {
            false
        }
    }

    #[test]
    fn random_numbers_have_their_distribution_and_depend_on_seed_and_place_alone() {
        let (mut long, mut short) = (vec![0.0; 100_001], vec![0.0; 7]);
        NoServices.random_normal(3, &mut long);
        NoServices.random_normal(3, &mut short);
        assert_eq!(long[..7], short);
        let count = long.len() as f64;
        let mean = long.iter().map(|&x| f64::from(x)).sum::<f64>() / count;
        let variance = long.iter().map(|&x| (f64::from(x) - mean).powi(2)).sum::<f64>() / count;
        // Five standard errors of the mean and of the variance.
        assert!(mean.abs() < 5.0 / count.sqrt(), "{mean}");
        assert!((variance - 1.0).abs() < 5.0 * (2.0 / count).sqrt(), "{variance}");
        NoServices.random_uniform(3, &mut long);
        assert!(long.iter().all(|x| (0.0..1.0).contains(x)));
        let mean = long.iter().map(|&x| f64::from(x)).sum::<f64>() / count;
        assert!((mean - 0.5).abs() < 5.0 / (12.0 * count).sqrt(), "{mean}");
        let before = short.clone();
        NoServices.random_normal(4, &mut short);
        assert_ne!(before, short);
    }
}
