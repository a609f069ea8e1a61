//! Bad input gets one clear sentence that names file and field, and exit code 2.

#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use lightbox_tests::{class_folders, lightbox, refused, said};

#[test]
fn names_and_folders_that_do_not_exist() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    refused(home, &["data", "show", "nothing"], &["there is no dataset \"nothing\"", "data add"]);
    refused(home, &["data", "add", "/nowhere/at/all", "--name", "x"], &["/nowhere/at/all"]);
    refused(home, &["data", "add", "/tmp", "--name", "../x"], &["cannot be the name of a dataset"]);
    refused(home, &["train", "--model", "resnet50", "--data", "nothing"], &["nothing"]);
    refused(home, &["runs", "show", "abc"], &["no run or group is called \"abc\""]);
    refused(home, &["study", "show", "abc"], &["no study is called \"abc\""]);
}

#[test]
fn a_study_file_with_mistakes() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("s.toml");
    let study = |extra: &str| {
        let text = format!(
            "name = 's'\ndatasets = ['d']\nmodels = ['small-cnn']\nbaseline = 'small-cnn'\n[split]\nfolds = 3\n[train]\n{extra}\n"
        );
        std::fs::write(&file, text).unwrap();
    };
    let path = file.display().to_string();
    study("epcohs = 3");
    refused(
        home.path(),
        &["study", "run", &path],
        &["s.toml: line 8: unknown key \"epcohs\"; did you mean \"epochs\"?"],
    );
    study("epochs = 'three'");
    refused(home.path(), &["study", "run", &path], &["s.toml: line 8: epochs:", "string"]);
    study("lr = -1.0");
    refused(home.path(), &["study", "run", &path], &["line 8: train.lr: -1 is not a positive number"]);
    let explain = |methods: &str, metrics: &str| {
        let text = format!(
            "name = 's'\ndatasets = ['brain']\nmodels = ['small-cnn']\nbaseline = 'small-cnn'\n[split]\nfolds = 3\n[explain]\n\
             model = 'small-cnn'\nmethods = [{methods}]\nbaseline = 'gradcam'\nmetrics = [{metrics}]\n"
        );
        std::fs::write(&file, text).unwrap();
    };
    let images = tempfile::tempdir().unwrap();
    class_folders(images.path(), &["a", "b"], 6);
    let added = lightbox(home.path(), &["data", "add", &images.path().display().to_string(), "--name", "brain"]);
    assert!(added.status.success(), "{}", said(&added));
    // Nothing is trained, and no study is kept, before all names are known to be right.
    explain("'gradcam', 'gradcamm'", "'road'");
    refused(home.path(), &["study", "run", &path], &["no method is called \"gradcamm\"", "did you mean \"gradcam\"?"]);
    explain("'gradcam', 'layercam'", "'roads'");
    refused(home.path(), &["study", "run", &path], &["no metric is called \"roads\"", "did you mean \"road\"?"]);
    refused(home.path(), &["study", "show", "s"], &["no study is called \"s\""]);
    study("augment = 'flop'");
    refused(home.path(), &["study", "run", &path], &["train.augment", "flop"]);
    refused(home.path(), &["study", "run", "/nowhere.toml"], &["/nowhere.toml"]);
}

#[test]
fn a_csv_that_names_missing_files() {
    let home = tempfile::tempdir().unwrap();
    let root = tempfile::tempdir().unwrap();
    class_folders(root.path(), &["images"], 2);
    let csv = root.path().join("labels.csv");
    std::fs::write(&csv, "image,label\nimages/0.bmp,a\nimages/9.bmp,b\n").unwrap();
    let csv = csv.display().to_string();
    refused(
        home.path(),
        &["data", "add", &csv, "--name", "x", "--image-col", "image", "--label-col", "label"],
        &["labels.csv", "images/9.bmp"],
    );
    refused(
        home.path(),
        &["data", "add", &csv, "--name", "x", "--image-col", "imag", "--label-col", "label"],
        &["imag"],
    );
}

