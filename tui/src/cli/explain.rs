//! `lightbox explain`: heatmaps of single images, as pictures and NumPy files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use clap::Args;
use lightbox_scheduler::protocol::{Action, News};
use lightbox_store::request::{ExplainRequest, Explained, Network};
use lightbox_store::run::{DeviceChoice, resolve};
use lightbox_store::{JobKind, RunStatus};
use lightbox_terminal::probe::Choice;

use super::{Context, jobs, preflight, show, train};
use crate::failure::{Failure, Result};

/// What to explain, and how.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Image files
    #[arg(required = true, value_name = "IMAGE")]
    images: Vec<PathBuf>,
    /// A trained run (of a group, its first fold is taken)
    #[arg(long, conflicts_with_all = ["model", "weights", "classes"])]
    run: Option<String>,
    /// A model, with --weights and --classes
    #[arg(long, requires_all = ["weights", "classes"])]
    model: Option<String>,
    /// Weights: safetensors, or a PyTorch .pth or .pt
    #[arg(long, value_name = "FILE")]
    weights: Option<PathBuf>,
    /// How many classes the weights have
    #[arg(long, value_name = "K")]
    classes: Option<usize>,
    /// Architecture option of the model
    #[arg(long = "option", value_name = "K=V")]
    options: Vec<String>,
    /// Methods, joined by commas
    #[arg(long, value_delimiter = ',', default_value = "gradcam", value_name = "A,B")]
    method: Vec<String>,
    /// Layers by torchvision's names, joined by commas [default: the model's own]
    #[arg(long, value_delimiter = ',', value_name = "L")]
    layer: Vec<String>,
    /// Class explained: its number or name [default: the predicted one]
    #[arg(long, value_name = "K|LABEL")]
    target: Option<String>,
    /// Names of the classes
    #[arg(long, value_delimiter = ',', value_name = "A,B")]
    class_names: Option<Vec<String>>,
    /// File that gives names in the weights file for names in the network, a line each: `network.name = file.name`;
    /// `features.* = encoder.*` renames all that begin so, `- = head.*` leaves some out
    #[arg(long, value_name = "F", requires = "weights")]
    key_map: Option<PathBuf>,
    /// Mean of the normalisation, a number per channel
    #[arg(long, value_delimiter = ',', value_name = "M")]
    mean: Option<Vec<f64>>,
    /// Standard deviation of the normalisation, a number per channel
    #[arg(long, value_delimiter = ',', value_name = "S")]
    std: Option<Vec<f64>>,
    /// Side of the square input in pixels
    #[arg(long, value_name = "P")]
    image_size: Option<usize>,
    /// auto, cpu or cuda:I
    #[arg(long, default_value = "auto", value_name = "D")]
    device: String,
    /// Threads of libtorch
    #[arg(long, value_name = "T")]
    threads: Option<usize>,
    /// Method parameter, as NAME=VALUE or METHOD.NAME=VALUE
    #[arg(long = "param", value_name = "K=V")]
    params: Vec<String>,
    /// Seed of methods that draw random numbers
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Folder for the pictures
    #[arg(long, default_value = "explanations", value_name = "DIR")]
    out: PathBuf,
    /// Write the maps as NumPy files too, float32 of the network's input size
    #[arg(long)]
    raw: bool,
    /// Draw the pictures in the terminal
    #[arg(long)]
    show: bool,
}

/// Runs the command.
pub fn run(context: &Context, arguments: Arguments) -> Result<()> {
    let request = request(context, &arguments)?;
    answer(context, &request, arguments.show)
}

/// Explains one image with a trained group.
pub fn run_for(context: &Context, image: &Path, run: &str, methods: &[&str], out: &Path) -> Result<()> {
    let request = ExplainRequest {
        images: vec![image.to_path_buf()],
        network: trained(context, run)?,
        methods: methods.iter().map(|m| (*m).to_owned()).collect(),
        layers: Vec::new(),
        target: None,
        class_names: None,
        mean: None,
        std: None,
        image_size: None,
        params: Vec::new(),
        out: absolute(out)?,
        raw: false,
        seed: 0,
        device: DeviceChoice("auto".into()),
        threads: train::threads(None)?,
    };
    answer(context, &request, false)
}

