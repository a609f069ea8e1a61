//! A network as explaining sees it: a chain of named cut points.

use tch::Tensor;

use crate::plugin::{ModelHandle, PluginError, Tapped};

/// A network in evaluation mode, split at named cut points. The engine's [`ModelHandle`] is one.
pub trait Network {
    /// Id of the network, for messages.
    fn id(&self) -> &str;

    /// Names of the cut points, in the order the network computes them.
    fn cut_points(&self) -> &[String];

    /// The cut point that methods use when none is named.
    fn default_layer(&self) -> &str;

    /// Number of classes, K.
    fn classes(&self) -> usize;

    /// Runs the network from one cut point to a later one; `None` is the input \[N,C,H,W\] or the logits \[N,K\].
    ///
    /// # Errors
    ///
    /// What the network says.
    fn forward_between(&self, input: &Tensor, from: Option<usize>, to: Option<usize>) -> Result<Tensor, PluginError>;

    /// Runs the whole network and shows the outputs of the layers that add a bias; none when the network has no taps.
    ///
    /// # Errors
    ///
    /// What the network says.
    fn forward_tapped(&self, _input: &Tensor) -> Result<Option<Tapped>, PluginError> {
        Ok(None)
    }
}

impl Network for ModelHandle {
    fn id(&self) -> &str {
        &self.metadata().id
    }

    fn cut_points(&self) -> &[String] {
        &self.metadata().cut_points
    }

    fn default_layer(&self) -> &str {
        &self.metadata().default_layer
    }

    fn classes(&self) -> usize {
        self.made_with().classes
    }

    fn forward_between(&self, input: &Tensor, from: Option<usize>, to: Option<usize>) -> Result<Tensor, PluginError> {
        ModelHandle::forward_between(self, input, from, to, false)
    }
    fn forward_tapped(&self, input: &Tensor) -> Result<Option<Tapped>, PluginError> {
        ModelHandle::forward_tapped(self, input)
    }
}
