//! `predictions.csv` and `explain.csv`: every figure per image, for anyone's statistics program.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::atomic;
use crate::error::{Result, StoreError};

/// What the network said of one image.
#[derive(Clone, Debug, PartialEq)]
pub struct PredictionRow {
    /// Image id.
    pub image: String,
    /// Patient or lesion; empty when unknown.
    pub group: String,
    /// `train`, `validation` or `test`.
    pub split: String,
    /// Fold, from 0.
    pub fold: usize,
    /// Seed of the run.
    pub seed: u64,
    /// Label index of the true class.
    pub truth: usize,
    /// Raw logits in class order.
    pub logits: Vec<f32>,
    /// Softmax in class order.
    pub probabilities: Vec<f32>,
}

/// A whole `predictions.csv`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Predictions {
    /// Class names in column order.
    pub classes: Vec<String>,
    /// One row an image.
    pub rows: Vec<PredictionRow>,
}

const FIXED: [&str; 6] = ["image", "group", "split", "fold", "seed", "truth"];

/// Writes `image,group,split,fold,seed,truth,logit_*,prob_*`; truth is the class name.
///
/// # Errors
/// When the file cannot be written.
pub fn write_predictions(path: &Path, predictions: &Predictions) -> Result<()> {
    atomic::write_with(path, |out| {
        let mut csv = csv::Writer::from_writer(out);
        let columns = |prefix: &str| predictions.classes.iter().map(|c| format!("{prefix}_{c}")).collect::<Vec<_>>();
        let header = FIXED.iter().map(|s| (*s).to_owned()).chain(columns("logit")).chain(columns("prob"));
        csv.write_record(header)?;
        for row in &predictions.rows {
            let truth = predictions.classes.get(row.truth).map(String::as_str).unwrap_or_default();
            let fixed = [row.image.clone(), row.group.clone(), row.split.clone()];
            let fixed = fixed.into_iter().chain([row.fold.to_string(), row.seed.to_string(), truth.to_owned()]);
            let values = row.logits.iter().chain(&row.probabilities).map(f32::to_string);
            csv.write_record(fixed.chain(values))?;
        }
        csv.flush()
    })
}

/// Reads what [`write_predictions`] wrote.
///
/// # Errors
/// When the file cannot be read, a column is missing or a value is not what it should be.
pub fn read_predictions(path: &Path) -> Result<Predictions> {
    let bad = |message: String| StoreError::content(path, message);
    let mut csv = csv::Reader::from_path(path).map_err(|e| bad(e.to_string()))?;
    let header = csv.headers().map_err(|e| bad(e.to_string()))?.clone();
    if header.len() < FIXED.len() || header.iter().zip(FIXED).any(|(a, b)| a != b) {
        return Err(bad(format!("the first columns must be {}", FIXED.join(", "))));
    }
    let classes: Vec<String> =
        header.iter().skip(FIXED.len()).filter_map(|c| c.strip_prefix("logit_")).map(str::to_owned).collect();
    if header.len() != FIXED.len() + 2 * classes.len() {
        return Err(bad("logit_* and prob_* columns do not match".into()));
    }
    let mut rows = Vec::new();
    for record in csv.records() {
        let record = record.map_err(|e| bad(e.to_string()))?;
        let line = record.position().map_or(0, |p| p.line());
        let field = |i: usize| record.get(i).unwrap_or_default();
        let number = |i: usize| -> Result<f32> {
            field(i).parse().map_err(|_| bad(format!("line {line}: {:?} is not a number", field(i))))
        };
        let truth = classes
            .iter()
            .position(|c| c == field(5))
            .ok_or_else(|| bad(format!("line {line}: class {:?} has no column", field(5))))?;
        let (start, k) = (FIXED.len(), classes.len());
        rows.push(PredictionRow {
            image: field(0).to_owned(),
            group: field(1).to_owned(),
            split: field(2).to_owned(),
            fold: field(3).parse().map_err(|_| bad(format!("line {line}: fold {:?}", field(3))))?,
            seed: field(4).parse().map_err(|_| bad(format!("line {line}: seed {:?}", field(4))))?,
            truth,
            logits: (start..start + k).map(number).collect::<Result<_>>()?,
            probabilities: (start + k..start + 2 * k).map(number).collect::<Result<_>>()?,
        });
    }
    Ok(Predictions { classes, rows })
}

/// One figure of one explanation of one image.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ExplainRow {
    /// Image id.
    pub image: String,
    /// Patient or lesion; empty when unknown.
    pub group: String,
    /// Method id.
    pub method: String,
    /// Parameters of method and metric as `name=value`, joined by `;`.
    pub params: String,
    /// Layers, joined by `+`.
    pub layer: String,
    /// Class explained, by name.
    pub target: String,
    /// Metric id; `seconds` for the time and `raw-peak` for the map's peak before scaling.
    pub metric: String,
    /// The figure; empty when the status says why there is none.
    pub value: Option<f64>,
    /// `ok`, or why there is no figure: `constant-map`, `nan-map`, `no-mask`, `empty-mask`.
    pub status: String,
    /// True class, by name.
    pub truth: String,
    /// Predicted class, by name.
    pub predicted: String,
}

/// Writes `image,group,method,params,layer,target,metric,value,status,truth,predicted`.
///
/// # Errors
/// When the file cannot be written.
pub fn write_explain(path: &Path, rows: &[ExplainRow]) -> Result<()> {
    atomic::write_with(path, |out| {
        let mut csv = csv::Writer::from_writer(out);
        for row in rows {
            csv.serialize(row)?;
        }
        csv.flush()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn predictions_come_back_bit_for_bit(
            classes in proptest::collection::hash_set("[a-zA-Z ,\"é]{1,8}", 2..4),
            values in proptest::collection::vec(proptest::num::f32::NORMAL, 8),
            image in ".{1,12}",
        ) {
            let classes: Vec<String> = classes.into_iter().collect();
            let k = classes.len();
            let row = PredictionRow {
                image: image.replace('\r', ""), group: String::new(), split: "test".into(), fold: 1, seed: 7, truth: k - 1,
                logits: values[..k].to_vec(), probabilities: values[4..4 + k].to_vec(),
            };
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("predictions.csv");
            let written = Predictions { classes, rows: vec![row] };
            write_predictions(&path, &written).unwrap();
            prop_assert_eq!(read_predictions(&path).unwrap(), written);
        }
    }

    #[test]
    fn a_wrong_file_is_named_with_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("predictions.csv");
        std::fs::write(&path, "image,group,split,fold,seed,truth,logit_a,prob_a\nx,,test,0,1,a,zero,1\n").unwrap();
        let message = read_predictions(&path).unwrap_err().to_string();
        assert!(message.contains("line 2") && message.contains("zero"), "{message}");
    }
}
