//! The explain-eval job: explain a trained run's images, score the maps, keep every figure per image.
//!
//! What is finished is appended to `explain.partial.jsonl` image by image, so that a job that is stopped goes on where it
//! was; `explain.csv` is written once all images are there.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write;
use std::sync::atomic::Ordering;
use std::time::Instant;

use lightbox_data::decode::DecodeLimits;
use lightbox_data::geometry;
use lightbox_engine::explain::{
    Event, ExplainOptions, Explainer, Explanations, IdenticalMaps, ImageBatch, MethodMaps, Target, choose_layers,
    image_seed,
};
use lightbox_engine::explain_metrics::measure::{self, Settings};
use lightbox_engine::explain_metrics::order::Ties;
use lightbox_engine::explain_metrics::road::RoadSettings;
use lightbox_engine::explain_metrics::{Image, Map, MetricDescriptor};
use lightbox_engine::picture::npy;
use lightbox_engine::plugin::{AttributionHandle, Registry, from_text};
use lightbox_store::run::{EventKind, ExplainConfig, ExplainRow, RunningMethod, write_explain};
use lightbox_store::{RunDir, atomic};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::images::Images;
use super::{Job, record};
use crate::failure::{Failure, Result};
use crate::network::{self, Trained};
use crate::plugins;

/// Runs the job.
pub fn run(job: &mut Job, config: &ExplainConfig) -> Result<()> {
    let registry = plugins::registry(&job.home)?;
    let parent = RunDir::open(&job.home.runs_dir().join(&config.parent.0))?;
    let device = network::device(job.device(&config.device), config.threads, false)?;
    let trained = network::open(&registry, &parent, device)?;
    let metrics = measure::select(&config.metrics).map_err(Failure::bad)?;
    let methods = methods(&registry, config)?;
    let plugins_used = config.methods.iter().filter_map(|id| {
        let (file, _) = registry.find_attribution(id).ok()?;
        Some(plugins::used(&registry, id, file))
    });
    let plugins_used = [trained.plugin.clone()].into_iter().chain(plugins_used).collect();
    record::provenance(job, plugins_used, config.seed, config.threads, device, None)?;
    let images = Images::open(job, &config.dataset, trained.config.image_size, trained.config.channels, 1.0)?;
    let wanted = images.evenly(&images.part(&job.dir.split()?, &config.part)?, config.limit, config.seed);
    let layers = choose_layers(&trained.model, &config.layers).map_err(Failure::bad)?;
    let layer_names = layers.iter().map(|l| l.name.clone()).collect::<Vec<_>>().join("+");
    let target = match config.target {
        lightbox_store::run::Target::Predicted => Target::Predicted,
        lightbox_store::run::Target::Truth => Target::Truth,
    };
    let options = ExplainOptions { target, seed: config.seed, ..ExplainOptions::default() };
    let explainer = Explainer::new(&trained.model, layers, methods, options).map_err(Failure::bad)?;
    let settings = settings(config)?;
    let mut work = Work { config, trained: &trained, images: &images, explainer, metrics, settings, layer_names };
    let done = work.run(job, &wanted)?;
    finish(job, config, done, &wanted, &images)
}

fn methods(registry: &Registry, config: &ExplainConfig) -> Result<Vec<AttributionHandle>> {
    let make = |id: &String| {
        let (_, metadata) = registry.find_attribution(id).map_err(Failure::bad)?;
        let given = config.parameters.get(id).cloned().unwrap_or_default();
        let pairs = given.iter().map(|(k, v)| (k.as_str(), v.as_str()));
        let values = from_text(&metadata.parameters, pairs).map_err(|e| Failure::bad(format!("{id}: {e}")))?;
        registry.attribution(id, &values).map_err(Failure::bad)
    };
    config.methods.iter().map(make).collect()
}

fn settings(config: &ExplainConfig) -> Result<Settings> {
    let ties = if config.road_ties == "strict" { Ties::Strict } else { Ties::Rank };
    let road = RoadSettings { percentiles: config.road_percentiles.clone(), ties, ..RoadSettings::default() };
    let settings = Settings { road, ..Settings::default() };
    settings.check().map_err(Failure::bad)?;
    Ok(settings)
}

/// A line of `explain.partial.jsonl`, from which an interrupted job goes on.
#[derive(Debug, Serialize, Deserialize)]
#[serde(untagged)]
enum Line {
    /// One finished image.
    Image(Finished),
    /// Which maps were alike up to and with the images that follow; written before them, since seeing an image twice changes
    /// nothing.
    Alike { alike: IdenticalMaps },
}

/// One finished image.
#[derive(Debug, Serialize, Deserialize)]
struct Finished {
    image: String,
    rows: Vec<ExplainRow>,
}

/// What the images of a job are worked with.
struct Work<'a> {
    config: &'a ExplainConfig,
    trained: &'a Trained,
    images: &'a Images,
    explainer: Explainer<'a>,
    metrics: Vec<&'static MetricDescriptor>,
    settings: Settings,
    layer_names: String,
}

