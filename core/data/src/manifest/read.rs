//! The manifest's reader.

use std::path::{Path, PathBuf};

use toml::de::DeTable;

use super::section::{Section, Source};
use super::{
    BoxTable, BoxUnit, Channels, Clahe, FORMAT, GroupRule, Intensity, LabelColumns, Layout, Manifest, MaskRule,
    Missing, Table,
};
use crate::error::{Error, Result};

/// A manifest is a page of text; more than this is another kind of file.
const LARGEST: u64 = 1 << 20;

const ROOT_KEYS: [&str; 16] = [
    "format",
    "name",
    "title",
    "source",
    "licence",
    "root",
    "classes",
    "positive",
    "channels",
    "intensity",
    "clahe",
    "exclude",
    "layout",
    "groups",
    "boxes",
    "masks",
];
const LAYOUT_KEYS: [&str; 11] =
    ["kind", "train", "validation", "test", "file", "folders", "image", "label", "one_hot", "split", "missing"];
const KINDS: [(&str, &str); 3] =
    [("class-folders", "class-folders"), ("split-folders", "split-folders"), ("table", "table")];
const FRACTION_COLUMNS: [&str; 4] = ["x_center", "y_center", "width", "height"];
const PIXEL_COLUMNS: [&str; 4] = ["x", "y", "width", "height"];
const BOX_UNITS: [(&str, BoxUnit); 2] = [("fraction", BoxUnit::Fraction), ("pixel", BoxUnit::Pixel)];

impl Manifest {
    /// Reads a manifest file; a relative `root` is taken from the file's own folder.
    pub fn read(path: &Path) -> Result<Self> {
        let size = std::fs::metadata(path).map_err(|source| Error::io("read", path, source))?.len();
        if size > LARGEST {
            let problem = format!("{size} bytes are too many for a manifest");
            return Err(Error::content(path, problem, "name a manifest file (see docs/manifest.md)"));
        }
        let bytes = std::fs::read(path).map_err(|source| Error::io("read", path, source))?;
        let Ok(text) = String::from_utf8(bytes) else {
            return Err(Error::content(path, "not UTF-8 text", "save the manifest as UTF-8"));
        };
        let mut manifest = Self::parse(path, &text)?;
        if let (Some(root), Some(folder)) = (&manifest.root, path.parent())
            && root.is_relative()
        {
            manifest.root = Some(folder.join(root));
        }
        Ok(manifest)
    }

    /// Reads the text of a manifest; `path` is named in errors only.
    pub fn parse(path: &Path, text: &str) -> Result<Self> {
        let source = Source { path, text };
        let document = DeTable::parse(text).map_err(|error| {
            source.error(error.span().unwrap_or(0..0), "", error.message().trim(), "correct the TOML syntax there")
        })?;
        let root = Section::new(&source, "", document.get_ref(), 0..0, &ROOT_KEYS)?;
        match root.required("format", root.integer("format")?, "1")? {
            FORMAT => {}
            other => {
                let problem = format!("{other} is not known");
                return Err(root.error("format", problem, format!("this program reads format {FORMAT}")));
            }
        }
        let manifest = Manifest {
            name: root.text("name")?,
            title: root.text("title")?,
            source: root.text("source")?,
            licence: root.text("licence")?,
            root: root.text("root")?.map(PathBuf::from),
            classes: root.texts("classes")?,
            positive: root.text("positive")?,
            channels: root
                .choice("channels", &[("grey", Channels::Grey), ("colour", Channels::Colour)])?
                .unwrap_or_default(),
            intensity: intensity(&root)?,
            clahe: clahe(&root)?,
            exclude: root.texts("exclude")?,
            layout: layout(&root)?,
            groups: groups(&root)?,
            boxes: boxes(&root)?,
            masks: masks(&root)?,
        };
        check_classes(&root, &manifest)?;
        if let (Some(GroupRule::Column(_)), false) = (&manifest.groups, matches!(manifest.layout, Layout::Table(_))) {
            let remedy = "use regex, or describe the dataset by a table";
            return Err(root.error("groups", "column needs a table, but layout.kind is a folder layout", remedy));
        }
        Ok(manifest)
    }
}

