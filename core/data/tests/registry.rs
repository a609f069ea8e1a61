//! Registering and reading datasets: what layouts are understood, and what is said of those that are broken.

#![allow(clippy::unwrap_used)]

mod common;

use std::path::Path;

use common::{touch, write};
use lightbox_data::dataset::{AddRequest, Added, DedupRecord, Dropped, check_name, list};
use lightbox_data::layout::Hints;
use lightbox_data::{Dataset, Split};
use tempfile::{TempDir, tempdir};

struct Place {
    home: TempDir,
    data: TempDir,
}

impl Place {
    fn new() -> Self {
        Self { home: tempdir().unwrap(), data: tempdir().unwrap() }
    }

    fn root(&self) -> &Path {
        self.data.path()
    }

    fn add(&self, hints: Hints) -> lightbox_data::Result<Added> {
        let request = AddRequest { path: self.root().to_path_buf(), name: "d".to_owned(), manifest: None, hints };
        Dataset::add(self.home.path(), &request)
    }

    fn added(&self) -> Dataset {
        self.add(Hints::default()).unwrap();
        Dataset::open(self.home.path(), "d").unwrap()
    }

    fn failure(&self, hints: Hints) -> String {
        let message = self.add(hints).unwrap_err().to_string();
        assert!(!self.home.path().join("datasets/d").exists(), "something was registered in spite of: {message}");
        message
    }

    fn add_by(&self, manifest: &str) -> lightbox_data::Result<Added> {
        let file = self.home.path().join("m.toml");
        std::fs::write(&file, manifest).unwrap();
        let request = AddRequest {
            path: self.root().to_path_buf(),
            name: "d".to_owned(),
            manifest: Some(file),
            hints: Hints::default(),
        };
        Dataset::add(self.home.path(), &request)
    }
}

fn says(message: &str, parts: &[&str]) {
    for part in parts {
        assert!(message.contains(part), "{message:?} does not say {part:?}");
    }
}

fn notice(dataset: &Dataset, part: &str) -> usize {
    dataset.notices().iter().filter(|notice| notice.message.contains(part)).map(|notice| notice.count).sum()
}

fn ids(dataset: &Dataset) -> Vec<&str> {
    dataset.images().iter().map(|image| image.id.as_str()).collect()
}

#[test]
fn class_folders() {
    let place = Place::new();
    touch(place.root(), &["b e/1.png", "b e/deep/2.JPG", "ä,c/1.tiff", "loose.png", "b e/notes.txt", "b e/x.gif"]);
    touch(place.root(), &["b e/.DS_Store", "b e/Thumbs.db", "__MACOSX/b e/1.png", ".hidden/1.png"]);
    let dataset = place.added();
    assert_eq!(dataset.classes(), ["b e", "ä,c"]);
    assert_eq!(ids(&dataset), ["b e/1.png", "b e/deep/2.JPG", "ä,c/1.tiff"]);
    assert_eq!(dataset.images()[2].label, 1);
    assert_eq!(notice(&dataset, "outside any class folder"), 1);
    assert_eq!(notice(&dataset, "hidden and system"), 4);
    assert_eq!(notice(&dataset, "format that is not read"), 1);
}

#[test]
fn train_and_test_folders_in_any_words() {
    for (train, test) in [("Training", "Testing"), ("train", "test"), ("TRAIN", "TEST"), ("train_set", "test-set")] {
        let place = Place::new();
        for (part, class) in [(train, "yes"), (train, "no"), (test, "yes"), (test, "no"), ("val", "yes"), ("val", "no")]
        {
            touch(place.root(), &[&format!("{part}/{class}/1.png")]);
        }
        let dataset = place.added();
        assert_eq!(dataset.images().len(), 6);
        for image in dataset.images() {
            let expected = match image.id.split('/').next().unwrap() {
                part if part == train => Split::Train,
                part if part == test => Split::Test,
                _ => Split::Validation,
            };
            assert_eq!(image.split, Some(expected));
        }
        assert_eq!(dataset.positive(), Some(1), "yes against no");
    }
}

