//! Manifests: what is written is read back, and each mistake is told with line, field and the nearest valid name.

#![allow(clippy::unwrap_used)]

use std::path::Path;

use lightbox_data::Manifest;
use lightbox_data::manifest::{
    BoxTable, BoxUnit, Channels, Clahe, GroupRule, Intensity, LabelColumns, Layout, MaskRule, Missing, Table,
    group_by_regex,
};
use proptest::prelude::*;

const MINIMAL: &str = "format = 1\n[layout]\nkind = \"class-folders\"\n";

fn parse(text: &str) -> lightbox_data::Result<Manifest> {
    Manifest::parse(Path::new("m.toml"), text)
}

fn failure(text: &str) -> String {
    parse(text).unwrap_err().to_string()
}

#[test]
fn the_least_manifest_has_the_documented_defaults() {
    let manifest = parse(MINIMAL).unwrap();
    assert_eq!(manifest, Manifest::new(Layout::ClassFolders));
    assert_eq!(manifest.intensity, Intensity::Percentile { low: 0.5, high: 99.5 });
    assert_eq!(manifest.channels, Channels::Colour);
}

#[test]
fn every_mistake_names_line_field_and_remedy() {
    let cases: &[(&str, &[&str])] = &[
        ("format = 1\nchanels = \"grey\"\n", &["line 2", "\"chanels\"", "did you mean \"channels\""]),
        ("[layout]\nkind = \"class-folders\"\n", &["format", "missing"]),
        ("format = 2\n", &["line 1", "format", "this program reads format 1"]),
        ("format = 1\n", &["layout", "missing"]),
        (
            "format = 1\n[layout]\nkind = \"class-folder\"\n",
            &["line 3", "layout.kind", "did you mean \"class-folders\""],
        ),
        (
            "format = 1\n[layout]\nkind = \"class-folders\"\ntrian = 1\n",
            &["line 4", "[layout]", "did you mean \"train\""],
        ),
        (
            "format = 1\n[layout]\nkind = \"class-folders\"\ntrain = \"x\"\n",
            &["line 4", "layout.train", "class-folders"],
        ),
        ("format = 1\n[layout]\nkind = \"split-folders\"\n", &["line 2", "layout.train", "missing"]),
        ("format = 1\n[layout]\nkind = \"table\"\n", &["layout.file", "missing"]),
        ("format = 1\n[layout]\nkind = \"table\"\nfile = \"a.csv\"\nimage = \"i\"\n", &["layout.label", "missing"]),
        (
            "format = 1\n[layout]\nkind = \"table\"\nfile = \"a.csv\"\nimage = \"i\"\nlabel = \"x\"\none_hot = [\"a\", \"b\"]\n",
            &["line 7", "layout.one_hot", "keep one"],
        ),
        ("format = 1\nclahe = 3\n", &["line 2", "clahe", "a table"]),
        ("format = 1\nclahe = { tiles = 0 }\n", &["line 2", "clahe.tiles", "1 to 64"]),
        ("format = 1\nclasses = [\"a\", 3]\n", &["line 2", "classes", "list of strings"]),
        ("format = 1\nclasses = [\"a\", \"a\"]\n[layout]\nkind = \"class-folders\"\n", &["line 2", "stands twice"]),
        ("format = 1\nclasses = [\"a\\nb\"]\n[layout]\nkind = \"class-folders\"\n", &["line 2", "line break"]),
        (
            "format = 1\npositive = \"Pneumonia\"\nclasses = [\"NORMAL\", \"PNEUMONIA\"]\n[layout]\nkind = \"class-folders\"\n",
            &["line 2", "positive", "did you mean \"PNEUMONIA\""],
        ),
        ("format = 1\nintensity = \"ful\"\n", &["line 2", "intensity", "did you mean \"full\""]),
        ("format = 1\nintensity = { window = [40] }\n", &["line 2", "intensity.window", "two"]),
        ("format = 1\nintensity = { window = [40, 0] }\n", &["line 2", "width must be above 0"]),
        ("format = 1\nintensity = { percentile = [60, 50] }\n", &["line 2", "must rise"]),
        ("format = 1\nintensity = { percentile = [nan, 50] }\n", &["line 2", "two finite numbers"]),
        ("format = 1\nintensity = { window = [1, 2], full = true }\n", &["line 2", "exactly one rule"]),
        ("format = 1\nname = \"a\n", &["line 2"]),
        (
            "format = 1\n[layout]\nkind = \"split-folders\"\ntrain = \"../x\"\n",
            &["line 4", "layout.train", "below the root"],
        ),
    ];
    for (text, expected) in cases {
        let message = failure(text);
        for part in *expected {
            assert!(message.contains(part), "{text:?} gives {message:?}, which does not say {part:?}");
        }
        assert!(message.starts_with("m.toml: ") && !message.trim().contains('\n'), "{message:?}");
    }
}

