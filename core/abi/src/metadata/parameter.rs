//! Parameter tables, and the check of values against them.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::nearest;

/// One row of a parameter table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ParameterMetadata {
    /// Name, unique in its table.
    pub name: String,
    /// One sentence for the user, or empty.
    #[serde(default)]
    pub help: String,
    /// Type, default and bounds.
    #[serde(flatten)]
    pub kind: ParameterKind,
}

/// Type, default and bounds of a parameter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum ParameterKind {
    /// A floating point number.
    Float {
        /// Value when the user sets none.
        default: f64,
        /// Least value; none when there is no bound.
        #[serde(default)]
        min: Option<f64>,
        /// Greatest value; none when there is no bound.
        #[serde(default)]
        max: Option<f64>,
    },
    /// An integer.
    Int {
        /// Value when the user sets none.
        default: i64,
        /// Least value.
        min: i64,
        /// Greatest value.
        max: i64,
    },
    /// True or false.
    Bool {
        /// Value when the user sets none.
        default: bool,
    },
    /// One of several words.
    Choice {
        /// Value when the user sets none.
        default: String,
        /// The words.
        choices: Vec<String>,
    },
}

impl ParameterKind {
    /// The value when the user sets none.
    pub fn default_value(&self) -> ParameterValue {
        match self {
            ParameterKind::Float { default, .. } => ParameterValue::Float(*default),
            ParameterKind::Int { default, .. } => ParameterValue::Int(*default),
            ParameterKind::Bool { default } => ParameterValue::Bool(*default),
            ParameterKind::Choice { default, .. } => ParameterValue::Choice(default.clone()),
        }
    }
}

/// What a value may be, in words: `a number between 0 and 1`.
impl fmt::Display for ParameterKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ParameterKind::Float { min: None, max: None, .. } => f.write_str("a number"),
            ParameterKind::Float { min: Some(min), max: None, .. } => write!(f, "a number of at least {min}"),
            ParameterKind::Float { min: None, max: Some(max), .. } => write!(f, "a number of at most {max}"),
            ParameterKind::Float { min: Some(min), max: Some(max), .. } => {
                write!(f, "a number between {min} and {max}")
            }
            ParameterKind::Int { min: i64::MIN, max: i64::MAX, .. } => f.write_str("an integer"),
            ParameterKind::Int { min, max: i64::MAX, .. } => write!(f, "an integer of at least {min}"),
            ParameterKind::Int { min, max, .. } => write!(f, "an integer between {min} and {max}"),
            ParameterKind::Bool { .. } => f.write_str("true or false"),
            ParameterKind::Choice { choices, .. } => write!(f, "one of {}", list(choices)),
        }
    }
}

/// The value of a parameter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ParameterValue {
    /// True or false.
    Bool(bool),
    /// An integer.
    Int(i64),
    /// A floating point number.
    Float(f64),
    /// A word.
    Choice(String),
}

impl fmt::Display for ParameterValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ParameterValue::Bool(value) => value.fmt(f),
            ParameterValue::Int(value) => value.fmt(f),
            ParameterValue::Float(value) => value.fmt(f),
            ParameterValue::Choice(value) => value.fmt(f),
        }
    }
}

/// A checked value for every row of a table, in the table's order.
pub type ParameterValues = Vec<(String, ParameterValue)>;

/// Why a value was refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ParameterError {
    /// The table has no such row.
    Unknown {
        /// What was asked for.
        name: String,
        /// What may have been meant.
        nearest: Option<String>,
        /// All names of the table.
        names: Vec<String>,
    },
    /// The value is of another type or out of bounds.
    Refused {
        /// Name of the parameter.
        name: String,
        /// The value, as it was given.
        found: String,
        /// What it may be.
        expected: String,
        /// What may have been meant.
        nearest: Option<String>,
    },
    /// The same name was given twice.
    Twice {
        /// Name of the parameter.
        name: String,
    },
}

