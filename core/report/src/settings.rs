//! What a training was told, by name, and what tells apart trainings of one model.

use std::collections::{BTreeMap, BTreeSet};

use lightbox_store::GroupId;
use lightbox_store::run::{Augmentation, ClassWeights, ExplainConfig, Pretrained, TrainConfig};
use serde::Serialize;

/// Stands for an architecture option that was not given.
const DEFAULT: &str = "default";

/// Settings by name, as the flags of `lightbox train` are called; architecture options under their own names.
pub type Settings = BTreeMap<String, String>;

/// What decides the result besides dataset, split and seed: two groups of a model that are equal in it are the same
/// experiment.
pub fn settings(config: &TrainConfig) -> Settings {
    // Taken apart in full, so that a setting that is added later is not forgotten here.
    let TrainConfig {
        dataset: _,
        split: _,
        seed: _,
        threads: _,
        device: _,
        channels_last: _,
        deterministic: _,
        max_bad_fraction: _,
        model,
        pretrained,
        channels,
        image_size,
        epochs,
        batch_size,
        optimizer,
        lr,
        weight_decay,
        schedule,
        warmup_epochs,
        label_smoothing,
        class_weights,
        clip_norm,
        patience,
        augment,
        precision,
    } = config;
    let named = [
        ("pretrained", pretrained.as_ref().map_or_else(|| "none".into(), weights_file)),
        ("channels", channels.to_string()),
        ("image-size", image_size.to_string()),
        ("epochs", epochs.to_string()),
        ("batch-size", batch_size.to_string()),
        ("optimizer", word(optimizer)),
        ("lr", lr.to_string()),
        ("weight-decay", weight_decay.to_string()),
        ("schedule", word(schedule)),
        ("warmup-epochs", warmup_epochs.to_string()),
        ("label-smoothing", label_smoothing.to_string()),
        ("class-weights", weights_of_classes(class_weights)),
        ("clip-norm", optional(*clip_norm)),
        ("patience", optional(*patience)),
        ("augment", augmentation(augment)),
        ("precision", word(precision)),
    ];
    let options = model.options.iter().map(|(name, value)| (name.clone(), value.clone()));
    named.into_iter().map(|(name, value)| (name.to_owned(), value)).chain(options).collect()
}

/// Where and how it ran: of no consequence but for the last digits, and said where two groups are compared.
pub fn surroundings(config: &TrainConfig) -> Settings {
    let named = [
        ("seed", config.seed.to_string()),
        ("threads", config.threads.to_string()),
        ("device", config.device.0.clone()),
        ("deterministic", config.deterministic.to_string()),
        ("max-bad", config.max_bad_fraction.to_string()),
    ];
    named.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// A training as its label needs it.
#[derive(Clone, Debug)]
pub struct Training<'a> {
    /// Model id.
    pub model: &'a str,
    /// Its settings.
    pub settings: Settings,
    /// Its group.
    pub group: &'a GroupId,
}

/// A label for each training, each other than the rest: the model's id, what differs between those of one model (`small-cnn
/// width=16`), and the group where nothing else does.
pub fn labels(trainings: &[Training<'_>]) -> Vec<String> {
    let label = |training: &Training<'_>| {
        let of_model = || trainings.iter().filter(|t| t.model == training.model);
        let names: BTreeSet<&String> = of_model().flat_map(|t| t.settings.keys()).collect();
        let differs = |name: &str| of_model().any(|t| t.settings.get(name) != training.settings.get(name));
        let value = |name: &str| training.settings.get(name).map_or(DEFAULT, String::as_str);
        let parts = names.into_iter().filter(|n| differs(n)).map(|name| format!(" {name}={}", value(name)));
        format!("{}{}", training.model, parts.collect::<String>())
    };
    let labels: Vec<String> = trainings.iter().map(label).collect();
    let alone = |label: &String| labels.iter().filter(|l| *l == label).count() == 1;
    let whole = labels.iter().zip(trainings);
    whole.map(|(label, t)| if alone(label) { label.clone() } else { format!("{label} {}", t.group) }).collect()
}

/// A training's label where it stands alone: the model's id and the architecture options that were given.
pub fn described(config: &TrainConfig) -> String {
    let options = config.model.options.iter().map(|(name, value)| format!(" {name}={value}"));
    format!("{}{}", config.model.id, options.collect::<String>())
}

