//! The manifest's writer: what it writes is meant to be edited, so every key is there, explained, and in use or commented out.

use std::fmt::Write;
use std::path::Path;

use super::{BoxUnit, Channels, FORMAT, GroupRule, Intensity, LabelColumns, Layout, Manifest, Missing};

impl Manifest {
    /// The manifest as TOML with comments; [`Manifest::parse`] reads it back to an equal value.
    pub fn to_toml(&self) -> String {
        let mut out = String::new();
        self.write_head(&mut out);
        self.write_pixels(&mut out);
        self.write_layout(&mut out);
        self.write_groups(&mut out);
        self.write_boxes(&mut out);
        self.write_masks(&mut out);
        out
    }

    fn write_head(&self, out: &mut String) {
        line(out, "# How Lightbox reads this dataset. The schema is in docs/manifest.md; unknown keys are refused.");
        line(out, &format!("format = {FORMAT}"));
        optional(out, "name", self.name.as_deref(), "the name it is registered under", "my-dataset");
        optional(out, "title", self.title.as_deref(), "one line for people", "Brain tumour MRI");
        optional(out, "source", self.source.as_deref(), "where it comes from", "https://...");
        optional(out, "licence", self.licence.as_deref(), "what its use is bound to", "CC BY 4.0");
        blank(out, "Where the files are: absolute, or relative to this file. They are read in place, never changed.");
        let root = self.root.as_deref().map(Path::to_string_lossy);
        optional(out, "root", root.as_deref(), "else the path given to `data add`", "/data/my-dataset");
        blank(out, "The classes in the order of the network's outputs; left out: those found, sorted by name.");
        if self.classes.is_empty() {
            line(out, "# classes = [\"benign\", \"malignant\"]");
        } else {
            line(out, &format!("classes = {}", list(&self.classes)));
        }
        blank(out, "With two classes: the one that sensitivity is about.");
        optional(out, "positive", self.positive.as_deref(), "a class", "malignant");
        blank(out, "Paths below the root that are not part of the dataset; * is anything but /.");
        if self.exclude.is_empty() {
            line(out, "# exclude = [\"previews\", \"*/README.png\"]");
        } else {
            line(out, &format!("exclude = {}", list(&self.exclude)));
        }
    }

    fn write_pixels(&self, out: &mut String) {
        blank(out, "What the network sees: \"grey\" (1 channel) or \"colour\" (3; a grey image is repeated).");
        line(
            out,
            match self.channels {
                Channels::Grey => "channels = \"grey\"",
                Channels::Colour => "channels = \"colour\"",
            },
        );
        blank(
            out,
            "Images of more than 8 bits: { percentile = [low, high] }, { window = [center, width] } or \"full\".",
        );
        line(
            out,
            &match self.intensity {
                Intensity::Percentile { low, high } => format!("intensity = {{ percentile = [{low:?}, {high:?}] }}"),
                Intensity::Window { center, width } => format!("intensity = {{ window = [{center:?}, {width:?}] }}"),
                Intensity::Full => "intensity = \"full\"".to_owned(),
            },
        );
        blank(out, "Contrast-limited adaptive histogram equalisation: false, true or { clip_limit, tiles }.");
        line(
            out,
            &match self.clahe {
                None => "clahe = false".to_owned(),
                Some(clahe) => format!("clahe = {{ clip_limit = {:?}, tiles = {} }}", clahe.clip_limit, clahe.tiles),
            },
        );
    }

    fn write_layout(&self, out: &mut String) {
        blank(out, "Where the labels come from.");
        line(out, "[layout]");
        match &self.layout {
            Layout::ClassFolders => {
                line(out, "# <class>/.../image.png: the first folder below the root is the class.");
                line(out, "kind = \"class-folders\"");
            }
            Layout::SplitFolders { train, validation, test } => {
                line(out, "# <part>/<class>/.../image.png. Each key: a folder or a list of those that may be there.");
                line(out, "kind = \"split-folders\"");
                for (key, folders) in [("train", train), ("validation", validation), ("test", test)] {
                    if folders.is_empty() {
                        line(out, &format!("# {key} = {}", quote(key)));
                    } else {
                        line(out, &format!("{key} = {}", one_or_list(folders)));
                    }
                }
            }
            Layout::Table(table) => {
                line(out, "# A CSV file with a row per image.");
                line(out, "kind = \"table\"");
                line(out, "# The file below the root; of several names the first that exists.");
                line(out, &format!("file = {}", one_or_list(&table.file)));
                line(out, "# The column that names the image: a path, a file name, or one without its ending.");
                line(out, &format!("image = {}", quote(&table.image)));
                line(out, "# Where images are looked up; left out: everywhere below the root.");
                if table.folders.is_empty() {
                    line(out, "# folders = [\"images\"]");
                } else {
                    line(out, &format!("folders = {}", list(&table.folders)));
                }
                line(out, "# label: the column with the class. one_hot: a column per class, 1 in exactly one of them.");
                match &table.label {
                    LabelColumns::One(column) => line(out, &format!("label = {}", quote(column))),
                    LabelColumns::OneHot(columns) => line(out, &format!("one_hot = {}", list(columns))),
                }
                line(out, "# The column of the dataset's own split: train, validation or test.");
                match &table.split {
                    None => line(out, "# split = \"split\""),
                    Some(column) => line(out, &format!("split = {}", quote(column))),
                }
                line(out, "# Rows whose image does not exist: \"error\", or \"skip\" (counted).");
                line(
                    out,
                    match table.missing {
                        Missing::Error => "missing = \"error\"",
                        Missing::Skip => "missing = \"skip\"",
                    },
                );
            }
        }
    }

