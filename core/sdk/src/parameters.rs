//! The values of a method's parameters, or of a network's options.

use crate::{Error, ErrorKind, Parameter, ParameterKind};

/// The value of one parameter.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A floating point number.
    Float(f64),
    /// An integer.
    Int(i64),
    /// True or false.
    Bool(bool),
    /// One of the table's words.
    Choice(String),
}

/// A value for every row of a parameter table.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Parameters {
    values: Vec<(String, Value)>,
}

impl Parameters {
    /// The defaults of a table.
    pub fn defaults(table: &[Parameter]) -> Self {
        let value = |kind: &ParameterKind| match kind {
            ParameterKind::Float { default, .. } => Value::Float(*default),
            ParameterKind::Int { default, .. } => Value::Int(*default),
            ParameterKind::Bool { default } => Value::Bool(*default),
            ParameterKind::Choice { default, .. } => Value::Choice((*default).to_owned()),
        };
        Parameters { values: table.iter().map(|row| (row.name.to_owned(), value(&row.kind))).collect() }
    }

    /// The same values with one of them changed, for tests of a plugin.
    pub fn with(mut self, name: &str, value: Value) -> Self {
        self.set(name, value);
        self
    }

    pub(crate) fn set(&mut self, name: &str, value: Value) {
        match self.values.iter_mut().find(|(known, _)| known == name) {
            Some(slot) => slot.1 = value,
            None => self.values.push((name.to_owned(), value)),
        }
    }

    /// The value named `name`, if the table has it.
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.values.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    /// The floating point number named `name`.
    pub fn float(&self, name: &str) -> Result<f64, Error> {
        match self.get(name) {
            Some(Value::Float(value)) => Ok(*value),
            other => Err(self.mismatch(name, "floating point number", other)),
        }
    }

    /// The integer named `name`.
    pub fn int(&self, name: &str) -> Result<i64, Error> {
        match self.get(name) {
            Some(Value::Int(value)) => Ok(*value),
            other => Err(self.mismatch(name, "integer", other)),
        }
    }

    /// The bool named `name`.
    pub fn bool(&self, name: &str) -> Result<bool, Error> {
        match self.get(name) {
            Some(Value::Bool(value)) => Ok(*value),
            other => Err(self.mismatch(name, "bool", other)),
        }
    }

    /// The word chosen for `name`.
    pub fn choice(&self, name: &str) -> Result<&str, Error> {
        match self.get(name) {
            Some(Value::Choice(value)) => Ok(value),
            other => Err(self.mismatch(name, "choice", other)),
        }
    }

    fn mismatch(&self, name: &str, wanted: &str, found: Option<&Value>) -> Error {
        let message = match found {
            None => format!("the parameter table has no `{name}`; add it to the descriptor"),
            Some(value) => format!("the parameter `{name}` is {value:?}, read as a {wanted}"),
        };
        Error::of_kind(ErrorKind::InvalidArgument, message)
    }
}
