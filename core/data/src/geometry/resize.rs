//! Resizing 8-bit images as torchvision does.

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};

use crate::decode::DecodedImage;
use crate::error::{Error, Result};

/// Stretches an image to `size` (width, height) as torchvision's `Resize(antialias=True)` does with a uint8 tensor:
/// bilinear (a triangle as wide as the reduction), columns then rows, rounded to bytes in between as its native uint8
/// path does. Gives `height * width * channels` bytes (HWC). An image of that size already is returned as it is.
pub fn resize(image: &DecodedImage, size: (u32, u32)) -> Result<Vec<u8>> {
    resize_pixels(&image.pixels, (image.width, image.height), image.channels, size)
}

/// As [`resize`], for pixels (HWC, 1 or 3 channels) that are not a [`DecodedImage`].
pub fn resize_pixels(pixels: &[u8], from: (u32, u32), channels: usize, to: (u32, u32)) -> Result<Vec<u8>> {
    let kind = match channels {
        1 => PixelType::U8,
        3 => PixelType::U8x3,
        other => return Err(Error::argument(format!("{other} channels cannot be resized"), "use 1 or 3 channels")),
    };
    let bytes = from.0 as usize * from.1 as usize * channels;
    if to.0 == 0 || to.1 == 0 || bytes == 0 || pixels.len() != bytes {
        let problem = format!("cannot resize {} bytes as {} x {} to {} x {}", pixels.len(), from.0, from.1, to.0, to.1);
        return Err(Error::argument(problem, "sizes must be above 0 and match the pixels"));
    }
    if from == to {
        return Ok(pixels.to_vec());
    }
    let failed = |error: &dyn std::fmt::Display| {
        Error::argument(
            format!("cannot resize {} x {} to {} x {}: {error}", from.0, from.1, to.0, to.1),
            "use another size",
        )
    };
    let source = ImageRef::new(from.0, from.1, pixels, kind).map_err(|error| failed(&error))?;
    let mut target = Image::new(to.0, to.1, kind);
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(FilterType::Bilinear)).use_alpha(false);
    Resizer::new().resize(&source, &mut target, &options).map_err(|error| failed(&error))?;
    Ok(target.into_vec())
}