    fn write_groups(&self, out: &mut String) {
        blank(out, "What must not be split, as a patient or a lesion: a column of the table, or a regular expression");
        line(out, "# searched for in the image's path (its whole match, or (?P<group>...) in it).");
        match &self.groups {
            None => line(out, "# [groups]\n# regex = 'patient\\d+'"),
            Some(GroupRule::Column(column)) => line(out, &format!("[groups]\ncolumn = {}", quote(column))),
            Some(GroupRule::Regex(regex)) => line(out, &format!("[groups]\nregex = {}", literal(regex))),
        }
    }

    fn write_boxes(&self, out: &mut String) {
        blank(
            out,
            "Lesion boxes: a CSV file with a row per box. unit = \"fraction\": centre x, centre y, width, height as",
        );
        line(out, "# fractions of the image; unit = \"pixel\": left, top, width, height in pixels.");
        match &self.boxes {
            None => line(out, "# [boxes]\n# file = \"boxes.csv\"\n# image = \"path\"\n# unit = \"fraction\""),
            Some(boxes) => {
                line(out, &format!("[boxes]\nfile = {}", one_or_list(&boxes.file)));
                line(out, &format!("image = {}", quote(&boxes.image)));
                line(
                    out,
                    match boxes.unit {
                        BoxUnit::Fraction => "unit = \"fraction\"",
                        BoxUnit::Pixel => "unit = \"pixel\"",
                    },
                );
                line(out, &format!("columns = {}", list(&boxes.columns)));
                line(out, "# true: go without boxes where the file is not there.");
                line(out, &format!("optional = {}", boxes.optional));
            }
        }
    }

    fn write_masks(&self, out: &mut String) {
        blank(
            out,
            "Lesion masks: their path below the root. {stem} is the image's file name without its ending, {name}",
        );
        line(
            out,
            "# with it, {folder} its folder, {id} all of its path. Of several patterns the first whose file exists.",
        );
        match &self.masks {
            None => line(out, "# [masks]\n# pattern = \"masks/{stem}.png\""),
            Some(masks) => {
                line(out, &format!("[masks]\npattern = {}", one_or_list(&masks.patterns)));
                line(out, "# true: go without masks where there are none.");
                line(out, &format!("optional = {}", masks.optional));
            }
        }
    }
}

fn line(out: &mut String, text: &str) {
    out.push_str(text);
    out.push('\n');
}

fn blank(out: &mut String, comment: &str) {
    out.push_str("\n# ");
    line(out, comment);
}

fn optional(out: &mut String, key: &str, value: Option<&str>, help: &str, example: &str) {
    match value {
        Some(value) => line(out, &format!("{key} = {}", quote(value))),
        None => line(out, &format!("# {key} = {}   # {help}", quote(example))),
    }
}

/// A basic TOML string.
fn quote(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for character in text.chars() {
        match character {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            control if control.is_control() => {
                // Writing to a string cannot fail.
                let _ = write!(out, "\\U{:08X}", u32::from(control));
            }
            other => out.push(other),
        }
    }
    out.push('"');
    out
}

/// A literal TOML string where the text allows one: a regular expression reads better without doubled backslashes.
fn literal(text: &str) -> String {
    if text.contains('\'') || text.chars().any(char::is_control) { quote(text) } else { format!("'{text}'") }
}

fn list(items: &[String]) -> String {
    format!("[{}]", items.iter().map(|item| quote(item)).collect::<Vec<_>>().join(", "))
}

fn one_or_list(items: &[String]) -> String {
    match items {
        [one] => quote(one),
        several => list(several),
    }
}
