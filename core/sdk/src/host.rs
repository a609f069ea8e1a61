//! What the host does for a method while it runs.

use lightbox_abi as abi;

use crate::taps::{TapInfo, TapValue};
use crate::{Error, ErrorKind, Lending, Result};

/// Where a gradient is taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// At the network's input.
    Input,
    /// At a layer of the request, by index.
    Layer(usize),
}

/// How [`Host::scale_and_resize`] works.
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

/// Raw logits \[M,K\].
#[derive(Clone, Debug, PartialEq)]
pub struct Scores {
    values: Vec<f32>,
    classes: usize,
}

impl Scores {
    /// Logits of M images, row by row.
    pub fn new(values: Vec<f32>, classes: usize) -> Self {
        Scores { values, classes }
    }

    /// The logit of `class` of image `row`.
    ///
    /// # Panics
    ///
    /// When there is no such row or class.
    pub fn get(&self, row: usize, class: usize) -> f32 {
        self.row(row)[class]
    }

    /// The logits of image `row`.
    ///
    /// # Panics
    ///
    /// When there is no such row.
    pub fn row(&self, row: usize) -> &[f32] {
        &self.values[row * self.classes..][..self.classes]
    }

    /// All logits, row by row.
    pub fn as_slice(&self) -> &[f32] {
        &self.values
    }
}

/// What a host does for a method: implemented by the real host, and by tests of a plugin, which need only what the method calls.
/// Shapes have the images (or maps) first; outputs are filled.
pub trait Services {
    /// Runs the network on `batch` \[M,C,H,W\] and fills `scores` \[M,K\].
    fn forward(&self, _batch: &[f32], _shape: &[usize], _scores: &mut [f32]) -> Result<()> {
        Err(not_offered("forward"))
    }
    /// Runs the rest of the network on `activations` \[M,C',h,w\] and fills `scores` \[M,K\].
    fn forward_from(&self, _layer: usize, _activations: &[f32], _shape: &[usize], _scores: &mut [f32]) -> Result<()> {
        Err(not_offered("forward_from"))
    }
    /// Fills `gradient`, of the shape of `point`, with that of sum(cotangent * logits); `cotangent` is \[M,K\].
    fn vjp(&self, _at: At, _point: &[f32], _shape: &[usize], _cotangent: &[f32], _gradient: &mut [f32]) -> Result<()> {
        Err(not_offered("vjp"))
    }
    /// [`Services::forward`] over tensors of any device; of the CPU alone unless implemented.
    fn forward_lent(&self, batch: &Lending<'_>, scores: &Lending<'_>) -> Result<()> {
        let mut result = vec![0.0; scores.elements()?.len()];
        self.forward(batch.elements()?, &batch.sizes()?, &mut result)?;
        scores.write(&result)
    }
    /// [`Services::forward_from`] over tensors of any device; of the CPU alone unless implemented.
    fn forward_from_lent(&self, layer: usize, activations: &Lending<'_>, scores: &Lending<'_>) -> Result<()> {
        let mut result = vec![0.0; scores.elements()?.len()];
        self.forward_from(layer, activations.elements()?, &activations.sizes()?, &mut result)?;
        scores.write(&result)
    }
    /// [`Services::vjp`] over tensors of any device; of the CPU alone unless implemented.
    fn vjp_lent(&self, at: At, point: &Lending<'_>, cotangent: &Lending<'_>, gradient: &Lending<'_>) -> Result<()> {
        let mut result = vec![0.0; gradient.elements()?.len()];
        self.vjp(at, point.elements()?, &point.sizes()?, cotangent.elements()?, &mut result)?;
        gradient.write(&result)
    }
    /// Fills `product`, of the shape of `point`, with the derivative along `direction` of the gradient that
    /// [`Services::vjp`] gives.
    fn hvp(
        &self,
        _at: At,
        _point: &[f32],
        _shape: &[usize],
        _cotangent: &[f32],
        _direction: &[f32],
        _product: &mut [f32],
    ) -> Result<()> {
        Err(not_offered("hvp"))
    }
    /// Opens the taps of a pass at `point` \[M,C,H,W\] and says what they are.
    fn taps(&self, _point: &[f32], _shape: &[usize], _cotangent: &[f32]) -> Result<Vec<TapInfo>> {
        Err(not_offered("taps"))
    }
    /// Fills `out` with a value of tap `index`, whose output has M = `rows` rows of the shape \[C,h,w\].
    fn tap_values(
        &self,
        _index: usize,
        _what: TapValue,
        _rows: usize,
        _shape: [usize; 3],
        _out: &mut [f32],
    ) -> Result<()> {
        Err(not_offered("taps"))
    }
    /// Resizes `maps` \[M,h,w\] to `out` \[M,H,W\].
    fn scale_and_resize(
        &self,
        _maps: &[f32],
        _from: [usize; 3],
        _to: (usize, usize),
        _how: Resize,
        _out: &mut [f32],
    ) -> Result<()> {
        Err(not_offered("scale_and_resize"))
    }
    /// Fills `out` with uniform numbers in \[0,1).
    fn random_uniform(&self, _seed: u64, _out: &mut [f32]) -> Result<()> {
        Err(not_offered("random_uniform"))
    }
    /// Fills `out` with standard normal numbers.
    fn random_normal(&self, _seed: u64, _out: &mut [f32]) -> Result<()> {
        Err(not_offered("random_normal"))
    }
    /// Gives `elements` zeros that live as long as the call.
    fn scratch(&self, _elements: usize) -> Result<*mut f32> {
        Err(not_offered("scratch"))
    }
    /// Writes a line to the log.
    fn log(&self, _level: LogLevel, _text: &str) {}
    /// Says how far the work is.
    fn progress(&self, _done: u64, _total: u64) {}
    /// Whether the user has asked to stop.
    fn is_cancelled(&self) -> bool {
        false
    }
}

