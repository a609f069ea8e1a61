//! The files of a new plugin: templates, in which the name is `my-cam`, and the SDK, with manifests that need no workspace.

/// The sources of the SDK crates as build.rs gathered them: path within the crate, and text.
mod sources {
    include!(concat!(env!("OUT_DIR"), "/sdk_sources.rs"));
}

/// A file of a project.
pub struct File {
    /// Its path below the project's folder.
    pub path: String,
    /// Its content.
    pub text: String,
}

/// The C interface.
const HEADER: &str = include_str!("../../../core/abi/include/lightbox_plugin.h");
/// The terms that come with the SDK.
const LICENSE: &str = include_str!("../../../LICENSE");
/// The version of tch, and of its C++ side, that the SDK for networks is written against.
const TCH: &str = "{ version = \"=0.24.0\", default-features = false }";

/// A method in Rust.
pub fn cam_in_rust(name: &str) -> Vec<File> {
    let mut files = vec![
        template(name, "Cargo.toml", include_str!("../../templates/cam-rust/Cargo.toml")),
        template(name, "src/lib.rs", include_str!("../../templates/cam-rust/src/lib.rs")),
        template(name, "README.md", include_str!("../../templates/cam-rust/README.md")),
        template(name, ".gitignore", include_str!("../../templates/cam-rust/gitignore")),
    ];
    vendor_methods(&mut files);
    files
}

/// A method in C: the example of this project under another name.
pub fn cam_in_c(name: &str) -> Vec<File> {
    let source = include_str!("../../../plugins/examples/cam-c/cam.c")
        .replace("org.lightbox.examples.cam-c", &format!("org.example.{name}"))
        .replace("\"gradcam-c\"", &format!("\"{name}\""))
        .replace("\"Grad-CAM in C\"", &format!("\"{}\"", title(name)));
    let lines = source.lines().map(|line| if line.starts_with(" * Build:") { " * Build:  make" } else { line });
    let source = lines.map(|line| format!("{line}\n")).collect();
    vec![
        File { path: format!("{name}.c"), text: source },
        File { path: "lightbox_plugin.h".to_owned(), text: HEADER.to_owned() },
        template(name, "Makefile", include_str!("../../templates/cam-c/Makefile")),
        template(name, "README.md", include_str!("../../templates/cam-c/README.md")),
        template(name, ".gitignore", include_str!("../../templates/cam-c/gitignore")),
    ]
}

/// A network in Rust.
pub fn model_in_rust(name: &str) -> Vec<File> {
    let mut files = vec![
        template(name, "Cargo.toml", include_str!("../../templates/model-rust/Cargo.toml")),
        template(name, "build.rs", include_str!("../../templates/model-rust/build.rs")),
        template(name, "src/lib.rs", include_str!("../../templates/model-rust/src/lib.rs")),
        template(name, "README.md", include_str!("../../templates/model-rust/README.md")),
        template(name, ".gitignore", include_str!("../../templates/model-rust/gitignore")),
    ];
    vendor_methods(&mut files);
    let needs = format!("{}{}tch = {TCH}\ntorch-sys = {TCH}\n", beside("lightbox-abi"), beside("lightbox-plugin"));
    vendor(&mut files, "lightbox-plugin-torch", &needs, sources::SDK_TORCH);
    files
}

/// A template under the project's name. Templates are valid as they are, so that they can be read, formatted and shown.
fn template(name: &str, path: &str, text: &str) -> File {
    let text = text.replace("my-cam", name).replace("my_cam", &name.replace('-', "_")).replace("My Cam", &title(name));
    File { path: path.to_owned(), text }
}

/// `my-cam` as `My Cam`.
fn title(name: &str) -> String {
    let capital = |word: &str| word[..1].to_uppercase() + &word[1..];
    let words: Vec<String> = name.split('-').filter(|word| !word.is_empty()).map(capital).collect();
    words.join(" ")
}

