//! What is shown of datasets: the list, and one dataset's counts, split and findings.

use std::borrow::Cow;
use std::sync::Arc;

use lightbox_data::Dataset;
use lightbox_data::dataset::Summary;
use lightbox_data::manifest::{GroupRule, Intensity, Manifest};
use lightbox_store::Home;

use crate::widgets::order::Rows;
use crate::widgets::table::Column;

/// A line of the list.
#[derive(Clone, Debug)]
pub struct Line {
    /// Name.
    pub name: String,
    /// Where its images are; or why it cannot be read.
    pub root: Result<String, String>,
    /// Its layout, in a word.
    pub kind: String,
}

/// All lines.
pub struct Lines(pub Vec<Line>);

/// Columns of the list.
pub fn columns() -> Vec<Column> {
    vec![Column::text("dataset", 30), Column::text("layout", 16), Column::text("images in", 70)]
}

/// The datasets of a home.
pub fn list(home: &Home) -> Result<Vec<Line>, String> {
    let known = lightbox_data::dataset::list(home.root()).map_err(|e| e.to_string())?;
    let line = |d: lightbox_data::dataset::Registered| match d.manifest {
        Ok(manifest) => Line {
            name: d.name,
            root: Ok(manifest.root.as_ref().map(|p| p.display().to_string()).unwrap_or_default()),
            kind: manifest.layout.kind().to_owned(),
        },
        Err(error) => Line { name: d.name, root: Err(error.to_string()), kind: "unreadable".to_owned() },
    };
    Ok(known.into_iter().map(line).collect())
}

impl Rows for Lines {
    fn len(&self) -> usize {
        self.0.len()
    }
    fn text(&self, row: usize, column: usize) -> Cow<'_, str> {
        let line = &self.0[row];
        match column {
            0 => line.name.as_str().into(),
            1 => line.kind.as_str().into(),
            _ => match &line.root {
                Ok(root) => root.as_str().into(),
                Err(sentence) => format!("✗ {sentence}").into(),
            },
        }
    }
}

/// One dataset, read.
#[derive(Clone, Debug)]
pub struct Details {
    /// Its name.
    pub name: String,
    /// Counts.
    pub summary: Arc<Summary>,
    /// Its manifest.
    pub manifest: Manifest,
    /// What was left out or repaired, and what was dropped.
    pub findings: Vec<String>,
    /// An image of each class, for a look: class and path.
    pub samples: Vec<(String, std::path::PathBuf)>,
}

/// Reads a dataset.
pub fn details(home: &Home, name: &str) -> Result<Details, String> {
    let dataset = Dataset::open(home.root(), name).map_err(|e| e.to_string())?;
    Ok(of_dataset(&dataset))
}

/// Reads the dataset as it would be by another manifest.
pub fn preview(name: &str, manifest: &Manifest) -> Result<Details, String> {
    Dataset::from_manifest(name, manifest.clone()).map(|d| of_dataset(&d)).map_err(|e| e.to_string())
}

fn of_dataset(dataset: &Dataset) -> Details {
    let summary = dataset.summary();
    let mut findings: Vec<String> = dataset.notices().iter().map(ToString::to_string).collect();
    let dropped = dataset.dedup().dropped.len();
    if dropped > 0 {
        findings.push(format!("{dropped} training copies of test images are left out (data check --dedup)"));
    }
    if let Some(groups) = &summary.groups {
        if groups.with_several_classes > 0 {
            findings.push(format!("{} groups have images of several classes", groups.with_several_classes));
        }
        if groups.across_split > 0 {
            findings.push(format!("{} groups lie across its own split: their images leak", groups.across_split));
        }
    }
    let sample = |(label, class): (usize, &String)| {
        let image = dataset.images().iter().find(|i| i.label == label)?;
        Some((class.clone(), image.path.clone()))
    };
    Details {
        name: dataset.name().to_owned(),
        manifest: dataset.manifest().clone(),
        findings,
        samples: dataset.classes().iter().enumerate().filter_map(sample).collect(),
        summary: Arc::new(summary),
    }
}

/// A group rule as the form has it.
pub fn group_text(rule: Option<&GroupRule>) -> String {
    match rule {
        None => String::new(),
        Some(GroupRule::Regex(pattern)) => pattern.clone(),
        Some(GroupRule::Column(name)) => format!("column {name}"),
    }
}

/// A group rule out of the form.
pub fn group_of(text: &str) -> Result<Option<GroupRule>, String> {
    match text.trim() {
        "" => Ok(None),
        text => match text.strip_prefix("column ") {
            Some(name) => Ok(Some(GroupRule::Column(name.trim().to_owned()))),
            None => lightbox_data::manifest::compile_group_regex(text)
                .map(|_| Some(GroupRule::Regex(text.to_owned())))
                .map_err(|e| e.to_string()),
        },
    }
}

/// An intensity rule as the form has it.
pub fn intensity_text(rule: Intensity) -> String {
    match rule {
        Intensity::Window { center, width } => format!("window {center} {width}"),
        Intensity::Percentile { low, high } => format!("percentile {low} {high}"),
        Intensity::Full => "full".to_owned(),
    }
}

/// An intensity rule out of the form.
pub fn intensity_of(text: &str) -> Result<Intensity, String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let number = |t: &str| t.parse::<f64>().ok().filter(|n| n.is_finite());
    let wrong = || "one of: window CENTER WIDTH, percentile LOW HIGH, full".to_owned();
    match words.as_slice() {
        ["full"] => Ok(Intensity::Full),
        ["window", center, width] => match (number(center), number(width)) {
            (Some(center), Some(width)) if width > 0.0 => Ok(Intensity::Window { center, width }),
            _ => Err("window takes its center and its width, which is above 0".to_owned()),
        },
        ["percentile", low, high] => match (number(low), number(high)) {
            (Some(low), Some(high)) if 0.0 <= low && low < high && high <= 100.0 => {
                Ok(Intensity::Percentile { low, high })
            }
            _ => Err("percentile takes two numbers from 0 to 100, the lower first".to_owned()),
        },
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_read_as_they_are_written() {
        for rule in [
            Intensity::Full,
            Intensity::Window { center: 40.0, width: 400.0 },
            Intensity::Percentile { low: 0.5, high: 99.5 },
        ] {
            assert_eq!(intensity_of(&intensity_text(rule)), Ok(rule));
        }
        assert!(intensity_of("window 40 0").is_err());
        assert!(intensity_of("percentile 90 10").is_err());
        assert_eq!(group_of(" "), Ok(None));
        assert_eq!(group_text(group_of("column patient").unwrap().as_ref()), "column patient");
        assert!(group_of("(").is_err());
    }
}
