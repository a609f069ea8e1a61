//! A small network for checks of methods: two convolutions and a head that is not affine, with taps.

use std::cell::Cell;
use std::path::PathBuf;

use tch::{Device, Kind, TchError, Tensor};

use crate::explain::Network;
use crate::plugin::{ModelTap, PluginError, Tapped};

/// Number of classes.
pub(super) const CLASSES: usize = 5;
/// Channels of the first and the second convolution.
const WIDTHS: [i64; 2] = [6, 10];

/// The network.
pub(super) struct Toy {
    convs: [(Tensor, Tensor); 2],
    linear: (Tensor, Tensor),
    cut_points: Vec<String>,
    /// Passes that still succeed.
    passes: Cell<usize>,
}

impl Toy {
    /// A network for images of `channels` channels, the same each time.
    pub fn new(channels: i64, device: Device) -> Result<Self, TchError> {
        tch::manual_seed(7);
        let normal = |shape: &[i64], scale: f64| {
            let values = Tensor::f_randn(shape, (Kind::Float, Device::Cpu))?.f_mul_scalar(scale)?;
            values.f_to_device(device)?.f_set_requires_grad(true)
        };
        Ok(Toy {
            convs: [
                (normal(&[WIDTHS[0], channels, 5, 5], 0.2)?, normal(&[WIDTHS[0]], 0.2)?),
                (normal(&[WIDTHS[1], WIDTHS[0], 3, 3], 0.3)?, normal(&[WIDTHS[1]], 0.2)?),
            ],
            linear: (normal(&[CLASSES as i64, WIDTHS[1] * 4], 0.4)?, normal(&[CLASSES as i64], 0.4)?),
            cut_points: vec!["first".to_owned(), "second".to_owned()],
            passes: Cell::new(usize::MAX),
        })
    }

    /// From now on only so many passes succeed.
    pub fn fail_after(&self, passes: usize) {
        self.passes.set(passes);
    }

    fn convolve(&self, step: usize, x: &Tensor) -> Result<Tensor, TchError> {
        let (weight, bias) = &self.convs[step];
        let padding = [2 - step as i64; 2];
        x.f_conv2d(weight, Some(bias), [2, 2], padding, [1, 1], 1)
    }

    fn head(&self, x: &Tensor) -> Result<Tensor, TchError> {
        // A curved head, so that second derivatives are not zero.
        let pooled = x.f_adaptive_avg_pool2d([2, 2])?.f_flatten(1, -1)?.f_silu()?;
        pooled.f_linear(&self.linear.0, Some(&self.linear.1))
    }

    fn pass(&self) -> Result<(), PluginError> {
        let left = self.passes.get();
        if left == 0 {
            return Err(failed("the device was lost (made up by this check)"));
        }
        self.passes.set(left.saturating_sub(1));
        Ok(())
    }
}

fn failed(message: impl Into<String>) -> PluginError {
    PluginError::Failed { file: PathBuf::from("toy"), action: "running the toy".to_owned(), message: message.into() }
}

fn torch(error: TchError) -> PluginError {
    failed(error.to_string())
}

impl Network for Toy {
    fn id(&self) -> &str {
        "toy"
    }

    fn cut_points(&self) -> &[String] {
        &self.cut_points
    }

    fn default_layer(&self) -> &str {
        "second"
    }

    fn classes(&self) -> usize {
        CLASSES
    }

    fn forward_between(&self, input: &Tensor, from: Option<usize>, to: Option<usize>) -> Result<Tensor, PluginError> {
        self.pass()?;
        let last = to.unwrap_or(2);
        let mut x = input.shallow_clone();
        for step in from.map_or(0, |cut| cut + 1)..=last {
            x = match step {
                2 => self.head(&x),
                step => self.convolve(step, &x).and_then(|x| x.f_relu()),
            }
            .map_err(torch)?;
        }
        Ok(x)
    }

    fn forward_tapped(&self, input: &Tensor) -> Result<Option<Tapped>, PluginError> {
        self.pass()?;
        let mut taps = Vec::new();
        let mut x = input.shallow_clone();
        for (step, name) in self.cut_points.iter().enumerate() {
            let output = self.convolve(step, &x).map_err(torch)?;
            x = output.f_relu().map_err(torch)?;
            taps.push(ModelTap { name: name.clone(), output, bias: self.convs[step].1.shallow_clone() });
        }
        Ok(Some(Tapped { logits: self.head(&x).map_err(torch)?, taps }))
    }
}

/// Smooth images \[N,C,H,W\] with shapes in them, the same each time.
pub(super) fn images(count: i64, channels: i64, (height, width): (i64, i64)) -> Result<Tensor, TchError> {
    tch::manual_seed(count + 100 * channels);
    let coarse = Tensor::f_randn([count, channels, 5, 5], (Kind::Float, Device::Cpu))?;
    coarse.f_upsample_bilinear2d([height, width], false, None, None)
}
