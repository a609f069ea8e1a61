//! Finds the weights in what a pickle holds: a state dict, alone or inside a checkpoint.

use super::super::pickle::{Id, Pickled, Value};

/// Keys under which checkpoints keep their weights, most likely first.
const KEYS: [&str; 10] =
    ["state_dict", "model_state_dict", "model", "network", "net", "weights", "params", "module", "model_ema", "ema"];
/// How deep a state dict may lie.
const DEEPEST: usize = 4;
/// Names that are shown where no state dict is found.
const SHOWN: usize = 8;

/// Names and numbers of the tensors, in their order.
///
/// # Errors
/// A sentence: what it holds instead of weights.
pub fn tensors(pickled: &Pickled) -> Result<Vec<(String, usize)>, String> {
    let found = find(pickled, pickled.root, 0)
        .ok_or_else(|| format!("it holds no weights by name but {}; save `model.state_dict()`", describe(pickled)))?;
    let Value::Dict(entries) = pickled.get(found) else { return Err("it holds no weights by name".to_owned()) };
    let mut named: Vec<(String, usize)> = Vec::new();
    let mut places = std::collections::HashMap::new();
    for (key, value) in entries {
        let (Some(name), Value::Tensor(tensor)) = (pickled.text(*key), pickled.get(*value)) else { continue };
        match places.get(name) {
            Some(place) => named[*place] = (name.to_owned(), *tensor),
            None => {
                places.insert(name, named.len());
                named.push((name.to_owned(), *tensor));
            }
        }
    }
    Ok(named)
}

/// The first dictionary of names to tensors, at `id` or inside it.
fn find(pickled: &Pickled, id: Id, depth: usize) -> Option<Id> {
    let Value::Dict(entries) = pickled.get(id) else { return None };
    if holds_weights(pickled, entries) {
        return Some(id);
    }
    if depth == DEEPEST {
        return None;
    }
    if let Some(found) =
        KEYS.iter().filter_map(|key| pickled.entry(id, key)).find_map(|inner| find(pickled, inner, depth + 1))
    {
        return Some(found);
    }
    // Under another key only if there is no choice; the state of an optimizer has numbers for names.
    let mut others = entries.iter().filter_map(|(_, inner)| match pickled.get(*inner) {
        Value::Dict(entries) if holds_weights(pickled, entries) => Some(*inner),
        _ => None,
    });
    match (others.next(), others.next()) {
        (Some(only), None) => Some(only),
        _ => None,
    }
}

/// Names with tensors, and no dictionary that itself holds something: a lone tensor beside the weights' own dictionary, such
/// as a best score, does not make a checkpoint a state dict.
fn holds_weights(pickled: &Pickled, entries: &[(Id, Id)]) -> bool {
    let mut tensors = 0;
    for (key, value) in entries {
        match pickled.get(*value) {
            Value::Tensor(_) if pickled.text(*key).is_some() => tensors += 1,
            Value::Dict(inner)
                if inner.iter().any(|(_, v)| matches!(pickled.get(*v), Value::Tensor(_) | Value::Dict(_))) =>
            {
                return false;
            }
            _ => {}
        }
    }
    tensors > 0
}

fn describe(pickled: &Pickled) -> String {
    match pickled.get(pickled.root) {
        Value::Dict(entries) if entries.is_empty() => "an empty dictionary".to_owned(),
        Value::Dict(entries) => {
            let names: Vec<_> = entries.iter().filter_map(|(key, _)| pickled.text(*key)).take(SHOWN).collect();
            format!("a dictionary of {}", names.join(", "))
        }
        Value::Tensor(_) => "a single tensor".to_owned(),
        Value::List(_) | Value::Tuple(_) => "a list".to_owned(),
        _ => "something else".to_owned(),
    }
}
