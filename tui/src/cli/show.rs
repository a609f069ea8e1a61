//! `lightbox show`: a picture in the terminal.

use std::path::{Path, PathBuf};

use clap::Args;

use super::Context;
use crate::failure::{Failure, Result};

/// Which picture.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The picture
    image: PathBuf,
}

/// Runs the command.
pub fn run(_context: &Context, arguments: Arguments) -> Result<()> {
    picture(&arguments.image)
}

/// Prints a picture by the best means that the terminal offers: kitty or sixel graphics, else half-blocks.
pub fn picture(path: &Path) -> Result<()> {
    let image =
        lightbox_data::decode::read(path, &lightbox_data::decode::DecodeOptions::default()).map_err(Failure::bad)?;
    let config = viuer::Config { absolute_offset: false, ..viuer::Config::default() };
    viuer::print(&to_dynamic(image)?, &config)
        .map_err(|e| Failure::failed(format!("cannot draw {}: {e}", path.display())))?;
    Ok(())
}

fn to_dynamic(image: lightbox_data::decode::DecodedImage) -> Result<image::DynamicImage> {
    let (w, h) = (image.width, image.height);
    let made = match image.channels {
        1 => image::GrayImage::from_raw(w, h, image.pixels).map(image::DynamicImage::ImageLuma8),
        _ => image::RgbImage::from_raw(w, h, image.pixels).map(image::DynamicImage::ImageRgb8),
    };
    made.ok_or_else(|| Failure::failed("the decoded picture has a wrong size"))
}
