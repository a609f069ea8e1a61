//! How much the score drops when one channel is set to zero: by running the head, or by one product where it is affine.
//!
//! Where the head is affine in A (global pooling and a linear layer), the gradient G is the same everywhere and the drop of
//! channel k is exactly <G_k, A_k>. Whether it is affine is found out by comparison, never by the network's name.

use lightbox_plugin::Error;

use crate::head::Head;

/// Rounding of the head, in units of f32's epsilon times the sum of |G A|: far above what affine heads show (a few units),
/// far below what a bend in the head makes.
const ROUNDING_UNITS: f64 = 64.0;

/// The drop of each channel, and the score that they drop from.
pub(crate) struct Drops {
    pub score: f32,
    pub drops: Vec<f64>,
    /// Whether they come from the gradient.
    #[cfg_attr(not(test), allow(dead_code, reason = "tests look at the way taken"))]
    pub by_gradient: bool,
}

/// The drop of every channel of an image; `gradients` is \[C,h,w\].
pub(crate) fn drops(head: &Head<'_>, gradients: &[f32], shortcut: bool) -> Result<Drops, Error> {
    if shortcut && let Some(found) = by_gradient(head, gradients)? {
        return Ok(found);
    }
    by_running(head)
}

fn by_running(head: &Head<'_>) -> Result<Drops, Error> {
    // A channel that is zero already makes no difference.
    let active: Vec<usize> =
        (0..head.channels()).filter(|&channel| head.channel(channel).iter().any(|&value| value != 0.0)).collect();
    let sets: Vec<&[usize]> = active.chunks(1).collect();
    // Without a single active channel the score itself is still asked for.
    let (score, measured) = if sets.is_empty() { head.drops(&[&[]])? } else { head.drops(&sets)? };
    let mut drops = vec![0.0; head.channels()];
    for (&channel, drop) in active.iter().zip(measured) {
        drops[channel] = drop;
    }
    Ok(Drops { score, drops, by_gradient: false })
}

/// The drops as <G_k, A_k>, when a few sets of channels drop as their sums say.
fn by_gradient(head: &Head<'_>, gradients: &[f32]) -> Result<Option<Drops>, Error> {
    let channels = head.channels();
    let mut products = Vec::with_capacity(channels);
    let mut size = 0.0;
    for (channel, gradient) in gradients.chunks_exact(head.pixels()).enumerate() {
        let terms = head.channel(channel).iter().zip(gradient).map(|(&a, &g)| f64::from(a) * f64::from(g));
        let (sum, absolute) = terms.fold((0.0, 0.0), |(sum, all), term| (sum + term, all + f64::abs(term)));
        products.push(sum);
        size += absolute;
    }
    if products.len() != channels || !size.is_finite() {
        return Ok(None);
    }
    let probes = probes(&products);
    let sets: Vec<&[usize]> = probes.iter().map(Vec::as_slice).collect();
    let (score, measured) = head.drops(&sets)?;
    let tolerance = ROUNDING_UNITS * f64::from(f32::EPSILON) * (size + f64::from(score.abs()));
    let agree = probes.iter().zip(&measured).all(|(set, measured)| {
        let predicted: f64 = set.iter().map(|&channel| products[channel]).sum();
        (predicted - measured).abs() <= tolerance
    });
    Ok(agree.then_some(Drops { score, drops: products, by_gradient: true }))
}

/// What is compared: all channels, every other one and the first half (large steps, which find a bend anywhere on their way),
/// and the two channels that matter most.
fn probes(products: &[f64]) -> Vec<Vec<usize>> {
    let channels = products.len();
    let mut by_size: Vec<usize> = (0..channels).collect();
    by_size.sort_by(|&a, &b| products[b].abs().total_cmp(&products[a].abs()));
    let mut probes = vec![(0..channels).collect(), (0..channels).step_by(2).collect(), (0..channels / 2).collect()];
    probes.extend(by_size.iter().take(2).map(|&channel| vec![channel]));
    probes
}

#[cfg(test)]
mod tests {
    use lightbox_plugin::{Host, TensorView};

    use super::*;
    use crate::toy::{Bend, Toy};

    fn of(toy: &Toy, shortcut: bool) -> Drops {
        let host = Host::new(toy, 2);
        let activations = TensorView::new(&toy.activations, &toy.shape).unwrap();
        let head = Head::new(&host, 0, activations, 0, 1).unwrap();
        drops(&head, &toy.gradients(1)[..activations.image(0).len()], shortcut).unwrap()
    }

    #[test]
    fn an_affine_head_drops_by_gradient_times_activation() {
        let toy = Toy::new(Bend::None);
        let (fast, slow) = (of(&toy, true), of(&toy, false));
        assert!(fast.by_gradient && !slow.by_gradient);
        assert_eq!((fast.score, slow.score), (3.5, 3.5));
        // Channel means 1, 2 and 0 times the weights 3, -0.5 and 7; channel 3 is zero everywhere.
        for found in [fast, slow] {
            assert!(found.drops.iter().zip([3.0, -1.0, 0.0]).all(|(a, b)| (a - b).abs() < 1e-6), "{:?}", found.drops);
        }
        // One call of few rows found it out; no call for each channel.
        assert_eq!(toy.rows_run.get(), 6 + 3);
    }

    #[test]
    fn a_head_with_a_bend_is_run() {
        let found = of(&Toy::new(Bend::Relu), true);
        assert!(!found.by_gradient);
        // max(2.5 less the drop, 0): without channel 1 the inside is -0.5.
        assert!(found.drops.iter().zip([2.5, -1.0, 0.0]).all(|(a, b)| (a - b).abs() < 1e-6), "{:?}", found.drops);
    }

    #[test]
    fn a_bend_that_only_large_steps_reach_is_found() {
        // The bend lies beyond any single channel: only all channels together cross it.
        let found = of(&Toy::new(Bend::Far), true);
        assert!(!found.by_gradient);
    }
}
