//! Tables of a study, or of runs outside studies, with the runs behind them.

use std::collections::HashMap;

use lightbox_report::Table;
use lightbox_report::collect::{ByDataset, ExplainedRun, ModelRuns, explained, trained};
use lightbox_store::{Home, RunDir};

use crate::cli::{self, Context};
use crate::output::{Color, Output};
use crate::widgets::charts::{Strip, five_figures};

/// Whose tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Whose {
    /// A study's.
    Study(String),
    /// Those of runs that belong to no study.
    Loose,
}

/// Tables and the runs behind them.
pub struct Tables {
    /// The tables, as `lightbox results` prints them.
    pub tables: Vec<Table>,
    /// Trained runs by dataset and row.
    pub trained: ByDataset,
    /// Scored explanations.
    pub explained: Vec<ExplainedRun>,
    /// How the values of each metric are spread over images: by table, column and row; empty for tables of models.
    pub strips: Vec<Vec<Vec<Strip>>>,
}

impl Tables {
    /// The runs of a row of a table of models.
    pub fn runs(&self, dataset: &str, row: &str) -> Option<&ModelRuns> {
        self.trained.iter().find(|(name, _)| name == dataset)?.1.iter().find(|m| m.label == row)
    }

    /// The scored explanations behind a table, by their places in [`explained`](Self::explained).
    pub fn behind(&self, table: &Table) -> Vec<usize> {
        (0..self.explained.len()).filter(|at| table.runs.contains(&self.explained[*at].id.0)).collect()
    }

    /// The distributions of a table of methods: by column and row.
    fn spread(&self, table: &Table) -> Vec<Vec<Strip>> {
        if table.row_kind == "model" {
            return Vec::new();
        }
        let mut values: HashMap<(&str, &str), Vec<f64>> = HashMap::new();
        for at in self.behind(table) {
            let rows = self.explained[at].rows.iter().filter(|row| table.images.admits(row));
            for (row, value) in rows.filter_map(|row| Some((row, row.value?))) {
                values.entry((row.metric, row.method)).or_default().push(value);
            }
        }
        let strip = |metric: &str, method: &str| {
            let values = values.get(&(metric, method)).map(Vec::as_slice).unwrap_or_default();
            Strip { name: method.to_owned(), figures: five_figures(values), count: values.len() }
        };
        table.columns.iter().map(|c| table.rows.iter().map(|row| strip(&c.id, &row.name)).collect()).collect()
    }
}

/// Reads runs and builds all tables.
pub fn read(home: &Home, whose: &Whose, baseline: Option<&str>) -> Result<Tables, String> {
    let context = Context { home: home.clone(), out: Output::new(false, true, Color::Never) };
    let study = match whose {
        Whose::Study(name) => Some(name.as_str()),
        Whose::Loose => None,
    };
    let tables = cli::results::tables(&context, study, Vec::new(), baseline).map_err(|e| e.sentence().to_owned())?;
    let dirs = cli::results::runs_behind(&context, study).map_err(|e| e.sentence().to_owned())?;
    let (trained, _) = trained(&dirs).map_err(|e| e.to_string())?;
    let (explained, _) = explained(&dirs, |id| RunDir::open(&home.runs_dir().join(&id.0))).unwrap_or_default();
    let mut read = Tables { tables, trained, explained, strips: Vec::new() };
    read.strips = read.tables.iter().map(|table| read.spread(table)).collect();
    Ok(read)
}
