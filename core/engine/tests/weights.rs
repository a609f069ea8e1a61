//! Weights files as torch and torchvision write them: the same values bit for bit, and every harmful or wrong file refused.

#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

mod oracle;

use std::collections::BTreeMap;
use std::sync::OnceLock;

use lightbox_engine::plugin::{ModelHandle, ModelOptions, Registry, SearchPath, Variable, from_text};
use lightbox_engine::weights::{
    KeyMap, LoadOptions, LoadReport, NetworkShape, Result, WeightsError, WeightsFile, channels, export, inspect, load,
};
use oracle::Oracle;
use serde_json::Value;
use tch::{Device, Kind, Tensor};

/// Classes of the script's small network, and of torchvision's.
const SMALL_CLASSES: usize = 5;
const CLASSES: usize = 3;
const EXPORTED: [&str; 2] = ["densenet121", "efficientnet-b0"];
const BATCHES: i64 = 321;

/// One run of the script for all tests of this program: it starts torch, which takes seconds.
fn files() -> &'static Oracle {
    static FILES: OnceLock<Oracle> = OnceLock::new();
    FILES.get_or_init(|| {
        Oracle::run("weights.py", |folder| {
            for id in EXPORTED {
                let notes = BTreeMap::from([("architecture".to_owned(), id.to_owned())]);
                let variables = turned(model(id).1);
                export(&folder.join(format!("{id}.exported")), &variables, BATCHES, &notes).unwrap();
            }
        })
    })
}

/// A network of the plugin with its initial weights, always the same.
fn model(id: &str) -> (ModelHandle, Vec<Variable>) {
    let binary = std::env::current_exe().unwrap();
    let registry = Registry::load_all(&SearchPath::default().beside_executable(binary.parent().unwrap()));
    let (_, metadata) = registry.find_model(id).unwrap();
    let options = from_text(&metadata.options, []).unwrap();
    let model = registry.model(id, &ModelOptions { classes: CLASSES, channels: 3, options, seed: 4 }).unwrap();
    let variables = model.variables().unwrap();
    (model, variables)
}

/// The same values with every convolution in channels_last.
fn turned(mut variables: Vec<Variable>) -> Vec<Variable> {
    for variable in &mut variables {
        if variable.tensor.dim() == 4 {
            let tensor = variable.tensor.permute([0, 2, 3, 1]).contiguous().permute([0, 3, 1, 2]);
            variable.tensor = tensor;
        }
    }
    variables
}

/// Zeros under the names of the script's small network; `with` may change a shape.
fn small_with(with: impl Fn(&str, &mut Vec<i64>)) -> Vec<Variable> {
    let variable = |entry: &Value| {
        let name = text(entry, "name").to_owned();
        let mut shape: Vec<i64> = entry["shape"].as_array().unwrap().iter().map(|s| s.as_i64().unwrap()).collect();
        with(&name, &mut shape);
        let trainable = entry["trainable"].as_bool().unwrap();
        let tensor = Tensor::zeros(&shape, (Kind::Float, Device::Cpu)).set_requires_grad(trainable);
        Variable { name, tensor, trainable, aliases: Vec::new() }
    };
    files().facts["networks"]["small"].as_array().unwrap().iter().map(variable).collect()
}

fn small() -> Vec<Variable> {
    small_with(|_, _| {})
}

/// All values in the order of the network's state dict in torch.
fn values(network: &str, variables: &[Variable]) -> Vec<f32> {
    let by_name: BTreeMap<&str, &Tensor> = variables.iter().map(|v| (v.name.as_str(), &v.tensor)).collect();
    let names = files().facts["networks"][network].as_array().unwrap();
    assert_eq!(names.len(), by_name.len(), "{network}");
    let flat: Vec<Tensor> = names.iter().map(|entry| by_name[text(entry, "name")].detach().reshape([-1])).collect();
    Vec::<f32>::try_from(Tensor::cat(&flat, 0)).unwrap()
}

fn untouched(variables: &[Variable]) -> bool {
    variables.iter().all(|variable| variable.tensor.detach().count_nonzero(None).int64_value(&[]) == 0)
}

