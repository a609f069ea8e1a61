//! The plugins of `plugins/examples`, a network to explain by them, and their checks.

#![allow(dead_code, reason = "each test program uses a part")]
#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use lightbox_engine::conformance::{CheckLimits, Verdict, supervise};
use lightbox_engine::plugin::{
    At, AttributionHandle, AttributionLayer, AttributionRequest, HostServices, LogLevel, RegisteredLibrary, Registry,
    Resize, ServiceError, from_text,
};
use tch::{Device, Kind, Tensor};

/// The library of an example in Rust, which cargo built beside this program.
pub fn library(folder: &str) -> PathBuf {
    let program = std::env::current_exe().unwrap();
    let file = program.with_file_name(format!("libexample_{}.so", folder.replace('-', "_")));
    assert!(file.exists(), "{} was not built", file.display());
    file
}

pub fn registry(file: PathBuf) -> Registry {
    let mut registry = Registry::default();
    registry.add(RegisteredLibrary { metadata: Registry::read_here(&file).unwrap(), file });
    registry
}

/// A method of an example, with parameters as text.
pub fn method(folder: &str, id: &str, parameters: &[(&str, &str)]) -> AttributionHandle {
    let registry = registry(library(folder));
    let (_, metadata) = registry.find_attribution(id).unwrap();
    let values = from_text(&metadata.parameters, parameters.iter().copied()).unwrap();
    registry.attribution(id, &values).unwrap()
}

/// `plugins check` finds neither an error nor a warning.
pub fn passes(worker: &Path, file: &Path) {
    let report = supervise(worker, file, CheckLimits::default(), &mut |_| {});
    let bad: Vec<_> = report.checks.iter().filter(|c| matches!(c.verdict, Verdict::Error | Verdict::Warning)).collect();
    assert!(report.passed() && bad.is_empty() && report.checks.len() > 10, "{}: {:#?}", file.display(), report.checks);
}

pub const CLASSES: usize = 4;

/// One convolution and a curved head, and two images.
pub struct Scene {
    conv: (Tensor, Tensor),
    linear: (Tensor, Tensor),
    pub input: Tensor,
    pub activations: Tensor,
    pub gradients: Tensor,
    pub scores: Tensor,
    /// Progress that was told; a method is stopped after so many.
    pub progress: Vec<(u64, u64)>,
    pub stop_after: usize,
    pub log: Vec<String>,
}

pub const TARGETS: [usize; 2] = [3, 0];
pub const SEEDS: [u64; 2] = [21, 22];

impl Scene {
    pub fn new() -> Self {
        // libtorch's generator is one for the process, and the tests of a program run side by side.
        static DRAWING: Mutex<()> = Mutex::new(());
        let _alone = DRAWING.lock().unwrap_or_else(PoisonError::into_inner);
        tch::manual_seed(11);
        let normal = |shape: &[i64], scale: f64| Tensor::randn(shape, (Kind::Float, Device::Cpu)) * scale;
        let mut scene = Scene {
            conv: (normal(&[6, 3, 3, 3], 0.4), normal(&[6], 0.2)),
            linear: (normal(&[CLASSES as i64, 24], 0.5), normal(&[CLASSES as i64], 0.3)),
            input: normal(&[2, 3, 12, 10], 1.0),
            activations: Tensor::new(),
            gradients: Tensor::new(),
            scores: Tensor::new(),
            progress: Vec::new(),
            stop_after: usize::MAX,
            log: Vec::new(),
        };
        scene.activations = scene.features(&scene.input);
        scene.scores = scene.head(&scene.activations);
        scene.gradients = scene.gradient_of_targets();
        scene
    }

    pub fn convolved(&self, x: &Tensor) -> Tensor {
        x.conv2d(&self.conv.0, Some(&self.conv.1), [2, 2], [1, 1], [1, 1], 1)
    }

    /// The convolution's bias.
    pub fn bias(&self) -> Tensor {
        self.conv.1.shallow_clone()
    }

    pub fn features(&self, x: &Tensor) -> Tensor {
        self.convolved(x).relu()
    }