pub(crate) fn not_offered(name: &str) -> Error {
    Error::unsupported(format!("the host does not offer {name}"))
}

/// What the host does for a method while it runs. It owns batching, the device and the retreat when memory runs out: any
/// number of rows may be passed.
pub struct Host<'a> {
    services: &'a dyn Services,
    classes: usize,
}

impl<'a> Host<'a> {
    /// A host, for tests of a plugin.
    pub fn new(services: &'a dyn Services, classes: usize) -> Self {
        Host { services, classes }
    }

    /// Number of classes, K.
    pub fn classes(&self) -> usize {
        self.classes
    }

    /// Runs the network on `batch` \[M,C,H,W\] and writes the logits to `scores` \[M,K\], tensors of any device. Frameworks
    /// wrap this: see `lightbox_plugin_torch::tensors`.
    pub fn forward_lent(&self, batch: &Lending<'_>, scores: &Lending<'_>) -> Result<()> {
        self.services.forward_lent(batch, scores)
    }

    /// Runs the rest of the network on `activations` \[M,C',h,w\] at layer `layer` of the request and writes the logits to
    /// `scores` \[M,K\], tensors of any device.
    pub fn forward_from_lent(&self, layer: usize, activations: &Lending<'_>, scores: &Lending<'_>) -> Result<()> {
        self.services.forward_from_lent(layer, activations, scores)
    }

    /// Writes the gradient of sum(cotangent * logits) at `at`, taken at `point`, to `gradient`, tensors of any device.
    pub fn vjp_lent(&self, at: At, point: &Lending<'_>, cotangent: &Lending<'_>, gradient: &Lending<'_>) -> Result<()> {
        self.services.vjp_lent(at, point, cotangent, gradient)
    }

    /// Runs the network on `batch`, \[M,C,H,W\] row-major.
    pub fn forward(&self, batch: &[f32], shape: &[usize]) -> Result<Scores> {
        let mut scores = vec![0.0; rows(batch, shape)? * self.classes];
        self.services.forward(batch, shape, &mut scores)?;
        Ok(Scores::new(scores, self.classes))
    }

    /// Runs the rest of the network on `activations`, \[M,C',h,w\] row-major, at layer `layer` of the request.
    pub fn forward_from(&self, layer: usize, activations: &[f32], shape: &[usize]) -> Result<Scores> {
        let mut scores = vec![0.0; rows(activations, shape)? * self.classes];
        self.services.forward_from(layer, activations, shape, &mut scores)?;
        Ok(Scores::new(scores, self.classes))
    }

    /// The gradient of sum(cotangent * logits) with respect to the value at `at`, taken at `point`, which has M rows. `cotangent`
    /// is \[M,K\]; the result has the shape of `point`.
    pub fn vjp(&self, at: At, point: &[f32], shape: &[usize], cotangent: &[f32]) -> Result<Vec<f32>> {
        self.check_cotangent(point, shape, cotangent)?;
        let mut gradient = vec![0.0; point.len()];
        self.services.vjp(at, point, shape, cotangent, &mut gradient)?;
        Ok(gradient)
    }

