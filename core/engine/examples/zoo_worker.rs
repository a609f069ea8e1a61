//! A worker for the tests that can do what libraries are tried with: `zoo_worker probe|check-run FILE`.

use std::path::PathBuf;

use lightbox_engine::plugin::probe;

fn main() {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    match arguments.as_slice() {
        [verb, file] if verb == "probe" => probe::main(&PathBuf::from(file)),
        [verb, file] if verb == "check-run" => {
            let outcome = lightbox_engine::conformance::main(&PathBuf::from(file), probe::answer_alone());
            std::process::exit(i32::from(outcome.is_err()));
        }
        _ => {
            eprintln!("usage: zoo_worker probe|check-run FILE");
            std::process::exit(2);
        }
    }
}
