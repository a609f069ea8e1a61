//! Which layers are explained.

use super::{ExplainError, Network, Result};
use crate::plugin::nearest;

/// A layer of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerChoice {
    /// Name of the cut point.
    pub name: String,
    /// Its place among the network's cut points.
    pub cut: usize,
}

/// The layers of these names, in their order; the network's default when there are none.
///
/// # Errors
///
/// A layer that the network does not have, with the nearest name and the list, or one that is named twice.
pub fn choose<S: AsRef<str>>(network: &dyn Network, names: &[S]) -> Result<Vec<LayerChoice>> {
    if names.is_empty() {
        return Ok(vec![find(network, network.default_layer())?]);
    }
    let mut chosen: Vec<LayerChoice> = Vec::with_capacity(names.len());
    for name in names {
        let layer = find(network, name.as_ref().trim())?;
        if chosen.contains(&layer) {
            return Err(ExplainError::LayerTwice { name: layer.name });
        }
        chosen.push(layer);
    }
    Ok(chosen)
}

fn find(network: &dyn Network, name: &str) -> Result<LayerChoice> {
    let known = network.cut_points();
    match known.iter().position(|known| known == name) {
        Some(cut) => Ok(LayerChoice { name: name.to_owned(), cut }),
        None => Err(ExplainError::NoLayer {
            name: name.to_owned(),
            network: network.id().to_owned(),
            nearest: nearest(name, known.iter().map(String::as_str)).map(str::to_owned),
            known: known.to_vec(),
        }),
    }
}
