//! Well-behaved plugins through the whole way: a CAM in C, methods in Rust that use every service, and a network.

#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

mod zoo_support;

use std::sync::{Mutex, MutexGuard, PoisonError};

use lightbox_engine::plugin::{
    At, AttributionLayer, AttributionRequest, HostServices, Library, LogLevel, ModelHandle, ModelOptions, PluginError,
    RegisteredLibrary, Registry, Resize, SearchPath, ServiceError, from_text, sidecar_path, write_sidecar,
};
use tch::{Device, Kind, Tensor};
use zoo_support::{NoServices, compile, example, project};

/// The default random generator belongs to the whole process: one test at a time.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

fn registry(file: &str) -> Registry {
    let file = example(file);
    let mut registry = Registry::default();
    registry.add(RegisteredLibrary { metadata: Registry::read_here(&file).unwrap(), file });
    registry
}

fn randn(shape: &[i64]) -> Tensor {
    Tensor::randn(shape, (Kind::Float, Device::Cpu))
}

fn largest_difference(a: &Tensor, b: &Tensor) -> f64 {
    assert_eq!(a.size(), b.size());
    (a - b).abs().max().double_value(&[])
}

fn small(seed: u64, channels: usize) -> ModelHandle {
    let registry = registry("libzoo_model.so");
    registry.model("small", &ModelOptions { classes: 3, channels, options: Vec::new(), seed }).unwrap()
}

#[test]
fn a_cam_in_c_gives_the_map_of_its_formula() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    compile(&project().join("plugins/examples/cam-c/cam.c"), folder.path(), "cam-c.so", &["-pedantic"]);
    let registry = Registry::load_all(&SearchPath::default().folder(folder.path()));
    assert_eq!(registry.problems(), []);
    // A channels-last tensor and one that is not f32 reach the plugin as row-major f32.
    let activations = randn(&[2, 4, 5, 7]).permute([0, 3, 1, 2]).to_kind(Kind::Double);
    let (deep, deep_gradients) = (randn(&[2, 3, 2, 2]), randn(&[2, 3, 2, 2]));
    let gradients = randn(&[2, 7, 4, 5]);
    let request = AttributionRequest {
        targets: &[1, 0],
        classes: 2,
        input_shape: (3, 32, 32),
        input: None,
        scores: None,
        layers: vec![
            AttributionLayer {
                name: "layer3",
                size: (4, 5),
                activations: Some(&activations),
                gradients: Some(&gradients),
            },
            AttributionLayer {
                name: "layer4",
                size: (2, 2),
                activations: Some(&deep),
                gradients: Some(&deep_gradients),
            },
        ],
        device: Device::Cpu,
        seed: 0,
        image_seeds: &[0, 1],
    };
    for (positive, clamp) in [("false", f64::NEG_INFINITY), ("true", 0.0)] {
        let (_, metadata) = registry.find_attribution("gradcam-c").unwrap();
        let values = from_text(&metadata.parameters, [("positive", positive)]).unwrap();
        let maps = registry.attribution("gradcam-c", &values).unwrap().attribute(&request, &mut NoServices).unwrap();
        assert_eq!(maps.len(), 2);
        for (map, (a, g)) in maps.iter().zip([(&activations, &gradients), (&deep, &deep_gradients)]) {
            let weights = g.mean_dim([2_i64, 3].as_slice(), true, Kind::Float).clamp_min(clamp);
            let expected = (weights * a.to_kind(Kind::Float)).sum_dim_intlist([1_i64].as_slice(), false, Kind::Float);
            let found = Tensor::from_slice(&map.values).view_as(&expected);
            assert!(largest_difference(&found, &expected) < 1e-5);
        }
    }
}

