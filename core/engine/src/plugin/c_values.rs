//! Checked parameter values in their C form.

use std::ffi::CString;

use lightbox_abi as abi;
use lightbox_abi::metadata::{ParameterKind, ParameterMetadata, ParameterValue, ParameterValues};

use super::{PluginError, Result};

/// `text` as C text.
pub(super) fn c_text(text: &str) -> Result<CString> {
    CString::new(text).map_err(|_| PluginError::Unsuitable {
        id: text.replace('\0', "\\0"),
        why: "contains a zero byte; take it out".to_owned(),
    })
}

/// Values in their C form, and what they point to.
pub(super) struct CValues {
    // Kept for the pointers into them.
    _texts: Vec<CString>,
    _rows: Vec<abi::ParameterValue>,
    pointers: Vec<*const abi::ParameterValue>,
}

impl CValues {
    /// The C form of `values`, which [`super::check`] made for `table`.
    pub(super) fn new(table: &[ParameterMetadata], values: &ParameterValues) -> Result<Self> {
        let (mut texts, mut rows) = (Vec::new(), Vec::new());
        for (row, (name, value)) in table.iter().zip(values) {
            let name = c_text(name)?;
            let mut c_value = abi::ParameterValue {
                struct_size: size_of::<abi::ParameterValue>() as u64,
                name: name.as_ptr(),
                kind: 0,
                reserved: 0,
                float_value: 0.0,
                int_value: 0,
                text_value: std::ptr::null(),
            };
            texts.push(name);
            match value {
                ParameterValue::Float(value) => {
                    (c_value.kind, c_value.float_value) = (abi::PARAMETER_FLOAT, *value);
                }
                ParameterValue::Int(value) => (c_value.kind, c_value.int_value) = (abi::PARAMETER_INT, *value),
                ParameterValue::Bool(value) => {
                    (c_value.kind, c_value.int_value) = (abi::PARAMETER_BOOL, i64::from(*value));
                }
                ParameterValue::Choice(word) => {
                    let text = c_text(word)?;
                    let place = match &row.kind {
                        ParameterKind::Choice { choices, .. } => choices.iter().position(|choice| choice == word),
                        _ => None,
                    };
                    c_value.kind = abi::PARAMETER_CHOICE;
                    c_value.int_value = place.map_or(-1, |place| place as i64);
                    c_value.text_value = text.as_ptr();
                    texts.push(text);
                }
            }
            rows.push(c_value);
        }
        let pointers = rows.iter().map(std::ptr::from_ref).collect();
        Ok(CValues { _texts: texts, _rows: rows, pointers })
    }

    pub(super) fn as_ptr(&self) -> *const *const abi::ParameterValue {
        self.pointers.as_ptr()
    }

    pub(super) fn count(&self) -> u64 {
        self.pointers.len() as u64
    }
}
