//! The `lightbox` program: everything by command; exit codes and messages that scripts can rely on.

mod app;
mod cli;
mod failure;
mod output;
mod screens;
mod theme;
mod widgets;

use std::process::ExitCode;

fn main() -> ExitCode {
    match cli::run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.report();
            ExitCode::from(failure.code())
        }
    }
}
