//! What plugins offer: models and attribution methods, as the worker describes them.

use lightbox_scheduler::WorkerProgram;
use lightbox_store::Home;
use serde::Deserialize;
use serde_json::Value;

/// All models and methods.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Catalogue {
    /// Models.
    #[serde(default)]
    pub models: Vec<Model>,
    /// Attribution methods.
    #[serde(default)]
    pub attributions: Vec<Method>,
    /// Sentences about plugins that could not be used.
    #[serde(default)]
    pub problems: Vec<String>,
}

/// What both kinds have.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Source {
    /// Id by which it is asked for.
    pub id: String,
    /// Its name.
    #[serde(default)]
    pub name: String,
    /// Paper.
    #[serde(default)]
    pub reference: String,
    /// What it does.
    #[serde(default)]
    pub description: String,
    /// Id of the library that has it.
    #[serde(default)]
    pub library: String,
    /// Version of the library.
    #[serde(default)]
    pub version: String,
    /// File of the library.
    #[serde(default)]
    pub file: String,
}

/// A model.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Model {
    /// Id, name, origin.
    #[serde(flatten)]
    pub source: Source,
    /// Layers that can be explained.
    #[serde(default)]
    pub cut_points: Vec<String>,
    /// The layer that is explained when none is named.
    #[serde(default)]
    pub default_layer: String,
    /// Native input, width and height.
    #[serde(default)]
    pub input_size: Vec<u32>,
    /// Architecture options.
    #[serde(default)]
    pub options: Vec<Parameter>,
}

/// An attribution method.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Method {
    /// Id, name, origin.
    #[serde(flatten)]
    pub source: Source,
    /// What it asks of the host, by name.
    #[serde(default)]
    pub needs: serde_json::Map<String, Value>,
    /// `one` or `several` layers.
    #[serde(default)]
    pub layers: String,
    /// Parameters.
    #[serde(default)]
    pub parameters: Vec<Parameter>,
}

/// A parameter or option.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct Parameter {
    /// Name.
    pub name: String,
    /// What it does.
    #[serde(default)]
    pub help: String,
    /// `float`, `int`, `bool` or `choice`.
    #[serde(default)]
    pub kind: String,
    /// Its value when none is given.
    #[serde(default)]
    pub default: Value,
    /// Smallest value.
    #[serde(default)]
    pub min: Option<f64>,
    /// Largest value.
    #[serde(default)]
    pub max: Option<f64>,
    /// Possible values of a choice.
    #[serde(default)]
    pub choices: Vec<String>,
}

impl Catalogue {
    /// Asks a throw-away worker, since plugin code never runs in this program.
    pub fn ask(home: &Home) -> Result<Self, String> {
        let worker = WorkerProgram::find(home.root()).map_err(|e| e.to_string())?;
        let answer = worker.ask(&[std::ffi::OsStr::new("plugins")]).map_err(|e| e.to_string())?;
        serde_json::from_slice(&answer.stdout).map_err(|e| format!("the worker's list of plugins is not readable: {e}"))
    }

    /// A model by its id.
    pub fn model(&self, id: &str) -> Option<&Model> {
        self.models.iter().find(|m| m.source.id == id)
    }

    /// A method by its id.
    pub fn method(&self, id: &str) -> Option<&Method> {
        self.attributions.iter().find(|m| m.source.id == id)
    }

    /// What there is to know of a model or method, by name; nothing for an id that is not there.
    pub fn facts(&self, id: &str) -> Vec<(&'static str, String)> {
        let (model, method) = (self.model(id), self.method(id));
        let (source, parameters, word) = match (model, method) {
            (Some(model), _) => (&model.source, &model.options, "option"),
            (None, Some(method)) => (&method.source, &method.parameters, "parameter"),
            (None, None) => return Vec::new(),
        };
        let mut facts = vec![("does", source.description.clone()), ("reference", source.reference.clone())];
        if let Some(model) = model {
            let size: Vec<String> = model.input_size.iter().map(ToString::to_string).collect();
            facts.push(("input", size.join(" x ")));
            facts.push(("layers", model.cut_points.join(" ")));
            facts.push(("default", model.default_layer.clone()));
        }
        if let Some(method) = method {
            let needs = method.needs.iter().filter(|(_, needed)| needed.as_bool() == Some(true));
            facts.push(("needs", needs.map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ")));
            facts.push(("layers", method.layers.clone()));
        }
        facts.extend(parameters.iter().map(|parameter| (word, parameter.describe())));
        facts.push(("library", format!("{} {}", source.library, source.version)));
        facts.push(("file", source.file.clone()));
        facts.retain(|(_, value)| !value.is_empty());
        facts
    }
}

impl Parameter {
    fn describe(&self) -> String {
        format!("{} = {} ({}): {}", self.name, self.default_text(), self.range(), self.help)
    }

    /// The default as it is written on the command line.
    pub fn default_text(&self) -> String {
        match &self.default {
            Value::String(text) => text.clone(),
            Value::Null => String::new(),
            other => other.to_string(),
        }
    }

    /// What values it takes, in words.
    pub fn range(&self) -> String {
        match (self.kind.as_str(), self.min, self.max) {
            ("choice", ..) => self.choices.join(" | "),
            ("bool", ..) => "true | false".to_owned(),
            (kind, Some(min), Some(max)) => format!("{kind}, {min} to {max}"),
            (kind, Some(min), None) => format!("{kind}, at least {min}"),
            (kind, None, Some(max)) => format!("{kind}, at most {max}"),
            (kind, None, None) => kind.to_owned(),
        }
    }

    /// Refuses a value that the parameter cannot take.
    pub fn check(&self, value: &str) -> Result<(), String> {
        let fits = match self.kind.as_str() {
            "bool" => matches!(value, "true" | "false"),
            "choice" => self.choices.iter().any(|c| c == value),
            "int" => value.parse::<i64>().is_ok_and(|n| self.holds(n as f64)),
            "float" => value.parse::<f64>().is_ok_and(|n| self.holds(n)),
            _ => true,
        };
        if fits { Ok(()) } else { Err(format!("{} takes {}", self.name, self.range())) }
    }

    fn holds(&self, value: f64) -> bool {
        value.is_finite() && self.min.is_none_or(|min| value >= min) && self.max.is_none_or(|max| value <= max)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameter(kind: &str) -> Parameter {
        Parameter { name: "n".into(), kind: kind.into(), min: Some(1.0), max: Some(3.0), ..Parameter::default() }
    }

    #[test]
    fn values_outside_the_range_are_refused_with_the_range() {
        assert_eq!(parameter("float").check("2.5"), Ok(()));
        assert_eq!(parameter("float").check("4"), Err("n takes float, 1 to 3".into()));
        assert_eq!(parameter("int").check("2.5"), Err("n takes int, 1 to 3".into()));
        assert_eq!(parameter("float").check("NaN"), Err("n takes float, 1 to 3".into()));
        assert_eq!(parameter("bool").check("yes"), Err("n takes true | false".into()));
    }
}
