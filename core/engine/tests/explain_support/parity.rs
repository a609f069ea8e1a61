//! Cases of an oracle, and networks in double precision to compare with it.

use std::collections::HashMap;
use std::path::Path;

use lightbox_engine::Cancel;
use lightbox_engine::explain::{ExplainOptions, Explainer, Explanations, ImageBatch, Network, Target, choose_layers};
use lightbox_engine::plugin::{AttributionHandle, ModelHandle, ModelOptions, PluginError, Tapped};
use tch::{Kind, Tensor};

use super::{CLASSES, difference, registry, run_oracle};

/// A case of the oracle: its tensors by name.
pub struct Case {
    pub name: String,
    pub layers: Vec<String>,
    pub tensors: HashMap<String, Tensor>,
}

impl Case {
    pub fn input(&self) -> &Tensor {
        &self.tensors["input"]
    }

    pub fn targets(&self) -> Vec<usize> {
        let targets: Vec<i64> = Vec::try_from(&self.tensors["targets"]).unwrap();
        targets.into_iter().map(|target| target as usize).collect()
    }

    pub fn map(&self, name: &str) -> Option<Vec<f32>> {
        let map = self.tensors.get(&format!("map.{name}"))?;
        Some(Vec::try_from(map.flatten(0, -1)).unwrap())
    }
}

/// A script's cases of these networks, one start of Python for all.
pub fn cases(script: &str, folder: &Path, models: &[&str]) -> HashMap<String, Vec<Case>> {
    let mut arguments = vec![folder.as_os_str()];
    arguments.extend(models.iter().map(std::ffi::OsStr::new));
    run_oracle(script, &arguments);
    let listed: serde_json::Value = serde_json::from_slice(&std::fs::read(folder.join("cases.json")).unwrap()).unwrap();
    let mut cases: HashMap<String, Vec<Case>> = HashMap::new();
    for row in listed.as_array().unwrap() {
        let (model, name) = (row["model"].as_str().unwrap(), row["case"].as_str().unwrap());
        let file = folder.join(format!("{model}-{name}.safetensors"));
        let layers = row["layers"].as_array().unwrap().iter().map(|layer| layer.as_str().unwrap().to_owned());
        cases.entry(model.to_owned()).or_default().push(Case {
            name: format!("{model} {name}"),
            layers: layers.collect(),
            tensors: Tensor::read_safetensors(file).unwrap().into_iter().collect(),
        });
    }
    cases
}

/// The explanations of a case, all images at once as the oracle's: other batches take other kernels, whose rounding turns a
/// ReLU on or off here and there. The targets go as true classes, since each image has its own.
pub fn explained(network: &dyn Network, case: &Case, methods: Vec<AttributionHandle>, augmented: bool) -> Explanations {
    let options =
        ExplainOptions { target: Target::Truth, augmentation_smoothing: augmented, ..ExplainOptions::default() };
    let targets = case.targets();
    let seeds = vec![0; targets.len()];
    let mut explainer =
        Explainer::new(network, choose_layers(network, &case.layers).unwrap(), methods, options).unwrap();
    let batch = ImageBatch { input: case.input(), truths: Some(&targets), seeds: &seeds };
    explainer.explain(&batch, &Cancel::new(), &mut |_| {}).unwrap()
}

/// A network of a plugin that computes in double precision, between tensors in single precision.
pub struct Double(ModelHandle);

impl Network for Double {
    fn id(&self) -> &str {
        self.0.id()
    }

    fn cut_points(&self) -> &[String] {
        self.0.cut_points()
    }

    fn default_layer(&self) -> &str {
        self.0.default_layer()
    }

    fn classes(&self) -> usize {
        self.0.classes()
    }

    fn forward_between(
        &self,
        input: &Tensor,
        from: Option<usize>,
        to: Option<usize>,
    ) -> std::result::Result<Tensor, PluginError> {
        let output = Network::forward_between(&self.0, &input.to_kind(Kind::Double), from, to)?;
        Ok(output.to_kind(Kind::Float))
    }

    fn forward_tapped(&self, input: &Tensor) -> std::result::Result<Option<Tapped>, PluginError> {
        Network::forward_tapped(&self.0, &input.to_kind(Kind::Double))
    }
}

/// A network of a plugin with the weights of a file.
pub fn network(id: &str, weights: &Path) -> Double {
    let options = ModelOptions { classes: CLASSES, channels: 3, options: Vec::new(), seed: 0 };
    let network = registry().model(id, &options).unwrap();
    let weights: HashMap<String, Tensor> = Tensor::read_safetensors(weights).unwrap().into_iter().collect();
    let _no_graph = tch::no_grad_guard();
    for mut variable in network.variables().unwrap() {
        let stored = weights.get(&variable.name).unwrap_or_else(|| panic!("{id} has a `{}` of its own", variable.name));
        assert_eq!(stored.size(), variable.tensor.size(), "{id} {}", variable.name);
        variable.tensor.set_data(&stored.to_kind(Kind::Double));
    }
    Double(network)
}

pub fn check(failures: &mut Vec<String>, what: String, found: &[f32], expected: &[f32], tolerance: f32) {
    let worst = difference(found, expected);
    eprintln!("{what}: {worst:.2e}");
    if worst.is_nan() || worst > tolerance {
        failures.push(format!("{what}: {worst:e} is more than {tolerance:e}"));
    }
}