#[test]
fn sections_check_their_own_fields() {
    let with = |section: &str| failure(&format!("{MINIMAL}{section}\n"));
    assert!(with("[groups]\nregex = '('").contains("line 5: groups.regex"));
    assert!(with("[groups]\nregex = 'a*'").contains("matches the empty text"));
    assert!(with("[groups]\nregex = 'a'\ncolumn = 'b'").contains("exactly one"));
    assert!(with("[groups]\ncolumn = 'b'").contains("needs a table"));
    assert!(with("[masks]\npattern = \"m/{image}.png\"").contains("{stem}"));
    assert!(with("[masks]\npatern = \"m/{stem}.png\"").contains("did you mean \"pattern\""));
    assert!(with("[boxes]\nfile = \"b.csv\"\nimage = \"i\"\ncolumns = [\"a\"]").contains("four columns"));
    assert!(with("[boxes]\nfile = \"b.csv\"\nimage = \"i\"\nunit = \"pixels\"").contains("did you mean \"pixel\""));
}

/// A capture group that only serves alternation must not become the group.
#[test]
fn the_whole_match_is_the_group_unless_one_is_named() {
    let plain = regex::Regex::new(r"person\d+_(bacteria|virus)").unwrap();
    let id = "train/PNEUMONIA/person12_virus_3.jpeg";
    assert_eq!(group_by_regex(&plain, id).as_deref(), Some("person12_virus"));
    let named = regex::Regex::new(r"person(?P<group>\d+)_").unwrap();
    assert_eq!(group_by_regex(&named, id).as_deref(), Some("12"));
    assert_eq!(group_by_regex(&plain, "train/NORMAL/IM-0115-0001.jpeg"), None);
}

#[test]
fn the_manifests_of_known_datasets_are_valid() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../datasets");
    let mut names = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            let manifest = Manifest::read(&path).unwrap();
            let stem = path.file_stem().unwrap().to_str().unwrap().to_owned();
            if manifest.name.as_ref() == Some(&stem) {
                names.push(stem);
            }
        }
    }
    names.sort();
    for name in ["brain-tumor-mri", "chest-xray-pneumonia", "skin-ham10000"] {
        assert!(names.iter().any(|found| found == name), "{name} is not in {names:?}");
    }
}

#[test]
fn the_examples_of_the_documentation_are_valid() {
    let page = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/manifest.md")).unwrap();
    let examples: Vec<&str> = page.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert_eq!(examples.len(), 3);
    for example in examples {
        parse(example).unwrap();
    }
}

fn text() -> impl Strategy<Value = String> {
    "[ -~äß漢\\\\\"'\t]{1,12}"
}

fn class() -> impl Strategy<Value = String> {
    "[a-zA-Zäß漢,;'\"\\\\]([ -~ä]{0,8}[a-z0-9\"'])?"
}

fn relative() -> impl Strategy<Value = String> {
    "[a-zA-Z0-9 ä\"']{1,8}(/[a-z]{1,4})?"
}

