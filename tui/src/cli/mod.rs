//! The command line: one file per command. Names, flags and exit codes are fixed; scripts rely on them.

mod check;
mod compare;
mod daemon;
mod data;
mod demo;
mod doctor;
#[cfg(test)]
mod documented;
mod evaluate;
mod explain;
mod explain_eval;
mod jobs;
mod method_tables;
mod plugin_project;
mod plugins;
mod plugins_new;
mod preflight;
mod queue;
pub mod results;
mod runs;
mod show;
mod splits;
mod store;
mod study;
mod train;
mod weights;

use std::io::IsTerminal;
use std::path::PathBuf;

use clap::{ColorChoice, CommandFactory, FromArgMatches, Parser, Subcommand};
use lightbox_store::Home;

use lightbox_terminal::probe::Choice;

use crate::failure::{Failure, Result};
use crate::output::{Color, Output};
use crate::theme::ThemeChoice;

/// Explainable deep learning for medical images: train networks, test whether one is better, and see why they decide.
#[derive(Debug, Parser)]
#[command(name = "lightbox", version, max_term_width = 100)]
struct Cli {
    /// Folder for datasets, runs and caches [default: $LIGHTBOX_HOME, else $XDG_DATA_HOME/lightbox]
    #[arg(long, global = true, value_name = "DIR")]
    home: Option<PathBuf>,
    /// Print JSON instead of tables
    #[arg(long, global = true)]
    json: bool,
    /// Print results only
    #[arg(long, global = true)]
    quiet: bool,
    /// When to colour
    #[arg(long, global = true, value_enum, default_value = "auto")]
    color: Color,
    #[command(flatten)]
    interface: Interface,
    #[command(subcommand)]
    command: Option<Command>,
}

/// How the interface is opened: without a command.
#[derive(Debug, clap::Args)]
struct Interface {
    /// Change nothing outside the program
    #[arg(long)]
    readonly: bool,
    /// Colours of the interface
    #[arg(long, value_enum, default_value = "auto", value_name = "THEME")]
    theme: ThemeChoice,
    /// How pictures are drawn: auto, kitty, sixel, iterm2, blocks or off
    #[arg(long, default_value = "auto", value_name = "HOW")]
    graphics: Choice,
    /// Leave the mouse to the terminal
    #[arg(long)]
    no_mouse: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The whole job on synthetic images: data, two models, explanations, tables and a picture
    Demo(demo::Arguments),
    /// Datasets: add, list, show, check, split
    #[command(subcommand)]
    Data(data::Command),
    /// Train a model, one run per fold
    Train(train::Arguments),
    /// Metrics and per-image predictions of a trained run or group
    Evaluate(evaluate::Arguments),
    /// Heatmaps of single images as pictures
    Explain(explain::Arguments),
    /// Explain the test images of a run or group and score the explanations
    ExplainEval(explain_eval::Arguments),
    /// Studies: datasets x models x folds, then explanations, then tests
    #[command(subcommand)]
    Study(study::Command),
    /// Tables with significance markers
    Results(results::Arguments),
    /// Two runs or groups against each other
    Compare(compare::Arguments),
    /// The queue: list, pause, resume, cancel, retry, move, logs, watch
    #[command(subcommand)]
    Queue(queue::Command),
    /// The supervisor of the queue, which starts by itself
    #[command(subcommand)]
    Daemon(daemon::Command),
    /// Run directories
    #[command(subcommand)]
    Runs(runs::Command),
    /// The index of runs
    #[command(subcommand)]
    Store(store::Command),
    /// Plugins and what they hold
    #[command(subcommand)]
    Plugins(plugins::Command),
    /// Weights files
    #[command(subcommand)]
    Weights(weights::Command),
    /// What works here, what does not, and what to do
    Doctor(doctor::Arguments),
    /// A picture in the terminal
    Show(show::Arguments),
}

/// What every command needs.
pub struct Context {
    /// The home folder.
    pub home: Home,
    /// How to print.
    pub out: Output,
}