#[test]
fn a_folder_around_everything_is_entered() {
    let place = Place::new();
    touch(place.root(), &["chest_xray/train/A/1.png", "chest_xray/train/B/1.png", "chest_xray/test/A/1.png"]);
    touch(place.root(), &["chest_xray/test/B/1.png", "README.md"]);
    let dataset = place.added();
    assert_eq!(dataset.classes(), ["A", "B"]);
    assert_eq!(dataset.images()[0].id, "test/A/1.png");
}

/// As HAM10000: one image folder, a mask for each, a table with several columns that have few values.
fn skin(place: &Place) {
    let mut table = "lesion_id,image_id,dx,dx_type,age,sex\n".to_owned();
    for i in 0..12 {
        touch(place.root(), &[&format!("images/I_{i:02}.jpg"), &format!("masks/I_{i:02}_segmentation.png")]);
        let (dx, kind, sex) = (["nv", "mel", "bcc"][i % 3], ["histo", "follow"][i % 2], ["male", "female"][i / 6]);
        table += &format!("L_{},I_{i:02},{dx},{kind},{}.0,{sex}\n", i / 2, 40 + i % 4);
    }
    write(place.root(), "metadata.csv", &table);
}

#[test]
fn a_table_with_groups_and_masks() {
    let place = Place::new();
    skin(&place);
    let added = place.add(Hints::default()).unwrap();
    let understood = |aspect: &str| added.understood.iter().find(|item| item.aspect == aspect).unwrap().value.clone();
    assert_eq!(understood("layout"), "table");
    assert_eq!(understood("image"), "image_id");
    assert_eq!(understood("label"), "dx");
    assert_eq!(understood("group"), "lesion_id");
    assert_eq!(understood("masks"), "masks/{stem}_segmentation.png");
    let dataset = Dataset::open(place.home.path(), "d").unwrap();
    assert_eq!(dataset.classes(), ["bcc", "mel", "nv"]);
    let first = &dataset.images()[0];
    assert_eq!((first.id.as_str(), first.group.as_deref()), ("images/I_00.jpg", Some("L_0")));
    assert!(first.mask.as_ref().unwrap().ends_with("masks/I_00_segmentation.png"));
    let summary = dataset.summary();
    assert_eq!((summary.total.images, summary.total.with_masks), (12, 12));
    let groups = summary.groups.unwrap();
    assert_eq!((groups.named, groups.with_several_images, groups.largest), (6, 6, 2));
    assert_eq!(dataset.listing_hash(), added.dataset.listing_hash());
}

#[test]
fn a_label_that_could_be_several_columns_is_asked_for() {
    let place = Place::new();
    skin(&place);
    let path = place.root().join("metadata.csv");
    let text = std::fs::read_to_string(&path).unwrap();
    std::fs::write(&path, text.replace(",dx,", ",kind_of,")).unwrap();
    says(&place.failure(Hints::default()), &["several columns could be the label", "kind_of", "sex", "--label-col"]);
    let wrong = Hints { label_column: Some("kindof".to_owned()), ..Hints::default() };
    says(&place.failure(wrong), &["no column \"kindof\"", "did you mean \"kind_of\""]);
    let hints = Hints { label_column: Some("sex".to_owned()), ..Hints::default() };
    assert_eq!(place.add(hints).unwrap().dataset.classes(), ["female", "male"]);
}