fn assert_same_bits(found: &[f32], expected: &[f32], what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    let differing = found.iter().zip(expected).filter(|(a, b)| a.to_bits() != b.to_bits()).count();
    assert_eq!(differing, 0, "{what}: of {} values", expected.len());
}

fn load_small(file: &str, into: &[Variable], options: &LoadOptions) -> Result<LoadReport> {
    load(&WeightsFile::open(&files().path(file))?, into, "small", SMALL_CLASSES, options)
}

fn text<'a>(case: &'a Value, key: &str) -> &'a str {
    case[key].as_str().unwrap()
}

#[test]
fn every_way_to_write_a_file_gives_the_values_that_torch_has() {
    let cases = files().cases("cases");
    assert!(cases.len() > 45, "{}", cases.len());
    for case in cases {
        let (name, network) = (text(case, "file"), text(case, "network"));
        let (_model, into, classes) = match network {
            "small" => (None, small(), SMALL_CLASSES),
            id => {
                let (model, variables) = model(id);
                (Some(model), variables, CLASSES)
            }
        };
        let file = WeightsFile::open(&files().path(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
        let report =
            load(&file, &into, network, classes, &LoadOptions::exact()).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(report.loaded.len(), into.len(), "{name}");
        assert!(report.reinitialised.is_empty() && report.adapted.is_none(), "{name}");
        assert_same_bits(&values(network, &into), &files().f32s(text(case, "values")), name);
        assert!(into.iter().all(|v| v.tensor.requires_grad() == v.trainable && !v.tensor.grad().defined()), "{name}");
    }
}

#[test]
fn a_file_that_is_no_weights_or_asks_python_for_more_is_refused_by_name() {
    for case in files().cases("refused") {
        let name = text(case, "file");
        let message = WeightsFile::open(&files().path(name)).expect_err(name).to_string();
        assert!(message.contains(name), "{name}: {message}");
        for word in case["words"].as_array().unwrap() {
            assert!(message.contains(word.as_str().unwrap()), "{name}: {message}");
        }
    }
    let missing = WeightsFile::open(&files().path("none.pth")).unwrap_err().to_string();
    assert!(missing.contains("none.pth") && missing.contains("No such file"), "{missing}");
    assert!(WeightsFile::open(&files().path("")).unwrap_err().to_string().contains("not a file"));
    assert!(!files().path("touched").exists(), "a pickle was run");
}

#[test]
fn another_number_of_classes_starts_the_classifier_anew_and_only_when_asked() {
    let into = small();
    let error = load_small("nine-classes.pth", &into, &LoadOptions::exact()).unwrap_err().to_string();
    assert!(error.contains("nine-classes.pth") && error.contains("`fc.weight`") && error.contains("[9, 8]"), "{error}");
    assert!(error.ends_with("the file is for 9 classes"), "{error}");
    assert!(untouched(&into), "a refused file wrote");
    let report = load_small("nine-classes.pth", &into, &LoadOptions::pretrained()).unwrap();
    assert_eq!(report.reinitialised, ["fc.weight", "fc.bias"]);
    assert!(report.lines().join("\n").contains("starts anew: fc.weight, fc.bias"));
    assert_eq!(report.loaded.len(), into.len() - 2);
    let body: i64 = into[..into.len() - 2].iter().map(|variable| variable.tensor.numel() as i64).sum();
    let body = usize::try_from(body).unwrap();
    assert_same_bits(&values("small", &into)[..body], &files().f32s("nine-classes")[..body], "body");
    assert!(untouched(&into[into.len() - 2..]));
}

#[test]
fn a_grey_network_gets_the_sum_over_the_colours() {
    let into = small_with(|name, shape| {
        if name == "conv1.weight" {
            shape[1] = 1;
        }
    });
    assert!(load_small("plain-zip.pth", &into, &LoadOptions::exact()).is_err());
    assert!(untouched(&into));
    let report = load_small("plain-zip.pth", &into, &LoadOptions::pretrained()).unwrap();
    let adapted = report.adapted.unwrap();
    assert_eq!((adapted.name.as_str(), adapted.in_file[1], adapted.in_network[1]), ("conv1.weight", 3, 1));
    let original = files().f32s("small");
    let grey = values("small", &into);
    let count = into[0].tensor.numel();
    for (at, value) in grey[..count].iter().enumerate() {
        let (output, pixel) = (at / 9, at % 9);
        let sum: f32 = (0..3).map(|channel| original[output * 27 + channel * 9 + pixel]).sum();
        // Three numbers below 1.5 in another order.
        assert!((value - sum).abs() <= 1e-6, "{value} {sum}");
    }
    assert_same_bits(&grey[count..], &original[3 * count..], "the rest");
}

#[test]
fn a_file_of_another_network_is_refused_with_the_names_that_differ() {
    let into = small();
    let error = load_small("vgg.pth", &into, &LoadOptions::pretrained()).unwrap_err();
    assert!(matches!(error, WeightsError::OtherNetwork { .. }), "{error}");
    let message = error.to_string();
    for part in ["vgg.pth does not fit small", "0 of 7", "`conv1.weight`", "`0.weight`"] {
        assert!(message.contains(part), "{part}: {message}");
    }
    let message = load_small("old-densenet.pth", &into, &LoadOptions::pretrained()).unwrap_err().to_string();
    assert!(message.contains("features.conv0.weight"), "{message}");
    // All variables are there, and more of the same modules.
    let shorter: Vec<Variable> = small().into_iter().filter(|variable| variable.name != "conv1.bias").collect();
    let message = load_small("plain-zip.pth", &shorter, &LoadOptions::pretrained()).unwrap_err().to_string();
    assert!(message.contains("it has `conv1.bias`, which the network has not"), "{message}");
    assert!(untouched(&into) && untouched(&shorter));
}

#[test]
fn values_that_are_no_numbers_are_named_and_nothing_is_written() {
    for (file, tensor, part) in [
        ("nan.pth", "conv2.weight", "90 value(s)"),
        ("infinite.pth", "conv2.weight", "90 value(s)"),
        ("too-wide.pth", "fc.bias", "as 32-bit numbers"),
        ("integers.pth", "fc.bias", "int64"),
    ] {
        let into = small();
        let message = load_small(file, &into, &LoadOptions::pretrained()).unwrap_err().to_string();
        assert!(message.contains(file) && message.contains(tensor) && message.contains(part), "{message}");
        assert!(untouched(&into), "{file} wrote before it was refused");
    }
}

#[test]
fn a_key_map_gives_the_names_of_the_file() {
    let into = small();
    assert!(load_small("renamed.pth", &into, &LoadOptions::exact()).is_err());
    let path = files().path("map.txt");
    // The file's names begin with `module.`, which need not be written.
    std::fs::write(&path, "# network = file\n* = enc.*\nfc.weight = head.weight\nfc.bias=head.bias\n- = conv1.aux\n")
        .unwrap();
    let with = |map: KeyMap| LoadOptions { key_map: Some(map), ..LoadOptions::exact() };
    let report = load_small("renamed.pth", &into, &with(KeyMap::open(&path).unwrap())).unwrap();
    assert_same_bits(&values("small", &into), &files().f32s("small"), "renamed.pth");
    assert!(report.unexpected.is_empty(), "{:?}", report.unexpected);
    let swapped = KeyMap::parse(&path, "enc.* = *\nhead.weight = fc.weight").unwrap();
    assert!(load_small("renamed.pth", &into, &with(swapped)).is_err());
    let swapped = KeyMap::parse(&path, "head.weight = fc.weight").unwrap();
    let error = load_small("renamed.pth", &into, &with(swapped)).unwrap_err().to_string();
    assert!(error.contains("map.txt: ") && error.contains("the sides are swapped"), "{error}");
    assert!(KeyMap::open(&files().path("plain-zip.pth")).unwrap_err().to_string().contains("is it the weights file"));
}

#[test]
fn torchvision_loads_what_is_exported() {
    for id in EXPORTED {
        let report = &files().facts["exported"][id];
        let (_model, variables) = model(id);
        let norms = variables.iter().filter(|variable| variable.name.ends_with("running_var")).count();
        assert_eq!(report["counters"], norms, "{id}");
        assert_eq!(report["kinds"], serde_json::json!([[BATCHES, "torch.int64", 0]]), "{id}");
        assert_eq!(report["notes"], serde_json::json!({ "format": "pt", "architecture": id }));
        assert_same_bits(&files().f32s(&format!("{id}-exported")), &values(id, &variables), "read back by torch");
        let written = WeightsFile::open(&files().path(&format!("{id}.exported"))).unwrap();
        let report = load(&written, &variables, id, CLASSES, &LoadOptions::exact()).unwrap();
        assert_eq!(report.counters.len(), norms);
        assert_same_bits(&values(id, &variables), &files().f32s(&format!("{id}-exported")), "read back here");
    }
}

#[test]
fn an_export_replaces_the_file_as_a_whole() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out.safetensors");
    std::fs::write(&path, "old").unwrap();
    let into = small();
    export(&path, &into, 0, &BTreeMap::new()).unwrap();
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    let bytes = std::fs::read(&path).unwrap();
    let twice: Vec<Variable> = small().into_iter().chain(small()).collect();
    let error = export(&path, &twice, 0, &BTreeMap::new()).unwrap_err().to_string();
    assert!(error.contains("out.safetensors") && error.contains("is the name of two"), "{error}");
    assert_eq!(std::fs::read(&path).unwrap(), bytes, "a failure leaves the old file");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    let nowhere = folder.path().join("no/such/folder.safetensors");
    let error = export(&nowhere, &into, 0, &BTreeMap::new()).unwrap_err().to_string();
    assert!(error.contains("cannot write") && error.contains("folder.safetensors"), "{error}");
}

#[test]
fn an_inspection_says_what_a_file_holds_and_which_network_it_fits() {
    let networks = [
        NetworkShape::new("densenet121", CLASSES, &model("densenet121").1),
        NetworkShape::new("small", SMALL_CLASSES, &small()),
    ];
    let found = inspect(&files().path("plain.safetensors"), &networks).unwrap();
    assert_eq!(found.metadata["note"], "x");
    assert_eq!(found.tensors.len(), 10);
    assert_eq!(found.fits.iter().map(|fit| (fit.model.as_str(), fit.fits)).collect::<Vec<_>>(), [("small", true)]);
    assert_eq!((found.fits[0].classes, found.fits[0].channels), (Some(5), Some(3)));
    let other = inspect(&files().path("nine-classes.pth"), &networks).unwrap();
    assert_eq!((other.fits[0].fits, other.fits[0].classes), (true, Some(9)));
    let sentence = "fits small: all 9 variables are in it, for 9 classes and 3 channels";
    assert_eq!(other.fits[0].sentence, sentence);
    let headless = inspect(&files().path("headless.pth"), &networks).unwrap();
    assert_eq!((headless.fits[0].fits, headless.fits[0].pretrained), (false, true));
    assert_eq!(
        headless.fits[0].sentence,
        "fits small except for the classifier (`fc.weight` and `fc.bias`), which `train --pretrained` starts anew; it has \
         `extra.x` besides, which would be left alone"
    );
    assert_eq!(channels(&files().path("plain-zip.pth"), &networks[1], None).unwrap(), Some(3));
    assert_eq!(channels(&files().path("vgg.pth"), &networks[1], None).unwrap(), None);
    let old = inspect(&files().path("old-densenet.pth"), &networks).unwrap();
    assert_eq!((old.fits[0].model.as_str(), old.fits[0].fits), ("densenet121", true));
    let json = serde_json::to_value(inspect(&files().path("lightning-zip.pth"), &networks).unwrap()).unwrap();
    assert_eq!(json["format"], "torch-zip");
    assert_eq!(json["tensors"][0]["name"], "model.conv1.weight");
    assert_eq!(json["tensors"][0]["dtype"], "float32");
}
