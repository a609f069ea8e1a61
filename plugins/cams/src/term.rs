//! What one channel of one image contributes to a map.

/// The term T_k of a channel, from its activations A_k and gradients G_k.
pub trait Term {
    /// Fills `out` with T_k; the three slices have the layer's h w elements. `gradients` is empty for a method that needs none.
    fn fill(&self, activations: &[f32], gradients: &[f32], out: &mut [f32]);
}

/// `weight` times the activations.
pub(crate) fn weighted(weight: f64, activations: &[f32], out: &mut [f32]) {
    let weight = weight as f32;
    for (out, activation) in out.iter_mut().zip(activations) {
        *out = weight * activation;
    }
}

/// The sum of a channel, in double precision: after SiLU the values of a channel nearly cancel.
pub(crate) fn total(values: &[f32]) -> f64 {
    values.iter().map(|&value| f64::from(value)).sum()
}

/// The term of a channel, for tests against literals.
#[cfg(test)]
pub(crate) fn term_of(term: &impl Term, activations: &[f32], gradients: &[f32]) -> Vec<f32> {
    let mut out = vec![f32::NAN; activations.len()];
    term.fill(activations, gradients, &mut out);
    out
}

#[cfg(test)]
pub(crate) fn assert_near(found: &[f32], expected: &[f64]) {
    let near = |(found, expected): (&f32, &f64)| (f64::from(*found) - expected).abs() <= 1e-6 * expected.abs().max(1.0);
    assert!(found.len() == expected.len() && found.iter().zip(expected).all(near), "{found:?} is not {expected:?}");
}
