//! Writes the tables that are shown, or the figures behind one, into a file.

use std::path::{Path, PathBuf};

use lightbox_report::render;
use lightbox_store::atomic;

use super::{Goal, Results};
use crate::app::message::Update;
use crate::app::popup::{Ask, Choice, Choose};
use crate::app::shared::Shared;
use crate::screens::Goal as AnyGoal;
use crate::widgets::DataTable;
use crate::widgets::order::Rows;

const FORMATS: [(&str, &str); 4] = [
    ("md", "Markdown tables"),
    ("csv", "one line per cell, every figure"),
    ("latex", "booktabs"),
    ("json", "all of it"),
];

const FILE: &str = "The file; an existing one is not overwritten.";

/// Asks for a format and a file.
pub fn choose(_: &mut Results, shared: &mut Shared) {
    let choices = FORMATS.iter().map(|(name, note)| Choice::new(*name, *note)).collect();
    shared.open(Choose::one("Write all tables as", choices, |index, shared| {
        let format = FORMATS[index].0;
        let ending = if format == "latex" { "tex" } else { format };
        shared.open(Ask::new_file("Write to", FILE, &format!("results.{ending}"), move |path, shared| {
            shared.go(AnyGoal::Results(Goal::Export(format.to_owned(), path)));
            Ok(())
        }));
    }));
}

/// Asks for a file for the figures of the images behind a table.
pub fn choose_figures(_: &mut Results, shared: &mut Shared) {
    let title = "Write these rows as CSV";
    shared.open(Ask::new_file(title, FILE, "figures.csv", |path, shared| {
        shared.go(AnyGoal::Results(Goal::ExportFigures(path)));
        Ok(())
    }));
}

/// Writes the rows of a table that are shown, in their order, beside the loop: there may be a million.
pub fn write_rows(table: &DataTable, path: PathBuf, shared: &Shared) {
    let (rows, view) = table.snapshot();
    let names: Vec<String> = table.columns().iter().map(|column| column.name.clone()).collect();
    shared.tasks.spawn_long(move |tell| {
        let written = atomic::write_with(&path, |file| write_csv(&*rows, &view, &names, file));
        tell.update(Update::Asked(match written {
            Ok(()) => Ok(format!("written: {}, {} rows", path.display(), view.len())),
            Err(error) => Err(error.to_string()),
        }));
    });
}

fn write_csv(rows: &dyn Rows, view: &[u32], names: &[String], file: &mut dyn std::io::Write) -> std::io::Result<()> {
    let mut csv = csv::Writer::from_writer(file);
    csv.write_record(names)?;
    for row in view {
        for column in 0..names.len() {
            // Every digit of a figure, not those that fit into its column.
            match rows.is_numeric(column).then(|| rows.number(*row as usize, column)) {
                Some(number) => csv.write_field(number.map(|n| n.to_string()).unwrap_or_default())?,
                None => csv.write_field(rows.text(*row as usize, column).as_ref())?,
            }
        }
        csv.write_record(None::<&[u8]>)?;
    }
    csv.flush()
}

/// Writes the tables.
pub fn write(screen: &Results, format: &str, path: &Path, shared: &mut Shared) {
    let Some(tables) = screen.tables.get().map(|t| &t.tables) else { return };
    let text = match format {
        "csv" => render::csv(tables),
        "latex" => tables.iter().map(render::latex).collect::<Vec<_>>().join("\n"),
        "json" => serde_json::to_string_pretty(tables).unwrap_or_default(),
        _ => tables.iter().map(render::markdown).collect::<Vec<_>>().join("\n"),
    };
    match atomic::write(path, text.as_bytes()) {
        Ok(()) => shared.say(format!("written: {}", path.display())),
        Err(error) => shared.say_bad(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;

    struct Few;

    impl Rows for Few {
        fn len(&self) -> usize {
            3
        }
        fn text(&self, row: usize, column: usize) -> Cow<'_, str> {
            if column == 0 { ["a", "b, c", "d"][row].into() } else { "0.33".into() }
        }
        fn number(&self, row: usize, _: usize) -> Option<f64> {
            [None, Some(1.0 / 3.0), Some(-2.0)][row]
        }
        fn is_numeric(&self, column: usize) -> bool {
            column == 1
        }
    }

    #[test]
    fn rows_are_written_in_the_order_shown_with_every_digit() {
        let mut file = Vec::new();
        write_csv(&Few, &[1, 0], &["image".to_owned(), "value".to_owned()], &mut file).unwrap();
        assert_eq!(String::from_utf8(file).unwrap(), "image,value\n\"b, c\",0.3333333333333333\na,\n");
    }
}
