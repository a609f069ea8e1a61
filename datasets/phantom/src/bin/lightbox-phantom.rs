//! `lightbox-phantom KIND COUNT SIZE SEED FOLDER`: writes a data set of phantoms.

use std::process::ExitCode;

use lightbox_phantom::{Kind, generate};

const USAGE: &str = "usage: lightbox-phantom brain|skin|chest COUNT SIZE SEED FOLDER";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [kind, count, size, seed, folder] = arguments.as_slice() else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    let (Ok(count), Ok(size), Ok(seed)) = (count.parse(), size.parse(), seed.parse()) else {
        eprintln!("COUNT, SIZE and SEED are whole numbers\n{USAGE}");
        return ExitCode::from(2);
    };
    match kind.parse::<Kind>().and_then(|kind| generate(kind, count, size, seed, folder.as_ref())) {
        Ok(made) => {
            println!("{} images of {} groups in {}", made.images, made.groups, made.folder.display());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}
