//! Tables as one long CSV: a line for each cell, for programs.

use crate::table::Table;

const HEADER: [&str; 22] = [
    "dataset",
    "row",
    "baseline",
    "metric",
    "estimate",
    "sd",
    "n",
    "n_groups",
    "difference",
    "low",
    "high",
    "p",
    "p_adjusted",
    "marker",
    "direction",
    "effect",
    "effect_name",
    "test",
    "primary",
    "reason",
    "group",
    "counts",
];

/// Writes all tables under one header.
pub fn csv(tables: &[Table]) -> String {
    let mut out = ::csv::Writer::from_writer(Vec::new());
    let mut write = |record: Vec<String>| out.write_record(record);
    let mut outcome = write(HEADER.map(str::to_owned).to_vec());
    for table in tables {
        for row in &table.rows {
            for (column, cell) in table.columns.iter().zip(&row.cells) {
                let number = |value: Option<f64>| value.map(|v| v.to_string()).unwrap_or_default();
                let c = cell.comparison.as_ref();
                let text =
                    |pick: fn(&crate::table::Comparison) -> &String| c.map(|c| pick(c).clone()).unwrap_or_default();
                let fields = vec![
                    table.dataset.clone(),
                    row.name.clone(),
                    table.baseline.clone(),
                    column.id.clone(),
                    number(cell.estimate),
                    number(cell.sd),
                    cell.n.to_string(),
                    cell.n_groups.map(|n| n.to_string()).unwrap_or_default(),
                    number(c.and_then(|c| c.difference)),
                    number(c.and_then(|c| c.interval).map(|i| i.0)),
                    number(c.and_then(|c| c.interval).map(|i| i.1)),
                    number(c.and_then(|c| c.p)),
                    number(c.and_then(|c| c.p_adjusted)),
                    text(|c| &c.marker),
                    text(|c| &c.direction),
                    number(c.and_then(|c| c.effect)),
                    text(|c| &c.effect_name),
                    text(|c| &c.test),
                    column.primary.to_string(),
                    c.and_then(|c| c.reason.clone()).unwrap_or_default(),
                    row.group.clone().unwrap_or_default(),
                    text(|c| &c.counts),
                ];
                outcome = outcome.and_then(|()| write(fields));
            }
        }
    }
    // Writing to memory fails only for records of unequal length, which HEADER's type rules out.
    debug_assert!(outcome.is_ok());
    let bytes = out.into_inner().unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cell_is_a_line_that_reads_back() {
        let text = csv(&[super::super::example::table()]);
        let mut reader = ::csv::Reader::from_reader(text.as_bytes());
        let rows: Vec<::csv::StringRecord> = reader.records().collect::<Result<_, _>>().unwrap();
        assert_eq!(rows.len(), 4);
        assert_eq!(&rows[2][12], "0.004");
        assert_eq!(&rows[3][19], "zero variance");
    }
}
