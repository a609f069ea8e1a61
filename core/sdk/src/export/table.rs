//! Parameter tables and values in their C form.

use std::ffi::{CStr, CString, c_char};

use lightbox_abi as abi;

use crate::{Error, ErrorKind, Parameter, ParameterKind, Parameters, Value};

/// A zero-terminated copy of `text` that lives for ever; null for an empty text.
pub fn leak_text(text: &str) -> Result<*const c_char, Error> {
    if text.is_empty() {
        return Ok(std::ptr::null());
    }
    let text = CString::new(text).map_err(|_| Error::new(format!("{text:?} contains a zero byte")))?;
    Ok(text.into_raw().cast_const())
}

/// The C form of a parameter table, which lives for ever: its rows, and how many there are.
pub fn leak_table(table: &[Parameter]) -> Result<(*const *const abi::Parameter, u32), Error> {
    let mut rows: Vec<*const abi::Parameter> = Vec::with_capacity(table.len());
    for parameter in table {
        let mut row = abi::Parameter {
            struct_size: size_of::<abi::Parameter>() as u64,
            name: leak_text(parameter.name)?,
            help: leak_text(parameter.help)?,
            kind: 0,
            choice_count: 0,
            float_default: 0.0,
            float_min: 0.0,
            float_max: 0.0,
            int_default: 0,
            int_min: 0,
            int_max: 0,
            choices: std::ptr::null(),
        };
        match parameter.kind {
            ParameterKind::Float { default, min, max } => {
                row.kind = abi::PARAMETER_FLOAT;
                (row.float_default, row.float_min, row.float_max) = (default, min, max);
            }
            ParameterKind::Int { default, min, max } => {
                row.kind = abi::PARAMETER_INT;
                (row.int_default, row.int_min, row.int_max) = (default, min, max);
            }
            ParameterKind::Bool { default } => {
                row.kind = abi::PARAMETER_BOOL;
                (row.int_default, row.int_min, row.int_max) = (i64::from(default), 0, 1);
            }
            ParameterKind::Choice { default, choices } => {
                let place = choices.iter().position(|choice| *choice == default).ok_or_else(|| {
                    Error::new(format!("the default {default:?} of `{}` is none of its choices", parameter.name))
                })?;
                let words = choices.iter().map(|choice| leak_text(choice)).collect::<Result<Vec<_>, _>>()?;
                row.kind = abi::PARAMETER_CHOICE;
                row.choice_count = count(words.len())?;
                (row.int_default, row.int_max) = (place as i64, choices.len() as i64 - 1);
                row.choices = words.leak().as_ptr();
            }
        }
        rows.push(Box::leak(Box::new(row)));
    }
    let length = count(rows.len())?;
    Ok((rows.leak().as_ptr(), length))
}

fn count(length: usize) -> Result<u32, Error> {
    u32::try_from(length).map_err(|_| Error::new("a table is too long"))
}

/// The values that the host passes, in terms of `table`; a row without a value keeps its default.
///
/// # Safety
///
/// `values` leads to `count` values that keep the promises of the ABI, or `count` is zero.
pub unsafe fn read_values(
    table: &[Parameter],
    values: *const *const abi::ParameterValue,
    count: u64,
) -> Result<Parameters, Error> {
    let refuse = |why: String| Err(Error::of_kind(ErrorKind::InvalidArgument, why));
    let mut parameters = Parameters::defaults(table);
    let count = usize::try_from(count)?;
    if count == 0 {
        return Ok(parameters);
    }
    if values.is_null() {
        return refuse("the parameter values are null".to_owned());
    }
    // SAFETY: the caller promises `count` pointers.
    for &value in unsafe { std::slice::from_raw_parts(values, count) } {
        // SAFETY: the caller promises valid values.
        let value = match unsafe { value.as_ref() } {
            Some(value) if !value.name.is_null() => value,
            _ => return refuse("a parameter value is null".to_owned()),
        };
        // SAFETY: the caller promises zero-terminated text, and it is not null.
        let name = unsafe { CStr::from_ptr(value.name) }.to_string_lossy();
        let Some(row) = table.iter().find(|row| row.name == name) else {
            return refuse(format!("there is no parameter `{name}`"));
        };
        let typed = match (&row.kind, value.kind) {
            (ParameterKind::Float { .. }, abi::PARAMETER_FLOAT) => Value::Float(value.float_value),
            (ParameterKind::Int { .. }, abi::PARAMETER_INT) => Value::Int(value.int_value),
            (ParameterKind::Bool { .. }, abi::PARAMETER_BOOL) => Value::Bool(value.int_value != 0),
            (ParameterKind::Choice { choices, .. }, abi::PARAMETER_CHOICE) => {
                match usize::try_from(value.int_value).ok().and_then(|place| choices.get(place)) {
                    Some(choice) => Value::Choice((*choice).to_owned()),
                    None => return refuse(format!("the parameter `{name}` has no choice {}", value.int_value)),
                }
            }
            _ => return refuse(format!("the parameter `{name}` has a value of another kind")),
        };
        parameters.set(row.name, typed);
    }
    Ok(parameters)
}
