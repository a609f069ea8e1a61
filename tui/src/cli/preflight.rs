//! What can be found wrong before a run is made: settings held against what the plugins and this machine offer.

use std::collections::BTreeMap;

use lightbox_abi::metadata::{AttributionMetadata, LayersMetadata, ModelMetadata, ParameterMetadata, from_text};
use lightbox_scheduler::protocol::{Action, Answer, SlotView};
use lightbox_stats::MetricId;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::{Context, jobs, plugins, results};
use crate::failure::{Failure, Result};

/// What the plugins offer.
pub struct Offer(Value);

impl Offer {
    /// Asks the worker, which reads the plugins of the search path.
    pub fn ask(context: &Context) -> Result<Self> {
        plugins::catalogue(context).map(Self)
    }

    /// A network by its id.
    pub fn model(&self, id: &str) -> Result<ModelMetadata> {
        read(plugins::find(&self.0, plugins::MODELS, id)?)
    }

    /// An explanation method by its id.
    pub fn method(&self, id: &str) -> Result<AttributionMetadata> {
        read(plugins::find(&self.0, plugins::METHODS, id)?)
    }
}

fn read<T: DeserializeOwned>(entry: &Value) -> Result<T> {
    serde_json::from_value(entry.clone())
        .map_err(|e| Failure::failed(format!("the worker describes a plugin in a way that is not understood: {e}")))
}

/// Refuses architecture options that the network does not have, and values that they cannot take.
pub fn options(model: &ModelMetadata, given: &BTreeMap<String, String>) -> Result<()> {
    accepts(&model.options, given).map_err(|problem| Failure::bad(format!("--option of {}: {problem}", model.id)))
}

/// Refuses method parameters that the method does not have, and values that they cannot take.
pub fn parameters(method: &AttributionMetadata, given: &BTreeMap<String, String>) -> Result<()> {
    accepts(&method.parameters, given).map_err(|problem| Failure::bad(format!("--param of {}: {problem}", method.id)))
}

fn accepts(table: &[ParameterMetadata], given: &BTreeMap<String, String>) -> std::result::Result<(), String> {
    let pairs = given.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    from_text(table, pairs).map(|_| ()).map_err(|error| error.to_string())
}

/// Refuses an input that the network cannot take: a square that is too small, or a number of channels.
pub fn input(model: &ModelMetadata, side: usize, channels: usize) -> Result<()> {
    let least = model.min_size[0].max(model.min_size[1]) as usize;
    if side < least {
        return Err(Failure::bad(format!("--image-size {side}: {} needs at least {least}", model.id)));
    }
    if !model.channels.iter().any(|possible| *possible as usize == channels) {
        let possible: Vec<String> = model.channels.iter().map(u32::to_string).collect();
        let sentence = format!("{} takes images of {} channels, not {channels}", model.id, possible.join(" or "));
        return Err(Failure::bad(format!("{sentence}; give --channels {}", possible.join(" or "))));
    }
    Ok(())
}

/// Refuses layers that the network does not have, and several where a method works on one.
pub fn layers(model: &ModelMetadata, layers: &[String], methods: &[AttributionMetadata]) -> Result<()> {
    if let Some(unknown) = layers.iter().find(|layer| !model.cut_points.contains(layer)) {
        let known = || model.cut_points.iter().map(String::as_str);
        let hint = lightbox_store::names::nearest(unknown, known()).map(|name| format!("did you mean {name:?}?"));
        let hint = hint.unwrap_or_else(|| format!("there are: {}", known().collect::<Vec<_>>().join(", ")));
        return Err(Failure::bad(format!("--layer: {} has no layer {unknown:?}; {hint}", model.id)));
    }
    match methods.iter().find(|method| layers.len() > 1 && method.layers == LayersMetadata::One) {
        Some(method) => Err(Failure::bad(format!("--layer: {} works on one layer; name one", method.id))),
        None => Ok(()),
    }
}

/// Refuses metrics that do not score explanations.
pub fn explanation_metrics(given: &[String]) -> Result<()> {
    let metrics = results::metrics(given)?;
    let Some(other) = metrics.iter().find(|metric| !metric.is_of_explanations()) else { return Ok(()) };
    let known = MetricId::ALL.iter().filter(|metric| metric.is_of_explanations()).map(|metric| metric.id());
    Err(Failure::bad(format!(
        "--metrics: {:?} is of predictions and does not score explanations; there are: {}",
        other.id(),
        known.collect::<Vec<_>>().join(", ")
    )))
}

/// Refuses a list that names something twice.
pub fn each_once(flag: &str, given: &[String]) -> Result<()> {
    match given.iter().enumerate().find(|(at, name)| given[..*at].contains(name)) {
        Some((_, name)) => Err(Failure::bad(format!("{flag} names {name:?} twice; name it once"))),
        None => Ok(()),
    }
}

