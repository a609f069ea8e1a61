//! Second derivatives and gradients inside the network, for the methods that ask for them.

use tch::Tensor;

use super::services::Services;
use super::{ExplainError, Result};
use crate::plugin::{ServiceError, Tap};

impl Services<'_> {
    /// The derivative along `direction` of the gradient of sum(cotangent * logits) at `point`, which lies at cut point `from`.
    pub(super) fn product(
        &self,
        from: Option<usize>,
        point: &Tensor,
        cotangent: &Tensor,
        direction: &Tensor,
    ) -> Result<Tensor> {
        // Nothing in here panics: `with_grad` does not restore the mode on unwinding.
        tch::with_grad(|| {
            let point = point.f_detach_copy()?.f_set_requires_grad(true)?;
            let score = self.score(&point, from, cotangent)?;
            let gradient = first(Tensor::f_run_backward(&[score], &[&point], true, true)?)?;
            let along = gradient.f_mul(direction)?.f_sum(gradient.kind())?;
            // Where the rest is affine the gradient does not depend on the point, which libtorch calls an error: a term whose
            // derivative is zero makes it depend.
            let along = along.f_add(&point.f_mul_scalar(0.0)?.f_sum(gradient.kind())?)?;
            Ok(first(Tensor::f_run_backward(&[along], &[&point], false, false)?)?.f_detach()?)
        })
    }

    /// The taps of a pass at `point`, with the gradients there.
    pub(super) fn tapped(&self, point: &Tensor, cotangent: &Tensor) -> std::result::Result<Vec<Tap>, ServiceError> {
        self.taps_of(point, cotangent).map_err(ExplainError::into_service_error)?.ok_or_else(|| {
            ServiceError::Unsupported(format!(
                "the network `{}` shows none of its inner outputs (it has no taps), which this method reads",
                self.network.id()
            ))
        })
    }

    fn taps_of(&self, point: &Tensor, cotangent: &Tensor) -> Result<Option<Vec<Tap>>> {
        let cotangent = cotangent.f_to_device(self.device)?;
        let point = point.f_to_device(self.device)?.f_detach_copy()?.f_set_requires_grad(true)?;
        // Nothing in here panics: `with_grad` does not restore the mode on unwinding.
        let Some(tapped) = tch::with_grad(|| self.network.forward_tapped(&point))? else { return Ok(None) };
        if tapped.taps.is_empty() {
            return Ok(Some(Vec::new()));
        }
        let score = tch::with_grad(|| tapped.logits.f_mul(&cotangent)?.f_sum(tapped.logits.kind()))?;
        let outputs: Vec<&Tensor> = tapped.taps.iter().map(|tap| &tap.output).collect();
        let gradients = Tensor::f_run_backward(&[score], &outputs, false, false)?;
        let with_gradient = tapped.taps.into_iter().zip(gradients).map(|(tap, gradient)| {
            Ok(Tap { name: tap.name, output: tap.output.f_detach()?, bias: tap.bias.f_detach()?, gradient })
        });
        with_gradient.collect::<Result<Vec<_>>>().map(Some)
    }
}

fn first(gradients: Vec<Tensor>) -> Result<Tensor> {
    gradients.into_iter().next().ok_or_else(|| ExplainError::Images("gave no gradient".to_owned()))
}
