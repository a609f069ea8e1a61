//! What this terminal answers, and how pictures would be drawn on it.

use std::time::Duration;

use lightbox_terminal::probe::{Choice, Environment, ask, decide};
use lightbox_terminal::tty;

fn main() {
    let environment = Environment::from_process();
    println!("{environment:#?}");
    let Some(answers) = ask(Duration::from_secs(2)) else {
        println!("there is no terminal to ask");
        return;
    };
    println!("{answers:#?}");
    let graphics = decide(Choice::Auto, &environment, &answers, tty::window_size().unwrap_or_default());
    println!("{graphics:#?}");
}
