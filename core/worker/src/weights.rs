//! Weights files: what is in one, and loading one into a network.

use std::path::Path;

use lightbox_engine::plugin::{ModelHandle, ModelOptions, Registry};
use lightbox_engine::weights::{KeyMap, LoadOptions, NetworkShape, inspect as inspect_file, load_into};
use lightbox_store::Home;
use lightbox_store::run::Pretrained;

use crate::failure::{Failure, Result};
use crate::{network, plugins};

/// Prints names, shapes and types as JSON, and which models the file fits.
pub fn inspect(home: &Home, file: &Path) -> Result<()> {
    let registry = plugins::registry(home)?;
    let shapes = shapes(&registry)?;
    let inspection = inspect_file(file, &shapes).map_err(Failure::bad)?;
    println!("{}", serde_json::to_string(&inspection)?);
    Ok(())
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

/// Loads a file that must fit the network exactly.
pub fn load_exactly(model: &ModelHandle, file: &Path, key_map: Option<&Path>) -> Result<()> {
    let key_map = key_map.map(KeyMap::open).transpose().map_err(Failure::bad)?;
    let options = LoadOptions { key_map, ..LoadOptions::exact() };
    load_into(model, file, &options).map(drop).map_err(Failure::bad)
}

/// Loads weights to start from; the classifier may have another class count. Gives lines for the user.
pub fn load_pretrained(model: &ModelHandle, pretrained: &Pretrained) -> Result<Vec<String>> {
    let report = load_into(model, &pretrained.path, &LoadOptions::pretrained()).map_err(Failure::bad)?;
    Ok(report.lines())
}
