//! A table in Markdown.

use super::{heading, texts};
use crate::table::Table;

/// Writes the table with its title as a bold line and its notes below.
pub fn markdown(table: &Table) -> String {
    let mut out = format!("**{}**\n\n| {} |", escape(&table.title), escape(&table.row_kind));
    for column in &table.columns {
        out += &format!(" {} |", escape(&heading(column)));
    }
    out += &format!("\n|---|{}\n", "---:|".repeat(table.columns.len()));
    for row in &table.rows {
        out += &format!("| {} |", escape(&row.name));
        for (figure, mark) in texts(table, row) {
            out += &format!(" {} |", escape(format!("{figure} {mark}").trim_end()));
        }
        out.push('\n');
    }
    for note in &table.notes {
        out += &format!("\n{}\n", escape(note));
    }
    out
}

fn escape(text: &str) -> String {
    text.chars()
        .flat_map(|c| {
            let escaped = matches!(c, '|' | '*' | '_' | '<' | '\\' | '`');
            escaped.then_some('\\').into_iter().chain([c])
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_do_not_turn_into_emphasis() {
        let text = markdown(&super::super::example::table());
        assert!(text.contains("| vgg16 | 0.850 ±0.010 \\*\\* ▼ | – – |"), "{text}");
        assert!(text.contains("|---|---:|---:|\n"));
    }
}
