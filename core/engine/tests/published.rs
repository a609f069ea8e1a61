//! Plugins that were built with a published version of the ABI load for ever and give the same maps; so do those of other
//! compilers. What `published/everything.c` asks of the host is computed here by torch.

#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

mod example_support;
mod zoo_support;

use std::path::{Path, PathBuf};
use std::process::Command;

use example_support::{CLASSES, SEEDS, Scene, TARGETS, method, registry};
use lightbox_engine::plugin::{At, HostServices, LogLevel, Registry, Resize, ServiceError, Tap, from_text};
use tch::{Kind, Tensor};
use zoo_support::project;

fn folder() -> PathBuf {
    project().join("core/engine/tests/published")
}

/// The scene with every service there is.
struct Host(Scene);

impl Host {
    fn new() -> Self {
        Host(Scene::new())
    }

    fn conv(&self, x: &Tensor) -> Tensor {
        self.0.convolved(x)
    }
}

fn one_hot() -> Tensor {
    let cotangent = Tensor::zeros([2, CLASSES as i64], (Kind::Float, tch::Device::Cpu));
    for (image, target) in TARGETS.iter().enumerate() {
        let _ = cotangent.get(image as i64).get(*target as i64).fill_(1.0);
    }
    cotangent
}

fn gradient(value: &Tensor, at: &Tensor) -> Tensor {
    Tensor::run_backward(&[value], &[at], true, true).remove(0)
}

fn scaled_and_resized(maps: &Tensor, size: (i64, i64)) -> Tensor {
    let low = maps - maps.amin([1_i64, 2].as_slice(), true);
    let scaled = &low / (low.amax([1_i64, 2].as_slice(), true) + 1e-7);
    scaled.unsqueeze(1).upsample_bilinear2d([size.0, size.1], true, None, None).squeeze_dim(1)
}

impl HostServices for Host {
    fn forward(&mut self, batch: &Tensor) -> Result<Tensor, ServiceError> {
        self.0.forward(batch)
    }
    fn forward_from(&mut self, layer: usize, activations: &Tensor) -> Result<Tensor, ServiceError> {
        self.0.forward_from(layer, activations)
    }
    fn vjp(&mut self, at: At, point: &Tensor, cotangent: &Tensor) -> Result<Tensor, ServiceError> {
        self.0.vjp(at, point, cotangent)
    }
    fn hvp(&mut self, at: At, point: &Tensor, cotangent: &Tensor, direction: &Tensor) -> Result<Tensor, ServiceError> {
        assert_eq!(at, At::Layer(0));
        let point = point.detach().set_requires_grad(true);
        let first = gradient(&(self.0.head(&point) * cotangent).sum(Kind::Float), &point);
        Ok(gradient(&(first * direction).sum(Kind::Float), &point).detach())
    }
    fn taps(&mut self, point: &Tensor, cotangent: &Tensor) -> Result<Vec<Tap>, ServiceError> {
        let output = self.conv(point).detach().set_requires_grad(true);
        let logits = self.0.head(&output.relu());
        let gradient = gradient(&(logits * cotangent).sum(Kind::Float), &output).detach();
        Ok(vec![Tap { name: "conv".to_owned(), output: output.detach(), bias: self.0.bias(), gradient }])
    }
    fn scale_and_resize(&mut self, maps: &Tensor, size: (i64, i64), how: Resize) -> Result<Tensor, ServiceError> {
        assert_eq!((size, how), ((3, 4), Resize { scale: true, align_corners: true }));
        Ok(scaled_and_resized(maps, size))
    }
    fn log(&mut self, level: LogLevel, text: &str) {
        self.0.log(level, text);
        self.0.log.push(format!("{level:?}"));
    }
    fn progress(&mut self, done: u64, total: u64) {
        self.0.progress(done, total);
    }
    fn is_cancelled(&mut self) -> bool {
        self.0.is_cancelled()
    }
}

