//! The types that the elements of a stored tensor can have.

use serde::Serialize;
use tch::Kind;

/// Type of the elements of a stored tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ElementType {
    /// 64-bit floating point.
    Float64,
    /// 32-bit floating point.
    Float32,
    /// IEEE half precision.
    Float16,
    /// The upper half of a float32.
    BFloat16,
    /// Signed, 64 bits.
    Int64,
    /// Signed, 32 bits.
    Int32,
    /// Signed, 16 bits.
    Int16,
    /// Signed, 8 bits.
    Int8,
    /// Unsigned, 8 bits.
    UInt8,
    /// Unsigned, 16 bits.
    UInt16,
    /// Unsigned, 32 bits.
    UInt32,
    /// Unsigned, 64 bits.
    UInt64,
    /// One byte, 0 or 1.
    Bool,
    /// Two float32.
    Complex64,
    /// Two float64.
    Complex128,
    /// 8 bits, 4 of them exponent.
    #[serde(rename = "float8_e4m3")]
    Float8E4M3,
    /// 8 bits, 5 of them exponent.
    #[serde(rename = "float8_e5m2")]
    Float8E5M2,
}

use ElementType as E;

/// Type, torch's name of its storage class without "Storage", safetensors' name.
const NAMES: [(ElementType, &str, &str); 17] = [
    (E::Float64, "Double", "F64"),
    (E::Float32, "Float", "F32"),
    (E::Float16, "Half", "F16"),
    (E::BFloat16, "BFloat16", "BF16"),
    (E::Int64, "Long", "I64"),
    (E::Int32, "Int", "I32"),
    (E::Int16, "Short", "I16"),
    (E::Int8, "Char", "I8"),
    (E::UInt8, "Byte", "U8"),
    (E::UInt16, "UInt16", "U16"),
    (E::UInt32, "UInt32", "U32"),
    (E::UInt64, "UInt64", "U64"),
    (E::Bool, "Bool", "BOOL"),
    (E::Complex64, "ComplexFloat", "C64"),
    (E::Complex128, "ComplexDouble", "C128"),
    (E::Float8E4M3, "Float8_e4m3fn", "F8_E4M3"),
    (E::Float8E5M2, "Float8_e5m2", "F8_E5M2"),
];

impl ElementType {
    /// Bytes of one element.
    pub fn bytes(self) -> usize {
        match self {
            E::Complex128 => 16,
            E::Float64 | E::Int64 | E::UInt64 | E::Complex64 => 8,
            E::Float32 | E::Int32 | E::UInt32 => 4,
            E::Float16 | E::BFloat16 | E::Int16 | E::UInt16 => 2,
            E::Int8 | E::UInt8 | E::Bool | E::Float8E4M3 | E::Float8E5M2 => 1,
        }
    }

    /// Name as torch has it, such as `float32`.
    pub fn name(self) -> &'static str {
        match self {
            E::Float64 => "float64",
            E::Float32 => "float32",
            E::Float16 => "float16",
            E::BFloat16 => "bfloat16",
            E::Int64 => "int64",
            E::Int32 => "int32",
            E::Int16 => "int16",
            E::Int8 => "int8",
            E::UInt8 => "uint8",
            E::UInt16 => "uint16",
            E::UInt32 => "uint32",
            E::UInt64 => "uint64",
            E::Bool => "bool",
            E::Complex64 => "complex64",
            E::Complex128 => "complex128",
            E::Float8E4M3 => "float8_e4m3",
            E::Float8E5M2 => "float8_e5m2",
        }
    }

    /// The same type in tch, where it has one that weights are kept in.
    pub(super) fn kind(self) -> Option<Kind> {
        Some(match self {
            E::Float64 => Kind::Double,
            E::Float32 => Kind::Float,
            E::Float16 => Kind::Half,
            E::BFloat16 => Kind::BFloat16,
            E::Int64 => Kind::Int64,
            E::Int32 => Kind::Int,
            E::Int16 => Kind::Int16,
            E::Int8 => Kind::Int8,
            E::UInt8 => Kind::Uint8,
            E::Bool => Kind::Bool,
            _ => return None,
        })
    }

    pub(super) fn of_kind(kind: Kind) -> Option<Self> {
        NAMES.into_iter().map(|(element, ..)| element).find(|element| element.kind() == Some(kind))
    }

    pub(super) fn is_float(self) -> bool {
        matches!(self, E::Float64 | E::Float32 | E::Float16 | E::BFloat16)
    }

    /// By torch's storage class, such as `FloatStorage`.
    pub(super) fn of_storage(class: &str) -> Option<Self> {
        let class = class.strip_suffix("Storage")?;
        NAMES.into_iter().find(|(_, torch, _)| *torch == class).map(|(element, ..)| element)
    }

    /// By torch's dtype, such as `float32`.
    pub(super) fn of_dtype(name: &str) -> Option<Self> {
        NAMES.into_iter().map(|(element, ..)| element).find(|element| element.name() == name)
    }

    /// By safetensors' name, such as `F32`.
    pub(super) fn of_safetensors(name: &str) -> Option<Self> {
        NAMES.into_iter().find(|(.., known)| *known == name).map(|(element, ..)| element)
    }

    pub(super) fn safetensors(self) -> &'static str {
        NAMES.into_iter().find(|(element, ..)| *element == self).map_or("F32", |(.., name)| name)
    }
}

impl std::fmt::Display for ElementType {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name())
    }
}
