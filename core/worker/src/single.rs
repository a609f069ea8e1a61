//! Single image files explained with a network that may be loaded already; overlays and maps are written.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use lightbox_data::decode::{self, DecodeOptions, DecodedImage};
use lightbox_data::{Channels, geometry};
use lightbox_engine::Cancel;
use lightbox_engine::explain::{
    Event, ExplainOptions, Explainer, Explanations, ImageBatch, Network as _, Target, choose_layers, image_seed,
};
use lightbox_engine::picture::{self, Options, Original, npy};
use lightbox_engine::plugin::{AttributionHandle, ModelHandle, ModelOptions, Registry, from_text};
use lightbox_store::request::{ExplainRequest, Explained, Network, WarmAnswer};
use lightbox_store::{RunDir, StoreError};

use crate::failure::{Failure, Result};
use crate::network::{self, Preprocessing};
use crate::weights;

/// A network that was loaded, with what it says of itself.
pub struct Loaded {
    model: ModelHandle,
    preprocessing: Preprocessing,
    classes: Vec<String>,
    decode: DecodeOptions,
}

impl Loaded {
    /// Loads the network of a request onto a device.
    pub fn load(registry: &Registry, network: &Network, device: tch::Device) -> Result<Self> {
        match network {
            Network::Run { path } => {
                let trained = network::open(registry, &RunDir::open(path)?, device)?;
                let classes = trained.config.dataset.classes.clone();
                let decode = decode_options(trained.config.channels);
                Ok(Self { model: trained.model, preprocessing: trained.preprocessing, classes, decode })
            }
            Network::Weights { model: id, options, file, classes, key_map } => {
                let (_, metadata) = registry.find_model(id).map_err(Failure::bad)?;
                let options = network::options(metadata, options)?;
                let with = ModelOptions { classes: *classes, channels: 3, options, seed: 0 };
                let model = weights::network_of(registry, id, with, file, key_map.as_deref())?;
                let channels = model.made_with().channels;
                let (mean, std) = network::normalisation(model.metadata(), channels);
                let size = model.metadata().input_size[0] as usize;
                lightbox_engine::train::prepare(&model, device, true).map_err(Failure::failed)?;
                let classes = (0..*classes).map(|k| k.to_string()).collect();
                let preprocessing = Preprocessing { size, channels, mean, std, device };
                Ok(Self { model, preprocessing, classes, decode: decode_options(channels) })
            }
        }
    }

    /// Explains the images of a request, which is about this network.
    pub fn explain(
        &self,
        registry: &Registry,
        request: &ExplainRequest,
        answer: &mut dyn FnMut(WarmAnswer) -> Result<()>,
    ) -> Result<()> {
        let preprocessing = self.preprocessing(request)?;
        let classes = self.classes(request)?;
        let methods = methods(registry, request)?;
        let layers = choose_layers(&self.model, &request.layers).map_err(Failure::bad)?;
        let layer = layers.iter().map(|l| l.name.clone()).collect::<Vec<_>>().join("+");
        let target = target(request, &classes)?;
        let options = ExplainOptions { target, seed: request.seed, ..ExplainOptions::default() };
        let mut explainer = Explainer::new(&self.model, layers, methods, options).map_err(network::explain_failure)?;
        std::fs::create_dir_all(&request.out).map_err(|e| StoreError::io("create", &request.out, e))?;
        for (path, stem) in request.images.iter().zip(stems(&request.images)) {
            let image = decode::read(path, &self.decode).map_err(Failure::bad)?;
            let side = preprocessing.size as u32;
            let resized = geometry::resize(&image, (side, side)).map_err(Failure::from)?;
            let input = preprocessing.input(std::iter::once(resized.as_slice()))?;
            let seeds = [image_seed(request.seed, &path.to_string_lossy())];
            let batch = ImageBatch { input: &input, truths: None, seeds: &seeds };
            let mut remarks = Vec::new();
            let explained = explainer
                .explain(&batch, &Cancel::new(), &mut |event| {
                    if let Event::Begins { method, file } = event {
                        let (method, file) = (method.to_owned(), file.to_owned());
                        // Who no longer listens is found at the next answer.
                        let _ = answer(WarmAnswer::Begins { method, file });
                    }
                    remarks.extend(network::remark(&event));
                })
                .map_err(network::explain_failure)?;
            for text in remarks {
                answer(WarmAnswer::Remark { text })?;
            }
            for one in write(request, path, &stem, &image, &explained, &classes, &layer)? {
                answer(WarmAnswer::Explained(Box::new(one)))?;
            }
        }
        Ok(())
    }

    fn classes(&self, request: &ExplainRequest) -> Result<Vec<String>> {
        let Some(names) = &request.class_names else { return Ok(self.classes.clone()) };
        if names.len() != self.model.classes() {
            let message = format!("--class-names: {} names for {} classes", names.len(), self.model.classes());
            return Err(Failure::bad(message));
        }
        match names.iter().enumerate().find(|(at, name)| names[..*at].contains(name)) {
            Some((_, twice)) => Err(Failure::bad(format!("--class-names: {twice:?} is the name of two classes"))),
            None => Ok(names.clone()),
        }
    }

