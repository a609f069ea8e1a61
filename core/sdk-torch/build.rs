//! Finds the version of the libtorch that this crate is built against, and the path for tests to load it from.

use std::path::Path;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    println!("cargo:rerun-if-changed=build.rs");
    let library = std::env::var("DEP_TCH_LIBTORCH_LIB")?;
    println!("cargo:rustc-link-arg=-Wl,-rpath,{library}");
    let header = Path::new(&library).join("../include/torch/headeronly/version.h");
    let text = std::fs::read_to_string(&header)
        .map_err(|error| format!("{}: {error}; set LIBTORCH to a libtorch with its headers", header.display()))?;
    println!("cargo:rerun-if-changed={}", header.display());
    let number = |name: &str| -> Result<u32, Box<dyn std::error::Error>> {
        let start = format!("#define TORCH_VERSION_{name} ");
        let line = text.lines().find_map(|line| line.strip_prefix(&start));
        Ok(line.ok_or_else(|| format!("{} does not define TORCH_VERSION_{name}", header.display()))?.trim().parse()?)
    };
    println!("cargo:rustc-env=LIGHTBOX_LIBTORCH={}.{}.{}", number("MAJOR")?, number("MINOR")?, number("PATCH")?);
    Ok(())
}
