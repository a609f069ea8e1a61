//! Weights files: what is in one, and loading one into a network.

use std::path::Path;

use lightbox_engine::plugin::{ModelHandle, ModelOptions, Registry};
use lightbox_engine::weights::{
    KeyMap, LoadOptions, NetworkShape, WeightsError, WeightsFile, channels, inspect as inspect_file, load_into,
};
use lightbox_store::Home;
use lightbox_store::run::Pretrained;

use crate::failure::{Failure, Result};
use crate::{network, plugins};

/// Prints names, shapes and types as JSON, and which models the file fits, with the options that its names do not tell.
pub fn inspect(home: &Home, file: &Path) -> Result<()> {
    // What is no weights file is refused before networks are made.
    WeightsFile::open(file).map_err(Failure::bad)?;
    let registry = plugins::registry(home)?;
    let shapes = shapes(&registry)?;
    let inspection = inspect_file(file, &shapes).map_err(Failure::bad)?;
    let mut record = serde_json::to_value(&inspection)?;
    for (fit, of) in inspection.fits.iter().enumerate() {
        let (_, metadata) = registry.find_model(&of.model).map_err(Failure::failed)?;
        record["fits"][fit]["options"] = serde_json::to_value(&metadata.options)?;
    }
    crate::answer(&record)
}

/// Names and shapes of every network's variables, with the default options.
fn shapes(registry: &Registry) -> Result<Vec<NetworkShape>> {
    let mut shapes = Vec::new();
    for (_, metadata) in registry.models() {
        let channels = metadata.channels.iter().copied().max().unwrap_or(3) as usize;
        let options = network::options(metadata, &Default::default())?;
        let with = ModelOptions { classes: 1000, channels, options, seed: 0 };
        let model = registry.model(&metadata.id, &with).map_err(Failure::failed)?;
        let variables = model.variables().map_err(Failure::failed)?;
        shapes.push(NetworkShape::new(&metadata.id, with.classes, &variables));
    }
    Ok(shapes)
}

/// A network with the weights of a file that must fit it exactly, for as many channels as the file's.
pub fn network_of(
    registry: &Registry,
    id: &str,
    with: ModelOptions,
    file: &Path,
    key_map: Option<&Path>,
) -> Result<ModelHandle> {
    let key_map = key_map.map(KeyMap::open).transpose().map_err(Failure::bad)?;
    let mut model = registry.model(id, &with).map_err(Failure::bad)?;
    let variables = model.variables().map_err(Failure::failed)?;
    let shape = NetworkShape::new(id, with.classes, &variables);
    let channels = channels(file, &shape, key_map.as_ref()).map_err(Failure::bad)?;
    let possible = |count: &usize| model.metadata().channels.iter().any(|c| *c as usize == *count);
    if let Some(channels) = channels.filter(|count| *count != with.channels).filter(possible) {
        model = registry.model(id, &ModelOptions { channels, ..with }).map_err(Failure::bad)?;
    }
    let has_map = key_map.is_some();
    match load_into(&model, file, &LoadOptions { key_map, ..LoadOptions::exact() }) {
        Ok(_) => Ok(model),
        Err(error @ WeightsError::OtherNetwork { .. }) => {
            Err(Failure::bad(format!("{error}{}", advice(&error, has_map))))
        }
        Err(error) => Err(Failure::bad(error)),
    }
}

fn advice(error: &WeightsError, has_map: bool) -> String {
    match error {
        WeightsError::OtherNetwork { classes: Some(classes), .. } => format!("; give --classes {classes}"),
        WeightsError::OtherNetwork { comparison, .. } if comparison.matched.is_empty() && !has_map => {
            "; if only the names differ, give --key-map".to_owned()
        }
        _ => String::new(),
    }
}

/// Loads weights to start from; the classifier may have another class count. Gives lines for the user.
pub fn load_pretrained(model: &ModelHandle, pretrained: &Pretrained) -> Result<Vec<String>> {
    let report = load_into(model, &pretrained.path, &LoadOptions::pretrained()).map_err(Failure::bad)?;
    Ok(report.lines())
}