#[test]
fn a_network_crosses_with_its_graph_and_its_variables() {
    let _alone = alone();
    let model = small(7, 3);
    let metadata = model.metadata();
    assert_eq!(metadata.cut_points, ["features", "pooled"]);
    assert_eq!((metadata.input_size, metadata.default_layer.as_str()), ([8, 8], "features"));
    assert_eq!(model.made_with().options[0].1.to_string(), "0.5", "the default was filled in");
    let input = randn(&[2, 3, 8, 8]);
    let whole = model.forward(&input, false).unwrap();
    assert_eq!(whole.size(), [2, 3]);
    for layer in 0..2 {
        let at = model.forward_to(&input, layer, false).unwrap();
        assert_eq!(model.forward_from(&at, layer, false).unwrap(), whole, "bit for bit");
    }
    let features = model.forward_to(&input, 0, false).unwrap();
    let pooled = model.forward_between(&features, Some(0), Some(1), false).unwrap();
    assert_eq!(model.forward_from(&pooled, 1, false).unwrap(), whole);

    // The graph: a gradient towards the variables and towards a cut point.
    let variables = model.variables().unwrap();
    let names: Vec<_> = variables.iter().map(|variable| (variable.name.as_str(), variable.trainable)).collect();
    assert_eq!(names, [("features.weight", true), ("head.weight", true), ("features.shift", false)]);
    assert_eq!(variables[0].aliases, ["features.0.weight", "conv.weight"]);
    let at = features.detach().set_requires_grad(true);
    model.forward_from(&at, 0, false).unwrap().sum(Kind::Float).backward();
    assert_eq!(at.grad().size(), at.size());
    assert!(variables[1].tensor.grad().defined());
    assert!(!variables[0].tensor.grad().defined(), "the trunk is not in the head's graph");

    // Storage is shared: what the host writes, the network computes with.
    tch::no_grad(|| {
        let mut head = variables[1].tensor.shallow_clone();
        let _ = head.zero_();
    });
    assert_eq!(model.forward(&input, false).unwrap().abs().max().double_value(&[]), 0.0);

    // And can be replaced, with a notice for the constants that are not listed.
    for variable in &variables {
        let mut tensor = variable.tensor.shallow_clone();
        tensor.set_data(&variable.tensor.to_kind(Kind::BFloat16));
    }
    model.device_or_dtype_changed().unwrap();
    assert_eq!(model.forward_to(&input.to_kind(Kind::BFloat16), 0, false).unwrap().kind(), Kind::BFloat16);
}

#[test]
fn a_seed_gives_the_same_network_and_dropout_draws_from_the_default_generator() {
    let _alone = alone();
    let (a, b, c) = (small(1, 1), small(1, 1), small(2, 1));
    let input = randn(&[4, 1, 8, 8]);
    let run = |model: &ModelHandle, train| model.forward(&input, train).unwrap();
    assert_eq!(run(&a, false), run(&b, false));
    assert_ne!(run(&a, false), run(&c, false));
    let train = |seed| {
        tch::manual_seed(seed);
        run(&a, true)
    };
    assert_eq!(train(3), train(3));
    assert_ne!(train(3), run(&a, false));
}

#[test]
fn what_a_network_refuses_comes_back_as_a_sentence() {
    let _alone = alone();
    let registry = registry("libzoo_model.so");
    let options = ModelOptions { classes: 3, channels: 3, options: Vec::new(), seed: 0 };
    let refusal = |options: ModelOptions| registry.model("small", &options).unwrap_err().to_string();
    assert_eq!(
        refusal(ModelOptions { channels: 4, ..options.clone() }),
        "`small` takes images of 1 or 3 channels, not 4; set the channels of the dataset"
    );
    assert_eq!(refusal(ModelOptions { classes: 0, ..options.clone() }), "`small` needs at least one class");
    let thirteen = refusal(ModelOptions { classes: 13, ..options.clone() });
    assert!(
        thirteen
            .ends_with("making the model `small` failed: panicked: thirteen classes; report it to the plugin's author"),
        "{thirteen}"
    );
    let model = registry.model("small", &options).unwrap();
    assert_eq!(
        model.cut_point("feature").unwrap_err().to_string(),
        "there is no layer `feature` in `small`; did you mean `features`?"
    );
    let wrong = model.forward(&randn(&[1, 5, 8, 8]), false).unwrap_err().to_string();
    assert!(wrong.contains("running the model `small` failed: "), "{wrong}");
    let backwards = model.forward_between(&randn(&[1, 4]), Some(1), Some(0), false).unwrap_err().to_string();
    assert!(backwards.ends_with("cut point 0 does not come after 1"), "{backwards}");
    let none = model.forward_to(&randn(&[1, 3, 8, 8]), 9, false).unwrap_err().to_string();
    assert!(none.ends_with("there is no cut point 9"), "{none}");
    assert!(model.forward(&randn(&[1, 3, 8, 8]), false).is_ok(), "an error does not break the network");
}

