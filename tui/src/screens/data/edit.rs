//! The rules by which a dataset is read: changed in a form, shown in their effect, kept only then.

use lightbox_data::manifest::Manifest;
use lightbox_store::atomic;

use super::rows::{self, Details};
use super::{Goal, Update};
use crate::app::message::Update as AppUpdate;
use crate::app::popup::{Confirm, Field, Form};
use crate::app::shared::Shared;
use crate::screens::Goal as AnyGoal;

/// A dataset as it would be by other rules.
#[derive(Clone, Debug)]
pub struct Preview {
    name: String,
    manifest: Manifest,
    before: Effect,
    after: Result<Effect, String>,
}

/// What rules do to a dataset, as far as it can be counted.
#[derive(Clone, Debug, PartialEq)]
struct Effect {
    images: usize,
    groups: String,
    intensity: String,
    positive: String,
}

impl Effect {
    fn of(details: &Details) -> Self {
        let summary = &details.summary;
        Self {
            images: summary.total.images,
            groups: match &summary.groups {
                Some(g) => format!(
                    "{} groups, the largest of {} images, {} images without one",
                    g.named, g.largest, g.images_without
                ),
                None => "every image a group of its own".to_owned(),
            },
            intensity: rows::intensity_text(details.manifest.intensity),
            positive: details.manifest.positive.clone().unwrap_or_else(|| "none".to_owned()),
        }
    }
}

/// Opens the form.
pub fn open(shared: &mut Shared, details: &Details) {
    let manifest = &details.manifest;
    let mut classes: Vec<String> = details.summary.classes.iter().map(|c| c.class.clone()).collect();
    classes.push("none".to_owned());
    let fields = vec![
        Field::text(
            "group rule",
            "What makes a patient: a regular expression found in an image's path, `column NAME` of its table, or nothing.",
            &rows::group_text(manifest.groups.as_ref()),
            |text| rows::group_of(text).map(|_| ()),
        ),
        Field::text(
            "intensity",
            "How images deeper than 8 bits become 8: window CENTER WIDTH, percentile LOW HIGH, or full.",
            &rows::intensity_text(manifest.intensity),
            |text| rows::intensity_of(text).map(|_| ()),
        ),
        Field::choice(
            "positive",
            "Of two classes the one that is looked for: sensitivity and AUROC are its.",
            manifest.positive.as_deref().unwrap_or("none"),
            classes,
            false,
        ),
    ];
    let (name, before, manifest) = (details.name.clone(), Effect::of(details), manifest.clone());
    let title = format!("How {name} is read");
    shared.open(Form::new(title, fields, "show the effect", move |values, shared| {
        let mut manifest = manifest.clone();
        manifest.groups = rows::group_of(&values[0])?;
        manifest.intensity = rows::intensity_of(&values[1])?;
        manifest.positive = (values[2] != "none").then(|| values[2].clone());
        let (name, before) = (name.clone(), before.clone());
        shared.tasks.spawn(move || {
            let after = rows::preview(&name, &manifest).map(|details| Effect::of(&details));
            AppUpdate::Data(Box::new(Update::Preview(Preview { name, manifest, before, after })))
        });
        Ok(())
    }));
}

/// Shows the effect and asks whether to keep it.
pub fn confirm(shared: &mut Shared, preview: &Preview) {
    let after = match &preview.after {
        Ok(after) => after.clone(),
        Err(sentence) => return shared.say_bad(sentence.clone()),
    };
    let before = &preview.before;
    let line = |name: &str, before: &str, after: &str| match before == after {
        true => format!("{name}: {after}"),
        false => format!("{name}: {after}  (was: {before})"),
    };
    let question = [
        format!("{} would be read so:", preview.name),
        line("images", &before.images.to_string(), &after.images.to_string()),
        line("groups", &before.groups, &after.groups),
        line("intensity", &before.intensity, &after.intensity),
        line("positive", &before.positive, &after.positive),
        "Runs that exist keep the rules that they were made with.".to_owned(),
    ]
    .join("\n");
    let (name, manifest) = (preview.name.clone(), preview.manifest.clone());
    shared.open(Confirm::new(question, "keep it", move |shared| {
        let path = shared.home.datasets_dir().join(&name).join("manifest.toml");
        match atomic::write(&path, manifest.to_toml().as_bytes()) {
            Ok(()) => shared.say(format!("{name} is read by its new rules")),
            Err(error) => shared.say_bad(error.to_string()),
        }
        shared.go(AnyGoal::Data(Goal::Reread(name)));
    }));
}