/// Asks the daemon's warm worker, prints what it wrote and, if asked to, the pictures.
fn answer(context: &Context, request: &ExplainRequest, show_pictures: bool) -> Result<()> {
    let mut explained = Vec::new();
    let action = Action::Explain { request: Box::new(request.clone()) };
    jobs::client(context)?.ask_with(action, &mut |news| match news {
        News::Explained { explained: one, .. } => explained.push(*one),
        News::Remark { text, .. } => context.out.note(format!("warning: {text}")),
        _ => {}
    })?;
    print(context, &explained)?;
    if show_pictures {
        let display = show::Display::find(context, Choice::Auto);
        for one in &explained {
            context.out.line(format!("{}: {} for {}", one.image.display(), one.method, one.target));
            display.picture(&one.overlay)?;
        }
    }
    Ok(())
}

fn request(context: &Context, arguments: &Arguments) -> Result<ExplainRequest> {
    preflight::each_once("--method", &arguments.method)?;
    preflight::each_once("--layer", &arguments.layer)?;
    Ok(ExplainRequest {
        images: arguments.images.iter().map(|p| absolute(p)).collect::<Result<_>>()?,
        network: network(context, arguments)?,
        methods: arguments.method.clone(),
        layers: arguments.layer.clone(),
        target: arguments.target.clone(),
        class_names: arguments.class_names.clone(),
        mean: arguments.mean.clone(),
        std: arguments.std.clone(),
        image_size: arguments.image_size,
        params: arguments.params.clone(),
        out: absolute(&arguments.out)?,
        raw: arguments.raw,
        seed: arguments.seed,
        device: DeviceChoice(arguments.device.clone()),
        threads: train::threads(arguments.threads)?,
    })
}

fn absolute(path: &std::path::Path) -> Result<PathBuf> {
    std::path::absolute(path).map_err(|e| Failure::bad(format!("{}: {e}", path.display())))
}

fn network(context: &Context, arguments: &Arguments) -> Result<Network> {
    if let Some(name) = &arguments.run {
        return trained(context, name);
    }
    match (&arguments.model, &arguments.weights, arguments.classes) {
        (Some(model), Some(file), Some(classes)) => Ok(Network::Weights {
            model: model.clone(),
            options: pairs(&arguments.options)?,
            file: absolute(file)?,
            classes,
            key_map: arguments.key_map.as_deref().map(absolute).transpose()?,
        }),
        _ => Err(Failure::bad("give --run RUN, or --model M with --weights FILE and --classes K")),
    }
}

/// The first finished training run that a name stands for.
fn trained(context: &Context, name: &str) -> Result<Network> {
    let runs = resolve(&context.home, name)?;
    let finished = runs.iter().find(|r| {
        let is_train = r.config().is_ok_and(|c| matches!(c.job, JobKind::Train(_)));
        is_train && matches!(r.status(), Ok(RunStatus::Finished))
    });
    match finished {
        Some(run) => Ok(Network::Run { path: run.path().to_path_buf() }),
        None => Err(Failure::bad(format!("{name} has no finished training run; see `lightbox runs show {name}`"))),
    }
}

/// Reads `K=V` arguments, each name once.
pub fn pairs(arguments: &[String]) -> Result<BTreeMap<String, String>> {
    let mut pairs = BTreeMap::new();
    for text in arguments {
        let (name, value) = match text.split_once('=') {
            Some((name, value)) if !name.trim().is_empty() => (name.trim(), value.trim()),
            _ => return Err(Failure::bad(format!("{text:?} is not NAME=VALUE"))),
        };
        if pairs.insert(name.to_owned(), value.to_owned()).is_some() {
            return Err(Failure::bad(format!("{name:?} is given twice; give it once")));
        }
    }
    Ok(pairs)
}

fn print(context: &Context, explained: &[Explained]) -> Result<()> {
    if context.out.json {
        return context.out.record(&explained);
    }
    let name = |p: &std::path::Path| p.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    let rows: Vec<Vec<String>> = explained
        .iter()
        .map(|e| {
            let probability = e.probability.map(|p| format!("{p:.4}")).unwrap_or_default();
            let peak = e.raw_peak.map(|p| format!("{p:.3e}")).unwrap_or_default();
            vec![
                name(&e.image),
                e.method.clone(),
                e.target.clone(),
                e.predicted.clone(),
                probability,
                peak,
                e.status.clone(),
                e.overlay.display().to_string(),
            ]
        })
        .collect();
    context
        .out
        .table(&["image", "method", "target", "predicted", "probability", "raw peak", "status", "overlay"], &rows);
    Ok(())
}