    /// The derivative along `direction` of the gradient that [`Host::vjp`] gives: H v, with H the second derivative of
    /// sum(cotangent * logits). `direction` and the result have the shape of `point`. An error of kind
    /// [`ErrorKind::Unsupported`] when the host has no second derivatives.
    pub fn hvp(
        &self,
        at: At,
        point: &[f32],
        shape: &[usize],
        cotangent: &[f32],
        direction: &[f32],
    ) -> Result<Vec<f32>> {
        self.check_cotangent(point, shape, cotangent)?;
        if direction.len() != point.len() {
            return Err(bad_shape(format!("the direction has {} elements, not {}", direction.len(), point.len())));
        }
        let mut product = vec![0.0; point.len()];
        self.services.hvp(at, point, shape, cotangent, direction, &mut product)?;
        Ok(product)
    }

    pub(crate) fn services(&self) -> &'a dyn Services {
        self.services
    }

    pub(crate) fn check_cotangent(&self, point: &[f32], shape: &[usize], cotangent: &[f32]) -> Result<()> {
        let expected = rows(point, shape)? * self.classes;
        if cotangent.len() != expected {
            return Err(bad_shape(format!("the cotangent has {} elements, not {expected}", cotangent.len())));
        }
        Ok(())
    }

    /// Resizes `maps`, \[M,h,w\] row-major, bilinearly to \[M,H,W\]; `to` is (H,W).
    pub fn scale_and_resize(
        &self,
        maps: &[f32],
        from: [usize; 3],
        to: (usize, usize),
        how: Resize,
    ) -> Result<Vec<f32>> {
        let count = rows(maps, &from)?;
        let elements = count
            .checked_mul(to.0)
            .and_then(|elements| elements.checked_mul(to.1))
            .ok_or_else(|| bad_shape(format!("{} x {} is too large", to.0, to.1)))?;
        let mut out = vec![0.0; elements];
        self.services.scale_and_resize(maps, from, to, how, &mut out)?;
        Ok(out)
    }

    /// Fills `out` with numbers, uniform in \[0,1), that depend on `seed` and their place alone.
    pub fn random_uniform(&self, seed: u64, out: &mut [f32]) -> Result<()> {
        self.services.random_uniform(seed, out)
    }

    /// Fills `out` with standard normal numbers that depend on `seed` and their place alone.
    pub fn random_normal(&self, seed: u64, out: &mut [f32]) -> Result<()> {
        self.services.random_normal(seed, out)
    }

    /// `elements` zeros in memory of the host, which lives as long as the call.
    #[allow(clippy::mut_from_ref, reason = "each call gives other memory")]
    pub fn scratch(&self, elements: usize) -> Result<&'a mut [f32]> {
        if elements == 0 {
            return Ok(&mut []);
        }
        let memory = self.services.scratch(elements)?;
        // SAFETY: the host gives zeroed memory for `elements` f32, no other call gives the same, and it lives as long as
        // the call, which `'a` does not outlive.
        Ok(unsafe { std::slice::from_raw_parts_mut(memory, elements) })
    }

    /// Writes a line to the log of the run.
    pub fn log(&self, level: LogLevel, text: &str) {
        self.services.log(level, text);
    }

    /// Says that `done` of `total` steps are done.
    pub fn progress(&self, done: u64, total: u64) {
        self.services.progress(done, total);
    }

    /// Whether the user has asked to stop.
    pub fn is_cancelled(&self) -> bool {
        self.services.is_cancelled()
    }

    /// An error of kind [`ErrorKind::Cancelled`] when the user has asked to stop; for use with `?` in a loop.
    pub fn check_cancelled(&self) -> Result<()> {
        if self.is_cancelled() { Err(Error::cancelled()) } else { Ok(()) }
    }
}

/// Number of rows of data of the given shape, once the shape is known to fit.
pub(crate) fn rows(data: &[f32], shape: &[usize]) -> Result<usize> {
    let elements = shape.iter().try_fold(1_usize, |product, &size| product.checked_mul(size));
    match shape {
        [rows, ..] if elements == Some(data.len()) && shape.len() <= abi::MAX_DIMENSIONS => Ok(*rows),
        _ => Err(bad_shape(format!("{} elements do not make the shape {shape:?}", data.len()))),
    }
}

pub(crate) fn bad_shape(message: String) -> Error {
    Error::of_kind(ErrorKind::InvalidArgument, message)
}