/// What a job has: rows by image, and which methods gave the same maps.
struct Done {
    rows: BTreeMap<String, Vec<ExplainRow>>,
    identical: Vec<(String, String)>,
    images_per_second: f64,
}

impl Work<'_> {
    fn run(&mut self, job: &mut Job, wanted: &[usize]) -> Result<Done> {
        let path = job.dir.file("explain.partial.jsonl");
        let (mut rows, mut identical) = read_partial(&path);
        let left: Vec<usize> = wanted.iter().copied().filter(|i| !rows.contains_key(self.images.id(*i))).collect();
        let file = std::fs::OpenOptions::new().create(true).append(true).open(&path);
        let mut file = file.map_err(|e| Failure::failed(format!("cannot write {}: {e}", path.display())))?;
        let started = Instant::now();
        for (number, batch) in left.chunks(self.config.batch_size.max(1)).enumerate() {
            if job.cancel.load(Ordering::SeqCst) {
                return Err(Failure::Interrupted);
            }
            let finished = self.batch(job, batch, &mut identical)?;
            let mut lines = serde_json::to_vec(&Line::Alike { alike: identical.clone() })?;
            lines.push(b'\n');
            for image in finished {
                serde_json::to_writer(&mut lines, &image)?;
                lines.push(b'\n');
                rows.insert(image.image, image.rows);
            }
            file.write_all(&lines).map_err(|e| Failure::failed(format!("cannot write {}: {e}", path.display())))?;
            let step = (number + 1) as u64;
            job.say(step, EventKind::Progress { phase: "explain".into(), done: rows.len(), total: wanted.len() })?;
        }
        let seconds = started.elapsed().as_secs_f64();
        let images_per_second = if left.is_empty() { 0.0 } else { left.len() as f64 / seconds };
        let identical = identical.pairs().into_iter().map(|(a, b)| (a.to_owned(), b.to_owned())).collect();
        Ok(Done { rows, identical, images_per_second })
    }

    fn batch(&mut self, job: &mut Job, batch: &[usize], identical: &mut IdenticalMaps) -> Result<Vec<Finished>> {
        let input = self.trained.input(batch.iter().map(|i| self.images.pixels(*i)))?;
        let truths: Vec<usize> = batch.iter().map(|i| self.images.label(*i)).collect();
        let seeds: Vec<u64> = batch.iter().map(|i| image_seed(self.config.seed, self.images.id(*i))).collect();
        let images = ImageBatch { input: &input, truths: Some(&truths), seeds: &seeds };
        let mut warnings = Vec::new();
        let cancel = network::cancel(&job.cancel);
        let dir = &job.dir;
        let explained = self.explainer.explain(&images, &cancel, &mut |event| {
            if let Event::Begins { method, file } = event {
                dir.method_begins(&RunningMethod { method: method.to_owned(), file: file.to_owned() });
            }
            warnings.extend(network::remark(&event));
        });
        dir.no_method_runs();
        let explained = explained.map_err(network::explain_failure)?;
        for warning in warnings {
            job.warn(0, warning)?;
        }
        identical.observe(&explained);
        let values = network::to_vec(&input)?;
        let per_image = values.len() / batch.len().max(1);
        let mut finished = Vec::with_capacity(batch.len());
        for (place, index) in batch.iter().enumerate() {
            let pixels = &values[place * per_image..(place + 1) * per_image];
            finished.push(self.image(job, *index, place, pixels, seeds[place], &explained)?);
        }
        Ok(finished)
    }

    /// All figures of one image.
    fn image(
        &self,
        job: &Job,
        index: usize,
        place: usize,
        pixels: &[f32],
        seed: u64,
        explained: &Explanations,
    ) -> Result<Finished> {
        let (height, width) = explained.size;
        let record = self.images.record(index);
        let size = (width as u32, height as u32);
        let lesion = geometry::lesion(record, size, &DecodeLimits::default()).map_err(Failure::bad)?;
        let mask: Option<Vec<bool>> = lesion.map(|l| l.pixels.iter().map(|v| *v != 0).collect());
        let image = Image::new(pixels, [self.trained.config.channels, height, width], seed).map_err(Failure::failed)?;
        let target = explained.targets[place];
        let mut scorer = self.trained.scorer(target, (height, width));
        let mut rows = Vec::new();
        for method in &explained.methods {
            let heatmap = method.heatmap(place).ok_or_else(|| Failure::failed("a method gave too few maps"))?;
            let map = Map::new(heatmap, [height, width]).map_err(Failure::failed)?;
            let measured = measure::measure(&self.metrics, &image, &map, mask.as_deref(), &self.settings, &mut scorer)
                .map_err(|e| Failure::failed(format!("{}: {}: {e}", record.id, method.method)))?;
            for one in measured {
                rows.push(self.row(
                    index,
                    explained,
                    place,
                    method,
                    one.metric,
                    one.value,
                    one.status.as_str(),
                    &one.params,
                ));
            }
            let seconds = method.seconds / explained.images() as f64;
            rows.push(self.row(index, explained, place, method, "seconds", Some(seconds), "ok", ""));
            let peak = f64::from(method.peaks[place]);
            let status = method.outcomes[place].word();
            rows.push(self.row(
                index,
                explained,
                place,
                method,
                "raw-peak",
                peak.is_finite().then_some(peak),
                status,
                "",
            ));
            if self.config.keep_maps {
                let folder = job.dir.file("maps").join(&method.method);
                let path = folder.join(format!("{}.npy", record.id.replace('/', "__")));
                atomic::create_private_folder(&folder)?;
                npy::write(&path, heatmap, [height, width]).map_err(Failure::failed)?;
            }
        }
        Ok(Finished { image: record.id.clone(), rows })
    }

    #[allow(clippy::too_many_arguments, reason = "the columns of one line of explain.csv")]
    fn row(
        &self,
        index: usize,
        explained: &Explanations,
        place: usize,
        method: &MethodMaps,
        metric: &str,
        value: Option<f64>,
        status: &str,
        metric_params: &str,
    ) -> ExplainRow {
        let record = self.images.record(index);
        let classes = &self.config.dataset.classes;
        let own = self.config.parameters.get(&method.method).into_iter().flatten().map(|(k, v)| format!("{k}={v}"));
        let params =
            own.chain((!metric_params.is_empty()).then(|| metric_params.to_owned())).collect::<Vec<_>>().join(";");
        ExplainRow {
            image: record.id.clone(),
            group: record.group.clone().unwrap_or_default(),
            method: method.method.clone(),
            params,
            layer: self.layer_names.clone(),
            target: classes[explained.targets[place]].clone(),
            metric: metric.to_owned(),
            value,
            status: status.to_owned(),
            truth: classes[record.label].clone(),
            predicted: classes[explained.predicted[place]].clone(),
        }
    }
}

