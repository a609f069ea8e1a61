//! What a pickle builds.

use super::super::element::ElementType;
use super::globals::Global;

/// Number of a value in the arena.
pub type Id = usize;

/// A value.
#[derive(Clone, Debug)]
pub enum Value {
    None,
    Bool(bool),
    Int(i64),
    /// An integer of more than 64 bits: little-endian, two's complement.
    Big(Vec<u8>),
    Float,
    Text(String),
    Tuple(Vec<Id>),
    List(Vec<Id>),
    /// In order of insertion; a key may come twice, and its last value counts.
    Dict(Vec<(Id, Id)>),
    Global(Global),
    /// Number of a storage.
    Storage(usize),
    /// Number of a tensor.
    Tensor(usize),
    /// Something on the list that weights do not need.
    Inert,
}

/// A storage that a pickle refers to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StorageUse {
    /// Its key: the name of its part of the archive.
    pub key: String,
    /// Type of its elements; none for a storage of bytes, whose tensors have types.
    pub element: Option<ElementType>,
    /// Number of elements, or of bytes.
    pub length: u64,
    /// First element within the storage of that key, for a view of old files.
    pub view_offset: u64,
}

/// A tensor that a pickle builds: a view of a storage.
#[derive(Clone, Debug)]
pub struct TensorUse {
    /// Number of the storage.
    pub storage: usize,
    /// Type of its elements.
    pub element: ElementType,
    /// First element within the storage.
    pub offset: u64,
    /// Sides.
    pub shape: Vec<u64>,
    /// Elements from one to the next along each side.
    pub stride: Vec<u64>,
}

/// All that a pickle built.
#[derive(Debug)]
pub struct Pickled {
    pub values: Vec<Value>,
    pub root: Id,
    pub storages: Vec<StorageUse>,
    pub tensors: Vec<TensorUse>,
}

impl Pickled {
    /// A value by number.
    pub fn get(&self, id: Id) -> &Value {
        self.values.get(id).unwrap_or(&Value::None)
    }

    /// The text of a value.
    pub fn text(&self, id: Id) -> Option<&str> {
        match self.get(id) {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The value of a text key of a dictionary.
    pub fn entry(&self, dict: Id, key: &str) -> Option<Id> {
        let Value::Dict(entries) = self.get(dict) else { return None };
        entries.iter().rev().find(|(known, _)| self.text(*known) == Some(key)).map(|(_, value)| *value)
    }
}