/// The SDK for methods.
fn vendor_methods(files: &mut Vec<File>) {
    files.push(File { path: "vendor/LICENSE".to_owned(), text: LICENSE.to_owned() });
    vendor(files, "lightbox-abi", "", sources::ABI);
    vendor(files, "lightbox-plugin", &beside("lightbox-abi"), sources::SDK);
}

/// A dependency on a crate in the next folder.
fn beside(name: &str) -> String {
    format!("{name} = {{ path = \"../{name}\" }}\n")
}

/// A crate of the SDK with a manifest of its own.
fn vendor(files: &mut Vec<File>, name: &str, dependencies: &str, sources: &[(&str, &str)]) {
    let manifest = format!(
        "# Part of the SDK of Lightbox {version}, as `lightbox plugins new` wrote it.\n[package]\nname = \"{name}\"\n\
         version = \"{version}\"\nedition = \"2024\"\nrust-version = \"{}\"\nlicense = \"{}\"\npublish = false\n\n\
         [dependencies]\n{dependencies}",
        env!("CARGO_PKG_RUST_VERSION"),
        env!("CARGO_PKG_LICENSE"),
        version = env!("CARGO_PKG_VERSION"),
    );
    files.push(File { path: format!("vendor/{name}/Cargo.toml"), text: manifest });
    let file =
        |(path, text): &(&str, &str)| File { path: format!("vendor/{name}/{path}"), text: without_own_modules(text) };
    files.extend(sources.iter().map(file));
}

/// A source without the modules that are left out: those behind a `cfg` that only this project sets.
fn without_own_modules(text: &str) -> String {
    const OWN: [&str; 2] = ["#[cfg(feature = \"metadata\")]", "#[cfg(doctest)]"];
    let mut kept = String::with_capacity(text.len());
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        if OWN.contains(&line) {
            lines.next();
        } else {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(name: &str) -> [Vec<File>; 3] {
        [cam_in_rust(name), cam_in_c(name), model_in_rust(name)]
    }

    #[test]
    fn nothing_keeps_the_name_of_its_template() {
        for file in all("tiny-2").iter().flatten().filter(|file| !file.path.starts_with("vendor/")) {
            for left in ["my-cam", "my_cam", "My Cam", "cam-c", "gradcam-c", "core/abi"] {
                assert!(file.path == "lightbox_plugin.h" || !file.text.contains(left), "{}: {left}", file.path);
            }
        }
        assert_eq!(title("tiny-2"), "Tiny 2");
        assert_eq!(title("a--b"), "A B");
    }

    #[test]
    fn projects_need_no_workspace_and_methods_nothing_from_elsewhere() {
        let manifests = |files: Vec<File>| -> Vec<String> {
            files.into_iter().filter(|file| file.path.ends_with("Cargo.toml")).map(|file| file.text).collect()
        };
        for manifest in manifests(cam_in_rust("a")).iter().chain(&manifests(model_in_rust("a"))) {
            assert!(!manifest.contains("workspace = true"), "{manifest}");
        }
        for manifest in manifests(cam_in_rust("a")) {
            let table: toml::Table = manifest.parse().unwrap();
            for (name, needed) in table["dependencies"].as_table().unwrap() {
                assert!(needed.get("path").is_some(), "{name}");
            }
        }
    }

    #[test]
    fn the_version_of_tch_is_that_of_the_workspace() {
        let root: toml::Table = include_str!("../../../Cargo.toml").parse().unwrap();
        let template: toml::Table = include_str!("../../templates/model-rust/Cargo.toml").parse().unwrap();
        let ours: toml::Table = format!("tch = {TCH}").parse().unwrap();
        assert_eq!(root["workspace"]["dependencies"]["tch"], ours["tch"]);
        assert_eq!(root["workspace"]["dependencies"]["torch-sys"], ours["tch"]);
        assert_eq!(template["dependencies"]["torch-sys"], ours["tch"]);
    }

    #[test]
    fn modules_that_are_left_out_are_not_named() {
        for file in all("a").iter().flatten() {
            assert!(!file.text.contains("mod metadata") && !file.text.contains("mod guide"), "{}", file.path);
        }
    }
}
