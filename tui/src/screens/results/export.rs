//! Writes the tables that are shown into a file.

use std::path::Path;

use lightbox_report::render;
use lightbox_store::atomic;

use super::{Goal, Results};
use crate::app::popup::{Ask, Choice, Choose};
use crate::app::shared::Shared;
use crate::screens::Goal as AnyGoal;

const FORMATS: [(&str, &str); 4] = [
    ("md", "Markdown tables"),
    ("csv", "one line per cell, every figure"),
    ("latex", "booktabs"),
    ("json", "all of it"),
];

/// Asks for a format and a file.
pub fn choose(_: &mut Results, shared: &mut Shared) {
    let choices = FORMATS.iter().map(|(name, note)| Choice::new(*name, *note)).collect();
    shared.open(Choose::one("Write all tables as", choices, |index, shared| {
        let format = FORMATS[index].0;
        let ending = if format == "latex" { "tex" } else { format };
        let help = "The file; an existing one is not overwritten.";
        shared.open(Ask::new("Write to", help, &format!("results.{ending}"), move |text, shared| {
            let path = std::path::absolute(text.trim()).map_err(|e| e.to_string())?;
            if path.exists() {
                return Err("there is such a file already; take another name".to_owned());
            }
            shared.go(AnyGoal::Results(Goal::Export(format.to_owned(), path)));
            Ok(())
        }));
    }));
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
