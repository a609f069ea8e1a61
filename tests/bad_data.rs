//! Datasets that cannot be used: one clear sentence that names file and field, exit code 2, and nothing registered.

#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::path::{Path, PathBuf};

use lightbox_tests::{bmp, bmp_head, class_folders, lightbox, refused, said, write};
use serde_json::Value;
use tempfile::TempDir;

/// A home and a folder of images.
struct Place {
    home: TempDir,
    data: TempDir,
}

impl Place {
    fn new() -> Self {
        Self { home: tempfile::tempdir().unwrap(), data: tempfile::tempdir().unwrap() }
    }

    /// Two classes of four pictures.
    fn with_two_classes() -> Self {
        let place = Self::new();
        class_folders(place.root(), &["a", "b"], 4);
        place
    }

    /// A folder of six pictures and a table of these rows.
    fn with_table(text: &str) -> Self {
        let place = Self::new();
        class_folders(place.root(), &["images"], 6);
        write(&place.root().join("table.csv"), text.as_bytes());
        place
    }

    fn root(&self) -> &Path {
        self.data.path()
    }

    fn file(&self, name: &str) -> PathBuf {
        self.root().join(name)
    }

    fn arguments(&self, flags: &[&str]) -> Vec<String> {
        let path = self.root().display().to_string();
        let words = ["data", "add", &path, "--name", "d"];
        words.iter().chain(flags).map(|word| (*word).to_owned()).collect()
    }

    /// `data add` must refuse the folder and register nothing.
    fn refuses(&self, flags: &[&str], words: &[&str]) {
        let arguments = self.arguments(flags);
        refused(self.home.path(), &arguments.iter().map(String::as_str).collect::<Vec<_>>(), words);
        assert!(!self.home.path().join("datasets/d").exists(), "something was registered");
    }

    fn accepts(&self, flags: &[&str]) -> Value {
        let arguments = self.arguments(flags);
        self.json(&arguments.iter().map(String::as_str).collect::<Vec<_>>())
    }

