//! Lets the benches find libtorch at run time.

use std::env;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let lib = env::var("DEP_TCH_LIBTORCH_LIB").map_err(|_| "torch-sys did not say where libtorch is; set LIBTORCH")?;
    println!("cargo:rustc-link-arg=-Wl,-rpath,{lib}");
    Ok(())
}