/// Host services over the small network.
struct Network<'a> {
    model: &'a ModelHandle,
    cancel_after: u64,
    log: Vec<String>,
    progress: Vec<(u64, u64)>,
}

fn failed(error: PluginError) -> ServiceError {
    ServiceError::Failed(error.to_string())
}

impl HostServices for Network<'_> {
    fn forward(&mut self, batch: &Tensor) -> Result<Tensor, ServiceError> {
        tch::no_grad(|| self.model.forward(batch, false)).map_err(failed)
    }
    fn forward_from(&mut self, layer: usize, activations: &Tensor) -> Result<Tensor, ServiceError> {
        tch::no_grad(|| self.model.forward_from(activations, layer, false)).map_err(failed)
    }
    fn vjp(&mut self, at: At, point: &Tensor, cotangent: &Tensor) -> Result<Tensor, ServiceError> {
        let point = point.detach().set_requires_grad(true);
        let scores = match at {
            At::Input => self.model.forward(&point, false),
            At::Layer(layer) => self.model.forward_from(&point, layer, false),
        };
        let value = (scores.map_err(failed)? * cotangent).sum(Kind::Float);
        Ok(Tensor::run_backward(&[value], &[&point], false, false).remove(0))
    }
    fn scale_and_resize(&mut self, maps: &Tensor, size: (i64, i64), how: Resize) -> Result<Tensor, ServiceError> {
        assert_eq!((size, how), ((1, 1), Resize { scale: true, align_corners: false }));
        let low = maps - maps.amin([1_i64, 2].as_slice(), true);
        let scaled = &low / (low.amax([1_i64, 2].as_slice(), true) + 1e-7);
        Ok(scaled.unsqueeze(1).upsample_bilinear2d([size.0, size.1], false, None, None).squeeze_dim(1))
    }
    fn log(&mut self, level: LogLevel, text: &str) {
        self.log.push(format!("{level:?}: {text}"));
    }
    fn progress(&mut self, done: u64, total: u64) {
        self.progress.push((done, total));
    }
    fn is_cancelled(&mut self) -> bool {
        self.progress.len() as u64 >= self.cancel_after
    }
}

/// Everything of a request over the small network.
struct Scene {
    model: ModelHandle,
    input: Tensor,
    scores: Tensor,
    activations: Tensor,
    gradients: Tensor,
}

impl Scene {
    fn new() -> Self {
        let model = small(5, 3);
        let input = randn(&[2, 3, 6, 5]);
        let activations = tch::no_grad(|| model.forward_to(&input, 0, false)).unwrap();
        let scores = tch::no_grad(|| model.forward(&input, false)).unwrap();
        let at = activations.detach().set_requires_grad(true);
        let logits = model.forward_from(&at, 0, false).unwrap();
        let target = logits.get(0).get(2) + logits.get(1).get(0);
        let gradients = Tensor::run_backward(&[target], &[&at], false, false).remove(0);
        Scene { model, input, scores, activations, gradients }
    }

