//! ROAD of one image and method on ResNet50: what it costs in forward passes, here and in grad-cam.
//!
//! A pass is the time per image of the batch of 18 masked images in the same run, so the figures are ratios and carry
//! over from one machine to another. Both sides use the same weights, images, maps and number of threads. The values are
//! compared too, without noise. Networks are plugins: build the whole workspace first, as `./justw bench` does.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result};
use lightbox_benches::{median, read_f32, run_peer};
use lightbox_engine::explain_metrics::order::Ties;
use lightbox_engine::explain_metrics::road::{RoadSettings, masked_images, road};
use lightbox_engine::explain_metrics::{Image, Map, ScoreError};
use lightbox_engine::plugin::{ModelHandle, ModelOptions, Registry, SearchPath};
use serde::Deserialize;
use tch::{Kind, Tensor};

const REPEATS: usize = 3;

#[derive(Deserialize)]
struct Peer {
    side: usize,
    classes: usize,
    pass_seconds: f64,
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    image: usize,
    method: String,
    target: i64,
    seconds: f64,
    road: f64,
}

fn main() -> Result<()> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    tch::set_num_threads(i32::try_from(threads)?);
    let folder = tempfile::tempdir()?;
    eprintln!("grad-cam takes about a minute first");
    run_peer("road_peer.py", &[folder.path().as_os_str(), threads.to_string().as_ref()])?;
    let peer: Peer = serde_json::from_slice(&std::fs::read(folder.path().join("peer.json"))?)?;
    let network = resnet50(&folder.path().join("resnet50.safetensors"), peer.classes)?;
    let _no_grad = tch::no_grad_guard();
    let side = peer.side;
    let settings = RoadSettings::default();
    let quiet = RoadSettings { ties: Ties::Strict, noise: 0.0, ..RoadSettings::default() };
    let mut table = Vec::new();
    for case in &peer.cases {
        let pixels = read_f32(&folder.path().join(format!("image-{}.f32", case.image)))?;
        let values = read_f32(&folder.path().join(format!("map-{}-{}.f32", case.image, case.method)))?;
        let image = Image::new(&pixels, [3, side, side], case.image as u64)?;
        let map = Map::new(&values, [side, side])?;
        let forward_seconds = Cell::new(0.0);
        let mut scorer = |batch: &[f32], count: usize| -> Result<Vec<f32>, ScoreError> {
            let start = Instant::now();
            let shape = [i64::try_from(count)?, 3, i64::try_from(side)?, i64::try_from(side)?];
            let logits = network.forward(&Tensor::from_slice(batch).view(shape), false)?;
            let scores = Vec::<f32>::try_from(logits.softmax(-1, Kind::Float).select(1, case.target).contiguous())?;
            forward_seconds.set(start.elapsed().as_secs_f64());
            Ok(scores)
        };
        // The first runs let libtorch settle; the last one's value is compared.
        let value =
            road(&image, &map, &quiet, &mut scorer).and_then(|_| road(&image, &map, &quiet, &mut scorer))?.value;
        let (mut imputation, mut forward) = (Vec::new(), Vec::new());
        for _ in 0..REPEATS {
            let start = Instant::now();
            let batch = masked_images(&image, &map, &settings)?;
            imputation.push(start.elapsed().as_secs_f64());
            scorer(&batch, settings.images()).map_err(anyhow::Error::from_boxed)?;
            forward.push(forward_seconds.get());
        }
        table.push((case, median(&imputation), median(&forward), value));
    }
    let images = settings.images() as f64;
    println!("ROAD of one image and method, ResNet50 at {side} x {side}, {threads} threads; a pass is one image of 18");
    println!();
    println!(
        "| map | imputation | pass | ROAD in passes | grad-cam in its passes | ROAD, strict, no noise | difference |"
    );
    println!("|---|---:|---:|---:|---:|---:|---:|");
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for (case, imputation, forward, value) in &table {
        let pass = forward / images;
        let (our_passes, their_passes) = ((imputation + forward) / pass, case.seconds / peer.pass_seconds);
        ours.push(our_passes);
        theirs.push(their_passes);
        println!(
            "| {} {} | {:.0} ms | {:.0} ms | {our_passes:.1} | {their_passes:.1} | {:.4} | {:.1e} |",
            case.method,
            case.image,
            imputation * 1e3,
            pass * 1e3,
            case.road,
            (value - case.road).abs(),
        );
    }
    let largest = table.iter().map(|(case, _, _, value)| (value - case.road).abs()).fold(0.0, f64::max);
    println!();
    println!(
        "median: {:.1} passes here, {:.1} in grad-cam; largest difference {largest:.1e}",
        median(&ours),
        median(&theirs)
    );
    (largest < 1e-3).then_some(()).context("ROAD without noise is not grad-cam's")
}

/// The plugin's network with the peer's weights.
fn resnet50(weights: &Path, classes: usize) -> Result<ModelHandle> {
    let program = std::env::current_exe()?;
    let folder = program.parent().context("a program lies in a folder")?;
    let registry = Registry::load_all(&SearchPath::default().beside_executable(folder));
    let with = ModelOptions { classes, channels: 3, options: Default::default(), seed: 0 };
    let network = registry.model("resnet50", &with).context("build the plugins first: cargo build --release")?;
    let mut tensors: BTreeMap<String, Tensor> = Tensor::read_safetensors(weights)?.into_iter().collect();
    let _no_grad = tch::no_grad_guard();
    for mut variable in network.variables()? {
        let tensor = tensors.remove(&variable.name).with_context(|| format!("the peer has no {}", variable.name))?;
        variable.tensor.f_copy_(&tensor)?;
    }
    Ok(network)
}
