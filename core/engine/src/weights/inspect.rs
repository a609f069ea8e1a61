//! What is in a weights file, and which networks it fits.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::compare::{Comparison, NetworkShape, names};
use super::error::Result;
use super::file::{FileFormat, TensorInfo, WeightsFile};
use super::key_map::KeyMap;
use super::load::{ChannelRule, ClassifierRule, excuse_channels, excuse_classifier};

/// How well a file fits a network.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Fit {
    /// Id of the network.
    pub model: String,
    /// Share of the network's variables that are in the file, classifier aside if its classes differ.
    pub share: f64,
    /// Every variable is there, and the classifier at least for other classes.
    pub fits: bool,
    /// Training can start from it: the classifier may be missing.
    pub pretrained: bool,
    /// Number of classes of the classifier in the file.
    pub classes: Option<usize>,
    /// Number of channels of the first convolution in the file.
    pub channels: Option<usize>,
    /// How it fits, what would be loaded and what not, in a sentence for the user.
    pub sentence: String,
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

/// Number of channels of the first convolution in a file; none if it is not in it.
///
/// # Errors
/// The file cannot be read or is damaged, or the key map is of another file.
pub fn channels(path: &Path, network: &NetworkShape, key_map: Option<&KeyMap>) -> Result<Option<usize>> {
    let file = WeightsFile::open(path)?;
    let comparison = Comparison::new(&file, network, key_map)?;
    let index = network.entrance().and_then(|entrance| comparison.named.get(entrance).copied().flatten());
    let shape = index.and_then(|index| file.tensors().nth(index)).map(|tensor| &tensor.shape);
    Ok(shape.and_then(|shape| shape.get(1).copied()))
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
    let mut body = comparison.clone();
    let anew = excuse_classifier(&mut body, network, ClassifierRule::Reinitialise);
    let adapted = excuse_channels(&mut body, network, ChannelRule::Adapt);
    let mut fit = Fit {
        model: network.id.clone(),
        share: if counted == 0 { 0.0 } else { good as f64 / counted as f64 },
        fits: counted > 0 && good == counted && comparison.foreign.is_empty(),
        pretrained: body.fits() && (!body.matched.is_empty() || adapted.is_some()),
        classes,
        channels,
        sentence: String::new(),
        comparison,
    };
    fit.sentence = sentence(&fit, &body, &anew);
    Ok(fit)
}

fn sentence(fit: &Fit, body: &Comparison, anew: &[String]) -> String {
    let Fit { model, comparison, .. } = fit;
    let mut text = if fit.fits {
        let count = |number: Option<usize>, one: &str, more: &str| match number {
            Some(1) => format!("1 {one}"),
            Some(number) => format!("{number} {more}"),
            None => format!("an unknown number of {more}"),
        };
        let variables = comparison.named.len();
        let (classes, channels) = (count(fit.classes, "class", "classes"), count(fit.channels, "channel", "channels"));
        format!("fits {model}: all {variables} variables are in it, for {classes} and {channels}")
    } else if fit.pretrained {
        let without = names(anew);
        format!("fits {model} except for the classifier ({without}), which `train --pretrained` starts anew")
    } else {
        return format!("does not fit {model}: {}", body.sentence());
    };
    if !comparison.unexpected.is_empty() {
        let others = names(&comparison.unexpected);
        // Writing to a String does not fail.
        let _ = write!(text, "; it has {others} besides, which would be left alone");
    }
    text
}