impl fmt::Display for ParameterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ParameterError::Unknown { name, names, .. } if names.is_empty() => {
                write!(f, "there is no parameter `{name}`; this takes none")
            }
            ParameterError::Unknown { name, nearest: Some(nearest), .. } => {
                write!(f, "there is no parameter `{name}`; did you mean `{nearest}`?")
            }
            ParameterError::Unknown { name, names, .. } => {
                write!(f, "there is no parameter `{name}`; there is {}", list(names))
            }
            ParameterError::Refused { name, found, expected, nearest } => {
                write!(f, "the parameter `{name}` cannot be `{found}`; it is {expected}")?;
                match nearest {
                    Some(nearest) => write!(f, "; did you mean `{nearest}`?"),
                    None => Ok(()),
                }
            }
            ParameterError::Twice { name } => write!(f, "the parameter `{name}` is given twice; give it once"),
        }
    }
}

impl std::error::Error for ParameterError {}

fn list(names: &[String]) -> String {
    names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// Checks typed values against a table and adds the defaults.
///
/// # Errors
///
/// A name that the table does not have or that is given twice, a value of another type or out of bounds. An integer is taken
/// where a number is wanted.
pub fn check<'a>(
    table: &[ParameterMetadata],
    given: impl IntoIterator<Item = (&'a str, &'a ParameterValue)>,
) -> Result<ParameterValues, ParameterError> {
    fill(table, given, check_value)
}

/// Reads values from text, such as `eps` and `1e-6`, checks them against a table and adds the defaults.
///
/// # Errors
///
/// As [`check`], and a text that cannot be read as the parameter's type.
pub fn from_text<'a>(
    table: &[ParameterMetadata],
    given: impl IntoIterator<Item = (&'a str, &'a str)>,
) -> Result<ParameterValues, ParameterError> {
    fill(table, given, |row, text| {
        let value = match row.kind {
            ParameterKind::Float { .. } => text.trim().parse().ok().map(ParameterValue::Float),
            ParameterKind::Int { .. } => text.trim().parse().ok().map(ParameterValue::Int),
            ParameterKind::Bool { .. } => match text.trim() {
                "true" | "yes" | "on" | "1" => Some(ParameterValue::Bool(true)),
                "false" | "no" | "off" | "0" => Some(ParameterValue::Bool(false)),
                _ => None,
            },
            ParameterKind::Choice { .. } => Some(ParameterValue::Choice(text.trim().to_owned())),
        };
        check_value(row, &value.ok_or_else(|| refused(row, text))?)
    })
}

fn fill<'a, V: ?Sized + 'a>(
    table: &[ParameterMetadata],
    given: impl IntoIterator<Item = (&'a str, &'a V)>,
    read: impl Fn(&ParameterMetadata, &V) -> Result<ParameterValue, ParameterError>,
) -> Result<ParameterValues, ParameterError> {
    let mut values: Vec<Option<ParameterValue>> = vec![None; table.len()];
    for (name, value) in given {
        let Some(place) = table.iter().position(|row| row.name == name) else {
            return Err(ParameterError::Unknown {
                name: name.to_owned(),
                nearest: nearest(name, table.iter().map(|row| row.name.as_str())).map(str::to_owned),
                names: table.iter().map(|row| row.name.clone()).collect(),
            });
        };
        if values[place].is_some() {
            return Err(ParameterError::Twice { name: name.to_owned() });
        }
        values[place] = Some(read(&table[place], value)?);
    }
    Ok(table
        .iter()
        .zip(values)
        .map(|(row, value)| (row.name.clone(), value.unwrap_or_else(|| row.kind.default_value())))
        .collect())
}

fn check_value(row: &ParameterMetadata, value: &ParameterValue) -> Result<ParameterValue, ParameterError> {
    let accepted = match (&row.kind, value) {
        (ParameterKind::Float { min, max, .. }, ParameterValue::Float(_) | ParameterValue::Int(_)) => {
            let number = match value {
                ParameterValue::Int(number) => *number as f64,
                ParameterValue::Float(number) => *number,
                _ => f64::NAN,
            };
            let fits = !number.is_nan() && min.is_none_or(|min| number >= min) && max.is_none_or(|max| number <= max);
            fits.then_some(ParameterValue::Float(number))
        }
        (ParameterKind::Int { min, max, .. }, ParameterValue::Int(number)) => {
            (min..=max).contains(&number).then_some(value.clone())
        }
        (ParameterKind::Bool { .. }, ParameterValue::Bool(_)) => Some(value.clone()),
        (ParameterKind::Choice { choices, .. }, ParameterValue::Choice(word)) => {
            choices.contains(word).then(|| value.clone())
        }
        _ => None,
    };
    accepted.ok_or_else(|| refused(row, &value.to_string()))
}

