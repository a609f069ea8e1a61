//! What can be chosen in the viewer: method, class, layer, parameters, images, network, file.

use std::collections::BTreeMap;

use super::source::{Filter, Wanted};
use super::{Goal, Target, Viewer};
use crate::app::popup::{Ask, Choice, Choose, Field, Form};
use crate::app::shared::Shared;
use crate::screens::Goal as AnyGoal;

impl Viewer {
    pub(super) fn choose_method(&mut self, shared: &mut Shared) {
        let Some(catalogue) = shared.plugins_for("method") else { return };
        let methods = self.methods(shared);
        let note = |id: &String| {
            let method = catalogue.method(id);
            method.map(|m| format!("{}  {}", m.source.name, m.source.reference)).unwrap_or_default()
        };
        let choices: Vec<Choice> =
            methods.iter().map(|m| Choice { chosen: *m == self.method, ..Choice::new(m.clone(), note(m)) }).collect();
        shared.open(Choose::one("Method", choices, move |index, s| {
            s.go(AnyGoal::Viewer(Goal::Method(methods[index].clone())));
        }));
    }

    pub(super) fn choose_target(&mut self, shared: &mut Shared) {
        let Some(source) = self.source.get() else { return };
        let classes = source.classes.clone();
        let probabilities = self.entry().map(|e| e.probabilities.clone()).unwrap_or_default();
        let mut choices = vec![
            Choice { chosen: self.target == Target::Predicted, ..Choice::new("predicted class", "of each image") },
            Choice { chosen: self.target == Target::Truth, ..Choice::new("true class", "of each image") },
        ];
        choices.extend(classes.iter().enumerate().map(|(k, name)| Choice {
            chosen: self.target == Target::Class(name.clone()),
            ..Choice::new(name.clone(), probabilities.get(k).map(|p| format!("p = {p:.3}")).unwrap_or_default())
        }));
        shared.open(Choose::one("Class to explain", choices, move |index, s| {
            let goal = match index {
                0 => Goal::Target(None),
                1 => Goal::TrueTarget,
                k => Goal::Target(Some(classes[k - 2].clone())),
            };
            s.go(AnyGoal::Viewer(goal));
        }));
    }

    pub(super) fn choose_layer(&mut self, shared: &mut Shared) {
        let model = self.source.get().and_then(|s| s.networks.first()).map(|n| n.model.clone()).unwrap_or_default();
        let Some(catalogue) = shared.plugins_for("layer") else { return };
        let Some(model) = catalogue.model(&model).cloned() else {
            shared.say_bad(format!("no plugin offers the model {model:?} now"));
            return;
        };
        let layers = model.cut_points.clone();
        let choices = layers
            .iter()
            .map(|layer| {
                let usual = *layer == model.default_layer;
                let chosen = self.layer.as_ref().map_or(usual, |l| l == layer);
                Choice { chosen, ..Choice::new(layer.clone(), if usual { "the model's own" } else { "" }) }
            })
            .collect();
        shared.open(Choose::one("Layer to explain", choices, move |index, s| {
            let usual = layers[index] == model.default_layer;
            s.go(AnyGoal::Viewer(Goal::Layer((!usual).then(|| layers[index].clone()))));
        }));
    }

