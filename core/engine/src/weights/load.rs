//! Copies a file's tensors into a network's variables: all that fit, or none.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use tch::{Kind, Tensor};

use super::compare::{Comparison, Mismatch, NetworkShape};
use super::error::{Result, WeightsError};
use super::file::{FileFormat, WeightsFile};
use super::key_map::KeyMap;
use crate::plugin::{ModelHandle, Variable};

/// What to do with a classifier for another number of classes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClassifierRule {
    /// Refuse the file.
    Keep,
    /// Leave the network's classifier as it was initialised; also if the file has none.
    Reinitialise,
}

/// What to do with a first convolution for another number of channels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ChannelRule {
    /// Refuse the file.
    Keep,
    /// Colour to grey: sum over the colours, which answers to a grey image as the original does to the same image in three
    /// equal colours. Grey to colour: each colour gets its share, which answers to three equal colours as the original does.
    Adapt,
}

/// How to load.
#[derive(Clone, Debug)]
pub struct LoadOptions {
    /// Renames of the file's tensors.
    pub key_map: Option<KeyMap>,
    /// For a classifier of other classes.
    pub classifier: ClassifierRule,
    /// For a first convolution of other channels.
    pub channels: ChannelRule,
}

impl LoadOptions {
    /// The file is of this very network: nothing is left as it was.
    pub fn exact() -> Self {
        LoadOptions { key_map: None, classifier: ClassifierRule::Keep, channels: ChannelRule::Keep }
    }

    /// The file is what training starts from: another task's classifier and channels will do.
    pub fn pretrained() -> Self {
        LoadOptions { key_map: None, classifier: ClassifierRule::Reinitialise, channels: ChannelRule::Adapt }
    }
}

/// What was loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadReport {
    /// The file.
    pub file: PathBuf,
    /// Its format.
    pub format: FileFormat,
    /// Variables that have the file's values now.
    pub loaded: Vec<String>,
    /// Variables of the classifier that keep their initial values, since the file has another shape or none.
    pub reinitialised: Vec<String>,
    /// The first convolution, adapted to other channels.
    pub adapted: Option<Mismatch>,
    /// Tensors in the file that no variable has.
    pub unexpected: Vec<String>,
    /// Counters in the file; they are not read.
    pub counters: Vec<String>,
    /// Number of tensors that had another type of elements.
    pub converted: usize,
}

impl LoadReport {
    /// Lines for the user: what was loaded and what was not.
    pub fn lines(&self) -> Vec<String> {
        let mut first = format!("loaded {} variables from {}", self.loaded.len(), self.file.display());
        if self.converted > 0 {
            // Writing to a String does not fail.
            let _ = write!(first, ", {} of them of another number type", self.converted);
        }
        let mut lines = vec![first];
        if !self.reinitialised.is_empty() {
            let names = self.reinitialised.join(", ");
            lines.push(format!("the classifier starts anew: {names} (the file has other classes or none)"));
        }
        if let Some(Mismatch { name, in_file, in_network }) = &self.adapted {
            lines.push(format!("{name} was adapted from {} channels to {}", in_file[1], in_network[1]));
        }
        if let Some(one) = self.unexpected.first() {
            let count = self.unexpected.len();
            lines.push(format!("{count} tensors of the file belong to nothing in the network: {one} and so on"));
        }
        lines
    }
}

/// Loads a file into a network.
///
/// # Errors
/// As [`load`], and what the plugin says.
pub fn load_into(model: &ModelHandle, path: &Path, options: &LoadOptions) -> Result<LoadReport> {
    let file = WeightsFile::open(path)?;
    let said =
        |error: crate::plugin::PluginError| WeightsError::Torch { file: path.to_owned(), message: error.to_string() };
    let variables = model.variables().map_err(said)?;
    load(&file, &variables, &model.metadata().id, model.made_with().classes, options)
}

/// Loads a file into the variables of the network `id` for `classes` classes. Values are converted to each variable's type,
/// device and memory format. Nothing is written unless everything fits and is finite.
///
/// # Errors
/// The file is of another network ([`WeightsError::OtherNetwork`]), has values that are NaN or infinite, or cannot be read.
pub fn load(
    file: &WeightsFile,
    variables: &[Variable],
    id: &str,
    classes: usize,
    options: &LoadOptions,
) -> Result<LoadReport> {
    let network = NetworkShape::new(id, classes, variables);
    let mut comparison = Comparison::new(file, &network, options.key_map.as_ref())?;
    let reinitialised = excuse_classifier(&mut comparison, &network, options.classifier);
    let adapted = excuse_channels(&mut comparison, &network, options.channels);
    if !comparison.fits() || (comparison.matched.is_empty() && adapted.is_none()) {
        let comparison = Box::new(comparison);
        let classes = classes_in(file, &network, &comparison).filter(|found| *found != classes);
        let (file, network) = (file.path().to_owned(), id.to_owned());
        return Err(WeightsError::OtherNetwork { file, network, comparison, classes });
    }
    let mut report = LoadReport {
        file: file.path().to_owned(),
        format: file.format(),
        loaded: Vec::new(),
        reinitialised,
        adapted: adapted.as_ref().map(|(_, mismatch)| mismatch.clone()),
        unexpected: std::mem::take(&mut comparison.unexpected),
        counters: std::mem::take(&mut comparison.counters),
        converted: 0,
    };
    let mut ready: Vec<(&Variable, Tensor)> = Vec::with_capacity(variables.len());
    for (place, variable) in variables.iter().enumerate() {
        let adapt = adapted.as_ref().filter(|(entrance, _)| *entrance == place).map(|(_, mismatch)| mismatch);
        let named = if adapt.is_some() { comparison.named[place] } else { comparison.places[place] };
        let Some(index) = named else { continue };
        let (value, converted) = read_for(file, index, variable)?;
        let value = match adapt {
            Some(mismatch) => adapt_channels(&value, mismatch).map_err(WeightsError::torch(file.path()))?,
            None => value,
        };
        report.converted += usize::from(converted);
        report.loaded.push(variable.name.clone());
        ready.push((variable, value));
    }
    let _no_grad = tch::no_grad_guard();
    for (variable, value) in ready {
        let mut target = variable.tensor.detach();
        target.f_copy_(&value).map_err(WeightsError::torch(file.path()))?;
    }
    Ok(report)
}

