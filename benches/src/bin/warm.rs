//! `lightbox explain` on ResNet50 at 224 pixels: with everything to be started and loaded, and by a warm worker.
//!
//! Times are of the whole program, from its start to its end, medians of several calls.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use lightbox_benches::median;
use lightbox_engine::plugin::{ModelHandle, ModelOptions, Registry, SearchPath};
use tch::Tensor;

const COLD: usize = 5;
const WARM: usize = 25;

fn main() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let programs = std::env::current_exe()?.parent().context("a program lies in a folder")?.to_path_buf();
    let weights = folder.path().join("resnet50.safetensors");
    let network = resnet50(&programs)?;
    save(&network, &weights)?;
    let call = |arguments: &[&str]| lightbox(&programs, folder.path(), arguments);
    let phantoms = folder.path().join("phantoms");
    let phantoms = phantoms.to_str().context("a temporary folder's name is text")?;
    call(&["data", "phantom", "brain", "--out", phantoms, "--images", "12", "--size", "256", "--seed", "1"])?;
    let image = first_file(&Path::new(phantoms).join("images"))?;
    let explain = |methods: &str| -> Result<f64> {
        let (image, weights) = (image.to_str().context("text")?, weights.to_str().context("text")?);
        let out = folder.path().join("out");
        let start = Instant::now();
        let network = ["--model", "resnet50", "--weights", weights, "--classes", "1000"];
        let rest = ["--method", methods, "--out", out.to_str().context("text")?];
        call(&[&["explain", image][..], &network, &rest].concat())?;
        Ok(start.elapsed().as_secs_f64())
    };
    // Once for the descriptions of the plugins, which are kept for good.
    explain("gradcam")?;
    let mut cold = Vec::new();
    for _ in 0..COLD {
        call(&["daemon", "stop"])?;
        // Its warm worker ends by itself when the daemon has.
        std::thread::sleep(Duration::from_millis(500));
        cold.push(explain("gradcam")?);
    }
    let warm = (0..WARM).map(|_| explain("gradcam")).collect::<Result<Vec<_>>>()?;
    let (cold, warm) = (median(&cold), median(&warm));
    println!("cold start, s        {cold:.3}");
    println!("second request, s    {warm:.3}");
    println!("times faster         {:.1}", cold / warm);
    call(&["daemon", "stop"])?;
    let forward = forward_pass(&network)?;
    println!("a forward pass, s    {forward:.3}");
    println!("in forward passes    {:.2}", warm / forward);
    Ok(())
}

fn resnet50(programs: &Path) -> Result<ModelHandle> {
    let registry = Registry::load_all(&SearchPath::default().beside_executable(programs));
    let with = ModelOptions { classes: 1000, channels: 3, options: Default::default(), seed: 1 };
    Ok(registry.model("resnet50", &with)?)
}

/// Seconds of one forward pass of one image without a graph, the median of several.
fn forward_pass(network: &ModelHandle) -> Result<f64> {
    let image = Tensor::randn([1, 3, 224, 224], (tch::Kind::Float, tch::Device::Cpu));
    let _guard = tch::no_grad_guard();
    let mut times = Vec::new();
    for _ in 0..=WARM {
        let start = Instant::now();
        let _logits = network.forward(&image, false)?;
        times.push(start.elapsed().as_secs_f64());
    }
    // The first one prepares convolutions.
    Ok(median(&times[1..]))
}

fn save(model: &ModelHandle, to: &Path) -> Result<()> {
    let weights: Vec<(String, Tensor)> =
        model.variables()?.into_iter().map(|v| (v.name, v.tensor.detach().contiguous())).collect();
    Ok(Tensor::write_safetensors(&weights, to)?)
}

fn first_file(folder: &Path) -> Result<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)?.flatten().map(|entry| entry.path()).collect();
    files.sort();
    files.into_iter().next().context("no image was drawn")
}

fn lightbox(programs: &Path, folder: &Path, arguments: &[&str]) -> Result<()> {
    let program = programs.join("lightbox");
    if !program.exists() {
        bail!("{} is not built; run ./justw bench warm", program.display());
    }
    let mut command = Command::new(program);
    command.arg("--home").arg(folder.join("home")).args(arguments).env("XDG_CONFIG_HOME", folder);
    let output = command.stdout(Stdio::null()).output()?;
    if !output.status.success() {
        bail!("lightbox {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}
