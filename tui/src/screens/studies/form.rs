//! The form for a new study, and the file that it writes.

use lightbox_store::study::StudyFile;
use lightbox_store::{Home, atomic, names};

use crate::app::catalogue::Catalogue;
use crate::app::popup::{Choice, Choose, Field, Form};
use crate::app::shared::{Shared, Wish};
use crate::app::tasks::Purpose;

/// Metrics of explanations in a new study.
const EXPLANATION_METRICS: &str = "road, average-drop, increase";

/// Opens the form.
pub fn open(shared: &mut Shared, datasets: Vec<String>) {
    if datasets.is_empty() {
        shared.say_bad("a study needs a dataset: a on screen 6 adds one");
        return;
    }
    let Some(catalogue) = shared.plugins_for("new study") else { return };
    let home = shared.home.clone();
    let fields = fields(&catalogue, datasets, home.clone());
    let form = Form::new("New study", fields, "write the study", move |values, shared| {
        let text = file_text(values);
        let path = home.studies_dir().join(format!("{}.toml", values[0]));
        StudyFile::parse(&path, &text).map_err(|e| e.to_string())?;
        atomic::write(&path, text.as_bytes()).map_err(|e| e.to_string())?;
        then(shared, &values[0], path);
        Ok(())
    });
    shared.open(form);
}

/// What to do with the file that was written.
fn then(shared: &mut Shared, name: &str, path: std::path::PathBuf) {
    let file = path.display().to_string();
    let choices = vec![
        Choice::new("start it now", format!("lightbox study run {file}")),
        Choice::new("edit the file first", "every setting of docs/studies.md; s on the study starts it then"),
        Choice::new("keep it for later", "s on the study starts it"),
    ];
    shared.open(Choose::one("The study is written", choices, move |index, shared| match index {
        0 => start(shared, &path),
        1 => shared.wishes.push(Wish::Edit(path.clone())),
        _ => {}
    }));
    shared.go(super::super::Goal::Studies(super::Goal::Study(name.to_owned())));
}

/// Starts a study by its file, or goes on with it.
pub fn start(shared: &mut Shared, path: &std::path::Path) {
    let arguments = ["study", "run", &path.display().to_string()].map(str::to_owned).to_vec();
    shared.run_command(arguments, "the study is queued; screen 2 shows its jobs", Purpose::Runs);
}

fn fields(catalogue: &Catalogue, datasets: Vec<String>, home: Home) -> Vec<Field> {
    let models: Vec<String> = catalogue.models.iter().map(|m| m.source.id.clone()).collect();
    let methods: Vec<String> = catalogue.attributions.iter().map(|m| m.source.id.clone()).collect();
    let first_models = models.iter().take(2).cloned().collect::<Vec<_>>().join(", ");
    let whole = |low: u64, high: u64| {
        move |text: &str| match text.trim().parse::<u64>() {
            Ok(n) if (low..=high).contains(&n) => Ok(()),
            _ => Err(format!("a whole number from {low} to {high}")),
        }
    };
    let positive = |text: &str| match text.trim().parse::<f64>() {
        Ok(n) if n > 0.0 && n.is_finite() => Ok(()),
        _ => Err("a number above 0, for example 1e-4".to_owned()),
    };
    let free = move |text: &str| {
        names::check("study", text.trim()).map_err(|e| e.to_string())?;
        let folder = home.studies_dir();
        if folder.join(text.trim()).exists() || folder.join(format!("{}.toml", text.trim())).exists() {
            return Err("there is a study of this name".to_owned());
        }
        Ok(())
    };
    vec![
        Field::text("name", "Letters, digits, - and _; the study is kept under it.", "my-study", free),
        Field::choice("datasets", "Joined by commas; ctrl-n goes through them.", &datasets[0], datasets.clone(), true),
        Field::choice("models", "Joined by commas; ctrl-n goes through them.", &first_models, models.clone(), true),
        Field::choice("baseline", "The model that the others are tested against.", &models[0], models.clone(), false),
        Field::text("folds", "Cross-validation over patients or lesions where they are known.", "5", whole(2, 100)),
        Field::text("epochs", "Times through the training images.", "20", whole(1, 100_000)),
        Field::text("batch size", "Images per step of the optimizer.", "32", whole(1, 65_536)),
        Field::text("image size", "Side of the network's square input in pixels.", "224", whole(16, 4096)),
        Field::text("learning rate", "Of AdamW, with a cosine schedule.", "1e-4", positive),
        Field::choice("explained", "The model whose decisions are explained.", &models[0], models.clone(), false),
        Field::choice(
            "methods",
            "Explanation methods, joined by commas; random and center are what any method must beat.",
            "gradcam, gradcam++, layercam, random, center",
            methods,
            true,
        ),
    ]
}

/// The study file for the form's values.
fn file_text(values: &[String]) -> String {
    let list = |text: &str| {
        let parts = text.split(',').map(|p| format!("{:?}", p.trim()));
        format!("[{}]", parts.collect::<Vec<_>>().join(", "))
    };
    let [name, datasets, models, baseline, folds, epochs, batch, size, rate, explained, methods] = values else {
        return String::new();
    };
    let first = methods.split(',').next().unwrap_or("gradcam").trim();
    format!(
        "name = {name:?}\ndatasets = {}\nmodels = {}\nbaseline = {baseline:?}\n\n[split]\nfolds = {folds}\n\n[train]\n\
         epochs = {epochs}\nbatch_size = {batch}\nimage_size = {size}\nlr = {rate}\n\n[explain]\nmodel = {explained:?}\n\
         methods = {}\nbaseline = {first:?}\nmetrics = {}\n\n[statistics]\nprimary = \"balanced-accuracy\"\n\
         test = \"nadeau-bengio\"\ncorrection = \"holm\"\nalpha = 0.05\n",
        list(datasets),
        list(models),
        list(methods),
        list(EXPLANATION_METRICS),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_forms_file_is_a_study() {
        let values = [
            "s-1",
            "brain, skin",
            "resnet50, vgg16",
            "resnet50",
            "5",
            "20",
            "32",
            "224",
            "1e-4",
            "resnet50",
            "gradcam, random",
        ]
        .map(str::to_owned);
        let study = StudyFile::parse(std::path::Path::new("s-1.toml"), &file_text(&values)).unwrap();
        assert_eq!(study.datasets, ["brain", "skin"]);
        assert_eq!((study.train.lr, study.split.folds), (1e-4, Some(5)));
        assert_eq!(study.explain.unwrap().methods, ["gradcam", "random"]);
    }
}
