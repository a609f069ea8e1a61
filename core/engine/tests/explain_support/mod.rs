//! A tiny network for tests of explaining, the plugins beside the test binary, and the Python to compare with.

#![allow(dead_code, reason = "each test binary uses its own part")]
#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use lightbox_engine::Cancel;
use lightbox_engine::explain::{
    Event, ExplainOptions, Explainer, Explanations, ImageBatch, Network, Result, choose_layers, image_seed,
    with_eigen_smoothing,
};
use lightbox_engine::plugin::{AttributionHandle, ParameterValue, PluginError, Registry, SearchPath, from_text};
use tch::{Device, Kind, Tensor};

#[path = "../oracle/mod.rs"]
mod oracle;
pub mod parity;

/// What the head of the tiny network does.
#[derive(Clone, Copy, PartialEq)]
pub enum Head {
    /// Pooling to 2 x 2 and two linear layers with a ReLU.
    Deep,
    /// Global pooling and a linear layer: affine in the activations.
    Affine,
    /// As `Affine`, cut off from the graph.
    Detached,
    /// As `Affine`, the logits NaN.
    Broken,
    /// As `Affine`, every weight of class 3 negative.
    Against,
}

/// Two convolutions and a head; as in `tests/oracles/explain_gradcam.py`.
pub struct Tiny {
    variables: HashMap<String, Tensor>,
    cut_points: Vec<String>,
    head: Head,
    /// More rows than this are too many for the memory.
    pub most_rows: Cell<i64>,
    /// The rows of each run: from which cut, how many.
    pub runs: RefCell<Vec<(Option<usize>, i64)>>,
}

pub const CLASSES: usize = 7;

impl Tiny {
    /// A network with the weights of a file.
    pub fn read(file: &Path) -> Self {
        Tiny::with(Tensor::read_safetensors(file).unwrap().into_iter().collect(), Head::Deep)
    }

    /// A network with random weights.
    pub fn random(head: Head, seed: i64) -> Self {
        let _alone = drawing();
        tch::manual_seed(seed);
        let normal = |shape: &[i64], scale: f64| Tensor::randn(shape, (Kind::Float, Device::Cpu)) * scale;
        let variables = [
            ("conv1.weight", normal(&[12, 3, 5, 5], 0.1)),
            ("conv1.bias", normal(&[12], 0.1)),
            ("bn1.weight", normal(&[12], 0.2) + 1.0),
            ("bn1.bias", normal(&[12], 0.2)),
            ("bn1.running_mean", normal(&[12], 0.2)),
            ("bn1.running_var", normal(&[12], 0.2).abs() + 0.5),
            ("conv2.weight", normal(&[20, 12, 3, 3], 0.15)),
            ("conv2.bias", normal(&[20], 0.1)),
            ("fc1.weight", normal(&[24, 80], 0.2)),
            ("fc1.bias", normal(&[24], 0.2)),
            ("fc2.weight", normal(&[7, if head == Head::Deep { 24 } else { 20 }], 0.5)),
            ("fc2.bias", normal(&[7], 0.2)),
        ];
        Tiny::with(variables.into_iter().map(|(name, tensor)| (name.to_owned(), tensor)).collect(), head)
    }

    fn with(variables: HashMap<String, Tensor>, head: Head) -> Self {
        Tiny {
            variables,
            cut_points: ["first", "second", "flat"].map(str::to_owned).to_vec(),
            head,
            most_rows: Cell::new(i64::MAX),
            runs: RefCell::new(Vec::new()),
        }
    }

    fn get(&self, name: &str) -> &Tensor {
        &self.variables[name]
    }

    fn segment(&self, step: usize, x: &Tensor) -> Tensor {
        match step {
            0 => {
                let x = x.conv2d(self.get("conv1.weight"), Some(self.get("conv1.bias")), [2, 2], [2, 2], [1, 1], 1);
                let part = |name: &str| Some(self.get(name));
                let norm = x.batch_norm(
                    part("bn1.weight"),
                    part("bn1.bias"),
                    part("bn1.running_mean"),
                    part("bn1.running_var"),
                    false,
                    0.1,
                    1e-5,
                    false,
                );
                norm.relu()
            }
            1 => x.conv2d(self.get("conv2.weight"), Some(self.get("conv2.bias")), [2, 2], [1, 1], [1, 1], 1).relu(),
            2 => x.adaptive_avg_pool2d(if self.head == Head::Deep { [2, 2] } else { [1, 1] }).flatten(1, -1),
            _ => {
                let hidden = match self.head {
                    Head::Deep => x.linear(self.get("fc1.weight"), Some(self.get("fc1.bias"))).relu(),
                    Head::Detached => x.detach(),
                    _ => x.shallow_clone(),
                };
                let weight = match self.head {
                    Head::Against => {
                        let rows = Tensor::arange(CLASSES as i64, (Kind::Int64, Device::Cpu)).eq(3).unsqueeze(1);
                        let weight = self.get("fc2.weight");
                        (-weight.abs()).where_self(&rows, weight)
                    }
                    _ => self.get("fc2.weight").shallow_clone(),
                };
                let logits = hidden.linear(&weight, Some(self.get("fc2.bias")));
                if self.head == Head::Broken { logits * f64::NAN } else { logits }
            }
        }
    }
}