    pub(super) fn choose_params(&mut self, shared: &mut Shared) {
        let Some(catalogue) = shared.plugins_for("parameters") else { return };
        let Some(method) = catalogue.method(&self.method).cloned().filter(|m| !m.parameters.is_empty()) else {
            shared.say(format!("{} has no parameters", self.method));
            return;
        };
        let given: BTreeMap<String, String> =
            self.params.iter().filter_map(|p| p.split_once('=')).map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
        let fields = method
            .parameters
            .iter()
            .map(|parameter| {
                let value = given.get(&parameter.name).cloned().unwrap_or_else(|| parameter.default_text());
                let help = format!("{} ({})", parameter.help, parameter.range());
                let known = parameter.clone();
                match parameter.kind.as_str() {
                    "choice" => Field::choice(&parameter.name, help, &value, parameter.choices.clone(), false),
                    "bool" => {
                        let choices = ["true", "false"].map(str::to_owned).to_vec();
                        Field::choice(&parameter.name, help, &value, choices, false)
                    }
                    _ => Field::text(&parameter.name, help, &value, move |text| known.check(text.trim())),
                }
            })
            .collect();
        let title = format!("Parameters of {}", method.source.id);
        shared.open(Form::new(title, fields, "explain", move |values, s| {
            let changed = method.parameters.iter().zip(values).filter(|(p, v)| p.default_text() != **v);
            let params = changed.map(|(p, v)| format!("{}={v}", p.name)).collect();
            s.go(AnyGoal::Viewer(Goal::Params(params)));
            Ok(())
        }));
    }

    pub(super) fn choose_filter(&mut self, shared: &mut Shared) {
        let Some(source) = self.source.get().cloned() else { return };
        let mut filters = vec![Filter::All];
        if source.entries.iter().any(|e| !e.probabilities.is_empty()) {
            filters.extend([Filter::Wrong, Filter::Right]);
            filters.extend((0..source.classes.len()).map(Filter::Predicted));
        }
        filters.extend((0..source.classes.len()).map(Filter::Truth));
        let choices = filters
            .iter()
            .map(|f| Choice {
                chosen: *f == self.filter,
                ..Choice::new(f.words(&source.classes), format!("{} images", f.choose(&source.entries).len()))
            })
            .collect();
        shared.open(Choose::one("Which images", choices, move |index, s| {
            s.go(AnyGoal::Viewer(Goal::Filter(filters[index].clone())));
        }));
    }

    /// Groups of finished training runs, the latest first, then datasets.
    pub(super) fn choose_source(&mut self, shared: &mut Shared) {
        let mut groups: Vec<(String, Vec<String>, String)> = Vec::new();
        for run in shared.runs.iter().rev().filter(|r| r.kind == "train" && r.status == "finished") {
            match groups.iter_mut().find(|(group, ..)| *group == run.group.0) {
                Some((_, runs, _)) => runs.insert(0, run.run.0.clone()),
                None => {
                    let said = format!("{} · {}", run.dataset, run.model.as_deref().unwrap_or("?"));
                    groups.push((run.group.0.clone(), vec![run.run.0.clone()], said));
                }
            }
        }
        let mut wanted: Vec<Wanted> = groups.iter().map(|(_, runs, _)| Wanted::Runs(runs.clone())).collect();
        let mut choices: Vec<Choice> = groups
            .iter()
            .map(|(group, runs, said)| Choice::new(said.clone(), format!("{} folds  {group}", runs.len())))
            .collect();
        for name in crate::screens::data::dataset_names(&shared.home) {
            choices.push(Choice::new(format!("{name} · all images"), "dataset"));
            wanted.push(Wanted::Dataset(name));
        }
        if choices.is_empty() {
            shared.say_bad("nothing to show yet: train a network, or add a dataset on screen 6");
            return;
        }
        shared.open(Choose::one("Whose images", choices, move |index, s| {
            s.go(AnyGoal::Viewer(Goal::Show(wanted[index].clone())));
        }));
    }

    pub(super) fn choose_export(&mut self, shared: &mut Shared) {
        let Some(entry) = self.entry() else { return };
        let stem = std::path::Path::new(&entry.id).file_stem().map(|s| s.to_string_lossy().into_owned());
        let name = format!("{}.{}.png", stem.unwrap_or_else(|| "image".to_owned()), self.method);
        shared.open(Ask::new_file("Write the picture", "A .png file; the image at its own size.", &name, |path, s| {
            if path.extension().is_none_or(|e| e != "png") {
                return Err("the name must end with .png".to_owned());
            }
            s.go(AnyGoal::Viewer(Goal::Export(path)));
            Ok(())
        }));
    }
}
