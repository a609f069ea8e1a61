//! Layers with the numerics of torch's own modules.

use tch::{TchError, Tensor};

use super::taps::tap;

/// Shape of a convolution with a square kernel.
#[derive(Clone, Copy, Debug)]
pub struct ConvSettings {
    /// Side of the kernel.
    pub kernel: i64,
    /// Stride.
    pub stride: i64,
    /// Zeros around the input.
    pub padding: i64,
    /// Groups.
    pub groups: i64,
    /// With a bias.
    pub bias: bool,
}

impl ConvSettings {
    /// Stride 1, no padding, one group, no bias.
    pub fn new(kernel: i64) -> Self {
        ConvSettings { kernel, stride: 1, padding: 0, groups: 1, bias: false }
    }

    /// With this stride.
    pub fn stride(self, stride: i64) -> Self {
        ConvSettings { stride, ..self }
    }

    /// With this padding.
    pub fn padding(self, padding: i64) -> Self {
        ConvSettings { padding, ..self }
    }

    /// With this many groups.
    pub fn groups(self, groups: i64) -> Self {
        ConvSettings { groups, ..self }
    }

    /// With a bias.
    pub fn with_bias(self) -> Self {
        ConvSettings { bias: true, ..self }
    }
}

/// `torch.nn.Conv2d`.
#[derive(Debug)]
pub struct Conv2d {
    /// Prefix of its variables' names.
    pub name: String,
    /// \[outputs, inputs / groups, kernel, kernel\].
    pub weight: Tensor,
    /// \[outputs\].
    pub bias: Option<Tensor>,
    /// Its shape.
    pub settings: ConvSettings,
}

impl Conv2d {
    /// \[N,C,H,W\] to \[N,C',H',W'\].
    ///
    /// # Errors
    /// What libtorch says.
    pub fn forward(&self, input: &Tensor) -> Result<Tensor, TchError> {
        let ConvSettings { stride, padding, groups, .. } = self.settings;
        let output =
            input.f_conv2d(&self.weight, self.bias.as_ref(), [stride, stride], [padding, padding], [1, 1], groups)?;
        match &self.bias {
            Some(bias) => tap(&self.name, output, || Ok(bias.shallow_clone())),
            None => Ok(output),
        }
    }
}

/// `torch.nn.BatchNorm2d`.
#[derive(Debug)]
pub struct BatchNorm2d {
    /// Prefix of its variables' names.
    pub name: String,
    /// Scale.
    pub weight: Tensor,
    /// Shift.
    pub bias: Tensor,
    /// Mean used in evaluation.
    pub running_mean: Tensor,
    /// Variance used in evaluation.
    pub running_var: Tensor,
}

const BATCH_NORM_EPS: f64 = 1e-5;
const BATCH_NORM_MOMENTUM: f64 = 0.1;

impl BatchNorm2d {
    /// Normalises by the batch and updates the running figures in training, by the running figures in evaluation.
    ///
    /// # Errors
    /// What libtorch says.
    pub fn forward(&self, input: &Tensor, train: bool) -> Result<Tensor, TchError> {
        let output = input.f_batch_norm(
            Some(&self.weight),
            Some(&self.bias),
            Some(&self.running_mean),
            Some(&self.running_var),
            train,
            BATCH_NORM_MOMENTUM,
            BATCH_NORM_EPS,
            true,
        )?;
        tap(&self.name, output, || self.effective_bias())
    }

    /// What evaluation adds to a zero input: b - mean w / sqrt(var + eps).
    fn effective_bias(&self) -> Result<Tensor, TchError> {
        let spread = self.running_var.f_add_scalar(BATCH_NORM_EPS)?.f_sqrt()?;
        self.bias.f_sub(&self.running_mean.f_mul(&self.weight)?.f_div(&spread)?)
    }
}

/// `torch.nn.Linear`.
#[derive(Debug)]
pub struct Linear {
    /// \[outputs, inputs\].
    pub weight: Tensor,
    /// \[outputs\].
    pub bias: Tensor,
}

impl Linear {
    /// \[N, inputs\] to \[N, outputs\].
    ///
    /// # Errors
    /// What libtorch says.
    pub fn forward(&self, input: &Tensor) -> Result<Tensor, TchError> {
        input.f_linear(&self.weight, Some(&self.bias))
    }
}

/// `torch.nn.Dropout`.
///
/// # Errors
/// What libtorch says.
pub fn dropout(input: &Tensor, share: f64, train: bool) -> Result<Tensor, TchError> {
    input.f_dropout(share, train)
}

/// torchvision's `stochastic_depth` in its mode "row": whole images of the batch are set to zero.
///
/// # Errors
/// What libtorch says.
pub fn stochastic_depth(input: &Tensor, share: f64, train: bool) -> Result<Tensor, TchError> {
    if !train || share == 0.0 {
        return Ok(input.shallow_clone());
    }
    let survival = 1.0 - share;
    let mut shape = vec![1; input.dim()];
    shape[0] = input.size()[0];
    let mut noise = Tensor::f_empty(&shape, (input.kind(), input.device()))?.f_bernoulli_float_(survival)?;
    if survival > 0.0 {
        noise = noise.f_div_scalar_(survival)?;
    }
    input.f_mul(&noise)
}

/// Global average pooling to \[N,C\].
///
/// # Errors
/// What libtorch says.
pub fn pool_and_flatten(input: &Tensor) -> Result<Tensor, TchError> {
    input.f_adaptive_avg_pool2d([1, 1])?.f_flatten(1, -1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tch::{Device, Kind};

    #[test]
    fn stochastic_depth_keeps_or_drops_whole_images() {
        tch::manual_seed(1);
        let input = Tensor::ones([64, 2, 3, 3], (Kind::Float, Device::Cpu));
        let out = stochastic_depth(&input, 0.25, true).unwrap();
        let sums = Vec::<f32>::try_from(out.flatten(1, -1).mean_dim(1, false, Kind::Float)).unwrap();
        assert!(sums.iter().all(|s| *s == 0.0 || (*s - 1.0 / 0.75).abs() < 1e-6), "{sums:?}");
        assert!(sums.contains(&0.0));
        let same = stochastic_depth(&input, 0.25, false).unwrap();
        assert_eq!(same, input);
    }
}
