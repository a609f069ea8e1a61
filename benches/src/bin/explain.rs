//! Explaining with ResNet50 on the CPU: what five methods cost in forward passes, here and in grad-cam, and what AblationCAM
//! costs; with `memory`, how the process grows over 500 images.
//!
//! ```text
//! explain [ROUNDS]        figures against grad-cam, in turns within each round, medians over the rounds
//! explain memory          500 images with six methods
//! explain ablation        also one image with grad-cam's AblationCAM, which takes minutes
//! ```
//!
//! All figures are ratios of times of the same run, so that they carry over from one machine to another. Both sides have the
//! same weights, images and number of threads. Networks and methods are plugins: build the whole workspace first, as
//! `./justw bench` does.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use lightbox_benches::{median, peer_python};
use lightbox_engine::Cancel;
use lightbox_engine::explain::{ExplainOptions, Explainer, Explanations, ImageBatch, choose_layers};
use lightbox_engine::plugin::{AttributionHandle, ModelHandle, ModelOptions, Registry, SearchPath};
use tch::{Device, Kind, Tensor};

const BATCH: usize = 8;
const CLASSES: usize = 4;
const FIVE: [&str; 5] = ["gradcam", "gradcam++", "xgradcam", "eigengradcam", "layercam"];
/// Images explained in the memory check, and after how many of them its growth is counted.
const MEMORY_IMAGES: usize = 500;
const MEMORY_SETTLED: usize = 50;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    tch::set_num_threads(i32::try_from(threads)?);
    if arguments.iter().any(|argument| argument == "memory") {
        return memory();
    }
    let rounds = arguments.iter().find_map(|argument| argument.parse().ok()).unwrap_or(5);
    against_peer(rounds, threads, arguments.iter().any(|argument| argument == "ablation"))
}

fn against_peer(rounds: usize, threads: usize, ablation: bool) -> Result<()> {
    let folder = tempfile::tempdir()?;
    let mut peer = Peer::start(folder.path(), threads)?;
    let registry = registry()?;
    let network = resnet50(&registry)?;
    load(&network, &folder.path().join("resnet50.safetensors"))?;
    let input =
        read(&folder.path().join("images.safetensors"))?.remove("images").context("the peer wrote no images")?;
    let mut five = explainer(&network, methods(&registry, &FIVE)?)?;
    let mut ablationcam = explainer(&network, methods(&registry, &["ablationcam"])?)?;
    // The first runs let libtorch settle; their maps are compared.
    forward(&network, &input)?;
    let found = explain(&mut five, &input)?;
    explain(&mut ablationcam, &input)?;
    compare(&found, &read(&folder.path().join("maps.safetensors"))?)?;
    let mut times: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for _ in 0..rounds {
        let mut note = |what: &'static str, seconds: f64| times.entry(what).or_default().push(seconds);
        note("peer forward", peer.ask("forward")?);
        note("forward", timed(|| forward(&network, &input))?);
        note("peer five", peer.ask("five")?);
        note("five", timed(|| explain(&mut five, &input).map(drop))?);
        note("forward", timed(|| forward(&network, &input))?);
        note("ablation", timed(|| explain(&mut ablationcam, &input).map(drop))?);
    }
    let time = |what: &str| median(times.get(what).map_or(&[][..], Vec::as_slice));
    println!("ResNet50, batch {BATCH}, 224 x 224, {threads} threads; medians of {rounds} rounds");
    println!(
        "one forward pass                     {:7.3} s    grad-cam's torch {:7.3} s",
        time("forward"),
        time("peer forward")
    );
    println!("five methods                         {:7.3} s    grad-cam {:7.3} s", time("five"), time("peer five"));
    println!("five methods, in forward passes      {:7.2}      at most 1.3", time("five") / time("forward"));
    println!("grad-cam, in its forward passes      {:7.2}", time("peer five") / time("peer forward"));
    println!("grad-cam's time over ours            {:7.1}      at least 10", time("peer five") / time("five"));
    println!("AblationCAM, in forward passes       {:7.2}      at most 1.5", time("ablation") / time("forward"));
    if ablation {
        let ratio = peer.ask("ablation")? / (time("ablation") / BATCH as f64);
        println!("grad-cam's AblationCAM over ours     {ratio:7.0}");
    }
    Ok(())
}