#[test]
fn one_hot_columns_as_isic_has_them() {
    let place = Place::new();
    touch(place.root(), &["I_1.jpg", "I_2.jpg", "I_3.jpg"]);
    write(place.root(), "truth.csv", "image,MEL,NV,BCC\nI_1,1.0,0.0,0.0\nI_2,0.0,1.0,0.0\nI_3,0.0,0.0,1.0\n");
    let dataset = place.added();
    let labels: Vec<&str> = dataset.images().iter().map(|image| dataset.classes()[image.label].as_str()).collect();
    assert_eq!(labels, ["MEL", "NV", "BCC"]);

    let hints = Hints { label_column: Some("MEL,NV,BCC".to_owned()), ..Hints::default() };
    let request = AddRequest { path: place.root().join("truth.csv"), name: "e".to_owned(), manifest: None, hints };
    assert_eq!(Dataset::add(place.home.path(), &request).unwrap().dataset.images().len(), 3);
    for (row, problem) in [
        ("I_3,1,0,1", "columns \"MEL\" and \"BCC\" both hold 1"),
        ("I_3,0,0,0", "none of the label columns (MEL, NV, BCC) holds 1"),
        ("I_3,2,0,0", "neither 0 nor 1"),
    ] {
        write(place.root(), "truth.csv", &format!("image,MEL,NV,BCC\nI_1,1,0,0\nI_2,0,1,0\n{row}\n"));
        let message = Dataset::open(place.home.path(), "d").unwrap_err().to_string();
        says(&message, &["line 4", problem]);
    }
}

#[test]
fn a_mistake_in_one_hot_columns_is_told_by_its_line_without_naming_the_columns() {
    for (row, problem) in [("I_4,1,0,1", "\"MEL\" and \"BCC\" both hold 1"), ("I_4,0,0,0", "holds 1")] {
        let place = Place::new();
        touch(place.root(), &["I_1.jpg", "I_2.jpg", "I_3.jpg", "I_4.jpg"]);
        write(place.root(), "truth.csv", &format!("image,MEL,NV,BCC\nI_1,1,0,0\nI_2,0,1,0\nI_3,0,0,1\n{row}\n"));
        says(&place.failure(Hints::default()), &["truth.csv", "line 5", problem]);
    }
}

#[test]
fn names_that_may_name_patients_are_noticed_where_no_group_is_given() {
    let place = Place::new();
    let names: Vec<String> = (0..24).map(|i| format!("{}/p{}_{}.png", ["A", "B"][i / 12], i / 3, i)).collect();
    touch(place.root(), &names.iter().map(String::as_str).collect::<Vec<_>>());
    let added = place.add(Hints::default()).unwrap();
    assert_eq!(notice(&added.dataset, "--group-regex"), 24);
    let other = Place { home: tempdir().unwrap(), data: place.data };
    let hints = Hints { group_regex: Some(r"p\d+".to_owned()), ..Hints::default() };
    assert_eq!(notice(&other.add(hints).unwrap().dataset, "--group-regex"), 0);
}

#[test]
fn what_a_manifest_says_is_told_in_full() {
    let place = Place::new();
    skin(&place);
    let manifest = "format = 1\nchannels = \"grey\"\nintensity = \"full\"\n[layout]\nkind = \"table\"\nfile = \"metadata.csv\"\n\
                    image = \"image_id\"\nlabel = \"dx\"\n[groups]\ncolumn = \"lesion_id\"\n[masks]\n\
                    pattern = \"masks/{stem}_segmentation.png\"\n";
    let added = place.add_by(manifest).unwrap();
    let told: Vec<String> = added.understood.iter().map(|item| format!("{} {}", item.aspect, item.value)).collect();
    let masks = "masks masks/{stem}_segmentation.png";
    let expected =
        ["layout table", "image image_id", "label dx", "group lesion_id", masks, "channels grey", "intensity full"];
    assert_eq!(told, expected);
    assert!(added.understood[0].reason.contains("m.toml"));
}

