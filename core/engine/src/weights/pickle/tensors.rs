//! Storages and tensors out of the arguments that torch pickles for them.

use super::super::element::ElementType;
use super::globals::Global;
use super::value::{Id, Pickled, StorageUse, TensorUse, Value};
use super::{Result, broken};

/// Most sides of a tensor.
const MOST_DIMENSIONS: usize = 64;

/// `('storage', class, key, location, length[, view])`, where a view is `None` or `(key, offset, length)`.
pub fn storage(pickled: &Pickled, persistent: Id) -> Result<StorageUse> {
    let Value::Tuple(parts) = pickled.get(persistent) else { return broken("a reference to a storage is no tuple") };
    let [kind, class, key, _location, length, rest @ ..] = parts.as_slice() else {
        return broken("a reference to a storage has too few parts");
    };
    if pickled.text(*kind) != Some("storage") {
        return broken("it refers to something outside that is no storage");
    }
    let Value::Global(Global::Storage(element)) = pickled.get(*class) else {
        return broken("a reference to a storage names no kind of storage");
    };
    let key = match pickled.get(*key) {
        Value::Text(text) => text.clone(),
        // The first versions of torch wrote keys as numbers.
        Value::Int(number) => number.to_string(),
        _ => return broken("a storage has no key"),
    };
    let length = number(pickled, *length)?;
    let view_offset = match rest.first().map(|view| pickled.get(*view)) {
        Some(Value::Tuple(view)) => match view.as_slice() {
            [_, offset, _] => number(pickled, *offset)?,
            _ => return broken("a view of a storage has not three parts"),
        },
        _ => 0,
    };
    Ok(StorageUse { key, element: *element, length, view_offset })
}

/// `(storage, offset, shape, stride, ...)`, with the type of the elements at the seventh place of `_rebuild_tensor_v3`.
pub fn tensor(pickled: &Pickled, arguments: &[Id]) -> Result<TensorUse> {
    let [storage, offset, shape, stride, ..] = arguments else { return broken("a tensor has too few parts") };
    let Value::Storage(storage) = pickled.get(*storage) else { return broken("a tensor has no storage") };
    let stored = pickled.storages.get(*storage).and_then(|storage| storage.element);
    let named = arguments.get(6).and_then(|element| match pickled.get(*element) {
        Value::Global(Global::Element(element)) => Some(*element),
        _ => None,
    });
    // A storage of bytes without a type of its own is one of bytes.
    let element = named.or(stored).unwrap_or(ElementType::UInt8);
    let (shape, stride) = (numbers(pickled, *shape)?, numbers(pickled, *stride)?);
    if shape.len() != stride.len() || shape.len() > MOST_DIMENSIONS {
        return broken(format!("a tensor has {} sides and {} strides", shape.len(), stride.len()));
    }
    Ok(TensorUse { storage: *storage, element, offset: number(pickled, *offset)?, shape, stride })
}

fn number(pickled: &Pickled, id: Id) -> Result<u64> {
    match pickled.get(id) {
        Value::Int(value) if *value >= 0 => Ok(value.unsigned_abs()),
        other => broken(format!("it has {other:?} where a length belongs")),
    }
}

fn numbers(pickled: &Pickled, id: Id) -> Result<Vec<u64>> {
    match pickled.get(id) {
        Value::Tuple(ids) | Value::List(ids) => ids.iter().map(|id| number(pickled, *id)).collect(),
        _ => broken("it has no tuple where a shape belongs"),
    }
}
