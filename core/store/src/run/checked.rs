//! A finished run's scores, held against what the run says it scored: a file that was cut at the end of a line is still
//! good CSV, and its figures would look like those of a smaller test part.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde_json::Value;

use super::RunDir;
use super::config::JobKind;
use super::explain_scores::ExplainScores;
use super::scores::{Predictions, read_predictions};
use super::split::Part;
use crate::error::{Result, StoreError};

/// What to do about a file that does not hold what it should.
const ADVICE: &str = "copy the run again from where it is whole, or train it anew";

impl RunDir {
    /// `predictions.csv` of a training, which must hold each image of the validation and the test part once.
    ///
    /// # Errors
    /// When a file cannot be read, or rows are missing, double or of another part.
    pub fn predictions(&self) -> Result<Predictions> {
        let path = self.file("predictions.csv");
        let bad = |message: String| StoreError::content(&path, format!("{message}; {ADVICE}"));
        let (predictions, split) = (read_predictions(&path)?, self.split()?);
        let metrics: Value = self.read_json("metrics.json")?;
        let part_of: HashMap<&str, Part> = split.rows.iter().map(|(image, part)| (image.as_str(), *part)).collect();
        let mut seen = HashSet::new();
        for row in &predictions.rows {
            if part_of.get(row.image.as_str()).is_none_or(|part| part.as_str() != row.split) {
                return Err(bad(format!("{:?} is not of the {} part by split.csv", row.image, row.split)));
            }
            if !seen.insert(row.image.as_str()) {
                return Err(bad(format!("{:?} stands in two lines", row.image)));
            }
        }
        for part in [Part::Validation, Part::Test] {
            let found = predictions.rows.iter().filter(|row| row.split == part.as_str()).count();
            let wanted = scored(&metrics, part).unwrap_or_else(|| split.part(part).count());
            if found != wanted {
                return Err(bad(format!("{found} lines of the {} part, where the run scored {wanted}", part.as_str())));
            }
        }
        Ok(predictions)
    }

    /// `explain.csv` of an explanation, which must hold every metric of every method for as many images as were explained.
    ///
    /// # Errors
    /// When a file cannot be read, or rows are missing.
    pub fn explanations(&self) -> Result<ExplainScores> {
        let path = self.file("explain.csv");
        let rows = ExplainScores::read(&path)?;
        let JobKind::ExplainEval(config) = self.config()?.job else {
            return Err(StoreError::content(&self.file("config.json"), "it is no explain-eval job"));
        };
        let metrics: Value = self.read_json("metrics.json")?;
        let Some(images) = metrics["images"].as_u64() else { return Ok(rows) };
        let mut found: BTreeMap<(&str, &str), u64> = BTreeMap::new();
        rows.iter().for_each(|row| *found.entry((row.method, row.metric)).or_default() += 1);
        for method in &config.methods {
            for metric in &config.metrics {
                let lines = found.get(&(method.as_str(), metric.as_str())).copied().unwrap_or(0);
                if lines < images {
                    let message =
                        format!("{lines} lines of {metric} for {method}, where the run scored {images} images");
                    return Err(StoreError::content(&path, format!("{message}; {ADVICE}")));
                }
            }
        }
        Ok(rows)
    }
}

/// How many images of a part `metrics.json` has figures of: fewer than the part has where some could not be read.
fn scored(metrics: &Value, part: Part) -> Option<usize> {
    usize::try_from(metrics[part.as_str()]["n_images"].as_u64()?).ok()
}

#[cfg(test)]
mod tests {
    use super::super::ExplainRow;
    use super::*;
    use crate::run::{PredictionRow, SplitRows, write_explain, write_predictions};