#[test]
fn a_table_elsewhere_with_a_root_and_a_split_column() {
    let place = Place::new();
    touch(place.root(), &["a/1.png", "a/2.png", "b/1.png", "b/2.png"]);
    let tables = tempdir().unwrap();
    let text = "\u{feff}file;class;who;set\na/1.png;x;p1;train\na\\2.png;y;p1;training\n/old/b/1.png;x;p2;TEST\n\
                b/2.png;y;p3;val\n";
    write(tables.path(), "t.csv", text);
    let hints = Hints {
        root: Some(place.root().to_path_buf()),
        group_column: Some("who".to_owned()),
        positive: Some("y".to_owned()),
        ..Hints::default()
    };
    let request = AddRequest { path: tables.path().join("t.csv"), name: "d".to_owned(), manifest: None, hints };
    write(tables.path(), "t.csv", &text.replace("x;p1;train", "y;p1;train"));
    let message = Dataset::add(place.home.path(), &request).unwrap_err().to_string();
    says(&message, &["class \"x\" is in test"]);
    write(tables.path(), "t.csv", &text.replace("TEST", "tets"));
    let named = Hints { split_column: Some("set".to_owned()), ..request.hints.clone() };
    let message = Dataset::add(place.home.path(), &AddRequest { hints: named, ..request.clone() }).unwrap_err();
    says(&message.to_string(), &["line 4", "set", "\"tets\" is not a part"]);
    write(tables.path(), "t.csv", text);
    let dataset = Dataset::add(place.home.path(), &request).unwrap().dataset;
    let splits: Vec<_> = dataset.images().iter().map(|image| image.split.unwrap()).collect();
    assert_eq!(splits, [Split::Train, Split::Train, Split::Test, Split::Validation]);
    assert_eq!(dataset.images()[1].group.as_deref(), Some("p1"));
    assert_eq!(dataset.positive(), Some(1));
}

#[test]
fn boxes_as_fractions_and_in_pixels() {
    let place = Place::new();
    let png = |name: &str, width, height| {
        let path = place.root().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        image::GrayImage::new(width, height).save(path).unwrap();
    };
    png("a/1.png", 200, 100);
    png("b/2.png", 50, 50);
    write(
        place.root(),
        "boxes.csv",
        "path,x,y,width,height\na/1.png,20,10,40,20\na/1.png,0,0,200,100\nc/9.png,1,1,2,2\n",
    );
    let dataset = place.added();
    let [first, whole] = dataset.images()[0].boxes[..] else { panic!("two boxes") };
    let close = |a: f64, b: f64| (a - b).abs() < 1e-12;
    assert!(
        close(first.x_center, 0.2) && close(first.y_center, 0.2) && close(first.width, 0.2) && close(first.height, 0.2)
    );
    assert!(close(whole.width, 1.0) && close(whole.y_center, 0.5));
    assert!(dataset.images()[1].boxes.is_empty());
    assert_eq!(notice(&dataset, "not in the dataset"), 1);

    let other = Place::new();
    touch(other.root(), &["a/1.png", "b/2.png"]);
    write(other.root(), "boxes.csv", "path,x_center,y_center,width,height\nb/2.png,0.5,0.25,0.5,0.5\n");
    let dataset = other.added();
    assert!(close(dataset.images()[1].boxes[0].y_center, 0.25));
    for (row, problem) in [("b/2.png,40,0.2,0.1,0.1", "centre outside"), ("b/2.png,0.4,x,0.1,0.1", "not a number")] {
        write(other.root(), "boxes.csv", &format!("path,x_center,y_center,width,height\n{row}\n"));
        let message = Dataset::open(other.home.path(), "d").unwrap_err().to_string();
        says(&message, &["boxes.csv", "line 2", problem]);
    }
}

#[test]
fn masks_beside_their_images_are_no_images() {
    let place = Place::new();
    touch(place.root(), &["benign/b (1).png", "benign/b (1)_mask.png", "malignant/m.png", "malignant/m_mask.png"]);
    let dataset = place.added();
    assert_eq!(ids(&dataset), ["benign/b (1).png", "malignant/m.png"]);
    assert!(dataset.images().iter().all(|image| image.mask.is_some()));
    assert_eq!(dataset.positive(), Some(1));
}

