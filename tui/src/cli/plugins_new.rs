//! `lightbox plugins new`: a folder with a plugin that builds, its author's first step.

use std::io::ErrorKind;
use std::path::Path;

use clap::ValueEnum;
use serde_json::json;

use super::Context;
use super::plugin_project::{self, File};
use crate::failure::{Failure, Result};

/// What the plugin offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// A method that explains
    Cam,
    /// A network
    Model,
}

/// What it is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Language {
    /// Rust, with the SDK in the folder
    Rust,
    /// C99, with the header in the folder
    C,
}

/// Which plugin to begin.
#[derive(Debug, clap::Args)]
pub struct Arguments {
    /// Name of the folder and of the method or model: lower-case letters, digits and dashes
    name: String,
    /// What the plugin offers
    #[arg(long)]
    kind: Kind,
    /// What it is written in
    #[arg(long = "lang", value_name = "LANGUAGE")]
    language: Language,
}

/// Longest name: it becomes part of several file names.
const LONGEST: usize = 64;

/// Names that a Rust library cannot have, or that the SDK has.
const TAKEN: &str = "abstract alloc as async await become box break const continue core crate do dyn else enum extern \
    false final fn for gen if impl in let lightbox-abi lightbox-plugin lightbox-plugin-torch loop macro match mod move mut \
    override priv proc-macro pub ref return self static std struct super tch test torch-sys trait true try type typeof \
    unsafe unsized use virtual where while yield";

/// Runs the command.
pub fn run(context: &Context, arguments: &Arguments) -> Result<()> {
    let name = &arguments.name;
    check_name(name)?;
    let files = match (arguments.kind, arguments.language) {
        (Kind::Cam, Language::Rust) => plugin_project::cam_in_rust(name),
        (Kind::Cam, Language::C) => plugin_project::cam_in_c(name),
        (Kind::Model, Language::Rust) => plugin_project::model_in_rust(name),
        (Kind::Model, Language::C) => {
            return Err(Failure::bad(
                "a network cannot be written in C: libtorch's tensors are C++; use `--lang rust`, or C++17 with the model part \
                 of lightbox_plugin.h, which `--kind cam --lang c` writes",
            ));
        }
    };
    write(Path::new(name), &files)?;
    let next = next(name, arguments.kind, arguments.language);
    if context.out.json {
        let paths: Vec<&String> = files.iter().map(|file| &file.path).collect();
        return context.out.record(&json!({"folder": name, "files": paths, "next": next}));
    }
    context.out.line(format!("{name}: {} files", files.len()));
    context.out.note("next:");
    next.iter().for_each(|line| context.out.note(format!("  {line}")));
    Ok(())
}

fn check_name(name: &str) -> Result<()> {
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let begins = name.starts_with(|c: char| c.is_ascii_lowercase());
    if !begins || name.ends_with('-') || name.len() > LONGEST || !name.chars().all(allowed) {
        return Err(Failure::bad(format!(
            "plugin name {name:?}: use 1 to {LONGEST} lower-case letters, digits and dashes, beginning with a letter and not \
             ending with a dash"
        )));
    }
    if TAKEN.split_whitespace().any(|taken| taken == name) {
        return Err(Failure::bad(format!(
            "plugin name {name:?} means something in Rust or the SDK; choose another one"
        )));
    }
    Ok(())
}

/// Writes the project; what was begun is taken away when that fails.
fn write(folder: &Path, files: &[File]) -> Result<()> {
    let name = folder.display();
    std::fs::create_dir(folder).map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => Failure::bad(format!("{name} exists already; choose another name or move it away")),
        _ => Failure::failed(format!("{name}: cannot be made: {error}")),
    })?;
    for file in files {
        let path = folder.join(&file.path);
        let written = path.parent().map_or(Ok(()), std::fs::create_dir_all);
        if let Err(error) = written.and_then(|()| std::fs::write(&path, &file.text)) {
            // The folder is this command's own and the error is what matters.
            let _ = std::fs::remove_dir_all(folder);
            return Err(Failure::failed(format!("{}: cannot be written: {error}", path.display())));
        }
    }
    Ok(())
}

/// The commands that come next.
fn next(name: &str, kind: Kind, language: Language) -> Vec<String> {
    let (build, library) = match language {
        Language::Rust => {
            (&["cargo test", "cargo build --release"][..], format!("target/release/lib{}.so", name.replace('-', "_")))
        }
        Language::C => (&["make"][..], format!("{name}.so")),
    };
    let mut lines = vec![format!("cd {name}")];
    if kind == Kind::Model {
        lines.push("export LIBTORCH=FOLDER   # of torch 2.11, see README.md".to_owned());
    }
    lines.extend(build.iter().map(|line| (*line).to_owned()));
    lines.push(format!("lightbox plugins check {library}"));
    lines.push(format!("lightbox plugins install {library}"));
    lines.push(match kind {
        Kind::Cam => format!("lightbox explain IMAGE --run RUN --method {name}"),
        Kind::Model => format!("lightbox train --model {name} --data DATASET"),
    });
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_that_a_crate_and_a_method_can_have() {
        for good in ["a", "my-cam", "cam-2d", "lightbox-cams", "x9"] {
            assert!(check_name(good).is_ok(), "{good}");
        }
        for bad in ["", "-a", "a-", "2d", "My-cam", "a_b", "a/b", "..", "é", "fn", "std", "tch", "a b"] {
            assert!(matches!(check_name(bad), Err(Failure::BadInput(_))), "{bad}");
        }
        assert!(check_name(&"a".repeat(LONGEST)).is_ok() && check_name(&"a".repeat(LONGEST + 1)).is_err());
    }

    #[test]
    fn a_project_that_cannot_be_written_leaves_nothing() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join("p");
        let file = |path: &str| File { path: path.to_owned(), text: String::new() };
        let failed = write(&folder, &[file("a"), file("a/b")]);
        assert!(matches!(failed, Err(Failure::Failed(_))) && !folder.exists());
        write(&folder, &[file("a")]).unwrap();
        assert!(matches!(write(&folder, &[file("b")]), Err(Failure::BadInput(_))));
        assert!(folder.join("a").exists() && !folder.join("b").exists());
    }
}
