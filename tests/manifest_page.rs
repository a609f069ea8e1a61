//! Every command and every manifest on docs/manifest.md does what the page says.

#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::path::Path;
use std::process::Command;

use lightbox_tests::{bmp, build_folder, lightbox, project_root, said, write};
use serde_json::Value;

/// A fenced block of the page: its language and its text.
fn blocks(page: &str) -> Vec<(&str, &str)> {
    let fenced = page.split("```").skip(1).step_by(2);
    fenced.map(|block| block.split_once('\n').unwrap()).collect()
}

fn page() -> String {
    std::fs::read_to_string(project_root().join("docs/manifest.md")).unwrap()
}

fn shown(home: &Path, name: &str) -> Value {
    let output = lightbox(home, &["--json", "--quiet", "data", "show", name]);
    assert!(output.status.success(), "{}", said(&output));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// The page's `/data/skin`: a table with lesions and masks.
fn skin(root: &Path) {
    let mut table = "lesion_id,image_id,dx\n".to_owned();
    for i in 0_u8..40 {
        write(&root.join(format!("images/I_{i:02}.bmp")), &bmp(24, i));
        write(&root.join(format!("masks/I_{i:02}_segmentation.bmp")), &bmp(24, 1));
        table += &format!("L_{},I_{i:02},{}\n", i / 2, ["nv", "mel"][usize::from(i / 2 % 2)]);
    }
    write(&root.join("metadata.csv"), table.as_bytes());
}

/// The page's `/data/chest`: class folders with patients in the names.
fn chest(root: &Path) {
    for i in 0_u8..12 {
        write(&root.join(format!("PNEUMONIA/person{}_virus_{i}.bmp", i / 3)), &bmp(24, i));
        write(&root.join(format!("NORMAL/IM-{i}.bmp")), &bmp(24, 100 + i));
    }
}

/// Parts of two classes, with boxes, and one test image that is a copy.
fn brain(root: &Path) {
    let mut boxes = "path,x_center,y_center,width,height\n".to_owned();
    for (class, salt) in [("glioma", 0), ("none", 100)] {
        for i in 0..6 {
            write(&root.join(format!("Training/{class}/{i}.bmp")), &bmp(24, salt + i));
            write(&root.join(format!("Testing/{class}/{i}.bmp")), &bmp(24, salt + 50 + i));
            boxes += &format!("Training/{class}/{i}.bmp,0.5,0.5,0.25,0.25\n");
        }
    }
    std::fs::copy(root.join("Testing/glioma/0.bmp"), root.join("Training/glioma/copy.bmp")).unwrap();
    write(&root.join("boxes.csv"), boxes.as_bytes());
}

#[test]
fn the_commands_work_in_their_order() {
    let folder = tempfile::tempdir().unwrap();
    let (home, data) = (folder.path().join("home"), folder.path().join("data"));
    skin(&data.join("skin"));
    chest(&data.join("chest"));
    brain(&data.join("brain"));
    let added = lightbox(&home, &["data", "add", &data.join("brain").display().to_string(), "--name", "brain"]);
    assert!(added.status.success(), "{}", said(&added));

    let page = page();
    let path = std::env::join_paths(
        [build_folder()].into_iter().chain(std::env::split_paths(&std::env::var_os("PATH").unwrap())),
    );
    let path = path.unwrap();
    let mut run = 0;
    for (_, text) in blocks(&page).iter().filter(|(language, _)| language.is_empty()) {
        for line in text.lines() {
            let command = line.replace("/data/", &format!("{}/", data.display()));
            let mut shell = Command::new("sh");
            shell.args(["-c", &command]).current_dir(folder.path()).env("PATH", &path).env("LIGHTBOX_HOME", &home);
            let output = shell.output().unwrap();
            assert!(output.status.success(), "{line}: {}", said(&output));
            run += 1;
        }
    }
    assert!(run >= 7, "{run} commands");

    let (guessed, given) = (shown(&home, "skin"), shown(&home, "skin-2"));
    assert_eq!(guessed["summary"], given["summary"], "a manifest that is printed and given back reads the same");
    assert_eq!(guessed["summary"]["total"]["with_masks"], 40);
    assert_eq!(guessed["summary"]["groups"]["named"], 20);
    let chest = shown(&home, "chest");
    assert_eq!((&chest["positive"], &chest["summary"]["groups"]["named"]), (&"PNEUMONIA".into(), &4.into()));
    assert_eq!(shown(&home, "brain")["dropped"], 1);
    assert!(home.join("datasets/brain/dedup.json").is_file() && home.join("datasets/brain/manifest.toml").is_file());
    let split = std::fs::read_to_string(folder.path().join("skin-folds.csv")).unwrap();
    assert!(split.starts_with("image,fold,part\n") && split.lines().count() == 1 + 5 * 40, "{split}");
}

#[test]
fn the_manifests_read_datasets_of_their_kind() {
    let folder = tempfile::tempdir().unwrap();
    let home = folder.path().join("home");
    let page = page();
    let blocks = blocks(&page);
    let examples: Vec<&str> =
        blocks.iter().filter(|(language, _)| *language == "toml").map(|(_, text)| *text).collect();
    assert_eq!(examples.len(), 3, "each example needs a dataset here");

    let root = |n: usize| folder.path().join(format!("data-{n}"));
    for i in 0_u8..8 {
        let name = format!("{}/patient_{}/{i}.bmp", ["a", "b"][usize::from(i % 2)], i / 4);
        write(&root(0).join(name), &bmp(24, i));
    }
    brain(&root(1));
    let mut table = "image,MEL,NV,BCC,AKIEC,BKL,DF,VASC\n".to_owned();
    for i in 0_u8..14 {
        let ones: Vec<&str> = (0..7).map(|class| if class == i % 7 { "1.0" } else { "0.0" }).collect();
        table += &format!("ISIC_{i},{}\n", ones.join(","));
        write(&root(2).join(format!("ISIC_{i}.bmp")), &bmp(24, i));
        // Named as ISIC names them; reading a layout opens no mask.
        write(&root(2).join(format!("masks/ISIC_{i}_segmentation.png")), &bmp(24, 1));
    }
    write(&root(2).join("ISIC2018_Task3_Training_GroundTruth.csv"), table.as_bytes());

    for (n, example) in examples.iter().enumerate() {
        let file = folder.path().join(format!("{n}.toml"));
        std::fs::write(&file, example).unwrap();
        let (path, file, name) = (root(n).display().to_string(), file.display().to_string(), format!("example-{n}"));
        let output = lightbox(&home, &["data", "add", &path, "--name", &name, "--manifest", &file]);
        assert!(output.status.success(), "{example}: {}", said(&output));
    }
    let totals = |n: usize| shown(&home, &format!("example-{n}"))["summary"].clone();
    assert_eq!((&totals(0)["total"]["images"], &totals(0)["groups"]["named"]), (&8.into(), &2.into()));
    assert_eq!((&totals(1)["total"]["train"], &totals(1)["total"]["with_boxes"]), (&13.into(), &12.into()));
    assert_eq!(totals(2)["classes"].as_array().unwrap().len(), 7);
    assert_eq!(totals(2)["total"]["with_masks"], 14);
}