#[test]
fn groups_by_expression() {
    let place = Place::new();
    touch(place.root(), &["A/person1_virus_1.png", "A/person1_virus_2.png", "A/person1_bacteria_1.png", "B/IM-1.png"]);
    let hints = |regex: &str| Hints { group_regex: Some(regex.to_owned()), ..Hints::default() };
    says(&place.failure(hints("patient")), &["matches no image"]);
    says(&place.failure(hints("(")), &["group regular expression"]);
    place.add(hints(r"person\d+_(bacteria|virus)")).unwrap();
    let dataset = Dataset::open(place.home.path(), "d").unwrap();
    let groups: Vec<_> = dataset.images().iter().map(|image| image.group.as_deref()).collect();
    assert_eq!(groups, [Some("person1_bacteria"), Some("person1_virus"), Some("person1_virus"), None]);
}

#[test]
fn broken_folders_are_refused_with_the_place() {
    let refused = |files: &[&str], folders: &[&str], parts: &[&str]| {
        let place = Place::new();
        touch(place.root(), files);
        for folder in folders {
            std::fs::create_dir_all(place.root().join(folder)).unwrap();
        }
        says(&place.failure(Hints::default()), parts);
    };
    refused(&[], &["a", "b"], &["no images below"]);
    refused(&["a/1.png", "b/1.png"], &["c"], &["\"c\" holds no images"]);
    refused(&["a/1.png", "b/1.png", "b/2.dcm"], &[], &["2.dcm", "is DICOM", "convert to PNG or TIFF 16 bit"]);
    refused(&["a/1.png", "b/1.png", "b/2.nii.gz"], &[], &["2.nii.gz", "is NIfTI"]);
    refused(&["a/1.dcm", "b/1.dcm"], &[], &["is DICOM (and 1 more)"]);
    refused(&["train/a/1.png", "train/b/1.png", "test/a/1.png", "test/B/1.png"], &[], &["\"B\" is in test", "\"b\""]);
    refused(&["a/1.png", "a\nb/1.png"], &[], &["line break"]);
    refused(&["a/1.png", "a/2.png"], &[], &["only one class folder (\"a\")", "two classes"]);
    refused(&["images/1.png", "masks/2.png"], &[], &["neither class folders nor a table"]);
}

#[test]
fn dicom_without_an_ending_is_found_by_its_magic() {
    let place = Place::new();
    touch(place.root(), &["a/1.png", "b/1.png"]);
    write(place.root(), "a/IM0001", &format!("{}DICM rest", "\0".repeat(128)));
    says(&place.failure(Hints::default()), &["IM0001", "is DICOM"]);
}

#[test]
fn broken_tables_are_refused_with_the_line() {
    let refused = |table: &str, parts: &[&str]| {
        let place = Place::new();
        touch(place.root(), &["i/1.png", "i/2.png", "i/3.png", "i/4.png", "j/4.png"]);
        write(place.root(), "t.csv", table);
        let hints = Hints {
            image_column: Some("image".to_owned()),
            label_column: Some("label".to_owned()),
            ..Hints::default()
        };
        says(&place.failure(hints), parts);
    };
    refused("image,label\n1,a\n2,b\n7,b\n8,b\n", &["t.csv", "2 images that do not exist", "\"7\" in line 4", "skip"]);
    refused("image,label\n7,a\n8,b\n", &["2 images that do not exist", "--root"]);
    refused("image,label\n1,a\n2,b\n1,b\n", &["line 4", "stands in line 2 already"]);
    refused("image,label\n1,a\n2\n", &["line 3", "1 values", "2 columns"]);
    refused("image,label\n1,a\n2,\n", &["line 3", "label", "no label"]);
    refused("image,label\n1,a\n4,b\n", &["line 3", "name of several images", "i/4.png", "j/4.png"]);
    refused("image,label\n1,a\n2,\"b\nc\"\n", &["line break"]);
    refused("image,label,label\n1,a,a\n2,b,b\n", &["two columns \"label\""]);
    refused("image,lable\n1,a\n2,b\n", &["no column \"label\"", "did you mean \"lable\""]);
    refused("image,label\n1,a\n2,a\n", &["only one class"]);
    refused("image,label\n", &["has no rows"]);
    refused("", &["t.csv", "is empty"]);
}