impl Network for Tiny {
    fn id(&self) -> &str {
        "tiny"
    }

    fn cut_points(&self) -> &[String] {
        &self.cut_points
    }

    fn default_layer(&self) -> &str {
        "second"
    }

    fn classes(&self) -> usize {
        CLASSES
    }

    fn forward_between(
        &self,
        input: &Tensor,
        from: Option<usize>,
        to: Option<usize>,
    ) -> std::result::Result<Tensor, PluginError> {
        let rows = input.size()[0];
        self.runs.borrow_mut().push((from, rows));
        if rows > self.most_rows.get() {
            return Err(PluginError::Failed {
                file: PathBuf::from("tiny"),
                action: "running the model `tiny`".to_owned(),
                message: "[enforce fail] DefaultCPUAllocator: can't allocate memory".to_owned(),
            });
        }
        let first = from.map_or(0, |cut| cut + 1);
        let last = to.unwrap_or(3);
        Ok((first..=last).fold(input.shallow_clone(), |x, step| self.segment(step, &x)))
    }
}

/// The plugins beside this test binary.
pub fn registry() -> Registry {
    let binary = std::env::current_exe().unwrap();
    Registry::load_all(&SearchPath::default().beside_executable(binary.parent().unwrap()))
}

/// A method by id, with parameters as text.
pub fn method(id: &str, parameters: &[(&str, &str)]) -> AttributionHandle {
    let registry = registry();
    let (_, metadata) = registry.find_attribution(id).unwrap();
    let mut values = from_text(&metadata.parameters, parameters.iter().copied()).unwrap();
    if values.iter().any(|(name, value)| name == "eigen-smooth" && *value == ParameterValue::Bool(true)) {
        values = with_eigen_smoothing(metadata, values);
    }
    registry.attribution(id, &values).unwrap()
}

/// Draws alone: libtorch's generator is one for the process, and the tests of a program run side by side.
fn drawing() -> MutexGuard<'static, ()> {
    static DRAWING: Mutex<()> = Mutex::new(());
    DRAWING.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Methods by id with their defaults.
pub fn methods(ids: &[&str]) -> Vec<AttributionHandle> {
    ids.iter().map(|id| method(id, &[])).collect()
}

/// Smooth images with shapes in them, [N,3,H,W].
pub fn images(count: i64, height: i64, width: i64) -> Tensor {
    let _alone = drawing();
    tch::manual_seed(count * 1000 + height);
    let coarse = Tensor::randn([count, 3, 5, 5], (Kind::Float, Device::Cpu));
    coarse.upsample_bilinear2d([height, width], false, None, None)
}

/// Explains images at layers (the default when there are none).
pub fn explain(
    network: &dyn Network,
    layers: &[&str],
    methods: Vec<AttributionHandle>,
    options: ExplainOptions,
    input: &Tensor,
) -> Result<Explanations> {
    explain_and_watch(network, layers, methods, options, input, &mut |_| {})
}

pub fn explain_and_watch(
    network: &dyn Network,
    layers: &[&str],
    methods: Vec<AttributionHandle>,
    options: ExplainOptions,
    input: &Tensor,
    events: &mut dyn FnMut(Event<'_>),
) -> Result<Explanations> {
    let seeds: Vec<u64> = (0..input.size()[0]).map(|image| image_seed(options.seed, &image.to_string())).collect();
    let mut explainer = Explainer::new(network, choose_layers(network, layers)?, methods, options)?;
    explainer.explain(&ImageBatch { input, truths: None, seeds: &seeds }, &Cancel::new(), events)
}

/// The largest difference of two lists of numbers.
pub fn difference(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, |all, one| if one.is_nan() { one } else { one.max(all) })
}

/// Runs a script of `tests/oracles`.
pub fn run_oracle(script: &str, arguments: &[&std::ffi::OsStr]) {
    let done = oracle::command(script).args(arguments).output().unwrap();
    assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
}
