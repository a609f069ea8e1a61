//! What is in a weights file, and which networks it fits.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::compare::{Comparison, NetworkShape};
use super::error::Result;
use super::file::{FileFormat, TensorInfo, WeightsFile};

/// How well a file fits a network.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Fit {
    /// Id of the network.
    pub model: String,
    /// Share of the network's variables that are in the file, classifier aside if its classes differ.
    pub share: f64,
    /// Every variable is there, and the classifier at least for other classes.
    pub fits: bool,
    /// Number of classes of the classifier in the file.
    pub classes: Option<usize>,
    /// Number of channels of the first convolution in the file.
    pub channels: Option<usize>,
    /// The names that differ, as against the network with the classes it was made for.
    pub comparison: Comparison,
}

/// What is in a file.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Inspection {
    /// The file.
    pub file: PathBuf,
    /// Its format.
    pub format: FileFormat,
    /// What safetensors calls metadata.
    pub metadata: BTreeMap<String, String>,
    /// Its tensors in their order.
    pub tensors: Vec<TensorInfo>,
    /// Networks with at least one variable in it, the best fit first.
    pub fits: Vec<Fit>,
}

/// Reads a file's table of contents and holds it against networks.
///
/// # Errors
/// The file cannot be read or is damaged.
pub fn inspect(path: &Path, networks: &[NetworkShape]) -> Result<Inspection> {
    let file = WeightsFile::open(path)?;
    let mut fits = Vec::new();
    for network in networks {
        let fit = fit(&file, network)?;
        if fit.share > 0.0 {
            fits.push(fit);
        }
    }
    fits.sort_by(|a, b| {
        let foreign = a.comparison.foreign.len().cmp(&b.comparison.foreign.len());
        b.fits.cmp(&a.fits).then(b.share.total_cmp(&a.share)).then(foreign)
    });
    Ok(Inspection {
        file: path.to_owned(),
        format: file.format(),
        metadata: file.metadata().clone(),
        tensors: file.tensors().cloned().collect(),
        fits,
    })
}

fn fit(file: &WeightsFile, network: &NetworkShape) -> Result<Fit> {
    let comparison = Comparison::new(file, network, None)?;
    let tensors: Vec<_> = file.tensors().collect();
    let in_file = |place: usize| comparison.named.get(place).copied().flatten().map(|index| &tensors[index].shape);
    let classifier = network.classifier().unwrap_or("\0");
    let entrance = network.entrance();
    let mut classes = None;
    let mut good = 0;
    let mut counted = 0;
    for (place, variable) in network.variables.iter().enumerate() {
        let shape = in_file(place);
        let same = |from: usize| shape.is_some_and(|shape| shape.get(from..) == variable.shape.get(from..));
        let is_good = if variable.name.starts_with(classifier) {
            let outputs = shape.and_then(|shape| shape.first().copied()).filter(|_| same(1));
            classes = classes.or(outputs);
            outputs.is_some()
        } else if Some(place) == entrance {
            shape.is_some_and(|shape| {
                shape.len() == 4 && shape[0] == variable.shape[0] && shape[2..] == variable.shape[2..]
            })
        } else {
            same(0)
        };
        counted += 1;
        good += usize::from(is_good);
    }
    let channels = entrance.and_then(in_file).and_then(|shape| shape.get(1).copied());
    Ok(Fit {
        model: network.id.clone(),
        share: if counted == 0 { 0.0 } else { good as f64 / counted as f64 },
        fits: counted > 0 && good == counted && comparison.foreign.is_empty(),
        classes,
        channels,
        comparison,
    })
}