/// Opens the interface.
fn interface(context: Context, how: &Interface, color: Color) -> Result<()> {
    if !std::io::stdout().is_terminal() {
        return Err(Failure::bad("the interface needs a terminal; `lightbox --help` lists the commands for scripts"));
    }
    let theme = if color == Color::Never { ThemeChoice::Mono } else { how.theme };
    crate::app::run(crate::app::Options {
        home: context.home,
        readonly: how.readonly,
        theme,
        graphics: how.graphics,
        mouse: !how.no_mouse,
        demo_of: None,
    })
}

/// What the program understands.
fn grammar() -> clap::Command {
    take_negative_numbers(Cli::command())
}

/// Lets `--lr -1` be a value, so that the sentence about it can say what is wrong, and not that there is no flag `-1`.
fn take_negative_numbers(command: clap::Command) -> clap::Command {
    let take = |arg: clap::Arg| if arg.get_action().takes_values() { arg.allow_negative_numbers(true) } else { arg };
    command.mut_args(take).mut_subcommands(take_negative_numbers)
}

/// Whether help and complaints about the command line are coloured: it must be known before the line is understood.
fn color_of_help(arguments: impl Iterator<Item = std::ffi::OsString>) -> ColorChoice {
    let words: Vec<String> =
        arguments.map(|word| word.to_string_lossy().into_owned()).take_while(|w| w != "--").collect();
    let mut values = words.iter().enumerate().filter_map(|(at, word)| match word.strip_prefix("--color") {
        Some("") => words.get(at + 1).map(String::as_str),
        Some(rest) => rest.strip_prefix('='),
        None => None,
    });
    match values.next_back() {
        Some("never") => ColorChoice::Never,
        Some("always") => ColorChoice::Always,
        _ => ColorChoice::Auto,
    }
}

/// Parses the command line and runs the command.
pub fn run() -> Result<()> {
    let matches = grammar().color(color_of_help(std::env::args_os().skip(1))).get_matches();
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    let out = Output::new(cli.json, cli.quiet, cli.color);
    let context = Context { home: Home::locate(cli.home.as_deref())?, out };
    let Some(command) = cli.command else { return interface(context, &cli.interface, cli.color) };
    match command {
        Command::Demo(arguments) => demo::run(&context, arguments),
        Command::Data(command) => data::run(&context, command),
        Command::Train(arguments) => train::run(&context, arguments),
        Command::Evaluate(arguments) => evaluate::run(&context, arguments),
        Command::Explain(arguments) => explain::run(&context, arguments),
        Command::ExplainEval(arguments) => explain_eval::run(&context, arguments),
        Command::Study(command) => study::run(&context, command),
        Command::Results(arguments) => results::run(&context, arguments),
        Command::Compare(arguments) => compare::run(&context, arguments),
        Command::Queue(command) => queue::run(&context, command),
        Command::Daemon(command) => daemon::run(&context, command),
        Command::Runs(command) => runs::run(&context, command),
        Command::Store(command) => store::run(&context, command),
        Command::Plugins(command) => plugins::run(&context, command),
        Command::Weights(command) => weights::run(&context, command),
        Command::Doctor(arguments) => doctor::run(&context, arguments),
        Command::Show(arguments) => show::run(&context, arguments),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_grammar_is_sound() {
        grammar().debug_assert();
    }

    #[test]
    fn negative_numbers_are_values() {
        let parsed = grammar().try_get_matches_from(["lightbox", "train", "--model", "m", "--data", "d", "--lr", "-1"]);
        assert!(parsed.is_ok(), "{parsed:?}");
        assert!(grammar().try_get_matches_from(["lightbox", "train", "--lrr", "-1"]).is_err());
    }

    #[test]
    fn help_is_coloured_as_asked() {
        let of = |words: &[&str]| color_of_help(words.iter().map(std::ffi::OsString::from));
        assert_eq!(of(&["--color", "never", "--help"]), ColorChoice::Never);
        assert_eq!(of(&["runs", "--color=always"]), ColorChoice::Always);
        assert_eq!(of(&["runs", "--color"]), ColorChoice::Auto);
        assert_eq!(of(&["--", "--color", "never"]), ColorChoice::Auto);
    }
}