#[test]
fn flags_that_make_no_sense() {
    let home = tempfile::tempdir().unwrap();
    let root = tempfile::tempdir().unwrap();
    class_folders(root.path(), &["a", "b"], 12);
    let path = root.path().display().to_string();
    let added = lightbox(home.path(), &["data", "add", &path, "--name", "tiny"]);
    assert!(added.status.success(), "{}", said(&added));
    let train = |flags: &[&'static str]| [&["train", "--data", "tiny", "--model", "small-cnn"], flags].concat();
    refused(home.path(), &train(&["--folds", "1"]), &["fold"]);
    refused(home.path(), &train(&["--folds", "50"]), &["fold"]);
    refused(home.path(), &train(&["--lr", "0"]), &["--lr 0"]);
    refused(home.path(), &train(&["--image-size", "4"]), &["--image-size 4"]);
    refused(home.path(), &train(&["--augment", "spin"]), &["spin"]);
    refused(home.path(), &train(&["--class-weights", "1,2,3"]), &["class"]);
    refused(home.path(), &train(&["--pretrained", "/nowhere.pth"]), &["/nowhere.pth"]);
    refused(home.path(), &["train", "--data", "tiny", "--model", "resnet5"], &["did you mean \"resnet50\"?"]);
    refused(home.path(), &train(&["--folds", "2", "--split-file", "x.csv"]), &["--folds"]);
    refused(home.path(), &train(&["--lr", "-1"]), &["--lr -1: give a positive number"]);
    refused(home.path(), &train(&["--option", "width=-3"]), &["--option of small-cnn", "`width` cannot be `-3`"]);
    refused(home.path(), &train(&["--option", "widht=8"]), &["did you mean `width`?"]);
    refused(home.path(), &train(&["--option", "width=8", "--option", "width=9"]), &["\"width\" is given twice"]);
    refused(home.path(), &train(&["--device", "cuda:99"]), &["--device cuda:99", "lightbox daemon status"]);
    refused(home.path(), &train(&["--device", "gpu"]), &["--device gpu: give auto, cpu or cuda:I"]);
    let bounds = "--val-fraction 0.99: give a number above 0 and below 0.9";
    refused(home.path(), &train(&["--val-fraction", "0.99"]), &[bounds]);
    let split = ["data", "split", "tiny", "--folds", "2", "--out", "x.csv", "--val-fraction", "0.99"];
    refused(home.path(), &split, &[bounds]);
    assert_eq!(std::fs::read_dir(home.path().join("runs")).unwrap().count(), 0, "a run was made");
    let stopped = lightbox(home.path(), &["daemon", "stop"]);
    assert!(stopped.status.success(), "{}", said(&stopped));
}

#[test]
fn explanations_that_make_no_sense() {
    let home = tempfile::tempdir().unwrap();
    let root = tempfile::tempdir().unwrap();
    class_folders(root.path(), &["a", "b"], 12);
    let ok = |arguments: &[&str]| {
        let output = lightbox(home.path(), arguments);
        assert!(output.status.success(), "{}", said(&output));
        String::from_utf8(output.stdout).unwrap()
    };
    ok(&["data", "add", &root.path().display().to_string(), "--name", "tiny"]);
    ok(&["queue", "pause"]);
    let train = ["train", "--data", "tiny", "--model", "small-cnn", "--folds", "2", "--image-size", "32"];
    let group = ok(&train).trim().to_owned();
    let runs = || std::fs::read_dir(home.path().join("runs")).unwrap().count();
    let before = runs();
    let refuses = |methods: &str, metrics: &str, more: &[&str], words: &[&str]| {
        let flags = ["explain-eval", &group, "--methods", methods, "--metrics", metrics];
        refused(home.path(), &[&flags, more].concat(), words);
    };
    refuses("gradcam,gradcam", "road", &[], &["--methods names \"gradcam\" twice"]);
    refuses("gradcam", "accuracy", &[], &["\"accuracy\" is of predictions", "road"]);
    refuses("gradcam", "road", &["--param", "gradcam.nothing=1"], &["--param of gradcam", "`nothing`"]);
    refuses("gradcam", "road", &["--layer", "layer9"], &["small-cnn has no layer \"layer9\""]);
    refuses("gradcam", "road", &["--device", "cuda:99"], &["--device cuda:99"]);
    refuses("gradcam", "road", &["--limit", "0"], &["--limit 0: give at least 1"]);
    assert_eq!(runs(), before, "a run was made");
    ok(&["daemon", "stop"]);
}