fn layouts() -> impl Strategy<Value = Layout> {
    let paths = || prop::collection::vec(relative(), 1..3);
    let label = prop_oneof![
        text().prop_map(LabelColumns::One),
        prop::collection::vec(text(), 2..4).prop_map(LabelColumns::OneHot)
    ];
    let table =
        (paths(), prop::collection::vec(relative(), 0..2), text(), label, prop::option::of(text()), any::<bool>())
            .prop_map(|(file, folders, image, label, split, skip)| {
                let missing = if skip { Missing::Skip } else { Missing::Error };
                Layout::Table(Table { file, folders, image, label, split, missing })
            });
    prop_oneof![
        Just(Layout::ClassFolders),
        (paths(), prop::collection::vec(relative(), 0..2), paths())
            .prop_map(|(train, validation, test)| Layout::SplitFolders { train, validation, test }),
        table,
    ]
}

fn manifests() -> impl Strategy<Value = Manifest> {
    let intensity = prop_oneof![
        Just(Intensity::Full),
        (-1e4..1e4, 1e-3..1e5).prop_map(|(center, width)| Intensity::Window { center, width }),
        (0.0..50.0, 50.5..100.0).prop_map(|(low, high)| Intensity::Percentile { low, high }),
    ];
    let clahe = prop::option::of((0.1..40.0, 1_u32..65).prop_map(|(clip_limit, tiles)| Clahe { clip_limit, tiles }));
    let groups = prop_oneof![
        Just(None),
        text().prop_map(|column| Some(GroupRule::Column(column))),
        "[a-z']{1,5}\\\\d\\+".prop_map(|regex| Some(GroupRule::Regex(regex)))
    ];
    let boxes = prop::option::of((relative(), text(), any::<bool>(), any::<bool>(), [text(), text(), text(), text()]));
    let masks = prop::option::of((relative(), any::<bool>()));
    let words = (prop::option::of(text()), prop::option::of(text()), prop::option::of(text()));
    let classes = prop::collection::btree_set(class(), 0..4);
    (
        layouts(),
        intensity,
        clahe,
        groups,
        boxes,
        masks,
        words,
        classes,
        any::<bool>(),
        prop::collection::vec(text(), 0..2),
    )
        .prop_map(|(layout, intensity, clahe, groups, boxes, masks, words, classes, grey, exclude)| {
            let groups = match (&layout, groups) {
                (Layout::Table(_), groups) => groups,
                (_, groups) => groups.filter(|rule| matches!(rule, GroupRule::Regex(_))),
            };
            let unit = |pixel| if pixel { BoxUnit::Pixel } else { BoxUnit::Fraction };
            Manifest {
                title: words.0,
                source: words.1,
                licence: words.2,
                positive: classes.first().cloned(),
                classes: classes.into_iter().collect(),
                channels: if grey { Channels::Grey } else { Channels::Colour },
                intensity,
                clahe,
                groups,
                exclude,
                boxes: boxes.map(|(file, image, pixel, optional, columns)| BoxTable {
                    file: vec![file],
                    image,
                    columns,
                    unit: unit(pixel),
                    optional,
                }),
                masks: masks.map(|(folder, optional)| MaskRule {
                    patterns: vec![format!("{folder}/{{stem}}.png"), "{folder}/{name}".to_owned()],
                    optional,
                }),
                ..Manifest::new(layout)
            }
        })
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_is_read_back(manifest in manifests()) {
        let written = manifest.to_toml();
        let read = parse(&written);
        prop_assert!(read.is_ok(), "{:?} in\n{written}", read);
        prop_assert_eq!(read.unwrap(), manifest);
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in "\\PC{0,200}", cut in 0_usize..400) {
        let _ = parse(&text);
        let mut whole = parse(MINIMAL).unwrap().to_toml();
        while !whole.is_char_boundary(cut.min(whole.len())) { whole.pop(); }
        whole.truncate(cut);
        let _ = parse(&whole);
    }
}