#[test]
fn repeated_rows_and_unnamed_images_are_counted() {
    let place = Place::new();
    touch(place.root(), &["1.png", "2.png", "3.png", "4.png"]);
    write(place.root(), "t.csv", "image,label\n1,a\n2,b\n1,a\n3,\"b, c \"\n");
    let hints = Hints { label_column: Some("label".to_owned()), ..Hints::default() };
    let dataset = place.add(hints).unwrap().dataset;
    assert_eq!(dataset.classes(), ["a", "b", "b, c"]);
    assert_eq!(notice(&dataset, "repeat an earlier"), 1);
    assert_eq!(notice(&dataset, "does not name"), 1);
}

#[cfg(unix)]
#[test]
fn links_and_names_that_are_not_text() {
    use std::os::unix::ffi::OsStrExt;
    let place = Place::new();
    let root = place.root();
    touch(root, &["a/1.png", "b/1.png", "other/2.png"]);
    let elsewhere = tempdir().unwrap();
    touch(elsewhere.path(), &["5.png"]);
    std::os::unix::fs::symlink(root, root.join("a/loop")).unwrap();
    std::os::unix::fs::symlink("..", root.join("b/up")).unwrap();
    std::os::unix::fs::symlink("/", root.join("b/all")).unwrap();
    std::os::unix::fs::symlink("nowhere.png", root.join("b/dead.png")).unwrap();
    std::os::unix::fs::symlink(elsewhere.path(), root.join("c")).unwrap();
    std::fs::write(root.join("a").join(std::ffi::OsStr::from_bytes(b"x\xFF.png")), "").unwrap();
    let dataset = place.added();
    assert_eq!(ids(&dataset), ["a/1.png", "b/1.png", "c/5.png", "other/2.png"]);
    assert_eq!(notice(&dataset, "not followed"), 3);
    assert_eq!(notice(&dataset, "lead nowhere"), 1);
    assert_eq!(notice(&dataset, "not UTF-8"), 1);
}

#[test]
fn a_manifest_decides_alone() {
    let place = Place::new();
    skin(&place);
    let manifest = "format = 1\nclasses = [\"nv\", \"mel\", \"bcc\"]\nchannels = \"grey\"\n[layout]\nkind = \"table\"\n\
                    file = [\"HAM.csv\", \"metadata.csv\"]\nimage = \"image_id\"\nlabel = \"dx\"\n[boxes]\nfile = \"b.csv\"\n\
                    image = \"i\"\noptional = true\n[masks]\npattern = \"segmentations/{stem}.png\"\n";
    let message = place.add_by(manifest).unwrap_err().to_string();
    says(&message, &["masks.pattern"]);
    let optional = format!("{manifest}optional = true\n");
    let dataset = place.add_by(&optional).unwrap().dataset;
    assert_eq!(dataset.classes(), ["nv", "mel", "bcc"]);
    assert_eq!(dataset.channels().count(), 1);
    assert_eq!(notice(&dataset, "optional"), 2);
    assert!(dataset.images().iter().all(|image| image.group.is_none()));

    let other = Place::new();
    skin(&other);
    let message = other.add_by(&optional.replace("\"bcc\"]", "\"bcd\"]")).unwrap_err().to_string();
    says(&message, &["\"bcd\"", "has no images", "did you mean \"bcc\""]);
    let message = other.add_by(&optional.replace(", \"bcc\"]", "]")).unwrap_err().to_string();
    says(&message, &["\"bcc\"", "do not name"]);
}

