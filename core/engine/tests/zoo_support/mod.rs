//! Builds the plugins of the tests: `tests/zoo/zoo.c` in its variants, and the examples of this package.

#![allow(dead_code, reason = "each test program uses a part")]
#![allow(clippy::unwrap_used, reason = "a test may fail loudly")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use lightbox_engine::plugin::{At, HostServices, LogLevel, Resize, ServiceError};
use tch::Tensor;

/// The project's folder.
pub fn project() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// Compiles a C file as a library `folder/name`, with further arguments for the compiler.
pub fn compile(source: &Path, folder: &Path, name: &str, arguments: &[&str]) -> PathBuf {
    let library = folder.join(name);
    let output = Command::new("cc")
        .args(["-std=gnu99", "-O1", "-Wall", "-Wextra", "-Werror", "-Wno-unused-function", "-shared", "-fPIC"])
        .arg("-I")
        .arg(project().join("core/abi/include"))
        .arg("-o")
        .args([&library, source])
        .args(arguments)
        .output()
        .unwrap();
    assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    library
}

/// The zoo with the given names defined.
pub fn zoo(folder: &Path, name: &str, arguments: &[&str]) -> PathBuf {
    compile(&project().join("tests/zoo/zoo.c"), folder, name, arguments)
}

/// The file of an example of this package, built first: `cargo test --test` builds no examples.
pub fn example(file: &str) -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        let mut command = Command::new(env!("CARGO"));
        command.args(["build", "--offline", "-p", "lightbox-engine", "--examples"]);
        if !cfg!(debug_assertions) {
            command.arg("--release");
        }
        let output = command.current_dir(project()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        // This program is in <profile>/deps.
        let program = std::env::current_exe().unwrap();
        program.parent().unwrap().parent().unwrap().join("examples")
    });
    let path = folder.join(file);
    assert!(path.exists(), "{} was not built", path.display());
    path
}

/// Host services that fail, for methods that call none.
pub struct NoServices;

impl HostServices for NoServices {
    fn forward(&mut self, _: &Tensor) -> Result<Tensor, ServiceError> {
        Err(ServiceError::Unsupported("no network here".to_owned()))
    }
    fn forward_from(&mut self, _: usize, _: &Tensor) -> Result<Tensor, ServiceError> {
        Err(ServiceError::Unsupported("no network here".to_owned()))
    }
    fn vjp(&mut self, _: At, _: &Tensor, _: &Tensor) -> Result<Tensor, ServiceError> {
        Err(ServiceError::Unsupported("no network here".to_owned()))
    }
    fn scale_and_resize(&mut self, _: &Tensor, _: (i64, i64), _: Resize) -> Result<Tensor, ServiceError> {
        Err(ServiceError::Unsupported("no resizing here".to_owned()))
    }
    fn log(&mut self, _: LogLevel, _: &str) {}
    fn progress(&mut self, _: u64, _: u64) {}
    fn is_cancelled(&mut self) -> bool {
        false
    }
}
