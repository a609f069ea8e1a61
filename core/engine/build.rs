//! Builds the C++ shim against the libtorch that torch-sys found, and lets test binaries find it at run time.

use std::env;
use std::path::{Path, PathBuf};

const SOURCES: [&str; 3] = ["shim/context.cpp", "shim/tensors.cpp", "shim/optimizer.cpp"];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let lib = PathBuf::from(
        env::var("DEP_TCH_LIBTORCH_LIB").map_err(|_| "torch-sys did not say where libtorch is; set LIBTORCH")?,
    );
    println!("cargo:rerun-if-changed=build.rs");
    println!("cargo:rerun-if-changed=shim");
    println!("cargo:rerun-if-env-changed=LIBTORCH_INCLUDE");
    let include = match env::var_os("LIBTORCH_INCLUDE") {
        Some(root) => PathBuf::from(root).join("include"),
        None => lib.parent().ok_or("libtorch's lib folder has no parent")?.join("include"),
    };
    cc::Build::new()
        .cpp(true)
        .std("c++17")
        .warnings(false)
        .extra_warnings(false)
        .flag("-Wall")
        // The pool of threads is libtorch's own: at::parallel_for is a template that needs OpenMP switched on here too.
        .flag("-fopenmp")
        // libtorch's headers are not ours to warn about.
        .flag(format!("-isystem{}", include.display()))
        .flag(format!("-isystem{}", include.join("torch/csrc/api/include").display()))
        .files(SOURCES)
        .compile("lightbox_torch_shim");
    // Tests build a plugin with them.
    println!("cargo:rustc-env=LIGHTBOX_LIBTORCH_INCLUDE={}", include.display());
    println!("cargo:rustc-link-search=native={}", lib.display());
    link_openmp(&lib)?;
    println!("cargo:rustc-link-arg=-Wl,-rpath,{}", lib.display());
    Ok(())
}

/// The OpenMP runtime that libtorch brings, under whatever name; a second runtime beside it would have its own threads.
fn link_openmp(lib: &Path) -> Result<(), Box<dyn std::error::Error>> {
    for entry in std::fs::read_dir(lib).map_err(|e| format!("cannot read {}: {e}", lib.display()))? {
        let name = entry?.file_name();
        let name = name.to_string_lossy();
        if name.starts_with("libgomp") && name.contains(".so") {
            println!("cargo:rustc-link-lib=dylib:+verbatim={name}");
            return Ok(());
        }
    }
    println!("cargo:rustc-link-lib=dylib=gomp");
    Ok(())
}
