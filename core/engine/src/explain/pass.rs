//! The one pass that all methods of a request share: activations, logits, and the gradient at the layers.
//!
//! The trunk runs without a graph up to the first layer. From there on a graph exists, and the gradient is taken towards the
//! layers' activations only: no gradient of a weight, none below the first layer.

use tch::Tensor;

use super::{ExplainError, LayerChoice, Network, Result};

/// What a pass found, layers in the order of the request.
pub(super) struct Pass {
    /// Activations of each layer, \[N,C',h,w\].
    pub activations: Vec<Tensor>,
    /// Gradient of the targets' logits with respect to each layer's activations, \[N,C',h,w\].
    pub gradients: Option<Vec<Tensor>>,
    /// Raw logits \[N,K\] on their device.
    pub logits: Tensor,
    /// The same, on the CPU.
    pub scores: Vec<f32>,
    /// The class explained, N.
    pub targets: Vec<usize>,
}

/// What a pass is made of.
pub(super) struct Plan<'a> {
    pub network: &'a dyn Network,
    pub layers: &'a [LayerChoice],
    /// The first method that needs gradients, if one does.
    pub gradients_for: Option<&'a str>,
}

impl Plan<'_> {
    /// Runs the network on `input` \[N,C,H,W\]; `choose` gives the targets from the logits.
    pub fn run(&self, input: &Tensor, choose: impl FnOnce(&[f32]) -> Result<Vec<usize>>) -> Result<Pass> {
        let _no_graph = tch::no_grad_guard();
        let mut order: Vec<usize> = (0..self.layers.len()).collect();
        order.sort_by_key(|&index| self.layers[index].cut);
        let Some(&first) = order.first() else {
            return Err(ExplainError::Images("were asked for without a layer".to_owned()));
        };
        let start = self.network.forward_between(input, None, Some(self.layers[first].cut))?.f_detach()?;
        if self.gradients_for.is_none() {
            let (activations, logits) = self.above(start, &order)?;
            return self.finish(input, activations, logits, |_, _, _| Ok(None), choose);
        }
        let start = start.f_set_requires_grad(true)?;
        // Nothing in here panics: each call returns its error. `with_grad` does not restore the mode on unwinding.
        let (activations, logits) = tch::with_grad(|| self.above(start, &order))?;
        self.finish(
            input,
            activations,
            logits,
            |activations, logits, targets| self.gradients(activations, logits, targets),
            choose,
        )
    }

    /// The network above the first layer: all layers' activations in the request's order, and the logits.
    fn above(&self, start: Tensor, order: &[usize]) -> Result<(Vec<Tensor>, Tensor)> {
        let mut activations: Vec<Option<Tensor>> = self.layers.iter().map(|_| None).collect();
        let mut current = start;
        for (step, &index) in order.iter().enumerate() {
            self.check_spatial(index, &current)?;
            let (from, to) = (self.layers[index].cut, order.get(step + 1).map(|&next| self.layers[next].cut));
            let next = self.network.forward_between(&current, Some(from), to)?;
            activations[index] = Some(std::mem::replace(&mut current, next));
        }
        Ok((activations.into_iter().flatten().collect(), current))
    }

    fn gradients(&self, activations: &[Tensor], logits: &Tensor, targets: &[usize]) -> Result<Option<Vec<Tensor>>> {
        if !logits.requires_grad() {
            return Err(ExplainError::NoGradient {
                method: self.gradients_for.unwrap_or_default().to_owned(),
                network: self.network.id().to_owned(),
                layer: self.layers.first().map(|layer| layer.name.clone()).unwrap_or_default(),
            });
        }
        let columns: Vec<i64> = targets.iter().map(|&target| target as i64).collect();
        let columns = Tensor::from_slice(&columns).f_to_device(logits.device())?.f_unsqueeze(1)?;
        // Images do not mix, so that the gradient of the sum holds each image's own.
        let score = tch::with_grad(|| logits.f_gather(1, &columns, false)?.f_sum(logits.kind()))?;
        let inputs: Vec<&Tensor> = activations.iter().collect();
        Ok(Some(Tensor::f_run_backward(&[score], &inputs, false, false)?))
    }

    fn finish(
        &self,
        input: &Tensor,
        activations: Vec<Tensor>,
        logits: Tensor,
        gradients: impl FnOnce(&[Tensor], &Tensor, &[usize]) -> Result<Option<Vec<Tensor>>>,
        choose: impl FnOnce(&[f32]) -> Result<Vec<usize>>,
    ) -> Result<Pass> {
        let images = input.size().first().copied().unwrap_or(0);
        if logits.size() != [images, self.network.classes() as i64] {
            return Err(ExplainError::Scores {
                network: self.network.id().to_owned(),
                found: logits.size(),
                images: images as usize,
                classes: self.network.classes(),
            });
        }
        let scores = to_vec(&logits)?;
        let targets = choose(&scores)?;
        let gradients = gradients(&activations, &logits, &targets)?;
        let activations = activations.iter().map(Tensor::f_detach).collect::<std::result::Result<_, _>>()?;
        Ok(Pass { activations, gradients, logits: logits.f_detach()?, scores, targets })
    }

    fn check_spatial(&self, index: usize, values: &Tensor) -> Result<()> {
        let shape = values.size();
        if shape.len() == 4 && shape.iter().all(|&size| size > 0) {
            return Ok(());
        }
        Err(ExplainError::NotSpatial {
            layer: self.layers[index].name.clone(),
            network: self.network.id().to_owned(),
            shape,
            default: self.network.default_layer().to_owned(),
        })
    }
}

/// All elements of a tensor as f32, row-major.
pub(super) fn to_vec(tensor: &Tensor) -> std::result::Result<Vec<f32>, tch::TchError> {
    let flat = tensor.f_detach()?.f_to_device(tch::Device::Cpu)?.f_to_kind(tch::Kind::Float)?.f_contiguous()?;
    Vec::try_from(flat.f_view([-1])?)
}
