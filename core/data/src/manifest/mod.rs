//! The manifest: how the folder of a dataset is to be read.
//!
//! `docs/manifest.md` documents the file; this module holds the same thing as a value, its reader (which knows line and
//! field of every mistake) and its writer (which writes the comments too).

mod intensity;
mod read;
mod section;
mod write;

use std::path::PathBuf;

pub use intensity::{Channels, Clahe, Intensity};

/// The version of the file that this program reads and writes (`format` in the file).
pub const FORMAT: i64 = 1;

/// A dataset's description.
#[derive(Debug, Clone, PartialEq)]
pub struct Manifest {
    /// The name it is registered under; a manifest for others to use need not carry one.
    pub name: Option<String>,
    /// One line for people.
    pub title: Option<String>,
    /// Where it comes from, for the provenance of a run.
    pub source: Option<String>,
    /// What its use is bound to.
    pub licence: Option<String>,
    /// Where the files are; absolute once registered.
    pub root: Option<PathBuf>,
    /// The classes in their order; empty: the ones found, sorted.
    pub classes: Vec<String>,
    /// The positive class of a task with two.
    pub positive: Option<String>,
    /// What the network sees.
    pub channels: Channels,
    /// The rule for images of more than 8 bits.
    pub intensity: Intensity,
    /// CLAHE after that, or not.
    pub clahe: Option<Clahe>,
    /// Paths below the root that are not part of the dataset; `*` stands for anything but `/`.
    pub exclude: Vec<String>,
    /// Where the labels come from.
    pub layout: Layout,
    /// What must not be split.
    pub groups: Option<GroupRule>,
    /// Lesion boxes.
    pub boxes: Option<BoxTable>,
    /// Lesion masks.
    pub masks: Option<MaskRule>,
}

impl Manifest {
    /// A manifest that says nothing but the layout.
    pub fn new(layout: Layout) -> Self {
        Self {
            name: None,
            title: None,
            source: None,
            licence: None,
            root: None,
            classes: Vec::new(),
            positive: None,
            channels: Channels::default(),
            intensity: Intensity::default(),
            clahe: None,
            exclude: Vec::new(),
            layout,
            groups: None,
            boxes: None,
            masks: None,
        }
    }
}

/// Where labels (and the dataset's own split) come from.
#[derive(Debug, Clone, PartialEq)]
pub enum Layout {
    /// `<class>/.../image.png`: the first folder below the root is the class.
    ClassFolders,
    /// `<part>/<class>/.../image.png`. Each list names the folders that may hold the part; those that exist are read.
    SplitFolders {
        /// Folders of the training part.
        train: Vec<String>,
        /// Folders of the validation part.
        validation: Vec<String>,
        /// Folders of the test part.
        test: Vec<String>,
    },
    /// A CSV file with a row per image.
    Table(Table),
}

/// A CSV file with a row per image.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// The file, relative to the root; of several names the first that exists.
    pub file: Vec<String>,
    /// Folders below the root in which images are looked up; empty: everywhere.
    pub folders: Vec<String>,
    /// Column that names the image: a path, a file name, or a file name without its ending.
    pub image: String,
    /// Column or columns that hold the label.
    pub label: LabelColumns,
    /// Column of the dataset's own split.
    pub split: Option<String>,
    /// What to do with rows whose image does not exist.
    pub missing: Missing,
}

/// How a table holds the label.
#[derive(Debug, Clone, PartialEq)]
pub enum LabelColumns {
    /// One column with the class's name.
    One(String),
    /// A column per class, 1 in exactly one of them.
    OneHot(Vec<String>),
}

/// What to do with rows whose image does not exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Missing {
    /// Refuse the dataset.
    #[default]
    Error,
    /// Leave the row out, with a counted warning.
    Skip,
}

/// What makes a group.
#[derive(Debug, Clone, PartialEq)]
pub enum GroupRule {
    /// A column of the table.
    Column(String),
    /// A regular expression searched for in the image's id. The group is what `(?P<group>...)` matched, else the whole
    /// match; an image without a match stands alone.
    Regex(String),
}

/// A CSV file with a row per box.
#[derive(Debug, Clone, PartialEq)]
pub struct BoxTable {
    /// The file, relative to the root; of several names the first that exists.
    pub file: Vec<String>,
    /// Column that names the image.
    pub image: String,
    /// The four columns, in the order that `unit` says.
    pub columns: [String; 4],
    /// What the columns hold.
    pub unit: BoxUnit,
    /// Go without boxes, with a notice, where the file is not there.
    pub optional: bool,
}

/// What the four columns of a box hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BoxUnit {
    /// Centre x, centre y, width, height as fractions of the image.
    Fraction,
    /// Left, top, width, height in pixels of the upright image.
    Pixel,
}

/// Where masks are.
#[derive(Debug, Clone, PartialEq)]
pub struct MaskRule {
    /// Paths below the root; `{stem}` is the image's file name without its ending, `{name}` with it, `{folder}` its
    /// folder below the root, `{id}` its id. Of several the first whose file exists.
    pub patterns: Vec<String>,
    /// Go without masks, with a notice, where no mask is there.
    pub optional: bool,
}

/// What is wrong with a class's name, if anything: it has to survive tables, file names and terminals.
pub fn class_name_problem(name: &str) -> Option<&'static str> {
    if name.trim().is_empty() {
        return Some("is empty");
    }
    if name.chars().any(char::is_control) {
        return Some("holds a line break, tab or other control character");
    }
    if name.trim() != name {
        return Some("begins or ends with a space");
    }
    if name.chars().count() > LONGEST_CLASS_NAME {
        return Some("is longer than 200 characters");
    }
    None
}

/// Longer ones are a column of free text taken for a label.
const LONGEST_CLASS_NAME: usize = 200;

/// Compiles a group's regular expression, or says in one line what is wrong with it.
pub fn compile_group_regex(pattern: &str) -> std::result::Result<regex::Regex, String> {
    let regex = regex::Regex::new(pattern).map_err(|error| match error {
        regex::Error::CompiledTooBig(_) => "regular expression too large".to_owned(),
        other => other.to_string().lines().last().unwrap_or("not a regular expression").trim().to_owned(),
    })?;
    if regex.is_match("") {
        return Err("matches the empty text, so that unrelated images would share a group".to_owned());
    }
    Ok(regex)
}

/// The group of an image by such an expression: what `(?P<group>...)` matched, else the whole match.
pub fn group_by_regex(regex: &regex::Regex, id: &str) -> Option<String> {
    let captures = regex.captures(id)?;
    let found = captures.name("group").or_else(|| captures.get(0))?;
    (!found.is_empty()).then(|| found.as_str().to_owned())
}

impl Layout {
    /// Its name in the file.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::ClassFolders => "class-folders",
            Self::SplitFolders { .. } => "split-folders",
            Self::Table(_) => "table",
        }
    }
}
