//! Taps: outputs inside the network where a bias was added, with the gradients there.

use crate::host::rows;
use crate::{Host, Result, Services};

/// What a tap is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TapInfo {
    /// Name of the layer, as the prefix of its variables' names, such as `layer1.0.bn1`.
    pub name: String,
    /// Channels, height and width of its output.
    pub shape: [usize; 3],
}

/// What can be read of a tap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TapValue {
    /// The bias \[C\] that the layer added.
    Bias,
    /// Its output \[M,C,h,w\].
    Output,
    /// The gradient at its output \[M,C,h,w\].
    Gradient,
}

/// The taps of one pass: see [`Host::taps`].
pub struct Taps<'a> {
    services: &'a dyn Services,
    infos: Vec<TapInfo>,
    rows: usize,
}

impl Taps<'_> {
    /// What the taps are, in the order of computation.
    pub fn infos(&self) -> &[TapInfo] {
        &self.infos
    }

    /// The bias \[C\] that the layer of tap `index` added.
    pub fn bias(&self, index: usize) -> Result<Vec<f32>> {
        self.read(index, TapValue::Bias)
    }

    /// The output \[M,C,h,w\] of tap `index`.
    pub fn output(&self, index: usize) -> Result<Vec<f32>> {
        self.read(index, TapValue::Output)
    }

    /// The gradient at the output of tap `index`, \[M,C,h,w\].
    pub fn gradient(&self, index: usize) -> Result<Vec<f32>> {
        self.read(index, TapValue::Gradient)
    }

    fn read(&self, index: usize, what: TapValue) -> Result<Vec<f32>> {
        let no_tap = || crate::Error::of_kind(crate::ErrorKind::InvalidArgument, format!("there is no tap {index}"));
        let info = self.infos.get(index).ok_or_else(no_tap)?;
        let elements = match what {
            TapValue::Bias => info.shape[0],
            TapValue::Output | TapValue::Gradient => self.rows * info.shape.iter().product::<usize>(),
        };
        let mut values = vec![0.0; elements];
        self.services.tap_values(index, what, self.rows, info.shape, &mut values)?;
        Ok(values)
    }
}

impl<'a> Host<'a> {
    /// Runs the network on `point`, \[M,C,H,W\] row-major, and takes the gradient of sum(cotangent * logits) at every tap;
    /// `cotangent` is \[M,K\]. Opening taps again ends what these give. All M rows are in memory at once: take few. An error of
    /// kind [`crate::ErrorKind::Unsupported`] when host or network have no taps.
    pub fn taps(&self, point: &[f32], shape: &[usize], cotangent: &[f32]) -> Result<Taps<'_>> {
        self.check_cotangent(point, shape, cotangent)?;
        let infos = self.services().taps(point, shape, cotangent)?;
        Ok(Taps { services: self.services(), infos, rows: rows(point, shape)? })
    }
}
