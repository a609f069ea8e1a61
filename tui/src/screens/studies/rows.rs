//! The table of studies: each with its progress, and the groups of runs that belong to none.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};

use lightbox_store::Home;
use lightbox_store::index::RunRow;
use lightbox_store::study::StudyFile;
use ratatui::style::Style;

use crate::theme::Theme;
use crate::widgets::order::Rows;
use crate::widgets::table::Column;
use crate::widgets::text;

/// A line of the table.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Line {
    /// Study, or the group of runs outside studies.
    pub name: String,
    /// Whether it is a study.
    pub is_study: bool,
    /// Datasets.
    pub datasets: Vec<String>,
    /// Models.
    pub models: Vec<String>,
    /// Runs.
    pub total: usize,
    /// Finished runs.
    pub finished: usize,
    /// Running ones.
    pub running: usize,
    /// Failed or blocked ones.
    pub failed: usize,
    /// Ones whose worker ended without a word.
    pub interrupted: usize,
    /// What the first failed one said.
    pub trouble: String,
    /// When it was last started or ended something, Unix seconds.
    pub last: Option<f64>,
}

/// All lines.
pub struct Lines(pub Vec<Line>);

/// Columns of the table.
pub fn columns() -> Vec<Column> {
    vec![
        Column::text("study or group", 40),
        Column::text("progress", 18),
        Column::figure("runs", 9),
        Column::text("attention", 30),
        Column::text("models", 44),
        Column::text("datasets", 44),
        Column::figure("last", 14),
    ]
}

impl Lines {
    /// Studies of the home and groups of runs that belong to none, the latest first. `running` are the runs that the
    /// daemon says are running, of which the index does not know yet.
    pub fn read(home: &Home, runs: &[RunRow], running: &HashSet<String>) -> Self {
        let mut lines: BTreeMap<(bool, String), Line> = BTreeMap::new();
        let started: HashSet<&str> = runs.iter().filter_map(|run| run.study.as_deref()).collect();
        for name in study_names(home) {
            let mut line = Line { name: name.clone(), is_study: true, ..Line::default() };
            if let Some(file) = (!started.contains(name.as_str())).then(|| planned(home, &name)).flatten() {
                (line.datasets, line.models) = (file.datasets, file.models);
            }
            lines.insert((true, name), line);
        }
        for run in runs {
            let key = match &run.study {
                Some(study) => (true, study.clone()),
                None => (false, run.group.0.clone()),
            };
            let line = lines.entry(key.clone()).or_insert_with(|| Line {
                name: key.1.clone(),
                is_study: key.0,
                ..Line::default()
            });
            take(line, run, running.contains(&run.run.0));
        }
        let mut lines: Vec<Line> = lines.into_values().collect();
        lines.sort_by(|a, b| b.last.unwrap_or(f64::MAX).total_cmp(&a.last.unwrap_or(f64::MAX)));
        Self(lines)
    }
}

fn take(line: &mut Line, run: &RunRow, running: bool) {
    line.total += 1;
    match run.status.as_str() {
        _ if running => line.running += 1,
        "finished" => line.finished += 1,
        "running" => line.running += 1,
        "interrupted" => line.interrupted += 1,
        "failed" => {
            line.failed += 1;
            if line.trouble.is_empty() {
                line.trouble = run.error.clone().unwrap_or_default();
            }
        }
        _ => {}
    }
    let add = |list: &mut Vec<String>, value: &str| {
        if !list.iter().any(|v| v == value) {
            list.push(value.to_owned());
        }
    };
    add(&mut line.datasets, &run.dataset);
    if let Some(model) = &run.model {
        add(&mut line.models, model);
    }
    let time = run.ended.or(run.started).or(run.created);
    line.last = line.last.into_iter().chain(time).reduce(f64::max);
}

/// What a study that was written and not started yet will be of.
fn planned(home: &Home, name: &str) -> Option<StudyFile> {
    let path = home.studies_dir().join(format!("{name}.toml"));
    // Larger than any study, and what somebody put there by mistake is not read.
    let small = std::fs::metadata(&path).is_ok_and(|found| found.is_file() && found.len() <= 1 << 20);
    let text = small.then(|| std::fs::read_to_string(&path).ok()).flatten()?;
    StudyFile::parse(&path, &text).ok()
}