fn check_classes(root: &Section<'_>, manifest: &Manifest) -> Result<()> {
    let mut seen = std::collections::BTreeSet::new();
    for class in &manifest.classes {
        if !seen.insert(class) {
            return Err(root.error("classes", format!("{class:?} stands twice"), "name each class once"));
        }
        if let Some(problem) = super::class_name_problem(class) {
            return Err(root.error("classes", format!("{class:?} {problem}"), "rename the class"));
        }
    }
    if let Some(positive) = &manifest.positive
        && !manifest.classes.is_empty()
        && !manifest.classes.contains(positive)
    {
        let known = manifest.classes.iter().map(String::as_str);
        let remedy = crate::nearest::suggestion(positive, known);
        return Err(root.error("positive", format!("{positive:?} is not in classes"), remedy));
    }
    Ok(())
}

fn intensity(root: &Section<'_>) -> Result<Intensity> {
    if root.is_text("intensity") {
        return Ok(root.choice("intensity", &[("full", Intensity::Full)])?.unwrap_or_default());
    }
    let Some(section) = root.section("intensity", &["window", "percentile", "full"])? else {
        return Ok(Intensity::default());
    };
    let window = section.pair("window")?;
    let percentile = section.pair("percentile")?;
    let full = section.boolean("full")?.unwrap_or(false);
    match (window, percentile, full) {
        (Some([center, width]), None, false) if width > 0.0 => Ok(Intensity::Window { center, width }),
        (Some(_), None, false) => Err(section.error("window", "width must be above 0", "write [center, width]")),
        (None, Some([low, high]), false) if 0.0 <= low && low < high && high <= 100.0 => {
            Ok(Intensity::Percentile { low, high })
        }
        (None, Some(_), false) => {
            Err(section.error("percentile", "must rise within 0 to 100", "write for example [0.5, 99.5]"))
        }
        (None, None, true) => Ok(Intensity::Full),
        _ => {
            let remedy = "write one of { window = [center, width] }, { percentile = [low, high] }, \"full\"";
            Err(root.error("intensity", "needs exactly one rule", remedy))
        }
    }
}

fn clahe(root: &Section<'_>) -> Result<Option<Clahe>> {
    if root.is_boolean("clahe") {
        return Ok(root.boolean("clahe")?.unwrap_or(false).then(Clahe::default));
    }
    let Some(section) = root.section("clahe", &["clip_limit", "tiles"])? else { return Ok(None) };
    let standard = Clahe::default();
    let clip_limit = section.number("clip_limit")?.unwrap_or(standard.clip_limit);
    if clip_limit <= 0.0 {
        return Err(section.error("clip_limit", "must be above 0", "2.0 is customary"));
    }
    let tiles = section.integer("tiles")?.unwrap_or(i64::from(standard.tiles));
    match u32::try_from(tiles) {
        Ok(tiles @ 1..=64) => Ok(Some(Clahe { clip_limit, tiles })),
        _ => Err(section.error("tiles", "must be 1 to 64", "8 is customary")),
    }
}

fn layout(root: &Section<'_>) -> Result<Layout> {
    let section = root.required("layout", root.section("layout", &LAYOUT_KEYS)?, "{ kind = \"class-folders\" }")?;
    let kind = section.required("kind", section.choice("kind", &KINDS)?, "\"class-folders\"")?;
    let allowed: &[&str] = match kind {
        "class-folders" => &["kind"],
        "split-folders" => &["kind", "train", "validation", "test"],
        _ => &["kind", "file", "folders", "image", "label", "one_hot", "split", "missing"],
    };
    for key in LAYOUT_KEYS {
        if section.has(key) && !allowed.contains(&key) {
            let remedy = format!("it takes {}", allowed[1..].join(", "));
            let remedy = if allowed.len() == 1 { "it takes no other key".to_owned() } else { remedy };
            return Err(section.error(key, format!("not a key of kind = {kind:?}"), remedy));
        }
    }
    match kind {
        "class-folders" => Ok(Layout::ClassFolders),
        "split-folders" => {
            let parts = [section.texts("train")?, section.texts("validation")?, section.texts("test")?];
            for (key, folders) in ["train", "validation", "test"].into_iter().zip(&parts) {
                inside_root(&section, key, folders)?;
            }
            let [train, validation, test] = parts;
            if train.is_empty() {
                return Err(section.error("train", "missing", "add train = \"train\""));
            }
            Ok(Layout::SplitFolders { train, validation, test })
        }
        _ => table(&section).map(Layout::Table),
    }
}