    fn request(&self) -> AttributionRequest<'_> {
        AttributionRequest {
            targets: &[2, 0],
            classes: 3,
            input_shape: (3, 6, 5),
            input: Some(&self.input),
            scores: Some(&self.scores),
            layers: vec![AttributionLayer {
                name: "features",
                size: (6, 5),
                activations: Some(&self.activations),
                gradients: Some(&self.gradients),
            }],
            device: Device::Cpu,
            seed: 11,
            image_seeds: &[21, 22],
        }
    }

    fn services(&self) -> Network<'_> {
        Network { model: &self.model, cancel_after: u64::MAX, log: Vec::new(), progress: Vec::new() }
    }
}

#[test]
fn a_method_can_use_every_service_of_the_host() {
    let _alone = alone();
    let registry = registry("libzoo_method.so");
    let (_, metadata) = registry.find_attribution("services").unwrap();
    assert!(metadata.seeded && metadata.signed && metadata.input_resolution && metadata.needs.vjp);
    let scene = Scene::new();
    let mut services = scene.services();
    let values = from_text(&metadata.parameters, [("scale", "2"), ("shift", "-1"), ("square", "true")]).unwrap();
    let mut method = registry.attribution("services", &values).unwrap();
    let maps = method.attribute(&scene.request(), &mut services).unwrap();

    let mut oracle = scene.services();
    let cotangent = Tensor::from_slice2(&[[0.0_f32, 0.0, 1.0], [1.0, 0.0, 0.0]]);
    let gradient = oracle.vjp(At::Input, &scene.input, &cotangent).unwrap();
    let off = oracle.forward_from(0, &scene.activations.zeros_like()).unwrap();
    let drop = ((&scene.scores - off) * cotangent).sum_dim_intlist([1_i64].as_slice(), true, Kind::Float);
    let sum = (gradient * &scene.input).sum_dim_intlist([1_i64].as_slice(), false, Kind::Float);
    let expected = ((sum + drop.unsqueeze(-1)) * 2.0 - 1.0).square();
    assert_eq!((maps.len(), maps[0].height, maps[0].width), (1, 6, 5), "merged, of the input's size");
    let found = Tensor::from_slice(&maps[0].values).view_as(&expected);
    assert!(largest_difference(&found, &expected) < 1e-4);
    assert_eq!(services.progress, [(1, 2), (2, 2)]);
    assert_eq!(services.log.len(), 1);
    assert!(services.log[0].starts_with("Info: mean after scaling 0."), "{:?}", services.log);
}

#[test]
fn noise_depends_on_the_image_seed_and_not_on_the_batch() {
    let _alone = alone();
    let registry = registry("libzoo_method.so");
    let (_, metadata) = registry.find_attribution("services").unwrap();
    let values = from_text(&metadata.parameters, [("word", "noisy")]).unwrap();
    let scene = Scene::new();
    let mut method = registry.attribution("services", &values).unwrap();
    let both = method.attribute(&scene.request(), &mut scene.services()).unwrap();
    let again = method.attribute(&scene.request(), &mut scene.services()).unwrap();
    assert_eq!(both, again);
    let other = AttributionRequest { image_seeds: &[21, 23], ..scene.request() };
    let other = method.attribute(&other, &mut scene.services()).unwrap();
    assert_eq!(both[0].image(0), other[0].image(0));
    assert_ne!(both[0].image(1), other[0].image(1));
}

#[test]
fn cancelling_and_failing_services_come_through_the_plugin() {
    let _alone = alone();
    let registry = registry("libzoo_method.so");
    let scene = Scene::new();
    let mut method = registry.attribution("services", &Vec::new()).unwrap();
    let mut services = Network { cancel_after: 1, ..scene.services() };
    assert_eq!(method.attribute(&scene.request(), &mut services), Err(PluginError::Cancelled));
    assert_eq!(services.progress, [(1, 2)]);
    let error = method.attribute(&scene.request(), &mut NoServices).unwrap_err().to_string();
    assert!(error.ends_with("`services` failed: host service `forward`: no network here"), "{error}");
    assert!(method.attribute(&scene.request(), &mut scene.services()).is_ok(), "errors do not break the method");
}

