//! `lightbox show`: a picture in the terminal.
//!
//! viuer draws half-blocks in colour. Its kitty and sixel printers ask the terminal themselves, whatever the
//! configuration says, and wait for ever where none answers; its iTerm2 printer goes by variables that SSH does not hand
//! on. So the terminal is asked here, with a time limit, and those three are encoded by `lightbox_terminal`.

use std::io::{ErrorKind, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use lightbox_terminal::graphics::{Picture, print, printed_size};
use lightbox_terminal::probe::{Answers, Choice, Colours, Environment, Graphics, Protocol, WindowSize, ask, decide};

use super::Context;
use crate::failure::{Failure, Result};

/// How long the terminal may take to say what it can draw.
const PATIENCE: Duration = Duration::from_secs(2);
/// The size of a page where there is no window.
const PAGE: WindowSize = WindowSize { columns: 80, rows: 42, px_w: 0, px_h: 0 };

/// Which picture.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The picture
    image: PathBuf,
    /// How it is drawn: auto, kitty, sixel, iterm2, blocks or off
    #[arg(long, default_value = "auto", value_name = "HOW")]
    graphics: Choice,
}

/// Runs the command.
pub fn run(context: &Context, arguments: Arguments) -> Result<()> {
    Display::find(context, arguments.graphics).picture(&arguments.image)
}

/// How pictures are drawn on standard output.
pub struct Display {
    graphics: Graphics,
    window: WindowSize,
}

impl Display {
    /// Finds out what standard output can show. Only a terminal is asked, and only for a choice that depends on it.
    pub fn find(context: &Context, choice: Choice) -> Display {
        let environment = Environment::from_process();
        let terminal = std::io::stdout().is_terminal();
        let asked = terminal && std::io::stdin().is_terminal() && choice != Choice::Off;
        let answers = if asked { ask(PATIENCE) } else { None };
        let window = if terminal { lightbox_terminal::tty::window_size().unwrap_or(PAGE) } else { PAGE };
        let window = if window.columns == 0 || window.rows == 0 { PAGE } else { window };
        let mut graphics = decide(choice, &environment, &answers.unwrap_or_else(|| Answers::new(&environment)), window);
        if !terminal && choice == Choice::Auto {
            graphics.protocol = Protocol::HalfBlocks;
        }
        if !context.out.color {
            graphics.colours = Colours::NoColour;
        }
        Display { graphics, window }
    }

    /// Prints a picture. A closed pipe ends the program quietly, as it does for tables.
    pub fn picture(&self, path: &Path) -> Result<()> {
        let options = lightbox_data::decode::DecodeOptions::default();
        let image = lightbox_data::decode::read(path, &options).map_err(Failure::bad)?;
        let picture = to_picture(image);
        let coloured = matches!(self.graphics.colours, Colours::TrueColour | Colours::Indexed256);
        if self.graphics.protocol == Protocol::HalfBlocks && coloured && std::io::stdout().is_terminal() {
            return self.half_blocks(&picture, path);
        }
        let mut out = std::io::stdout().lock();
        match print(&picture, &self.graphics, self.window, &mut out).and_then(|()| out.flush()) {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => std::process::exit(0),
            done => done.map_err(|e| Failure::failed(format!("cannot draw {}: {e}", path.display()))),
        }
    }

    fn half_blocks(&self, picture: &Picture, path: &Path) -> Result<()> {
        let (columns, rows) = printed_size(picture, &self.graphics, self.window);
        let image = image::RgbImage::from_raw(picture.width, picture.height, picture.rgb.to_vec())
            .ok_or_else(|| Failure::failed("the decoded picture has a wrong size"))?;
        let config = viuer::Config {
            absolute_offset: false,
            width: Some(u32::from(columns)),
            height: Some(u32::from(rows)),
            truecolor: self.graphics.colours == Colours::TrueColour,
            use_kitty: false,
            use_iterm: false,
            ..viuer::Config::default()
        };
        viuer::print(&image::DynamicImage::ImageRgb8(image), &config)
            .map_err(|e| Failure::failed(format!("cannot draw {}: {e}", path.display())))?;
        Ok(())
    }
}

fn to_picture(image: lightbox_data::decode::DecodedImage) -> Picture {
    let rgb: Arc<[u8]> = match image.channels {
        1 => image.pixels.iter().flat_map(|value| [*value; 3]).collect(),
        _ => image.pixels.into(),
    };
    Picture { id: 0, width: image.width, height: image.height, rgb }
}
