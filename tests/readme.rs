//! Every command of the README does what it says. Those on published datasets run on phantoms with the same layout, and long
//! trainings at a smaller scale; the words of the commands stay.

#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use lightbox_tests::{build_folder, lightbox, project_root, said};

/// What makes a command small enough for a test: the README's words, and the test's.
const SMALLER: &[(&str, &str)] = &[
    ("--images 240", "--images 48"),
    ("--epochs 12", "--epochs 1"),
    ("--epochs 2", "--epochs 1"),
    ("--image-size 224", "--image-size 32"),
    ("--limit 200", "--limit 4"),
    ("--limit 30", "--limit 4"),
    ("--folds 5 --epochs", "--folds 2 --epochs"),
];
/// The same for the study file.
const SMALLER_STUDY: &[(&str, &str)] = &[
    ("folds = 3", "folds = 2"),
    ("limit = 360", "limit = 36"),
    ("epochs = 4", "epochs = 1"),
    ("image_size = 64", "image_size = 32"),
    ("limit = 30", "limit = 3"),
    (
        r#"models = ["resnet50", "densenet121", "vgg16", "efficientnet-b0"]"#,
        r#"models = ["resnet50", "efficientnet-b0"]"#,
    ),
];

/// The shell blocks of the README, command by command; a `\` at the end joins a line with the next.
fn commands(page: &str) -> Vec<String> {
    let blocks = page.split("```").skip(1).step_by(2).filter_map(|block| block.strip_prefix("sh\n"));
    let joined = blocks.map(|block| block.replace("\\\n", " ")).collect::<Vec<_>>().join("\n");
    joined.lines().map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()).collect()
}

/// Phantoms: their images in order.
fn drawn(work: &Path, kind: &str) -> Vec<PathBuf> {
    let folder = work.join("drawn").join(kind);
    let path = folder.display().to_string();
    let call = ["data", "phantom", kind, "--out", &path, "--images", "60", "--size", "48", "--seed", "3"];
    let output = lightbox(&work.join("drawing"), &call);
    assert!(output.status.success(), "{}", said(&output));
    let mut images: Vec<_> = fs::read_dir(folder.join("images")).unwrap().map(|e| e.unwrap().path()).collect();
    images.sort();
    images
}

fn put(image: &Path, place: &Path) {
    fs::create_dir_all(place.parent().unwrap()).unwrap();
    fs::copy(image, place).unwrap();
}

/// The published folders of the brain set, with boxes; `shown` is the image that the README explains.
fn brain(root: &Path, images: &[PathBuf], shown: &str) {
    let classes = ["glioma_tumor", "meningioma_tumor", "no_tumor", "pituitary_tumor"];
    let mut boxes = "path,x_center,y_center,width,height\n".to_owned();
    for (i, image) in images.iter().enumerate() {
        let part = if i % 5 == 0 { "Testing" } else { "Training" };
        let id = if i == 1 { shown.to_owned() } else { format!("{part}/{}/{i}.png", classes[i % 4]) };
        put(image, &root.join(&id));
        boxes += &format!("{id},0.5,0.5,0.4,0.4\n");
    }
    fs::write(root.join("boxes.csv"), boxes).unwrap();
}

fn skin(root: &Path, images: &[PathBuf]) {
    let classes = ["akiec", "bcc", "bkl", "df", "mel", "nv", "vasc"];
    let mut table = "lesion_id,image_id,dx\n".to_owned();
    for (i, image) in images.iter().enumerate() {
        put(image, &root.join(format!("images/ISIC_{i}.png")));
        table += &format!("HAM_{i},ISIC_{i},{}\n", classes[i % 7]);
    }
    fs::write(root.join("metadata.csv"), table).unwrap();
}

fn chest(root: &Path, images: &[PathBuf]) {
    for (i, image) in images.iter().enumerate() {
        let part = if i % 5 == 0 { "test" } else { "train" };
        let name = if i % 2 == 0 { format!("NORMAL/IM-{i}.png") } else { format!("PNEUMONIA/person{i}_virus_{i}.png") };
        put(image, &root.join(part).join(name));
    }
}

/// Weights with the names of ResNet50, as a download would be.
fn weights(file: &Path) {
    let python = std::env::var("LIGHTBOX_ORACLE_PYTHON").expect("run ./justw test, which sets LIGHTBOX_ORACLE_PYTHON");
    let code = "import sys, torchvision\nfrom safetensors.torch import save_file\n\
                save_file(torchvision.models.resnet50().state_dict(), sys.argv[1])";
    let output = Command::new(python).args(["-c", code]).arg(file).output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
}

/// The image that the README explains, as an id within the brain set.
fn shown(page: &str) -> String {
    let path = page.split("explain \"/data/brain-tumor-mri/").nth(1).and_then(|rest| rest.split('"').next());
    path.expect("the README explains an image of the brain set").replace(".jpg", ".png")
}

fn smaller(text: &str, pairs: &[(&str, &str)]) -> String {
    pairs.iter().fold(text.to_owned(), |text, (from, to)| text.replace(from, to))
}

#[test]
fn the_commands_work_in_their_order() {
    let folder = tempfile::tempdir().unwrap();
    let (home, work, data) = (folder.path().join("home"), folder.path().join("work"), folder.path().join("data"));
    let page = fs::read_to_string(project_root().join("README.md")).unwrap();
    fs::create_dir_all(work.join("studies")).unwrap();
    brain(&data.join("brain-tumor-mri"), &drawn(folder.path(), "brain"), &shown(&page));
    skin(&data.join("skin-ham10000"), &drawn(folder.path(), "skin"));
    chest(&data.join("chest-xray-pneumonia"), &drawn(folder.path(), "chest"));
    weights(&data.join("imagenet_resnet50.safetensors"));
    let study = fs::read_to_string(project_root().join("studies/chaddad-2025-small.toml")).unwrap();
    let small = smaller(&study, SMALLER_STUDY);
    assert!(SMALLER_STUDY.iter().all(|(from, _)| study.contains(from)), "the study file changed: adapt SMALLER_STUDY");
    fs::write(work.join("studies/chaddad-2025-small.toml"), small).unwrap();

    let mut script = "set -e\n".to_owned();
    let mut count = 0;
    for command in commands(&page).iter().filter(|command| !command.starts_with("./justw")) {
        let command = smaller(command, SMALLER).replace("/data/", &format!("{}/", data.display()));
        let command =
            command.replace(".jpg", ".png").replace(" datasets/", &format!(" {}/datasets/", project_root().display()));
        // Said before it runs, so that a failure names its command.
        script += &format!("echo 'running: {}' >&2\n{command}\n", command.replace('\'', "\""));
        count += 1;
    }
    let path = std::env::join_paths(
        [build_folder()].into_iter().chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())),
    );
    let mut shell = Command::new("sh");
    shell.args(["-c", &script]).current_dir(&work).env("PATH", path.unwrap()).env("LIGHTBOX_HOME", &home);
    let output = shell.output().unwrap();
    assert!(output.status.success(), "{}", said(&output));
    assert!(count >= 15, "the README shows {count} commands");
    assert!(work.join("tables.tex").is_file());
}