/// Refuses a device that the queue of this home does not have. On a cluster only the cluster knows.
pub fn device(context: &Context, asked: &str) -> Result<()> {
    let number: usize = match asked {
        "auto" | "cpu" => return Ok(()),
        "cuda" => 0,
        other => other
            .strip_prefix("cuda:")
            .and_then(|number| number.parse().ok())
            .ok_or_else(|| Failure::bad(format!("--device {other}: give auto, cpu or cuda:I, where I is a number")))?,
    };
    let Answer::Status(status) = jobs::ask(context, &Action::Status)? else {
        return Err(Failure::failed("the daemon gave another answer than was asked for"));
    };
    if status.executor == "local" { has_gpu(&status.slots, number) } else { Ok(()) }
}

fn has_gpu(slots: &[SlotView], number: usize) -> Result<()> {
    let gpu =
        |slot: &SlotView| slot.device.split_whitespace().next().filter(|d| d.starts_with("cuda:")).map(str::to_owned);
    let mut gpus: Vec<String> = slots.iter().filter_map(gpu).collect();
    gpus.dedup();
    let name = format!("cuda:{number}");
    if gpus.contains(&name) {
        return Ok(());
    }
    let there = match gpus.as_slice() {
        [] => "the queue has no GPU on this machine; use --device cpu".to_owned(),
        some => format!("the queue has {}", some.join(", ")),
    };
    Err(Failure::bad(format!("--device {name}: {there} (`lightbox daemon status` lists the slots)")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn offer() -> Offer {
        let model = json!({
            "id": "net", "name": "Net", "input_size": [64, 64], "min_size": [32, 32], "mean": [0.5, 0.5, 0.5],
            "std": [0.2, 0.2, 0.2], "channels": [3], "cut_points": ["a", "b.1"], "default_layer": "b.1",
            "options": [{"name": "width", "kind": "int", "default": 8, "min": 1, "max": 64}], "file": "/x.so",
        });
        let method = json!({
            "id": "cam", "name": "CAM", "layers": "one", "merge": "mean", "single_image": false, "signed": false,
            "input_resolution": false, "seeded": false, "cpu_only": true,
            "needs": {"activations": true, "gradients": false, "input": false, "scores": false, "forward": false,
                      "forward_from": false, "vjp": false},
            "parameters": [{"name": "eps", "kind": "float", "default": 0.1, "min": 0.0}],
        });
        Offer(json!({"models": [model], "attributions": [method], "problems": []}))
    }

    fn said<T: std::fmt::Debug>(outcome: Result<T>) -> String {
        match outcome.unwrap_err() {
            Failure::BadInput(sentence) => sentence,
            other => panic!("{other:?} is no bad input"),
        }
    }

    fn one(name: &str, value: &str) -> BTreeMap<String, String> {
        BTreeMap::from([(name.to_owned(), value.to_owned())])
    }

    #[test]
    fn settings_are_held_against_the_descriptors() {
        let offer = offer();
        let (net, cam) = (offer.model("net").unwrap(), offer.method("cam").unwrap());
        options(&net, &one("width", "4")).unwrap();
        assert!(
            said(options(&net, &one("width", "-3")))
                .starts_with("--option of net: the parameter `width` cannot be `-3`")
        );
        assert!(said(options(&net, &one("widht", "4"))).contains("did you mean `width`?"));
        assert!(said(parameters(&cam, &one("eps", "-1"))).starts_with("--param of cam: "));
        input(&net, 32, 3).unwrap();
        assert_eq!(said(input(&net, 31, 3)), "--image-size 31: net needs at least 32");
        assert_eq!(said(input(&net, 32, 1)), "net takes images of 3 channels, not 1; give --channels 3");
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>();
        layers(&net, &names(&["b.1"]), std::slice::from_ref(&cam)).unwrap();
        assert!(said(layers(&net, &names(&["b.2"]), &[])).contains("no layer \"b.2\"; did you mean \"b.1\"?"));
        assert_eq!(said(layers(&net, &names(&["a", "b.1"]), &[cam])), "--layer: cam works on one layer; name one");
        assert!(said(offer.model("nett")).contains("did you mean \"net\"?"));
        assert_eq!(said(each_once("--methods", &names(&["a", "b", "a"]))), "--methods names \"a\" twice; name it once");
        assert!(said(explanation_metrics(&names(&["road", "accuracy"]))).contains("\"accuracy\" is of predictions"));
    }

    #[test]
    fn a_gpu_is_looked_for_among_the_slots() {
        let slot = |device: &str| SlotView { name: "s".into(), device: device.into(), job: None };
        let slots = [slot("cuda:0 NVIDIA H200"), slot("cuda:0 NVIDIA H200"), slot("cuda:10 NVIDIA H200"), slot("cpu")];
        has_gpu(&slots, 10).unwrap();
        assert!(said(has_gpu(&slots, 1)).contains("--device cuda:1: the queue has cuda:0, cuda:10"));
        assert!(said(has_gpu(&slots[3..], 0)).contains("no GPU on this machine; use --device cpu"));
    }
}