/// What an earlier attempt finished and saw; a last line that a crash broke is passed over.
fn read_partial(path: &std::path::Path) -> (BTreeMap<String, Vec<ExplainRow>>, IdenticalMaps) {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
    let (mut rows, mut seen) = (BTreeMap::new(), IdenticalMaps::new());
    for line in whole.lines().filter_map(|line| serde_json::from_str(line).ok()) {
        match line {
            Line::Image(finished) => drop(rows.insert(finished.image, finished.rows)),
            Line::Alike { alike } => seen = alike,
        }
    }
    (rows, seen)
}

fn finish(job: &mut Job, config: &ExplainConfig, done: Done, wanted: &[usize], images: &Images) -> Result<()> {
    let mut rows = Vec::new();
    for index in wanted {
        rows.extend(done.rows.get(images.id(*index)).cloned().unwrap_or_default());
    }
    write_explain(&job.dir.file("explain.csv"), &rows)?;
    let mut means: BTreeMap<&str, BTreeMap<&str, f64>> = BTreeMap::new();
    let keys: BTreeSet<(&str, &str)> = rows.iter().map(|r| (r.method.as_str(), r.metric.as_str())).collect();
    for (method, metric) in keys {
        let of_both = rows.iter().filter(|r| r.method == method && r.metric == metric);
        let values: Vec<f64> = of_both.filter_map(|r| r.value).collect();
        if !values.is_empty() {
            means.entry(method).or_default().insert(metric, values.iter().sum::<f64>() / values.len() as f64);
        }
    }
    let record = json!({
        "format": 1, "images": wanted.len(), "means": means, "identical": done.identical,
        "images_per_second": done.images_per_second, "target": config.target, "unreadable": images.unreadable(),
    });
    job.dir.write_json("metrics.json", &record)?;
    let partial = job.dir.file("explain.partial.jsonl");
    std::fs::remove_file(&partial).map_err(|e| Failure::failed(format!("cannot remove {}: {e}", partial.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interrupted_job_knows_its_images_and_which_maps_were_alike() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("explain.partial.jsonl");
        let alike =
            r#"{"methods":["a","b"],"differences":[[0.0,0.0],[0.0,0.0]],"compared":[[false,true],[false,false]]}"#;
        // The crash broke the last line.
        let text = format!("{{\"alike\":{alike}}}\n{{\"image\":\"one\",\"rows\":[]}}\n{{\"image\":\"two\",\"ro");
        std::fs::write(&path, text).unwrap();
        let (rows, seen) = read_partial(&path);
        assert_eq!(rows.keys().collect::<Vec<_>>(), ["one"]);
        assert_eq!(seen.pairs(), [("a", "b")]);
        let (rows, seen) = read_partial(&folder.path().join("nothing"));
        assert!(rows.is_empty() && seen.pairs().is_empty());
    }
}