#[test]
fn names_are_checked_and_taken_once() {
    for bad in ["", ".", "..", "../x", "a/b", "/a", ".hidden", "a b", "a\n", "ä", "-x", &"x".repeat(65)] {
        assert!(check_name(bad).is_err(), "{bad:?}");
        assert!(Dataset::open(Path::new("/nonexistent"), bad).is_err());
    }
    assert!(check_name("brain-tumor_mri.2").is_ok());
    let place = Place::new();
    touch(place.root(), &["a/1.png", "b/1.png"]);
    place.added();
    says(&place.add(Hints::default()).unwrap_err().to_string(), &["there is a dataset \"d\" already"]);
    says(&Dataset::open(place.home.path(), "e").unwrap_err().to_string(), &["there is no dataset \"e\""]);
    let names: Vec<String> = list(place.home.path()).unwrap().into_iter().map(|entry| entry.name).collect();
    assert_eq!(names, ["d"]);
    assert_eq!(std::fs::read_dir(place.home.path().join("datasets")).unwrap().count(), 1, "nothing temporary is left");
}

#[test]
fn a_dataset_that_moved_or_a_broken_manifest_says_so() {
    let place = Place::new();
    touch(place.root(), &["a/1.png", "b/1.png"]);
    place.added();
    let manifest = place.home.path().join("datasets/d/manifest.toml");
    let text = std::fs::read_to_string(&manifest).unwrap();
    std::fs::write(&manifest, text.replace("root = \"", "root = \"/gone")).unwrap();
    says(&Dataset::open(place.home.path(), "d").unwrap_err().to_string(), &["/gone", "register the dataset again"]);
    std::fs::write(&manifest, "format = 1\nclahee = true\n").unwrap();
    says(&Dataset::open(place.home.path(), "d").unwrap_err().to_string(), &["manifest.toml", "line 2", "clahe"]);
    let listed = list(place.home.path()).unwrap();
    assert!(listed[0].manifest.is_err());
}

#[test]
fn dropped_copies_stay_dropped_and_no_class_ends_empty() {
    let place = Place::new();
    touch(place.root(), &["a/1.png", "a/2.png", "b/1.png"]);
    let dataset = place.added();
    let drop = |image: &str| Dropped { image: image.to_owned(), copy_of: "a/1.png".to_owned() };
    DedupRecord { dropped: vec![drop("a/2.png")] }.write(dataset.folder()).unwrap();
    let reopened = Dataset::open(place.home.path(), "d").unwrap();
    assert_eq!(ids(&reopened), ["a/1.png", "b/1.png"]);
    assert_eq!(reopened.dedup().dropped.len(), 1);
    assert_ne!(reopened.listing_hash(), dataset.listing_hash());
    assert_eq!(Dataset::open_with_copies(place.home.path(), "d").unwrap().images().len(), 3);
    DedupRecord { dropped: vec![drop("b/1.png")] }.write(dataset.folder()).unwrap();
    says(&Dataset::open(place.home.path(), "d").unwrap_err().to_string(), &["class \"b\"", "without images"]);
}

#[test]
fn a_class_that_no_split_can_learn_and_test_is_warned_of() {
    let place = Place::new();
    touch(place.root(), &["a/p1_1.png", "a/p2_1.png", "b/p3_1.png", "b/p3_2.png", "c/p4_1.png"]);
    let warnings = place.added().summary().warnings();
    assert_eq!(warnings.len(), 1);
    says(&warnings[0], &["class \"c\" has one image", "exclude"]);
    let grouped = Place::new();
    touch(grouped.root(), &["a/p1_1.png", "a/p2_1.png", "b/p3_1.png", "b/p3_2.png"]);
    grouped.add(Hints { group_regex: Some("p[0-9]+".to_owned()), ..Hints::default() }).unwrap();
    let warnings = Dataset::open(grouped.home.path(), "d").unwrap().summary().warnings();
    says(&warnings.concat(), &["class \"b\" has 2 images, all of one patient or lesion"]);
}