    /// A training of two validation and four test images, one of which could not be read.
    fn training(folder: &std::path::Path) -> RunDir {
        let parts = [Part::Train, Part::Validation, Part::Validation, Part::Test, Part::Test, Part::Test, Part::Test];
        let rows = parts.iter().enumerate().map(|(n, part)| (format!("{n}.png"), *part)).collect();
        let split = SplitRows { rows };
        let row = |n: usize| PredictionRow {
            image: format!("{n}.png"),
            group: String::new(),
            split: parts[n].as_str().to_owned(),
            fold: 0,
            seed: 0,
            truth: n % 2,
            logits: vec![0.0, 1.0],
            probabilities: vec![0.25, 0.75],
        };
        let classes = vec!["a".to_owned(), "b".to_owned()];
        std::fs::write(folder.join("config.json"), "{}").unwrap();
        std::fs::write(folder.join("split.csv"), split.to_csv()).unwrap();
        let metrics = r#"{"validation": {"n_images": 2}, "test": {"n_images": 3}, "unreadable": 1}"#;
        std::fs::write(folder.join("metrics.json"), metrics).unwrap();
        let predictions = Predictions { classes, rows: (1..6).map(row).collect() };
        write_predictions(&folder.join("predictions.csv"), &predictions).unwrap();
        RunDir::open(folder).unwrap()
    }

    #[test]
    fn predictions_that_were_cut_or_belong_elsewhere_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let run = training(folder.path());
        assert_eq!(run.predictions().unwrap().rows.len(), 5);
        let path = run.file("predictions.csv");
        let whole = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = whole.lines().collect();
        let said = |text: String| {
            std::fs::write(&path, text).unwrap();
            run.predictions().unwrap_err().to_string()
        };
        let cut = said(lines[..5].join("\n") + "\n");
        assert!(cut.contains("predictions.csv: 2 lines of the test part, where the run scored 3"), "{cut}");
        assert!(said(lines[..1].join("\n")).contains("0 lines of the validation part"));
        assert!(said(format!("{whole}{}\n", lines[3])).contains("\"3.png\" stands in two lines"));
        assert!(said(whole.replace("3.png", "0.png")).contains("\"0.png\" is not of the test part"));
        // A run from before the figures were counted is held against its split.
        std::fs::write(run.file("metrics.json"), "{}").unwrap();
        assert!(said(whole).contains("3 lines of the test part, where the run scored 4"));
    }

    #[test]
    fn scores_that_were_cut_are_named() {
        let folder = tempfile::tempdir().unwrap();
        let home = crate::Home::at(folder.path()).unwrap();
        let run = explanation(&home);
        let row = |n: usize, method: &str| ExplainRow {
            image: format!("{n}.png"),
            group: String::new(),
            method: method.to_owned(),
            params: String::new(),
            layer: "l".to_owned(),
            target: "a".to_owned(),
            metric: "road".to_owned(),
            value: Some(0.5),
            status: "ok".to_owned(),
            truth: "a".to_owned(),
            predicted: "a".to_owned(),
        };
        let rows: Vec<ExplainRow> = (0..2).flat_map(|n| [row(n, "gradcam"), row(n, "random")]).collect();
        write_explain(&run.file("explain.csv"), &rows).unwrap();
        let read = run.explanations().unwrap();
        let methods: Vec<&str> = read.iter().map(|row| row.method).collect();
        assert_eq!(methods, ["gradcam", "random", "gradcam", "random"]);
        write_explain(&run.file("explain.csv"), &rows[..3]).unwrap();
        let message = run.explanations().unwrap_err().to_string();
        assert!(
            message.contains("explain.csv: 1 lines of road for random, where the run scored 2 images"),
            "{message}"
        );
    }

    fn explanation(home: &crate::Home) -> RunDir {
        let folder = home.runs_dir().join("e");
        std::fs::create_dir_all(&folder).unwrap();
        let config = serde_json::json!({
            "format": 1, "run": "e", "group": "g", "study": null,
            "job": {
                "kind": "explain-eval", "parent": "t", "methods": ["gradcam", "random"], "parameters": {},
                "dataset": {"name": "d", "fingerprint": "f", "classes": ["a", "b"], "positive": null, "grouped": true},
                "metrics": ["road"], "layers": [], "target": "predicted", "part": "test", "limit": null,
                "road_percentiles": [10.0], "road_ties": "rank", "keep_maps": false, "seed": 3, "batch_size": 8,
                "threads": 1, "device": "cpu",
            },
        });
        std::fs::write(folder.join("config.json"), config.to_string()).unwrap();
        std::fs::write(folder.join("metrics.json"), r#"{"images": 2}"#).unwrap();
        RunDir::open(&folder).unwrap()
    }
}