/// What was explained and how, as far as it decides the scores besides methods and metrics.
pub fn explain_options(config: &ExplainConfig) -> String {
    let mut parts = vec![format!("target {}", word(&config.target))];
    if config.part != "test" {
        parts.push(format!("part {}", config.part));
    }
    if let Some(limit) = config.limit {
        parts.push(format!("limit {limit}"));
    }
    if !config.layers.is_empty() {
        parts.push(format!("layers {}", config.layers.join("+")));
    }
    for (method, parameters) in &config.parameters {
        parts.extend(parameters.iter().map(|(name, value)| format!("{method} {name}={value}")));
    }
    if config.seed != 0 {
        parts.push(format!("seed {}", config.seed));
    }
    parts.join(", ")
}

/// A setting that two trainings have otherwise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Which.
    pub name: String,
    /// The candidate's value.
    pub candidate: String,
    /// The baseline's value.
    pub baseline: String,
}

/// What differs between two sets of settings, by name.
pub fn differences(candidate: &Settings, baseline: &Settings) -> Vec<Difference> {
    let value = |side: &Settings, name: &str| side.get(name).cloned().unwrap_or_else(|| DEFAULT.into());
    let names: BTreeSet<&String> = candidate.keys().chain(baseline.keys()).collect();
    names
        .into_iter()
        .map(|name| Difference {
            name: name.clone(),
            candidate: value(candidate, name),
            baseline: value(baseline, name),
        })
        .filter(|d| d.candidate != d.baseline)
        .collect()
}

/// The word that a choice goes by in files.
fn word(choice: &impl Serialize) -> String {
    serde_json::to_value(choice).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
}

fn optional<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(|| "none".into(), |v| v.to_string())
}

/// The file's name and the beginning of its hash: two files may have one name.
fn weights_file(weights: &Pretrained) -> String {
    let name = weights.path.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
    format!("{name}@{}", weights.hash.chars().take(8).collect::<String>())
}

fn weights_of_classes(weights: &ClassWeights) -> String {
    match weights {
        ClassWeights::None => "none".into(),
        ClassWeights::Balanced => "balanced".into(),
        ClassWeights::Given(list) => list.iter().map(f64::to_string).collect::<Vec<_>>().join(","),
    }
}

/// As `--augment` takes it.
fn augmentation(augment: &Augmentation) -> String {
    let Augmentation { horizontal_flip, vertical_flip, rotation_degrees, crop_scale, brightness } = augment;
    let parts = [
        horizontal_flip.then(|| "flip".to_owned()),
        vertical_flip.then(|| "vflip".to_owned()),
        (*rotation_degrees > 0.0).then(|| format!("rotation={rotation_degrees}")),
        (*crop_scale < 1.0).then(|| format!("crop={crop_scale}")),
        (*brightness > 0.0).then(|| format!("brightness={brightness}")),
    ];
    let parts: Vec<String> = parts.into_iter().flatten().collect();
    if parts.is_empty() { "none".into() } else { parts.join(",") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn training<'a>(model: &'a str, settings: &[(&str, &str)], group: &'a GroupId) -> Training<'a> {
        let settings = settings.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Training { model, settings, group }
    }

    #[test]
    fn labels_say_what_differs_and_else_the_group() {
        let (a, b) = (GroupId("g-a".into()), GroupId("g-b".into()));
        let plain = training("vgg16", &[("lr", "0.1")], &a);
        let narrow = training("small-cnn", &[("lr", "0.1"), ("width", "8")], &a);
        let usual = training("small-cnn", &[("lr", "0.1")], &b);
        let labels_of = |list: &[&Training<'_>]| labels(&list.iter().map(|t| (*t).clone()).collect::<Vec<_>>());
        assert_eq!(labels_of(&[&plain, &narrow]), ["vgg16", "small-cnn"]);
        let both = labels_of(&[&plain, &narrow, &usual]);
        assert_eq!(both, ["vgg16", "small-cnn width=8", "small-cnn width=default"]);
        let twin = Training { group: &b, ..narrow.clone() };
        assert_eq!(labels_of(&[&narrow, &twin]), ["small-cnn g-a", "small-cnn g-b"]);
    }

    #[test]
    fn differences_name_both_values() {
        let (a, b) = (GroupId("g-a".into()), GroupId("g-b".into()));
        let one = training("m", &[("lr", "0.1"), ("epochs", "3"), ("width", "8")], &a).settings;
        let two = training("m", &[("lr", "0.1"), ("epochs", "5")], &b).settings;
        let found: Vec<String> =
            differences(&one, &two).iter().map(|d| format!("{} {} {}", d.name, d.candidate, d.baseline)).collect();
        assert_eq!(found, ["epochs 3 5", "width 8 default"]);
        assert!(differences(&one, &one).is_empty());
    }
}