/// A tensor of the file as the variable's type, checked to be finite; and whether its type was another.
fn read_for(file: &WeightsFile, index: usize, variable: &Variable) -> Result<(Tensor, bool)> {
    let info = file.tensors().nth(index).cloned();
    let value = file.read(index)?;
    let (name, element) = info.map_or((variable.name.clone(), None), |info| (info.name, Some(info.dtype)));
    let kind = variable.tensor.kind();
    let float = matches!(kind, Kind::Float | Kind::Double | Kind::Half | Kind::BFloat16);
    if let Some(element) = element.filter(|element| element.is_float() != float) {
        return Err(WeightsError::tensor(
            file.path(),
            &name,
            format!("is of type {element} and `{}` of {kind:?}; save the weights as float32", variable.name),
        ));
    }
    let torch = WeightsError::torch(file.path());
    let converted = value.kind() != kind;
    let value = if converted { value.f_to_kind(kind).map_err(&torch)? } else { value };
    if float {
        let finite = value.f_isfinite().and_then(|finite| finite.f_logical_not()?.f_sum(Kind::Int64));
        let count = finite.and_then(|count| count.f_int64_value(&[])).map_err(&torch)?;
        if count > 0 {
            return Err(WeightsError::NotFinite { file: file.path().to_owned(), name, count, converted });
        }
    }
    Ok((value, converted))
}

/// Number of classes of the classifier in a file that is of this network otherwise.
pub(super) fn classes_in(file: &WeightsFile, network: &NetworkShape, comparison: &Comparison) -> Option<usize> {
    let mut body = comparison.clone();
    excuse_classifier(&mut body, network, ClassifierRule::Reinitialise);
    excuse_channels(&mut body, network, ChannelRule::Adapt);
    let classifier = network.classifier().filter(|_| body.fits())?;
    let place = network.variables.iter().position(|variable| variable.name.starts_with(classifier))?;
    file.tensors().nth(comparison.named.get(place).copied()??)?.shape.first().copied()
}

/// Takes differences of the classifier out of the comparison; gives the variables that keep their initial values.
pub(super) fn excuse_classifier(
    comparison: &mut Comparison,
    network: &NetworkShape,
    rule: ClassifierRule,
) -> Vec<String> {
    let (ClassifierRule::Reinitialise, Some(classifier)) = (rule, network.classifier()) else { return Vec::new() };
    let is_classifier = |name: &str| name.starts_with(classifier);
    let other_classes =
        |m: &Mismatch| is_classifier(&m.name) && m.in_file.get(1..) == m.in_network.get(1..) && !m.in_file.is_empty();
    let differs =
        comparison.mismatched.iter().any(other_classes) || comparison.missing.iter().any(|name| is_classifier(name));
    if !differs {
        return Vec::new();
    }
    comparison.mismatched.retain(|mismatch| !other_classes(mismatch));
    comparison.missing.retain(|name| !is_classifier(name));
    // All of it or none: a weight of one task and a bias of another make no classifier.
    let mut anew = Vec::new();
    for (variable, place) in network.variables.iter().zip(&mut comparison.places) {
        if is_classifier(&variable.name) {
            *place = None;
            anew.push(variable.name.clone());
        }
    }
    anew
}

/// Takes the first convolution out of the differences if only its channels differ; gives its place.
pub(super) fn excuse_channels(
    comparison: &mut Comparison,
    network: &NetworkShape,
    rule: ChannelRule,
) -> Option<(usize, Mismatch)> {
    let entrance = network.entrance().filter(|_| rule == ChannelRule::Adapt)?;
    let name = &network.variables[entrance].name;
    let at = comparison.mismatched.iter().position(|m| {
        let (file, own) = (&m.in_file, &m.in_network);
        let only_channels = file.len() == 4 && own.len() == 4 && file[0] == own[0] && file[2..] == own[2..];
        m.name == *name && only_channels && (file[1] == 1 || own[1] == 1) && file[1] > 0 && own[1] > 0
    })?;
    Some((entrance, comparison.mismatched.remove(at)))
}

fn adapt_channels(value: &Tensor, mismatch: &Mismatch) -> std::result::Result<Tensor, tch::TchError> {
    let (from, to) = (mismatch.in_file[1] as i64, mismatch.in_network[1] as i64);
    if to == 1 {
        return value.f_sum_dim_intlist([1_i64].as_slice(), true, value.kind());
    }
    debug_assert_eq!(from, 1);
    value.f_repeat([1, to, 1, 1])?.f_div_scalar(to as f64)
}
