//! Scales pictures and lays overlays over them.

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};

use super::{Overlay, Picture};

/// 8-bit RGB pixels, row by row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pixels {
    /// Width.
    pub width: u32,
    /// Height.
    pub height: u32,
    /// `3 * width * height` bytes.
    pub rgb: Vec<u8>,
}

/// A picture at this size, with its overlay on it.
pub fn composed(base: &Picture, overlay: Option<&Overlay>, width: u32, height: u32) -> Pixels {
    let mut pixels = scaled(base, width, height);
    if let Some(overlay) = overlay {
        blend(&mut pixels, overlay);
    }
    pixels
}

/// A picture at this size: averaged over areas where it gets smaller, smooth where it gets larger.
pub fn scaled(base: &Picture, width: u32, height: u32) -> Pixels {
    if (width, height) == (base.width, base.height) {
        return Pixels { width, height, rgb: base.rgb.to_vec() };
    }
    let smaller = width < base.width || height < base.height;
    let filter = if smaller { FilterType::Box } else { FilterType::Bilinear };
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(filter));
    let mut made = Image::new(width, height, PixelType::U8x3);
    let source = ImageRef::new(base.width, base.height, &base.rgb, PixelType::U8x3);
    // Sizes were checked before; were they wrong all the same, the picture would be black.
    if let Ok(source) = source {
        let _ = Resizer::new().resize(&source, &mut made, &options);
    }
    Pixels { width, height, rgb: made.into_vec() }
}

/// Lays an overlay over all of `pixels`, stretched bilinearly.
pub fn blend(pixels: &mut Pixels, overlay: &Overlay) {
    let across = Steps::new(overlay.width, pixels.width);
    let down = Steps::new(overlay.height, pixels.height);
    let row_bytes = pixels.width as usize * 3;
    for (y, row) in pixels.rgb.chunks_exact_mut(row_bytes.max(1)).enumerate() {
        let (top, bottom, v) = down.at(y);
        for (x, pixel) in row.chunks_exact_mut(3).enumerate() {
            let (left, right, u) = across.at(x);
            let corners = [
                (left, top, (1.0 - u) * (1.0 - v)),
                (right, top, u * (1.0 - v)),
                (left, bottom, (1.0 - u) * v),
                (right, bottom, u * v),
            ];
            lay(pixel, overlay, &corners);
        }
    }
}

/// Lays the weighted mean of four points of an overlay over a pixel. Colours count by their opacity.
fn lay(pixel: &mut [u8], overlay: &Overlay, corners: &[(usize, usize, f32); 4]) {
    let (mut colour, mut opacity) = ([0.0_f32; 3], 0.0_f32);
    for (x, y, weight) in corners {
        let at = 4 * (y * overlay.width as usize + x);
        let Some(point) = overlay.rgba.get(at..at + 4) else { continue };
        let alpha = weight * f32::from(point[3]) / 255.0;
        opacity += alpha;
        for (sum, channel) in colour.iter_mut().zip(point) {
            *sum += alpha * f32::from(*channel);
        }
    }
    for (channel, colour) in pixel.iter_mut().zip(colour) {
        *channel = (f32::from(*channel) * (1.0 - opacity) + colour).round().clamp(0.0, 255.0) as u8;
    }
}

/// Each pixel as the mean of those around it that differ from it by no more than `limit` (the sigma filter, Lee 1983):
/// noise goes, edges stay.
pub fn smoothed(pixels: &Pixels, limit: u8) -> Pixels {
    let (width, height) = (pixels.width as usize, pixels.height as usize);
    let mut rgb = Vec::with_capacity(pixels.rgb.len());
    for y in 0..height {
        for x in 0..width {
            let at = 3 * (y * width + x);
            let own = &pixels.rgb[at..at + 3];
            let (mut sum, mut count) = ([0_u32; 3], 0);
            for other_y in y.saturating_sub(1)..(y + 2).min(height) {
                let row = 3 * other_y * width;
                let (from, to) = (row + 3 * x.saturating_sub(1), row + 3 * (x + 2).min(width));
                for other in pixels.rgb[from..to].chunks_exact(3) {
                    if (0..3).all(|c| own[c].abs_diff(other[c]) <= limit) {
                        (0..3).for_each(|c| sum[c] += u32::from(other[c]));
                        count += 1;
                    }
                }
            }
            rgb.extend(sum.map(|sum| ((sum + count / 2) / count) as u8));
        }
    }
    Pixels { width: pixels.width, height: pixels.height, rgb }
}

/// From the middle of a pixel to the two points of a smaller row around it.
struct Steps {
    points: u32,
    scale: f32,
}

impl Steps {
    fn new(points: u32, pixels: u32) -> Steps {
        Steps { points, scale: points as f32 / pixels.max(1) as f32 }
    }

    fn at(&self, pixel: usize) -> (usize, usize, f32) {
        let last = self.points.saturating_sub(1) as usize;
        let place = ((pixel as f32 + 0.5) * self.scale - 0.5).clamp(0.0, last as f32);
        let before = place as usize;
        (before, (before + 1).min(last), place - before as f32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture(width: u32, height: u32, rgb: &[u8]) -> Picture {
        Picture { id: 1, width, height, rgb: rgb.into() }
    }

    #[test]
    fn smaller_is_the_mean_of_areas() {
        let base = picture(4, 2, &[[0; 6], [100; 6], [200; 6], [40; 6]].concat());
        assert_eq!(scaled(&base, 2, 1).rgb, [100, 100, 100, 70, 70, 70]);
    }

    #[test]
    fn smoothing_takes_noise_and_leaves_edges() {
        let row = |values: [u8; 4]| values.map(|value| [value; 3]).concat();
        let pixels = Pixels { width: 4, height: 1, rgb: row([100, 104, 200, 204]) };
        assert_eq!(smoothed(&pixels, 10).rgb, row([102, 102, 202, 202]));
        assert_eq!(smoothed(&pixels, 3), pixels);
    }

    #[test]
    fn an_overlay_blends_by_its_opacity_and_is_stretched_smoothly() {
        let base = picture(4, 1, &[100; 12]);
        let overlay = Overlay { id: 2, width: 2, height: 1, rgba: [255, 0, 0, 0, 255, 0, 0, 255].into() };
        let made = composed(&base, Some(&overlay), 4, 1);
        // Opacities 0, 1/4, 3/4 and 1; a colour without opacity leaves no trace.
        assert_eq!(made.rgb, [100, 100, 100, 139, 75, 75, 216, 25, 25, 255, 0, 0]);
    }
}