fn table(section: &Section<'_>) -> Result<Table> {
    let file = section.texts("file")?;
    if file.is_empty() {
        return Err(section.error("file", "missing", "add file = \"metadata.csv\""));
    }
    table_path(section, "file", &file)?;
    let folders = section.texts("folders")?;
    inside_root(section, "folders", &folders)?;
    let label = match (section.text("label")?, section.texts("one_hot")?) {
        (Some(column), columns) if columns.is_empty() => LabelColumns::One(column),
        (None, columns) if columns.len() > 1 => LabelColumns::OneHot(columns),
        (None, columns) if columns.is_empty() => {
            return Err(section.error("label", "missing", "add label = \"COLUMN\" or one_hot = [\"COLUMN\", ...]"));
        }
        (None, _) => return Err(section.error("one_hot", "needs two columns or more", "name a column per class")),
        (Some(_), _) => return Err(section.error("one_hot", "stands beside label", "keep one of the two")),
    };
    Ok(Table {
        file,
        folders,
        image: section.required("image", section.text("image")?, "\"COLUMN\"")?,
        label,
        split: section.text("split")?,
        missing: section.choice("missing", &[("error", Missing::Error), ("skip", Missing::Skip)])?.unwrap_or_default(),
    })
}

fn groups(root: &Section<'_>) -> Result<Option<GroupRule>> {
    let Some(section) = root.section("groups", &["column", "regex"])? else { return Ok(None) };
    match (section.text("column")?, section.text("regex")?) {
        (Some(column), None) => Ok(Some(GroupRule::Column(column))),
        (None, Some(regex)) => match super::compile_group_regex(&regex) {
            Ok(_) => Ok(Some(GroupRule::Regex(regex))),
            Err(problem) => Err(section.error("regex", problem, "correct the regular expression")),
        },
        _ => Err(root.error("groups", "needs exactly one of column and regex", "keep one of the two")),
    }
}

fn boxes(root: &Section<'_>) -> Result<Option<BoxTable>> {
    let Some(section) = root.section("boxes", &["file", "image", "columns", "unit", "optional"])? else {
        return Ok(None);
    };
    let file = section.texts("file")?;
    if file.is_empty() {
        return Err(section.error("file", "missing", "add file = \"boxes.csv\""));
    }
    table_path(&section, "file", &file)?;
    let unit = section.choice("unit", &BOX_UNITS)?.unwrap_or(BoxUnit::Fraction);
    let columns = section.texts("columns")?;
    let columns = if columns.is_empty() {
        match unit {
            BoxUnit::Fraction => FRACTION_COLUMNS.map(str::to_owned),
            BoxUnit::Pixel => PIXEL_COLUMNS.map(str::to_owned),
        }
    } else {
        columns.try_into().map_err(|_| section.error("columns", "needs four columns", "name four, in order"))?
    };
    let image = section.required("image", section.text("image")?, "\"path\"")?;
    let optional = section.boolean("optional")?.unwrap_or(false);
    Ok(Some(BoxTable { file, image, columns, unit, optional }))
}

fn masks(root: &Section<'_>) -> Result<Option<MaskRule>> {
    let Some(section) = root.section("masks", &["pattern", "optional"])? else { return Ok(None) };
    let patterns = section.texts("pattern")?;
    if patterns.is_empty() {
        return Err(section.error("pattern", "missing", "add pattern = \"masks/{stem}.png\""));
    }
    inside_root(&section, "pattern", &patterns)?;
    for pattern in &patterns {
        if let Err(problem) = crate::annotation::check_pattern(pattern) {
            return Err(section.error("pattern", problem, "use {stem}, {name}, {folder} or {id}"));
        }
    }
    let optional = section.boolean("optional")?.unwrap_or(false);
    Ok(Some(MaskRule { patterns, optional }))
}

/// A table may also stand elsewhere, named by its absolute path (`data add TABLE --root IMAGES`).
fn table_path(section: &Section<'_>, key: &str, paths: &[String]) -> Result<()> {
    let relative: Vec<String> = paths.iter().filter(|path| !path.starts_with('/')).cloned().collect();
    inside_root(section, key, &relative)
}

/// Every other path in a manifest stays below its root.
fn inside_root(section: &Section<'_>, key: &str, paths: &[String]) -> Result<()> {
    for path in paths {
        if path.is_empty() || path.starts_with('/') || path.split('/').any(|part| part == "..") {
            let remedy = "write it relative to the root, without ..";
            return Err(section.error(key, format!("{path:?} is not a path below the root"), remedy));
        }
    }
    Ok(())
}
