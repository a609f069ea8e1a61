//! What a call across the plugin ABI costs: a method that does nothing, given everything of a batch of 8 on ResNet50, against
//! a forward pass of that batch. Also where the method sees the activations, and how many bytes were copied for it.

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use lightbox_benches::median;
use lightbox_engine::plugin::{At, AttributionHandle};
use lightbox_engine::plugin::{
    AttributionLayer, AttributionRequest, HostServices, LogLevel, ModelOptions, Registry, Resize, SearchPath,
    ServiceError,
};
use tch::{Device, Kind, Tensor};

const BATCH: i64 = 8;
const CLASSES: usize = 4;
const CALLS: usize = 500;
const PASSES: usize = 5;

fn main() -> Result<()> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    tch::set_num_threads(i32::try_from(threads)?);
    let normal = |shape: &[i64]| Tensor::randn(shape, (Kind::Float, Device::Cpu));
    let (input, scores) = (normal(&[BATCH, 3, 224, 224]), normal(&[BATCH, CLASSES as i64]));
    let (activations, gradients) = (normal(&[BATCH, 2048, 7, 7]), normal(&[BATCH, 2048, 7, 7]));
    let images = BATCH as usize;
    let request = AttributionRequest {
        targets: &vec![0; images],
        classes: CLASSES,
        input_shape: (3, 224, 224),
        input: Some(&input),
        scores: Some(&scores),
        layers: vec![AttributionLayer {
            name: "layer4",
            size: (7, 7),
            activations: Some(&activations),
            gradients: Some(&gradients),
        }],
        device: Device::Cpu,
        seed: 0,
        image_seeds: &vec![0; images],
    };

    let folder = tempfile::tempdir()?;
    let mut method = nothing(folder.path())?;
    let first = method.attribute(&request, &mut NoServices)?;
    let pieces = first[0].values[..4].iter().rev();
    let address = pieces.fold(0_u64, |address, piece| address << 16 | *piece as u64);
    let calls: Vec<f64> = (0..CALLS)
        .map(|_| {
            let start = Instant::now();
            method.attribute(&request, &mut NoServices)?;
            Ok(start.elapsed().as_secs_f64())
        })
        .collect::<Result<_>>()?;
    let forward = forward_pass(&input)?;
    let call = median(&calls);
    println!("one call, microseconds        {:9.1}", call * 1e6);
    println!("one forward pass, seconds     {forward:9.3}");
    println!("a call's share of it          {:9.6}      at most 0.01", call / forward);
    println!("bytes copied in {} calls     {:9}      0", CALLS + 1, method.copied_bytes());
    ensure!(
        address == activations.data_ptr() as u64,
        "the plugin saw {address:#x}, not the host's {:?}",
        activations.data_ptr()
    );
    println!("activations in the plugin     at the host's address");
    Ok(())
}

/// The method of the plugin zoo that writes its map and does nothing else, with all tensors that a method can need.
fn nothing(folder: &Path) -> Result<AttributionHandle> {
    let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let needs = "-DNEEDS=LIGHTBOX_NEED_ACTIVATIONS|LIGHTBOX_NEED_GRADIENTS|LIGHTBOX_NEED_INPUT|LIGHTBOX_NEED_SCORES";
    let output = Command::new("cc")
        .args(["-std=gnu99", "-O2", "-shared", "-fPIC", "-DTELLS_ADDRESS", needs, "-I"])
        .arg(project.join("core/abi/include"))
        .arg("-o")
        .args([folder.join("nothing.so"), project.join("tests/zoo/zoo.c")])
        .output()
        .context("cc")?;
    if !output.status.success() {
        bail!("{}", String::from_utf8_lossy(&output.stderr));
    }
    Ok(Registry::load_all(&SearchPath::default().folder(folder)).attribution("zoo", &Vec::new())?)
}

fn forward_pass(input: &Tensor) -> Result<f64> {
    let program = std::env::current_exe()?;
    let folder = program.parent().context("a program lies in a folder")?;
    let registry = Registry::load_all(&SearchPath::default().beside_executable(folder));
    let with = ModelOptions { classes: CLASSES, channels: 3, options: Vec::new(), seed: 0 };
    let network = registry.model("resnet50", &with).context("build the plugins: cargo build --release")?;
    let _no_graph = tch::no_grad_guard();
    let mut times = Vec::new();
    for _ in 0..=PASSES {
        let start = Instant::now();
        let _logits = network.forward(input, false)?;
        times.push(start.elapsed().as_secs_f64());
    }
    // The first one prepares convolutions.
    Ok(median(&times[1..]))
}

/// A host without services: the method calls none.
struct NoServices;

fn none<T>() -> Result<T, ServiceError> {
    Err(ServiceError::Unsupported("no network here".to_owned()))
}

impl HostServices for NoServices {
    fn forward(&mut self, _: &Tensor) -> Result<Tensor, ServiceError> {
        none()
    }

    fn forward_from(&mut self, _: usize, _: &Tensor) -> Result<Tensor, ServiceError> {
        none()
    }

    fn vjp(&mut self, _: At, _: &Tensor, _: &Tensor) -> Result<Tensor, ServiceError> {
        none()
    }

    fn scale_and_resize(&mut self, _: &Tensor, _: (i64, i64), _: Resize) -> Result<Tensor, ServiceError> {
        none()
    }

    fn log(&mut self, _: LogLevel, _: &str) {}

    fn progress(&mut self, _: u64, _: u64) {}

    fn is_cancelled(&mut self) -> bool {
        false
    }
}