    fn json(&self, arguments: &[&str]) -> Value {
        let output = lightbox(self.home.path(), &[&["--json", "--quiet"], arguments].concat());
        assert!(output.status.success(), "{arguments:?}: {}", said(&output));
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

#[test]
fn images_that_cannot_be_read() {
    let cases: [(&str, Vec<u8>, &str); 6] = [
        ("cut.bmp", bmp(24, 1)[..500].to_vec(), "truncated BMP"),
        ("empty.png", Vec::new(), "the file is empty"),
        ("page.jpg", b"<html>not found</html>".to_vec(), "no image format that is known"),
        ("bomb.bmp", bmp_head(60_000, 1000), "60000 x 60000 pixels (3600000000) are above the limit"),
        ("scan.png", [vec![0; 128], b"DICM".to_vec(), vec![0; 99]].concat(), "a DICOM file"),
        ("volume.jpg", [vec![0; 344], b"n+1\0".to_vec(), vec![0; 99]].concat(), "a NIfTI file"),
    ];
    for (name, bytes, problem) in cases {
        let place = Place::with_two_classes();
        write(&place.root().join("a").join(name), &bytes);
        place.accepts(&[]);
        let home = place.home.path();
        let sentence = format!("1 of 9 images cannot be read, the first is a/{name}");
        refused(home, &["data", "check", "d", "--quiet"], &[&sentence, name, problem]);
        let output = lightbox(home, &["--json", "--quiet", "data", "check", "d"]);
        assert_eq!(output.status.code(), Some(2));
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(report["report"]["unreadable"][0]["image"], format!("a/{name}"));
    }
}

#[test]
fn masks_that_cannot_be_read() {
    let place = Place::with_two_classes();
    write(&place.file("a/0_mask.bmp"), &bmp(12, 1));
    write(&place.file("b/1_mask.bmp"), &bmp(24, 1)[..90]);
    place.accepts(&[]);
    let words = ["1 of 2 masks cannot be used, the first is that of b/1.bmp", "b/1_mask.bmp", "truncated BMP"];
    refused(place.home.path(), &["data", "check", "d", "--quiet"], &words);
}

#[test]
fn classes_without_images() {
    let place = Place::with_two_classes();
    std::fs::create_dir(place.file("c")).unwrap();
    place.refuses(&[], &["class folder \"c\" holds no images"]);

    let place = Place::new();
    class_folders(&place.file("train"), &["a", "b"], 3);
    class_folders(&place.file("test"), &["a", "c"], 3);
    place.refuses(&[], &["class \"c\" is in test, but training has none of it"]);

    let place = Place::new();
    class_folders(place.root(), &["a"], 3);
    place.refuses(&[], &["only one class folder (\"a\")"]);
    place.refuses(&["--root", "/nowhere"], &["/nowhere"]);

    let place = Place::new();
    write(&place.file("notes.txt"), b"nothing");
    place.refuses(&[], &["no images below this folder"]);
}

#[test]
fn tables_that_name_missing_files_columns_or_labels() {
    let place = Place::with_table("image,label\n0,a\n1,b\n2,a\n77,b\n");
    place.refuses(&[], &["table.csv", "column \"image\"", "does not exist", "\"77\" in line 5"]);
    let place = Place::with_table("image,label,patient\n0,a,p\n1,b,p\n2,a,q\n3,b,q\n");
    place.refuses(&["--group-col", "patientt"], &["table.csv", "\"patientt\"", "did you mean \"patient\"?"]);
    place.refuses(&["--label-col", "lable"], &["table.csv", "\"lable\"", "did you mean \"label\"?"]);
    let manifest = "format = 1\n[layout]\nkind = 'table'\nfile = 'table.csv'\nimage = 'image'\nlabel = 'label'\n\
                    [groups]\ncolumn = 'patientt'\n";
    let file = place.file("m.toml");
    write(&file, manifest.as_bytes());
    let file = file.display().to_string();
    place.refuses(&["--manifest", &file], &["table.csv", "groups.column", "did you mean \"patient\"?"]);
}

#[test]
fn one_hot_rows_with_two_ones_or_none() {
    let rows = "image,MEL,NV,BCC\n0,1,0,0\n1,0,1,0\n2,0,0,1\n3,0,1,0\n";
    let place = Place::with_table(&format!("{rows}4,1,1,0\n"));
    let both = "columns \"MEL\" and \"NV\" both hold 1";
    place.refuses(&[], &["table.csv", "line 6", both]);
    place.refuses(&["--label-col", "MEL,NV,BCC"], &["table.csv", "line 6", both]);
    let place = Place::with_table(&format!("{rows}4,0,0,0\n"));
    place.refuses(&[], &["table.csv", "line 6", "none of the label columns (MEL, NV, BCC) holds 1"]);
}

#[test]
fn labels_of_odd_characters_are_kept_and_line_breaks_refused() {
    let place = Place::with_table("image,label\n0,\"a,b\"\n1,\"c\"\"d\"\n2,x/y\n3,x\\y\n4,ünï 漢\n5,\"a,b\"\n");
    let classes = ["a,b", "c\"d", "x/y", "x\\y", "ünï 漢"];
    let added = place.accepts(&["--label-col", "label"]);
    let named: Vec<&str> =
        added["summary"]["classes"].as_array().unwrap().iter().map(|c| c["class"].as_str().unwrap()).collect();
    assert_eq!(named, classes);
    place.json(&["data", "check", "d"]);

    let place = Place::new();
    class_folders(place.root(), &["a,b", "c\"d", "ünï 漢"], 4);
    place.accepts(&[]);
    let file = place.file("split.csv").display().to_string();
    place.json(&["data", "split", "d", "--folds", "2", "--out", &file]);
    let text = std::fs::read_to_string(&file).unwrap();
    assert!(text.contains("\"a,b/0.bmp\",0,") && text.contains("\"c\"\"d/0.bmp\",0,"), "{text}");

    let place = Place::with_table("image,label\n0,\"a\nb\"\n1,c\n2,\"a\nb\"\n3,c\n");
    place.refuses(&[], &["class \"a\\nb\"", "line break"]);
    let place = Place::new();
    class_folders(place.root(), &["a", "b\nc"], 2);
    place.refuses(&[], &["class \"b\\nc\"", "line break"]);
}

#[test]
fn a_name_that_fits_several_images() {
    let place = Place::new();
    class_folders(&place.file("images"), &["x", "y"], 2);
    write(&place.file("table.csv"), b"image,label\n0.bmp,a\n1.bmp,b\n");
    let images = "images/x/0.bmp";
    place.refuses(&[], &["table.csv", "line 2", "\"0.bmp\" is the name of several images", images]);
    let place = Place::with_table("image,label\n0,a\n1,b\n0,b\n2,a\n");
    place.refuses(&[], &["table.csv", "line 4", "stands in line 2 already"]);
}

#[test]
fn dicom_and_nifti_are_refused_by_name() {
    for (name, format) in [("scan.dcm", "DICOM"), ("volume.nii", "NIfTI"), ("volume.nii.gz", "NIfTI")] {
        let place = Place::with_two_classes();
        write(&place.root().join("a").join(name), b"x");
        place.refuses(&[], &[name, &format!("is {format}; not supported in this version")]);
        let only = Place::new();
        write(&only.file(name), b"x");
        only.refuses(&[], &[name, &format!("is {format}")]);
    }
    let place = Place::with_two_classes();
    write(&place.file("a/IM0001"), &[vec![0; 128], b"DICM".to_vec()].concat());
    place.refuses(&[], &["IM0001", "is DICOM"]);
}

#[test]
fn a_folder_that_vanished() {
    let place = Place::with_two_classes();
    place.accepts(&[]);
    std::fs::remove_dir_all(place.root()).unwrap();
    let root = place.root().display().to_string();
    for command in [&["data", "show", "d"][..], &["data", "check", "d"], &["data", "check", "d", "--dedup"]] {
        refused(place.home.path(), command, &[&root, "the folder of dataset \"d\" is gone"]);
    }
    refused(place.home.path(), &["data", "split", "d", "--folds", "2", "--out", "x.csv"], &["is gone"]);
    let listed = lightbox(place.home.path(), &["data", "list"]);
    assert!(listed.status.success() && said(&listed).contains("(gone)"), "{}", said(&listed));
    refused(place.home.path(), &["data", "show", "dataset"], &["there is no dataset \"dataset\"", "known: d"]);
}

#[test]
fn manifests_with_mistakes() {
    let place = Place::with_two_classes();
    let file = place.home.path().join("m.toml");
    let path = file.display().to_string();
    let with = |text: &str, words: &[&str]| {
        write(&file, text.as_bytes());
        place.refuses(&["--manifest", &path], &[&["m.toml"], words].concat());
    };
    let layout = "[layout]\nkind = 'class-folders'\n";
    with(&format!("format = 1\nchanels = 'grey'\n{layout}"), &["line 2", "\"chanels\"", "did you mean \"channels\"?"]);
    with(&format!("format = 1\n{layout}[groups]\nregx = 'a'\n"), &["line 5", "[groups]", "did you mean \"regex\"?"]);
    with(&format!("format = 1\nchannels = 3\n{layout}"), &["line 2", "channels"]);
    with("format = 1\n[layout\n", &["line 2"]);
    with("", &["format"]);
    with("\u{0}", &["line 1"]);
    write(&file, format!("format = 1\nclasses = ['a', 'c']\n{layout}").as_bytes());
    place.refuses(&["--manifest", &path], &["class \"c\" of the manifest has no images", "known: a, b"]);
    place.refuses(&["--manifest", "/nowhere.toml"], &["/nowhere.toml"]);
}

#[test]
fn split_files_that_cannot_be_made_or_written() {
    let place = Place::with_two_classes();
    place.accepts(&[]);
    let home = place.home.path();
    refused(home, &["data", "split", "d", "--folds", "1", "--out", "x.csv"], &["2 folds or more"]);
    refused(home, &["data", "split", "d", "--folds", "99", "--out", "x.csv"], &["99 folds"]);
    let text = refused(home, &["data", "split", "d", "--folds", "2", "--out", "/nowhere/x.csv"], &["/nowhere/x.csv"]);
    assert!(!text.contains(".tmp"), "{text}");
}
