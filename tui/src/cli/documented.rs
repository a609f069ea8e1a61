//! Every command line that the documentation shows is one that the program understands. Nothing is run; what the README's
//! commands do is the business of `tests/readme.rs`.

use std::path::{Path, PathBuf};

use clap::error::ErrorKind;

use super::grammar;

/// The README and the pages of `docs`.
fn pages() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let docs = std::fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let mut pages: Vec<PathBuf> = docs.filter(|path| path.extension().is_some_and(|e| e == "md")).collect();
    pages.push(root.join("README.md"));
    pages.sort();
    pages
}

/// The lines of fenced blocks, where a `\` at the end joins two, and the code spans of all other lines with their line.
fn shown(page: &str) -> (Vec<String>, Vec<(String, String)>) {
    let (mut lines, mut spans) = (Vec::new(), Vec::new());
    for (number, part) in page.split("```").enumerate() {
        if number % 2 == 1 {
            lines.extend(part.replace("\\\n", " ").lines().map(str::to_owned));
            continue;
        }
        for line in part.lines() {
            let code = line.split('`').skip(1).step_by(2);
            spans.extend(code.map(|span| (span.to_owned(), line.to_owned())));
        }
    }
    (lines, spans)
}

/// The words of the call of `lightbox` in a shell line, if there is one: up to a pipe, a redirection or the end of `$(`.
fn call(line: &str) -> Option<Vec<String>> {
    let start = line.find("lightbox ").filter(|at| *at == 0 || line[..*at].ends_with(['(', ' ', '/']))?;
    let (mut words, mut word, mut quote) = (Vec::new(), String::new(), None);
    for c in line[start..].chars() {
        match (c, quote) {
            (c, Some(open)) if c == open => quote = None,
            (c, Some(_)) => word.push(c),
            ('"' | '\'', None) => quote = Some(c),
            ('|' | '>' | ')' | ';' | '&' | '#', None) => break,
            (c, None) if c.is_whitespace() => words.extend((!word.is_empty()).then(|| std::mem::take(&mut word))),
            (c, None) => word.push(c),
        }
    }
    words.extend((!word.is_empty()).then_some(word));
    Some(words)
}

/// Whether the program understands these words; a mere mention, which leaves out what a command needs, is fine.
fn understood(words: &[String]) -> Result<(), String> {
    // A number of `--priority N`, and optional words in brackets.
    let words = words.iter().map(|word| match word.trim_matches(['[', ']']).trim_end_matches("...") {
        "N" => "1",
        other => other,
    });
    match grammar().try_get_matches_from(words) {
        Ok(_) => Ok(()),
        Err(error) => match error.kind() {
            ErrorKind::MissingRequiredArgument
            | ErrorKind::MissingSubcommand
            | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => Ok(()),
            _ => Err(error.to_string()),
        },
    }
}

/// Whether the command that these words call has a flag.
fn has_flag(words: &[String], flag: &str) -> bool {
    let mut command = &grammar();
    for word in &words[1..] {
        command = command.find_subcommand(word).unwrap_or(command);
    }
    command.get_arguments().any(|argument| argument.get_long() == flag.strip_prefix("--"))
}

#[test]
fn every_command_line_of_the_documentation_is_understood() {
    let mut found = 0;
    for path in pages() {
        let page = std::fs::read_to_string(&path).unwrap();
        let (lines, spans) = shown(&page);
        let mut all: Vec<String> = lines;
        all.extend(spans.iter().map(|(span, _)| span.clone()).filter(|span| span.starts_with("lightbox ")));
        for line in all {
            let Some(words) = call(&line) else { continue };
            let understood = understood(&words);
            assert!(understood.is_ok(), "{}: {line}\n{}", path.display(), understood.unwrap_err());
            found += 1;
        }
        // A table's row has a command and then its flags, each in a code span of its own.
        for (span, line) in
            spans.iter().filter(|(span, line)| span.starts_with("--") && line.starts_with("| `lightbox "))
        {
            let words = line.split('`').nth(1).and_then(call).unwrap_or_default();
            let flag = span.split([' ', '=']).next().unwrap_or_default();
            assert!(has_flag(&words, flag), "{}: {flag} in {line}", path.display());
            found += 1;
        }
    }
    assert!(found > 40, "only {found} command lines were found");
}

#[test]
fn calls_are_found_in_shell_lines() {
    let words = |line: &str| call(line).unwrap_or_default().join("|");
    assert_eq!(words("A=$(lightbox --quiet train --data d | head -1)"), "lightbox|--quiet|train|--data|d");
    assert_eq!(words("lightbox explain \"/x/gg (176).jpg\" --run $RUN"), "lightbox|explain|/x/gg (176).jpg|--run|$RUN");
    assert_eq!(words("cd lightbox"), "");
    assert!(understood(&["lightbox", "queue", "lost"].map(str::to_owned)).is_err());
    assert!(understood(&["lightbox", "queue", "list", "--al"].map(str::to_owned)).is_err());
}