    fn preprocessing(&self, request: &ExplainRequest) -> Result<Preprocessing> {
        let mut preprocessing = self.preprocessing.clone();
        for (given, own, flag) in
            [(&request.mean, &mut preprocessing.mean, "--mean"), (&request.std, &mut preprocessing.std, "--std")]
        {
            let Some(given) = given else { continue };
            if given.len() != preprocessing.channels || given.iter().any(|v| !v.is_finite()) {
                let message = format!("{flag}: give {} finite number(s), one for each channel", preprocessing.channels);
                return Err(Failure::bad(message));
            }
            own.clone_from(given);
        }
        if preprocessing.std.iter().any(|s| *s <= 0.0) {
            return Err(Failure::bad("--std: must be positive"));
        }
        if let Some(size) = request.image_size {
            let least = self.model.metadata().min_size[0] as usize;
            if !(least..=4096).contains(&size) {
                return Err(Failure::bad(format!("--image-size {size}: give {least} to 4096")));
            }
            preprocessing.size = size;
        }
        Ok(preprocessing)
    }
}

fn decode_options(channels: usize) -> DecodeOptions {
    let channels = if channels == 1 { Channels::Grey } else { Channels::Colour };
    DecodeOptions { channels, ..DecodeOptions::default() }
}

fn methods(registry: &Registry, request: &ExplainRequest) -> Result<Vec<AttributionHandle>> {
    let mut used = vec![false; request.params.len()];
    let mut handles = Vec::new();
    for id in &request.methods {
        let (_, metadata) = registry.find_attribution(id).map_err(Failure::bad)?;
        let mut own: BTreeMap<&str, &str> = BTreeMap::new();
        for (param, used) in request.params.iter().zip(&mut used) {
            let Some((name, value)) = param.split_once('=') else {
                return Err(Failure::bad(format!("--param {param:?} is not NAME=VALUE")));
            };
            let (for_method, name) = match name.rsplit_once('.') {
                Some((method, name)) if request.methods.iter().any(|m| m == method) => (method == id, name),
                _ => (metadata.parameters.iter().any(|p| p.name == name), name),
            };
            if for_method {
                own.insert(name, value);
                *used = true;
            }
        }
        let values = from_text(&metadata.parameters, own).map_err(|e| Failure::bad(format!("{id}: {e}")))?;
        handles.push(registry.attribution(id, &values).map_err(Failure::bad)?);
    }
    match request.params.iter().zip(used).find(|(_, used)| !used) {
        Some((param, _)) => {
            Err(Failure::bad(format!("--param {param}: none of {} has it", request.methods.join(", "))))
        }
        None => Ok(handles),
    }
}

fn target(request: &ExplainRequest, classes: &[String]) -> Result<Target> {
    let Some(target) = &request.target else { return Ok(Target::Predicted) };
    if let Some(class) = classes.iter().position(|c| c == target) {
        return Ok(Target::Class(class));
    }
    match target.parse::<usize>() {
        Ok(class) if class < classes.len() => Ok(Target::Class(class)),
        _ => {
            let shown = if classes.len() > 20 { format!("0 to {}", classes.len() - 1) } else { classes.join(", ") };
            Err(Failure::bad(format!("--target {target:?} is not a class; there are {shown}")))
        }
    }
}

/// File names for the pictures: the image's own without its ending, numbered where two are the same.
fn stems(images: &[PathBuf]) -> Vec<String> {
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    let stem = |p: &PathBuf| p.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_else(|| "image".into());
    images
        .iter()
        .map(stem)
        .map(|stem| {
            let count = seen.entry(stem.clone()).and_modify(|n| *n += 1).or_insert(1);
            if *count == 1 { stem } else { format!("{stem}-{count}") }
        })
        .collect()
}

fn write(
    request: &ExplainRequest,
    path: &Path,
    stem: &str,
    image: &DecodedImage,
    explained: &Explanations,
    classes: &[String],
    layer: &str,
) -> Result<Vec<Explained>> {
    let mut written = Vec::new();
    let size = [explained.size.0, explained.size.1];
    let original = Original {
        pixels: &image.pixels,
        width: image.width as usize,
        height: image.height as usize,
        channels: image.channels,
    };
    for method in &explained.methods {
        let heatmap = method.heatmap(0).ok_or_else(|| Failure::failed("a method gave no map"))?;
        let overlay = request.out.join(format!("{stem}.{}.png", method.method));
        let picture = picture::overlay(&original, heatmap, size, &[], &Options::default()).map_err(Failure::failed)?;
        picture::write_png(&overlay, &picture).map_err(Failure::failed)?;
        let map = request.raw.then(|| request.out.join(format!("{stem}.{}.npy", method.method)));
        if let Some(map) = &map {
            npy::write(map, heatmap, size).map_err(Failure::failed)?;
        }
        written.push(Explained {
            image: path.to_path_buf(),
            method: method.method.clone(),
            layer: layer.to_owned(),
            target: classes[explained.targets[0]].clone(),
            predicted: classes[explained.predicted[0]].clone(),
            probability: explained.probability(0).filter(|p| p.is_finite()),
            raw_peak: Some(f64::from(method.peaks[0])).filter(|p| p.is_finite()),
            status: method.outcomes[0].word().to_owned(),
            overlay,
            map,
            seconds: method.seconds,
        });
    }
    Ok(written)
}