/// How the resident memory grows while images are explained.
fn memory() -> Result<()> {
    let registry = registry()?;
    let network = resnet50(&registry)?;
    let mut ids = FIVE.to_vec();
    ids.push("ablationcam");
    let mut explainer = explainer(&network, methods(&registry, &ids)?)?;
    let (mut done, mut after) = (0, Vec::new());
    while done < MEMORY_IMAGES {
        let input = Tensor::randn([BATCH as i64, 3, 224, 224], (Kind::Float, Device::Cpu));
        explain(&mut explainer, &input)?;
        done += BATCH;
        if done >= MEMORY_SETTLED {
            after.push(resident()? as f64);
        }
    }
    // The allocator keeps or returns some megabytes from batch to batch, up and down: medians tell growth from that.
    let part = after.len() / 5;
    let (first, last) = (median(&after[..part]), median(&after[after.len() - part..]));
    let growth = (last / first - 1.0) * 100.0;
    let mib = f64::from(1 << 20);
    println!(
        "resident memory: {:.0} MiB soon after {MEMORY_SETTLED} images, {:.0} MiB at {done}",
        first / mib,
        last / mib
    );
    println!("resident memory grows by {growth:.2} %; at most 2 %");
    if growth >= 2.0 {
        bail!("memory grows");
    }
    Ok(())
}

/// Resident memory of this process in bytes.
fn resident() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("the kernel names no VmRSS")?;
    let kilobytes: u64 = line.trim().trim_end_matches("kB").trim().parse()?;
    Ok(kilobytes * 1024)
}

fn timed(work: impl FnOnce() -> Result<()>) -> Result<f64> {
    let start = Instant::now();
    work()?;
    Ok(start.elapsed().as_secs_f64())
}

fn forward(network: &ModelHandle, input: &Tensor) -> Result<()> {
    let _no_graph = tch::no_grad_guard();
    network.forward(input, false).map(drop)?;
    Ok(())
}

fn explainer(network: &ModelHandle, methods: Vec<AttributionHandle>) -> Result<Explainer<'_>> {
    let layers = choose_layers(network, &[] as &[&str])?;
    Ok(Explainer::new(network, layers, methods, ExplainOptions::default())?)
}

fn explain(explainer: &mut Explainer<'_>, input: &Tensor) -> Result<Explanations> {
    let batch = ImageBatch { input, truths: None, seeds: &[0; BATCH] };
    Ok(explainer.explain(&batch, &Cancel::new(), &mut |_| {})?)
}

/// Both sides must have done the same work. The sign of an eigenvector is arbitrary, so that EigenGradCAM is left out.
fn compare(found: &Explanations, theirs: &BTreeMap<String, Tensor>) -> Result<()> {
    for maps in found.methods.iter().filter(|maps| maps.method != "eigengradcam") {
        let theirs = theirs.get(&maps.method).context("the peer has no such map")?;
        let ours = Tensor::from_slice(&maps.heatmaps).view_as(theirs);
        let worst = f64::try_from((ours - theirs).abs().max())?;
        if worst > 1e-4 {
            bail!("{} differs by {worst} from grad-cam's", maps.method);
        }
    }
    Ok(())
}

fn registry() -> Result<Registry> {
    let program = std::env::current_exe()?;
    let folder = program.parent().context("a program lies in a folder")?;
    Ok(Registry::load_all(&SearchPath::default().beside_executable(folder)))
}

fn methods(registry: &Registry, ids: &[&str]) -> Result<Vec<AttributionHandle>> {
    let method = |id: &&str| registry.attribution(id, &Vec::new()).context("build the plugins: cargo build --release");
    ids.iter().map(method).collect()
}

fn resnet50(registry: &Registry) -> Result<ModelHandle> {
    let with = ModelOptions { classes: CLASSES, channels: 3, options: Vec::new(), seed: 0 };
    registry.model("resnet50", &with).context("build the plugins: cargo build --release")
}

fn read(file: &Path) -> Result<BTreeMap<String, Tensor>> {
    Ok(Tensor::read_safetensors(file)?.into_iter().collect())
}

fn load(network: &ModelHandle, file: &Path) -> Result<()> {
    let weights = read(file)?;
    let _no_graph = tch::no_grad_guard();
    for mut variable in network.variables()? {
        let tensor = weights.get(&variable.name).with_context(|| format!("the peer has no {}", variable.name))?;
        variable.tensor.f_copy_(tensor)?;
    }
    Ok(())
}

/// grad-cam in its own process, asked for one measurement at a time.
struct Peer {
    process: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Peer {
    fn start(folder: &Path, threads: usize) -> Result<Self> {
        eprintln!("grad-cam gets ready, which takes half a minute");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("explain_peer.py");
        let mut process = Command::new(peer_python()?)
            .arg(script)
            .arg(folder)
            .args([threads.to_string(), BATCH.to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .context("Python does not start")?;
        let to = process.stdin.take().context("Python has no input")?;
        let from = BufReader::new(process.stdout.take().context("Python has no output")?);
        let mut peer = Peer { process, to, from };
        match peer.line()?.as_str() {
            "ready" => Ok(peer),
            other => bail!("the peer said {other:?}, not ready"),
        }
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        self.from.read_line(&mut line)?;
        Ok(line.trim().to_owned())
    }

    /// Seconds that the peer needs for something.
    fn ask(&mut self, what: &str) -> Result<f64> {
        writeln!(self.to, "{what}")?;
        self.to.flush()?;
        self.line()?.parse().with_context(|| format!("the peer did not time {what}"))
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // It ends with its input in any case.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
