//! A table in LaTeX with booktabs; needs `\usepackage{booktabs}` and nothing else.

use crate::table::{Column, Table};

/// Writes a `table` environment; the notes follow the tabular in small type.
pub fn latex(table: &Table) -> String {
    let mut out = String::from("% needs \\usepackage{booktabs}\n\\begin{table}\n\\centering\n");
    out += &format!("\\caption{{{}}}\n", escape(&table.title));
    out +=
        &format!("\\begin{{tabular}}{{l{}}}\n\\toprule\n{}", "l".repeat(table.columns.len()), escape(&table.row_kind));
    for column in &table.columns {
        out += &format!(" & {}", heading(column));
    }
    out += " \\\\\n\\midrule\n";
    for row in &table.rows {
        out += &escape(&row.name);
        for (column, cell) in table.columns.iter().zip(&row.cells) {
            let figure = escape(&cell.figure(column.decimals));
            let mark = cell.comparison.as_ref().map(|c| mark(&c.marker, &c.direction)).unwrap_or_default();
            out += &format!(" & {figure}{mark}");
        }
        out += " \\\\\n";
    }
    out += "\\bottomrule\n\\end{tabular}\n";
    for note in &table.notes {
        out += &format!("\n{{\\footnotesize {}}}\n", escape(note));
    }
    out += "\\end{table}\n";
    out
}

fn heading(column: &Column) -> String {
    let arrow = match column.higher_is_better {
        Some(true) => " $\\uparrow$",
        Some(false) => " $\\downarrow$",
        None => "",
    };
    let dagger = if column.primary { "$^\\dagger$" } else { "" };
    format!("{}{dagger}{arrow}", escape(&column.name))
}

fn mark(marker: &str, direction: &str) -> String {
    let marker = escape(marker);
    let marker = if marker.contains('*') { format!("$^{{{marker}}}$") } else { format!(" {marker}") };
    match direction {
        "▲" => format!("{marker} $\\triangle$"),
        "▼" => format!("{marker} $\\nabla$"),
        _ => marker,
    }
}

fn escape(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut out, c| {
        match c {
            '&' | '%' | '$' | '#' | '_' | '{' | '}' => out.extend(['\\', c]),
            '~' => out += "\\textasciitilde{}",
            '^' => out += "\\textasciicircum{}",
            '\\' => out += "\\textbackslash{}",
            '<' => out += "$<$",
            '>' => out += "$>$",
            '±' => out += "$\\pm$",
            '≡' => out += "$\\equiv$",
            '–' => out += "--",
            '·' => out += "$\\cdot$",
            '†' => out += "$\\dagger$",
            '▲' => out += "$\\triangle$",
            '▼' => out += "$\\nabla$",
            '≤' => out += "$\\leq$",
            '≥' => out += "$\\geq$",
            '×' => out += "$\\times$",
            other => out.push(other),
        }
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn special_characters_are_escaped() {
        let text = latex(&super::super::example::table());
        assert!(text.contains("\\caption{brain 100\\% $\\cdot$ 5 folds}"), "{text}");
        assert!(text.contains("vgg16 & 0.850 $\\pm$0.010$^{**}$ $\\nabla$ & -- -- \\\\"), "{text}");
        assert!(text.contains("Holm over 1 \\& more"));
    }
}
