//! A worker for the tests that can do one thing: `zoo_worker probe FILE`.

use std::path::PathBuf;

fn main() {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    match arguments.as_slice() {
        [verb, file] if verb == "probe" => lightbox_engine::plugin::probe::main(&PathBuf::from(file)),
        _ => {
            eprintln!("usage: zoo_worker probe FILE");
            std::process::exit(2);
        }
    }
}
