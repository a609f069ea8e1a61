//! The optimizer of a run and its state.

use tch::Tensor;

use super::error::TrainError;
use super::settings::OptimizerSettings;
use crate::torch::{self, AdamWStep, SgdStep};

/// A parameter by name.
#[derive(Debug)]
pub struct Parameter {
    /// Name in the network's state.
    pub name: String,
    /// A shallow clone of the network's tensor.
    pub tensor: Tensor,
}

/// Parameters, their optimizer state and their weight decay.
#[derive(Debug)]
pub struct Optimizer {
    settings: OptimizerSettings,
    names: Vec<String>,
    parameters: Vec<Tensor>,
    decay: Vec<f64>,
    /// AdamW's mean of gradients, or SGD's velocity.
    first: Vec<Tensor>,
    /// AdamW's mean of squared gradients.
    second: Vec<Tensor>,
}

impl Optimizer {
    /// With an empty state.
    ///
    /// # Errors
    /// When memory for the state is short.
    pub fn new(
        settings: OptimizerSettings,
        parameters: Vec<Parameter>,
        weight_decay: f64,
        decay_biases_and_norms: bool,
    ) -> Result<Self, TrainError> {
        // Biases and the scales and shifts of normalisations are the parameters with a single dimension.
        let decay = |tensor: &Tensor| {
            if decay_biases_and_norms || tensor.dim() > 1 { weight_decay } else { 0.0 }
        };
        let decay = parameters.iter().map(|p| decay(&p.tensor)).collect();
        let (names, parameters): (Vec<_>, Vec<_>) = parameters.into_iter().map(|p| (p.name, p.tensor)).unzip();
        let zeros = |wanted: bool| -> Result<Vec<Tensor>, TrainError> {
            let _no_grad = tch::no_grad_guard();
            let of = if wanted { parameters.as_slice() } else { &[] };
            of.iter().map(|p| Ok(p.detach().f_zeros_like()?)).collect()
        };
        let (first, second) = match settings {
            OptimizerSettings::AdamW { .. } => (zeros(true)?, zeros(true)?),
            OptimizerSettings::Sgd { momentum, .. } => (zeros(momentum != 0.0)?, Vec::new()),
        };
        Ok(Self { settings, names, parameters, decay, first, second })
    }

    /// The parameters.
    pub fn parameters(&self) -> &[Tensor] {
        &self.parameters
    }

    /// The tensors of the state by name, for a checkpoint.
    pub fn state(&self) -> Vec<(String, Tensor)> {
        let named = |prefix: &str, tensors: &[Tensor]| -> Vec<(String, Tensor)> {
            self.names.iter().zip(tensors).map(|(n, t)| (format!("{prefix}.{n}"), t.shallow_clone())).collect()
        };
        let mut state = named("first", &self.first);
        state.extend(named("second", &self.second));
        state
    }

    /// Releases the gradients.
    ///
    /// # Errors
    /// What libtorch says.
    pub fn drop_gradients(&self) -> Result<(), TrainError> {
        Ok(torch::drop_gradients(&self.parameters)?)
    }

    /// Scales the gradients to a joint norm of at most `max_norm`.
    ///
    /// # Errors
    /// What libtorch says.
    pub fn clip(&self, max_norm: f64) -> Result<(), TrainError> {
        Ok(torch::clip_gradients(&self.parameters, max_norm)?)
    }

    /// One step at learning rate `lr`; `steps` counts the steps of each parameter.
    ///
    /// # Errors
    /// What libtorch says.
    pub fn step(&self, lr: f64, steps: &mut [i64]) -> Result<(), TrainError> {
        match self.settings {
            OptimizerSettings::AdamW { beta1, beta2, eps } => torch::adamw_step(
                &self.parameters,
                &self.first,
                &self.second,
                &self.decay,
                steps,
                AdamWStep { lr, beta1, beta2, eps },
            )?,
            OptimizerSettings::Sgd { momentum, dampening, nesterov } => torch::sgd_step(
                &self.parameters,
                &self.first,
                &self.decay,
                steps,
                SgdStep { lr, momentum, dampening, nesterov },
            )?,
        }
        Ok(())
    }
}
