//! A network as a chain of segments, each ending at a named cut point.

use tch::{TchError, Tensor};

use crate::Error;

/// A piece of a network that turns one tensor into another.
pub trait Layer: Send {
    /// Runs it. The input is not written to.
    ///
    /// # Errors
    /// What libtorch says.
    fn forward(&self, input: &Tensor, train: bool) -> Result<Tensor, TchError>;
}

impl<F> Layer for F
where
    F: Fn(&Tensor, bool) -> Result<Tensor, TchError> + Send,
{
    fn forward(&self, input: &Tensor, train: bool) -> Result<Tensor, TchError> {
        self(input, train)
    }
}

/// Segments between cut points, and the rest up to the logits.
#[derive(Default)]
pub struct Chain {
    segments: Vec<(&'static str, Box<dyn Layer>)>,
    head: Vec<Box<dyn Layer>>,
}

impl Chain {
    /// No segment yet.
    pub fn new() -> Self {
        Chain::default()
    }

    /// Adds a segment whose output is the cut point `name`.
    pub fn cut(&mut self, name: &'static str, layer: impl Layer + 'static) {
        self.segments.push((name, Box::new(layer)));
    }

    /// Adds what comes after the last cut point.
    pub fn head(&mut self, layer: impl Layer + 'static) {
        self.head.push(Box::new(layer));
    }

    /// Names of the cut points in order.
    pub fn names(&self) -> Vec<&'static str> {
        self.segments.iter().map(|(name, _)| *name).collect()
    }

    /// From cut point `from` (none: the input) to cut point `to` (none: the logits).
    ///
    /// # Errors
    /// Cut points that do not exist or lie in the wrong order, and what libtorch says.
    pub fn forward_between(
        &self,
        input: &Tensor,
        from: Option<usize>,
        to: Option<usize>,
        train: bool,
    ) -> Result<Tensor, Error> {
        let count = self.segments.len();
        let start = from.map_or(0, |cut| cut + 1);
        let end = to.map_or(count, |cut| cut + 1);
        if start > count || end > count || start > end {
            return Err(Error::new(format!("there is no way from cut point {from:?} to {to:?} of {count}")));
        }
        let mut value = input.shallow_clone();
        for (_, layer) in &self.segments[start..end] {
            value = layer.forward(&value, train)?;
        }
        if to.is_none() {
            for layer in &self.head {
                value = layer.forward(&value, train)?;
            }
        }
        Ok(value)
    }
}