/// What `everything` says of a part of the ABI: a number for each image.
fn ask(registry: &Registry, host: &mut Host, values: &[(&str, &str)]) -> Result<Vec<f64>, String> {
    let (_, metadata) = registry.find_attribution("everything").unwrap();
    let values = from_text(&metadata.parameters, values.iter().copied()).unwrap();
    let mut method = registry.attribution("everything", &values).unwrap();
    let scene = Scene::new();
    let maps = scene.explain_by(&mut method, host).map_err(|error| error.to_string())?;
    assert_eq!((maps.len(), maps[0].size()), (1, vec![2, 6, 5]));
    Ok((0..2)
        .map(|image| {
            let map = maps[0].get(image);
            assert_eq!(map.min(), map.max(), "one number everywhere");
            map.double_value(&[0, 0])
        })
        .collect())
}

fn sums(tensor: &Tensor) -> Vec<f64> {
    (0..2).map(|image| tensor.get(image).sum(Kind::Double).double_value(&[])).collect()
}

/// What torch says of each part.
fn expected(part: &str) -> Vec<f64> {
    let mut host = Host::new();
    let scene = Scene::new();
    let both = |value: &dyn Fn(usize) -> f64| (0..2).map(value).collect::<Vec<f64>>();
    match part {
        "request" => {
            let scores = sums(&scene.scores);
            both(&|image| {
                let sizes = 3.0 + 10.0 * 12.0 + 1000.0 * 10.0 + 100_000.0 * CLASSES as f64;
                let positive = if scores[image] > 0.0 { 0.125 } else { 0.0 };
                sizes + (SEEDS[image] - 1) as f64 / 16.0 + "features".len() as f64 / 256.0 + 0.5 + positive
            })
        }
        "forward" | "forward-from" => sums(&(&scene.scores * one_hot())),
        "vjp" => sums(&scene.gradients),
        "input-vjp" => sums(&host.vjp(At::Input, &scene.input, &one_hot()).unwrap()),
        "resize" => sums(&scaled_and_resized(&scene.gradients.select(1, 0), (3, 4))),
        "random" => {
            let mut sum = |image: usize| {
                let (mut uniform, mut normal) = ([0.0; 5], [0.0; 5]);
                host.random_uniform(SEEDS[image], &mut uniform);
                host.random_normal(SEEDS[image], &mut normal);
                uniform.iter().chain(&normal).map(|v| f64::from(*v)).sum()
            };
            vec![sum(0), sum(1)]
        }
        "scratch" => vec![1.0, 1.0],
        "talk" => vec![0.0, 1.0],
        "nothing-known" => vec![0.0, 0.0],
        "hvp" => sums(&host.hvp(At::Layer(0), &scene.activations, &one_hot(), &scene.gradients).unwrap()),
        "taps" => {
            let tap = host.taps(&scene.input, &one_hot()).unwrap().remove(0);
            let bias = tap.bias.view([1, -1, 1, 1]) * &tap.gradient;
            let sums = [sums(&tap.output), sums(&bias)];
            both(&|image| 100.0 + sums[0][image] + sums[1][image])
        }
        "keep" => sums(&scene.activations),
        other => panic!("{other} is not computed"),
    }
}

const PARTS: [&str; 13] = [
    "request",
    "forward",
    "forward-from",
    "vjp",
    "input-vjp",
    "resize",
    "random",
    "scratch",
    "talk",
    "hvp",
    "taps",
    "keep",
    "nothing-known",
];

/// Every part of the ABI works for this library.
fn works(file: &Path) {
    let name = file.display();
    let registry = registry(file.to_path_buf());
    for part in PARTS {
        let mut host = Host::new();
        let found = ask(&registry, &mut host, &[("part", part)]).unwrap_or_else(|error| panic!("{name}: {error}"));
        for (found, expected) in found.iter().zip(expected(part)) {
            // The plugin's map is f32, and sums have some dozens of terms.
            let near = 1e-5 * expected.abs().max(1.0);
            assert!((found - expected).abs() < near, "{name}, {part}: {found}, not {expected}");
        }
        if part == "talk" {
            assert_eq!(host.0.progress, [(1, 2), (2, 2)]);
            let log = ["an error", "Error", "a warning", "Warning", "worth knowing", "Info", "for the author", "Debug"];
            assert_eq!(host.0.log, log);
        }
    }
    let values = [("part", "scratch"), ("scale", "2.5"), ("shift", "-4"), ("negate", "true")];
    assert_eq!(ask(&registry, &mut Host::new(), &values).unwrap(), [1.5, 1.5]);
    let error = ask(&registry, &mut Host::new(), &[("part", "error")]).unwrap_err();
    assert!(error.contains("`everything`") && error.contains("shape"), "{name}: {error}");
    let mut stops = Host::new();
    stops.0.stop_after = 1;
    assert!(ask(&registry, &mut stops, &[("part", "talk")]).unwrap_err().contains("cancelled"));
}