/// Names of the studies that were started or written here.
fn study_names(home: &Home) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(home.studies_dir()) else { return Vec::new() };
    let name = |entry: std::fs::DirEntry| -> Option<String> {
        let name = entry.file_name().into_string().ok()?;
        if entry.path().is_dir() { Some(name) } else { name.strip_suffix(".toml").map(str::to_owned) }
    };
    let mut names: Vec<String> = entries.flatten().filter_map(name).collect();
    names.sort();
    names.dedup();
    names
}

impl Rows for Lines {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn text(&self, row: usize, column: usize) -> Cow<'_, str> {
        let line = &self.0[row];
        match column {
            0 => line.name.as_str().into(),
            1 if line.total == 0 => "not started".into(),
            1 => {
                let share = line.finished as f64 / line.total as f64;
                format!("{} {:3.0} %", text::bar(share, 10, false), 100.0 * share).into()
            }
            2 => format!("{}/{}", line.finished, line.total).into(),
            3 => match (line.failed, line.interrupted, line.running) {
                (0, 0, 0) => "".into(),
                (0, 0, running) => format!("▶ {running} running").into(),
                (0, interrupted, _) => format!("↯ {interrupted} interrupted").into(),
                (failed, ..) => format!("✗ {failed} failed").into(),
            },
            4 => line.models.join(" ").into(),
            5 => line.datasets.join(" ").into(),
            _ => line.last.map(text::ago).unwrap_or_default().into(),
        }
    }

    fn is_numeric(&self, column: usize) -> bool {
        matches!(column, 1 | 2 | 6)
    }

    fn number(&self, row: usize, column: usize) -> Option<f64> {
        let line = &self.0[row];
        match column {
            1 => (line.total > 0).then(|| line.finished as f64 / line.total as f64),
            2 => Some(line.total as f64),
            _ => line.last,
        }
    }
}

/// How a cell of the table is drawn.
pub fn cell_style(rows: &dyn Rows, row: usize, column: usize, theme: &Theme) -> Style {
    match column {
        0 => theme.text,
        3 if rows.text(row, 3).starts_with('✗') => theme.bad,
        3 if rows.text(row, 3).starts_with('↯') => theme.warn,
        3 => theme.accent,
        1 | 2 => theme.text,
        _ => theme.dim,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use lightbox_store::{GroupId, RunId};

    fn run(id: &str, study: Option<&str>, status: &str) -> RunRow {
        RunRow {
            run: RunId(id.into()),
            group: GroupId("g".into()),
            study: study.map(str::to_owned),
            kind: "train".into(),
            model: Some("resnet50".into()),
            dataset: "brain".into(),
            fold: Some(0),
            folds: Some(2),
            seed: Some(0),
            parent: None,
            status: status.into(),
            error: (status == "failed").then(|| "out of memory".to_owned()),
            attempts: 1,
            priority: None,
            order: None,
            created: Some(5.0),
            started: None,
            ended: None,
            path: "x".into(),
        }
    }

    #[test]
    fn runs_are_counted_by_study_and_group() {
        let folder = tempfile::tempdir().unwrap();
        let home = Home::at(folder.path()).unwrap();
        std::fs::write(home.studies_dir().join("planned.toml"), "").unwrap();
        let text = "name = \"written\"\ndatasets = [\"skin\"]\nmodels = [\"vgg16\"]\nbaseline = \"vgg16\"\n[split]\nfolds = 5\n";
        std::fs::write(home.studies_dir().join("written.toml"), text).unwrap();
        let runs = [
            run("a", Some("s"), "finished"),
            run("b", Some("s"), "failed"),
            run("c", None, "running"),
            run("d", Some("cut"), "interrupted"),
        ];
        let lines = Lines::read(&home, &runs, &HashSet::new());
        let line = |name: &str| lines.0.iter().find(|l| l.name == name).unwrap();
        assert_eq!((line("s").finished, line("s").total, line("s").failed), (1, 2, 1));
        assert_eq!(line("s").trouble, "out of memory");
        assert_eq!((line("g").running, line("g").is_study), (1, false));
        assert_eq!(line("planned").total, 0);
        assert_eq!(line("written").models, ["vgg16"]);
        let cut = lines.0.iter().position(|l| l.name == "cut").unwrap();
        assert_eq!(lines.text(cut, 3), "↯ 1 interrupted");
    }
}
