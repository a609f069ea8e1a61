//! The figures of `metrics.json` as flat names: `accuracy`, `per_class/0/sensitivity`.

use std::fs::File;
use std::io::{ErrorKind, Read};

use serde_json::Value;

use crate::error::{Result, StoreError};
use crate::run::RunDir;

/// Part of the data, name and value.
pub(super) type Figure = (String, String, f64);

/// Larger files are not read: one of a thousand classes has a tenth of this.
const MOST_BYTES: u64 = 64 << 20;

/// At most this many figures of one run are kept, the first ones; a confusion matrix of 200 classes fits.
const MOST_FIGURES: usize = 50_000;

/// Reads all numbers under `validation` and `test`, and those of an evaluation under the part that it names. A run
/// without the file has none.
///
/// # Errors
/// When the file is there and cannot be read.
pub(super) fn read(dir: &RunDir) -> Result<Vec<Figure>> {
    let path = dir.file("metrics.json");
    let wrong = |e| StoreError::io("read", &path, e);
    let mut bytes = Vec::new();
    match File::open(&path) {
        Ok(file) => file.take(MOST_BYTES + 1).read_to_end(&mut bytes).map_err(wrong)?,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(wrong(e)),
    };
    if bytes.len() as u64 > MOST_BYTES {
        return Err(StoreError::content(&path, format!("it is larger than {} MiB", MOST_BYTES >> 20)));
    }
    let metrics: Value = serde_json::from_slice(&bytes).map_err(|e| StoreError::content(&path, e.to_string()))?;
    Ok(of(&metrics))
}

/// The figures of a whole `metrics.json`.
fn of(metrics: &Value) -> Vec<Figure> {
    let mut figures = Vec::new();
    for part in ["validation", "test"] {
        flatten(part, "", &metrics[part], &mut figures);
    }
    if let Some(part) = metrics["part"].as_str() {
        flatten(part, "", &metrics["figures"], &mut figures);
    }
    figures.truncate(MOST_FIGURES);
    figures
}

/// Adds the numbers below `value`, whose path is `name`.
fn flatten(part: &str, name: &str, value: &Value, figures: &mut Vec<Figure>) {
    let below = |key: &str| if name.is_empty() { key.to_owned() } else { format!("{name}/{key}") };
    match value {
        _ if figures.len() >= MOST_FIGURES => {}
        Value::Number(number) => {
            figures.extend(number.as_f64().filter(|v| v.is_finite()).map(|v| (part.to_owned(), name.to_owned(), v)));
        }
        Value::Object(map) => map.iter().for_each(|(key, value)| match value {
            // The list of metrics is called by their ids alone.
            Value::Array(items) if key == "metrics" => {
                items.iter().enumerate().for_each(|(i, item)| match named(item) {
                    Some((id, value)) => flatten(part, &below(id), value, figures),
                    None => flatten(part, &below(&format!("metrics/{i}")), item, figures),
                })
            }
            _ => flatten(part, &below(key), value, figures),
        }),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(i, item)| flatten(part, &below(&i.to_string()), item, figures));
        }
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}

/// A metric's id and value: `{"metric": "accuracy", "value": 0.9}`.
fn named(item: &Value) -> Option<(&str, &Value)> {
    Some((item["metric"].as_str()?, &item["value"]))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn metrics_are_called_by_their_ids_and_other_numbers_by_their_place() {
        let metrics = json!({
            "format": 1, "parameters": 5,
            "test": {
                "n_images": 6,
                "metrics": [{"metric": "accuracy", "value": 0.5}, {"metric": "auroc", "value": null}],
                "per_class": [{"class": 0, "f1": 0.25}], "confusion": {"counts": [3, 4]}, "absent_classes": [],
            },
            "part": "all", "figures": {"metrics": [{"metric": "mcc", "value": -1}]},
        });
        let expected = [
            ("test", "n_images", 6.0),
            ("test", "accuracy", 0.5),
            ("test", "per_class/0/class", 0.0),
            ("test", "per_class/0/f1", 0.25),
            ("test", "confusion/counts/0", 3.0),
            ("test", "confusion/counts/1", 4.0),
            ("all", "mcc", -1.0),
        ];
        let expected: Vec<Figure> = expected.map(|(p, n, v)| (p.to_owned(), n.to_owned(), v)).to_vec();
        assert_eq!(of(&metrics), expected);
    }

    #[test]
    fn a_huge_list_is_cut_and_strange_shapes_have_no_figures() {
        let many = json!({"test": {"counts": vec![1; MOST_FIGURES + 7]}});
        assert_eq!(of(&many).len(), MOST_FIGURES);
        for strange in [json!(null), json!([1, 2]), json!({"test": "good", "part": 7, "figures": {"a": 1}})] {
            assert_eq!(of(&strange), Vec::new());
        }
    }

    proptest! {
        #[test]
        fn any_bytes_give_figures_or_a_sentence(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let folder = tempfile::tempdir().unwrap();
            std::fs::write(folder.path().join("config.json"), "{}").unwrap();
            std::fs::write(folder.path().join("metrics.json"), &bytes).unwrap();
            let dir = RunDir::open(folder.path()).unwrap();
            if let Err(error) = read(&dir) {
                prop_assert!(error.to_string().contains("metrics.json"));
            }
        }
    }
}
