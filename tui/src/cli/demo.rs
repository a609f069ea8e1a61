//! `lightbox demo`: the whole job on phantoms, from images to tables and a picture.

use std::path::Path;

use clap::Args;
use lightbox_data::Dataset;
use lightbox_data::dataset::AddRequest;
use lightbox_phantom::{Kind, generate};
use lightbox_store::Home;
use lightbox_store::study::StudyFile;

use super::{Context, explain, study};
use crate::failure::{Failure, Result};

/// Side of the images in pixels: the small network's own.
const SIZE: u32 = 64;

/// How long the demo may take.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Fewer images and epochs, for a look within a few minutes
    #[arg(long)]
    quick: bool,
}

/// Runs the command.
pub fn run(context: &Context, arguments: Arguments) -> Result<()> {
    let (images, epochs) = if arguments.quick { (180, 12) } else { (360, 20) };
    // A home of its own: what the demo makes does not stand among the user's datasets and runs.
    let home = Home::at(&context.home.root().join("demo"))?;
    let context = Context { home, out: context.out };
    let say = |text: &str| context.out.note(text);
    let phantoms = context.home.root().join("phantoms");
    say(&format!("demo: {images} synthetic skin lesions with their exact masks, in {}", phantoms.display()));
    if !phantoms.join("manifest.toml").exists() {
        generate(Kind::Skin, images, SIZE, 2025, &phantoms).map_err(Failure::failed)?;
    }
    if Dataset::open(context.home.root(), "phantom-skin").is_err() {
        let manifest = Some(phantoms.join("manifest.toml"));
        let name = "phantom-skin".to_owned();
        let request = AddRequest { path: phantoms.clone(), name, manifest, ..AddRequest::default() };
        Dataset::add(context.home.root(), &request)?;
    }
    say("demo: two networks on three folds by patient, then seven explanation methods scored against the masks");
    let text = study_file(epochs);
    let path = context.home.root().join("demo.toml");
    lightbox_store::atomic::write(&path, text.as_bytes())?;
    study::execute(&context, StudyFile::read(&path)?, Path::new("."), true)?;
    let group = study::queued(&context, "demo")?.train.first().map(|t| t.group.clone());
    let Some(group) = group else { return Err(Failure::failed("the demo queued no run")) };
    let image = lesion_image(&context)?;
    let pictures = context.home.root().join("pictures");
    say(&format!("demo: one image explained, in {}", pictures.display()));
    explain::run_for(&context, &image, &group.0, &["gradcam++", "layercam"], &pictures)?;
    say(&format!("demo: done; look around with: lightbox --home {} runs list", context.home.root().display()));
    Ok(())
}

fn study_file(epochs: usize) -> String {
    format!(
        r#"# Written by `lightbox demo`.
name = "demo"
datasets = ["phantom-skin"]
models = ["small-cnn", "resnet50"]
baseline = "small-cnn"

[split]
folds = 3
seed = 1

[train]
epochs = {epochs}
batch_size = 8
image_size = {SIZE}
lr = 3e-3
warmup_epochs = 1.0
augment = "flip"
val_fraction = 0.15
seed = 1

[explain]
model = "small-cnn"
methods = ["gradcam", "gradcam++", "xgradcam", "layercam", "hirescam", "random", "center"]
metrics = ["road", "energy", "pointing", "auprc"]
limit = 16

[statistics]
primary = "balanced-accuracy"
"#
    )
}

/// The first image with a lesion.
fn lesion_image(context: &Context) -> Result<std::path::PathBuf> {
    let dataset = Dataset::open(context.home.root(), "phantom-skin")?;
    let with_lesion = dataset.images().iter().find(|i| i.mask.is_some()).or_else(|| dataset.images().first());
    with_lesion.map(|i| i.path.clone()).ok_or_else(|| Failure::failed("the demo's dataset is empty"))
}