fn refused(row: &ParameterMetadata, found: &str) -> ParameterError {
    let nearest = match &row.kind {
        ParameterKind::Choice { choices, .. } => nearest(found, choices.iter().map(String::as_str)),
        _ => None,
    };
    ParameterError::Refused {
        name: row.name.clone(),
        found: found.to_owned(),
        expected: row.kind.to_string(),
        nearest: nearest.map(str::to_owned),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> Vec<ParameterMetadata> {
        let row = |name: &str, kind| ParameterMetadata { name: name.to_owned(), help: String::new(), kind };
        vec![
            row("eps", ParameterKind::Float { default: 1e-6, min: Some(0.0), max: Some(1.0) }),
            row("steps", ParameterKind::Int { default: 50, min: 1, max: 1000 }),
            row("smooth", ParameterKind::Bool { default: false }),
            row(
                "sign",
                ParameterKind::Choice {
                    default: "evidence".to_owned(),
                    choices: ["evidence", "max", "lapack"].map(str::to_owned).to_vec(),
                },
            ),
        ]
    }

    fn refusal(name: &str, text: &str) -> String {
        from_text(&table(), [(name, text)]).unwrap_err().to_string()
    }

    #[test]
    fn text_becomes_typed_values_and_the_rest_defaults() {
        let values = from_text(&table(), [("sign", "max"), ("eps", "0.5"), ("smooth", "on")]).unwrap();
        assert_eq!(
            values.into_iter().map(|(_, value)| value).collect::<Vec<_>>(),
            [
                ParameterValue::Float(0.5),
                ParameterValue::Int(50),
                ParameterValue::Bool(true),
                ParameterValue::Choice("max".to_owned())
            ]
        );
    }

    #[test]
    fn an_integer_is_taken_for_a_number_and_not_the_other_way() {
        let one = ParameterValue::Int(1);
        assert_eq!(check(&table(), [("eps", &one)]).unwrap()[0].1, ParameterValue::Float(1.0));
        let half = ParameterValue::Float(0.5);
        assert_eq!(
            check(&table(), [("steps", &half)]).unwrap_err().to_string(),
            "the parameter `steps` cannot be `0.5`; it is an integer between 1 and 1000"
        );
    }

    #[test]
    fn refusals_say_what_is_valid() {
        assert_eq!(refusal("esp", "1"), "there is no parameter `esp`; did you mean `eps`?");
        assert_eq!(
            refusal("temperature", "1"),
            "there is no parameter `temperature`; there is `eps`, `steps`, `smooth`, `sign`"
        );
        assert_eq!(
            from_text(&[], [("eps", "1")]).unwrap_err().to_string(),
            "there is no parameter `eps`; this takes none"
        );
        assert_eq!(refusal("eps", "2"), "the parameter `eps` cannot be `2`; it is a number between 0 and 1");
        assert_eq!(refusal("eps", "NaN"), "the parameter `eps` cannot be `NaN`; it is a number between 0 and 1");
        assert_eq!(
            refusal("steps", "many"),
            "the parameter `steps` cannot be `many`; it is an integer between 1 and 1000"
        );
        assert_eq!(refusal("smooth", "2"), "the parameter `smooth` cannot be `2`; it is true or false");
        assert_eq!(
            refusal("sign", "evidenc"),
            "the parameter `sign` cannot be `evidenc`; it is one of `evidence`, `max`, `lapack`; did you mean `evidence`?"
        );
        assert_eq!(
            from_text(&table(), [("eps", "0"), ("eps", "1")]).unwrap_err().to_string(),
            "the parameter `eps` is given twice; give it once"
        );
    }
}