    pub fn head(&self, a: &Tensor) -> Tensor {
        a.adaptive_avg_pool2d([2, 2]).flatten(1, -1).silu().linear(&self.linear.0, Some(&self.linear.1))
    }

    fn gradient_of_targets(&self) -> Tensor {
        let at = self.activations.detach().set_requires_grad(true);
        let logits = self.head(&at);
        let sum = logits.get(0).get(TARGETS[0] as i64) + logits.get(1).get(TARGETS[1] as i64);
        Tensor::run_backward(&[sum], &[&at], false, false).remove(0)
    }

    /// Runs a method on both images, with the scene's own services.
    pub fn explain(&mut self, method: &mut AttributionHandle) -> lightbox_engine::plugin::Result<Vec<Tensor>> {
        let tensors = Scene {
            conv: (self.conv.0.shallow_clone(), self.conv.1.shallow_clone()),
            linear: (self.linear.0.shallow_clone(), self.linear.1.shallow_clone()),
            input: self.input.shallow_clone(),
            activations: self.activations.shallow_clone(),
            gradients: self.gradients.shallow_clone(),
            scores: self.scores.shallow_clone(),
            progress: Vec::new(),
            stop_after: usize::MAX,
            log: Vec::new(),
        };
        tensors.explain_by(method, self)
    }

    /// Runs a method on both images, with the services of a host.
    pub fn explain_by(
        &self,
        method: &mut AttributionHandle,
        host: &mut dyn HostServices,
    ) -> lightbox_engine::plugin::Result<Vec<Tensor>> {
        let (height, width) = (self.activations.size()[2] as usize, self.activations.size()[3] as usize);
        let request = AttributionRequest {
            targets: &TARGETS,
            classes: CLASSES,
            input_shape: (3, 12, 10),
            input: Some(&self.input),
            scores: Some(&self.scores),
            layers: vec![AttributionLayer {
                name: "features",
                size: (height, width),
                activations: Some(&self.activations),
                gradients: Some(&self.gradients),
            }],
            device: Device::Cpu,
            seed: 1,
            image_seeds: &SEEDS,
        };
        let maps = method.attribute(&request, host)?;
        let tensor = |map: &lightbox_engine::plugin::AttributionMap| {
            Tensor::from_slice(&map.values).view([2, map.height as i64, map.width as i64])
        };
        Ok(maps.iter().map(tensor).collect())
    }
}

impl HostServices for Scene {
    fn forward(&mut self, batch: &Tensor) -> Result<Tensor, ServiceError> {
        Ok(self.head(&self.features(batch)))
    }
    fn forward_from(&mut self, layer: usize, activations: &Tensor) -> Result<Tensor, ServiceError> {
        assert_eq!(layer, 0);
        Ok(self.head(activations))
    }
    fn vjp(&mut self, at: At, point: &Tensor, cotangent: &Tensor) -> Result<Tensor, ServiceError> {
        let point = point.detach().set_requires_grad(true);
        let logits = match at {
            At::Input => self.head(&self.features(&point)),
            At::Layer(_) => self.head(&point),
        };
        Ok(Tensor::run_backward(&[(logits * cotangent).sum(Kind::Float)], &[&point], false, false).remove(0))
    }
    fn scale_and_resize(&mut self, _: &Tensor, _: (i64, i64), _: Resize) -> Result<Tensor, ServiceError> {
        Err(ServiceError::Unsupported("no resizing here".to_owned()))
    }
    fn log(&mut self, _: LogLevel, text: &str) {
        self.log.push(text.to_owned());
    }
    fn progress(&mut self, done: u64, total: u64) {
        self.progress.push((done, total));
    }
    fn is_cancelled(&mut self) -> bool {
        self.progress.len() >= self.stop_after
    }
}

/// The largest difference of two tensors of one shape.
pub fn apart(found: &Tensor, expected: &Tensor) -> f64 {
    assert_eq!(found.size(), expected.size());
    (found.to_kind(Kind::Double) - expected.to_kind(Kind::Double)).abs().max().double_value(&[])
}