/// The fixtures are libraries for one kind of machine.
#[test]
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
fn plugins_of_every_published_version_work() {
    let versions: Vec<PathBuf> =
        std::fs::read_dir(folder()).unwrap().flatten().map(|e| e.path()).filter(|path| path.is_dir()).collect();
    assert!(!versions.is_empty());
    for version in versions {
        works(&version.join("everything.so"));
        let cam = registry(version.join("cam-c.so"));
        let mut gradcam = cam.attribution("gradcam-c", &Vec::new()).unwrap();
        let mut scene = Scene::new();
        let found = scene.explain(&mut gradcam).unwrap().remove(0);
        let weights = scene.gradients.mean_dim([2_i64, 3].as_slice(), true, Kind::Float);
        let map = (weights * &scene.activations).sum_dim_intlist([1_i64].as_slice(), false, Kind::Float);
        assert!(example_support::apart(&found, &map) < 1e-5);
        // In Rust: the same map as of the source that is in the tree today.
        let old = registry(version.join("recipro-cam.so")).attribution("recipro-cam", &Vec::new());
        let found = scene.explain(&mut old.unwrap()).unwrap().remove(0);
        let now = scene.explain(&mut method("cam-rust", "recipro-cam", &[])).unwrap().remove(0);
        assert!(example_support::apart(&found, &now) < 1e-6);
    }
}

/// Published fixtures stay: a change of one is a change of what plugins of years ago were built on.
#[test]
fn published_libraries_have_not_changed() {
    let listed = std::fs::read_to_string(folder().join("hashes.txt")).unwrap();
    let mut count = 0;
    for line in listed.lines() {
        let (hash, file) = line.split_once("  ").unwrap();
        let bytes = std::fs::read(folder().join(file)).unwrap();
        assert_eq!(blake3::hash(&bytes).to_hex().as_str(), hash, "{file} is not the one that was published");
        assert!(bytes.len() < 512 << 10, "{file} is not small");
        count += 1;
    }
    let found = std::fs::read_dir(folder()).unwrap().flatten().filter(|entry| entry.path().is_dir());
    let found: usize = found.map(|entry| std::fs::read_dir(entry.path()).unwrap().count()).sum();
    assert_eq!(count, found, "each library has its line in hashes.txt");
}

/// A compiler and its arguments. `LIGHTBOX_ORACLE_PYTHON -m ziglang` is clang, with a linker and a C++ library of its own.
fn compilers() -> Vec<(String, Vec<String>)> {
    let python = std::env::var("LIGHTBOX_ORACLE_PYTHON").expect("`./justw test` sets LIGHTBOX_ORACLE_PYTHON");
    let words = |line: &str| line.split(' ').map(str::to_owned).collect::<Vec<_>>();
    vec![
        ("gcc in C99, not optimised".to_owned(), words("cc -std=c99 -O0 -g")),
        ("gcc in C11, optimised for size".to_owned(), words("cc -std=c11 -Os -flto")),
        ("g++ in C++17".to_owned(), words("c++ -x c++ -std=c++17 -O3 -fno-exceptions")),
        ("clang in C11".to_owned(), words(&format!("{python} -m ziglang cc -std=c11 -O2"))),
        ("clang++ in C++17".to_owned(), words(&format!("{python} -m ziglang c++ -x c++ -std=c++17 -O2"))),
    ]
}

#[test]
fn plugins_of_other_compilers_work() {
    let place = tempfile::tempdir().unwrap();
    for (index, (name, words)) in compilers().into_iter().enumerate() {
        let library = place.path().join(format!("everything-{index}.so"));
        let output = Command::new(&words[0])
            .args(&words[1..])
            .args(["-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-I"])
            .arg(project().join("core/abi/include"))
            .arg("-o")
            .arg(&library)
            .arg(folder().join("everything.c"))
            .env("ZIG_GLOBAL_CACHE_DIR", place.path().join("cache"))
            .env("ZIG_LOCAL_CACHE_DIR", place.path().join("cache"))
            .output()
            .unwrap();
        assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
        works(&library);
    }
}