#[test]
fn a_method_for_single_images_is_called_once_for_each() {
    let _alone = alone();
    let registry = registry("libzoo_method.so");
    let scene = Scene::new();
    let mut method = registry.attribution("single", &Vec::new()).unwrap();
    let maps = method.attribute(&scene.request(), &mut NoServices).unwrap();
    assert_eq!(maps[0].image(0).unwrap(), [21.01; 30]);
    assert_eq!(maps[0].image(1).unwrap(), [22.01; 30]);
    let mut two = scene.request();
    two.layers.push(two.layers[0]);
    assert_eq!(
        method.attribute(&two, &mut NoServices).unwrap_err().to_string(),
        "`single` works on one layer, not on 2; name one"
    );
}

#[test]
fn a_panic_while_running_ends_the_instance_and_not_the_process() {
    let _alone = alone();
    let registry = registry("libzoo_method.so");
    let scene = Scene::new();
    let mut method = registry.attribution("panics", &Vec::new()).unwrap();
    let mut sentence = || method.attribute(&scene.request(), &mut NoServices).unwrap_err().to_string();
    let panicked = "`panics` failed: panicked: there is no image 1000000, only None; report it to the plugin's author";
    assert!(sentence().ends_with(panicked));
    assert!(sentence().ends_with(
        "the method `panics` failed so badly earlier that it is not used again; report it to the plugin's author"
    ));
    let mut other = registry.attribution("single", &Vec::new()).unwrap();
    assert!(other.attribute(&scene.request(), &mut NoServices).is_ok());
}

#[test]
fn what_a_request_lacks_is_said_on_both_sides() {
    let _alone = alone();
    let registry = registry("libzoo_method.so");
    let scene = Scene::new();
    let mut method = registry.attribution("services", &Vec::new()).unwrap();
    let mut sentence =
        |request: &AttributionRequest<'_>| method.attribute(request, &mut NoServices).unwrap_err().to_string();
    assert_eq!(
        sentence(&AttributionRequest { scores: None, ..scene.request() }),
        "`services` needs the scores, which the request lacks"
    );
    assert_eq!(
        sentence(&AttributionRequest { targets: &[2, 3], ..scene.request() }),
        "`services` was asked for class 3 of 3"
    );
    let mut greedy = registry.attribution("greedy", &Vec::new()).unwrap();
    let error = greedy.attribute(&scene.request(), &mut NoServices).unwrap_err().to_string();
    assert!(
        error.ends_with("the request has no activations; set `activations` in the needs of the descriptor"),
        "{error}"
    );
}

#[test]
fn a_sidecar_manifest_answers_for_exactly_its_library() {
    let _alone = alone();
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("libzoo_model.so");
    std::fs::copy(example("libzoo_model.so"), &file).unwrap();
    let metadata = Library::load(&file).unwrap().metadata().unwrap();
    write_sidecar(&file, metadata).unwrap();
    let path = SearchPath::default().folder(folder.path());
    let listed = Registry::scan(&path, |_| panic!("the library was read though it has a manifest"));
    assert_eq!(listed.libraries()[0].metadata.models, metadata.models);
    assert!(listed.libraries()[0].metadata.library_hash.is_some());
    // Another library under the same name is read again. (Writing over a loaded library would change it in memory.)
    std::fs::remove_file(&file).unwrap();
    std::fs::copy(example("libzoo_method.so"), &file).unwrap();
    let mut read = 0;
    Registry::scan(&path, |_| {
        read += 1;
        Ok(metadata.clone())
    });
    assert_eq!(read, 1);
    std::fs::write(sidecar_path(&file), b"{}").unwrap();
    Registry::scan(&path, |_| {
        read += 1;
        Ok(metadata.clone())
    });
    assert_eq!(read, 2);
}
