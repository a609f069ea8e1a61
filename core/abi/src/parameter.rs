//! The typed table of parameters (of a method) or options (of a network), and values for it.

use core::ffi::c_char;

/// Kind of a parameter: a 64-bit floating point number.
pub const PARAMETER_FLOAT: u32 = 1;
/// Kind of a parameter: a 64-bit signed integer.
pub const PARAMETER_INT: u32 = 2;
/// Kind of a parameter: true or false, as the integer 1 or 0.
pub const PARAMETER_BOOL: u32 = 3;
/// Kind of a parameter: one of several words.
pub const PARAMETER_CHOICE: u32 = 4;

/// One row of a parameter table. The host shows it and checks values against it before the plugin sees them.
///
/// All pointers are valid until `deinit`. A kind that the host does not know makes the whole capability unsupported.
#[repr(C)]
pub struct Parameter {
    /// Size of this struct in bytes.
    pub struct_size: u64,
    /// Name, unique in its table: lower-case letters, digits, `-` and `_`.
    pub name: *const c_char,
    /// One sentence for the user; may be null.
    pub help: *const c_char,
    /// A `PARAMETER_` constant.
    pub kind: u32,
    /// Number of `choices`; 0 unless `kind` is [`PARAMETER_CHOICE`].
    pub choice_count: u32,
    /// Default of a float.
    pub float_default: f64,
    /// Least value of a float, inclusive; may be minus infinity.
    pub float_min: f64,
    /// Greatest value of a float, inclusive; may be infinity.
    pub float_max: f64,
    /// Default of an integer (of a bool: 0 or 1; of a choice: its place in `choices`).
    pub int_default: i64,
    /// Least value of an integer, inclusive.
    pub int_min: i64,
    /// Greatest value of an integer, inclusive.
    pub int_max: i64,
    /// The words to choose from.
    pub choices: *const *const c_char,
}

/// The value of one parameter. The host gives one for every row of the table, in the table's order.
#[repr(C)]
pub struct ParameterValue {
    /// Size of this struct in bytes.
    pub struct_size: u64,
    /// Name of the parameter.
    pub name: *const c_char,
    /// Its kind, a `PARAMETER_` constant.
    pub kind: u32,
    /// Zero.
    pub reserved: u32,
    /// Value of a float.
    pub float_value: f64,
    /// Value of an integer or bool; of a choice: its place in the table's `choices`.
    pub int_value: i64,
    /// Value of a choice, as the word; null for the other kinds.
    pub text_value: *const c_char,
}
